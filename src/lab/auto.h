/* tas_auto_batch() with a limit to the seconds of its probe, a first start excluded. */
#ifndef AUTO_H
#define AUTO_H

#include <tassello/lab.h>

tas_status auto_choose(tas_device *device, const tas_network *network, const tas_data *train, double seconds,
                       tas_train_options *options, char *reason, size_t reason_bytes);

#endif

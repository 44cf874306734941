/* All parameters of a model and its running statistics as one array, in canonical order. */
#ifndef WEIGHTS_H
#define WEIGHTS_H

#include <tassello/model.h>

size_t weights_count(const tas_network *network);
size_t weights_trained(const tas_network *network); /* of them, those that are parameters */
tas_status weights_read(tas_model *model, float *weights);
tas_status weights_write(tas_model *model, const float *weights);

#endif

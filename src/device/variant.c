/* Names of variants, and which one a call takes. */
#include "device/variant.h"

#include <string.h>

void device_name_variant(const tas_device *device, op_id op, int variant, char name[VARIANT_NAME])
{
    *name = 0;
    if (device->name_variant && variant >= 0 && variant < device->variants[op])
        device->name_variant(device, op, variant, name);
}

int device_find_variant(const tas_device *device, op_id op, const char *name)
{
    char here[VARIANT_NAME];
    for (int v = 0; v < device->variants[op]; v++) {
        device_name_variant(device, op, v, here);
        if (!strcmp(here, name)) return v;
    }
    return -1;
}

int device_choose_variant(const tas_device *device, const op_args *call)
{
    if (device->variant >= 0) return device->variant;
    return device->tuning.find ? device->tuning.find(device->tuning.self, device, call) : -1;
}

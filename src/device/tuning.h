/* A tuning: which variant of an operation (variant.h) was measured to be the fastest on a device, by classes of shapes.
 * A class has the sizes of a call, rounded down to powers of two, so that a tuning of some networks serves others of
 * like sizes. The bits of results do not depend on it. */
#ifndef TUNING_H
#define TUNING_H

#include "device/device.h"

#include <tassello/tune.h>

enum { TUNING_SIZES = 5 };

/* Base-2 logarithms, rounded down; places that the operation does not use are 0. Of dense layers: examples, outputs,
 * inputs; of convolutions: examples, outputs and channels of a group, taps, positions of an output; of others: elements
 * of the first operand. */
typedef struct tuning_shape {
    uint8_t log2[TUNING_SIZES];
} tuning_shape;

typedef struct tuning_row {
    op_id op;
    tuning_shape shape;
    int usual, choice;         /* variants of this device */
    uint64_t usual_time, time; /* nanoseconds of one call; 0: not known */
} tuning_row;

/* Sorted by operation and shape, each once. */
typedef struct tuning {
    tuning_row *row;
    int count;
} tuning;

tuning_shape tuning_shape_of(const op_args *call);

/* "n=64 o=256 i=512", and back; false if it is no class of that operation. */
const char *tuning_print_shape(op_id op, tuning_shape shape, char text[TAS_TUNE_TEXT]);
bool tuning_read_shape(op_id op, const char *text, tuning_shape *out);

/* The row of a class; NULL if there is none. */
const tuning_row *tuning_find(const tuning *t, op_id op, tuning_shape shape);

/* Adds a row, or replaces the one of its class. */
tas_status tuning_set(tas_context *context, tuning *t, const tuning_row *row);

/* The device's own tuning, which its launchers follow; NULL if it has none. tuning_attach() gives it an empty one if it
 * has none; it is closed with the device. */
tuning *tuning_of(const tas_device *device);
tas_status tuning_attach(tas_device *device);

/* Whether the device's tuning chooses another variant for such a call than the usual one. */
bool tuning_changes(const tas_device *device, const op_args *call);

/* A row with its texts, and back; TAS_BAD_ARGUMENT if the device has no such operation, class or variant. */
void tuning_describe(const tas_device *device, const tuning_row *row, tas_tune_row *out);
tas_status tuning_resolve(const tas_device *device, const tas_tune_row *row, tuning_row *out);

/* tuning_file.c: attaches what the cache has, with a note if it is damaged; and writes it there. */
tas_status tuning_load(tas_device *device);
tas_status tuning_store(const tas_device *device);
tas_status tuning_can_store(const tas_device *device); /* whether it seems that tuning_store() would succeed */

#endif

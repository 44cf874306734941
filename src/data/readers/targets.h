/* Targets from numbers in files: labels, one-hot rows, values. The training split decides what they are, and the test
 * split is kept to it. */
#ifndef TARGETS_H
#define TARGETS_H

#include "data/readers/array.h"

/* Whole numbers of more values than TARGETS_AUTO_MOST are no classes unless these are wanted. */
enum { TARGETS_CLASSES_MOST = 65536, TARGETS_AUTO_MOST = 20 };

/* All 0: undecided. */
typedef struct targets_kind {
    bool decided, one_hot;
    tas_target_type type;
    size_t width;    /* numbers per example */
    uint32_t count;  /* of classes */
    double *numbers; /* (count), ascending: what the labels of the classes are; NULL: 0 to count - 1 */
} targets_kind;

/* From a checkpoint's schema, if the request has one. */
tas_status targets_keep(const reader_request *request, const char *from, targets_kind *out);

/* From the targets of the training split: value (count, width). wanted: AUTO: classes if they are whole numbers of at
 * most 20 values, or one-hot. Notes what is not plain. */
tas_status targets_decide(const reader_request *request, const char *from, const double *value, uint64_t count,
                          size_t width, tas_targets wanted, targets_kind *out);

/* The class that a label stands for; false if it is none of the training set's. */
bool targets_find_label(const targets_kind *kind, double value, uint32_t *label);

/* Fills a set's targets, their type and size. value (count, width) */
tas_status targets_fill(const reader_request *request, const char *from, const double *value, uint64_t count,
                        size_t width, const targets_kind *kind, reader_set *set);

/* Targets of 0, for prediction. */
tas_status targets_fill_zero(const reader_request *request, const char *from, uint64_t count, const targets_kind *kind,
                             reader_set *set);

/* Numbers per example of an array of targets, (n) or (n, width); its examples have to be `count`. inputs: for errors.
 */
tas_status targets_check_shape(const array *a, const char *inputs, uint64_t count, size_t *width);

/* The schema's classes and their names. */
tas_status targets_describe(const reader_request *request, const targets_kind *kind, schema *out);
void targets_free(targets_kind *kind);

#endif

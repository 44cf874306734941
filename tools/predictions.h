/* Predictions of a network, made of its outputs, as text, CSV or JSON. */
#ifndef PREDICTIONS_H
#define PREDICTIONS_H

#include "cli.h"

typedef enum predictions_form { FORM_TEXT = 0, FORM_CSV, FORM_JSON } predictions_form;

/* What the outputs of an example mean. */
typedef enum predictions_kind {
    KIND_CLASSES, /* a probability or score of each class */
    KIND_ANSWERS, /* independent probabilities */
    KIND_VALUES   /* values in the data's units */
} predictions_kind;

typedef struct predictions {
    predictions_kind kind;
    predictions_form form;
    tas_loss loss;
    size_t outputs, count; /* of the network; classes, answers or values, which are one more with bce and one output */
    size_t top;            /* classes to print */
    int name_width;
    const tas_data *data;
    tas_data_info info;
    double *values; /* (count), of one example */
    json_t *list;   /* FORM_JSON: of all examples so far */
} predictions;

/* False without memory. To be closed even then. */
bool predictions_open(predictions *p, const tas_network *network, const tas_data *data, size_t top,
                      predictions_form form);
void predictions_close(predictions *p);

/* Prints the heading of a CSV file. */
void predictions_begin(const predictions *p);

/* Prints an example, or keeps it for the object at the end. place: from 0. */
void predictions_add(predictions *p, uint64_t place, const float *outputs);

/* The object's members about the predictions. */
void predictions_describe(const predictions *p, json_t *o);

#endif

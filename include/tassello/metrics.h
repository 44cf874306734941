/* Metrics: what an evaluation finds beside the mean loss. They count examples, whatever their weights. They are
 * computed on the host in double precision, example by example in the order of the set, from outputs that have the same
 * bits on each device; so the metrics do, too. */
#ifndef TASSELLO_METRICS_H
#define TASSELLO_METRICS_H

#include <tassello/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tas_metrics_kind {
    /* The targets are labels. The predicted class is that of the largest output (the first of equal ones; NaN is larger
     * than all numbers); with loss bce and one output it is 1 above 0, that is if the probability is above 1/2. */
    TAS_METRICS_CLASSES = 0,
    /* The targets are floats and the loss is bce: each output is an answer of yes or no. It is yes above 0; the target
     * is above 1/2. */
    TAS_METRICS_ANSWERS,
    /* Float targets otherwise. */
    TAS_METRICS_VALUES
} tas_metrics_kind;

/* One class, or the yes of one answer. A quotient without anything to divide by is NaN. */
typedef struct tas_class_metrics {
    /* Examples of it, examples predicted to be, and those that are both. */
    uint64_t support, predicted, correct;
    /* correct / predicted, correct / support, and 2 correct / (predicted + support). */
    double precision, recall, f1;
} tas_class_metrics;

typedef struct tas_metrics {
    tas_metrics_kind kind;
    uint64_t examples;
    /* Classes, answers, or values per example. */
    uint32_t count;
    /* Share of the examples, or of all answers, that are right; NaN of values. */
    double accuracy;
    /* Share of the examples whose class is among the five with the largest outputs; NaN unless there are more than five
     * classes. */
    double top5;
    /* (count); NULL of values. */
    tas_class_metrics *classes;
    /* The mean over the classes or answers with support; where a class has NaN it counts as 0. */
    double precision, recall, f1;
    /* (count, count), row-major: examples of class `row` predicted as class `column`. NULL unless there are classes, at
     * most 2048. */
    uint64_t *confusion;
    /* Of values, in the data's own units even if the loss scales its targets; else NaN: the root of the mean of d^2,
     * the mean of |d|, and 1 - sum of d^2 / sum of (t - mean t)^2, d being an output less its target t. The last is the
     * mean over the outputs whose targets vary; NaN if none does. */
    double rmse, mae, r2;
} tas_metrics;

/* tas_evaluate() with metrics. *metrics is freed with tas_metrics_free(); NULL after a failure. */
TAS_API tas_status tas_evaluate_metrics(tas_model *model, const tas_data *data, tas_score *score,
                                        tas_metrics **metrics);

/* Frees *metrics and sets it to NULL; it may be NULL already. */
TAS_API void tas_metrics_free(tas_metrics **metrics);

#ifdef __cplusplus
}
#endif

#endif

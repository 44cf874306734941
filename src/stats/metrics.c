/* Metrics of an evaluation. */
#include "stats/metrics.h"

#include <stdlib.h>
#include <string.h>

void tas_metrics_free(tas_metrics **result)
{
    if (!result || !*result) return;
    free((*result)->classes);
    free((*result)->confusion);
    free(*result);
    *result = NULL;
}

bool metrics_open(metrics *m, tas_metrics_kind kind, uint32_t outputs, uint32_t count)
{
    *m = (metrics){.outputs = outputs, .result = calloc(1, sizeof *m->result)};
    tas_metrics *r = m->result;
    if (!r) return false;
    r->kind = kind;
    r->count = count;
    if (kind == TAS_METRICS_VALUES) {
        m->targets = calloc(count, sizeof *m->targets);
        m->squares = calloc(count, sizeof *m->squares);
        return m->targets && m->squares;
    }
    const bool confusion = kind == TAS_METRICS_CLASSES && count <= METRICS_CONFUSION_MOST;
    r->classes = calloc(count, sizeof *r->classes);
    if (confusion) r->confusion = calloc((size_t)count * count, sizeof *r->confusion);
    return r->classes && (r->confusion || !confusion);
}

void metrics_close(metrics *m)
{
    tas_metrics_free(&m->result);
    free(m->targets);
    free(m->squares);
    *m = (metrics){0};
}

void metrics_reset(metrics *m)
{
    tas_metrics *r = m->result;
    const size_t count = r->count;
    r->examples = m->right = m->top = 0;
    m->errors = 0;
    if (m->targets) memset(m->targets, 0, count * sizeof *m->targets);
    if (m->squares) memset(m->squares, 0, count * sizeof *m->squares);
    if (r->classes) memset(r->classes, 0, count * sizeof *r->classes);
    if (r->confusion) memset(r->confusion, 0, count * count * sizeof *r->confusion);
}

/* Whether output j is chosen over output k: the larger one, the first of equal ones; NaN is larger than all numbers. */
static bool beats(const float *y, uint32_t j, uint32_t k)
{
    if (y[j] != y[j]) return y[k] == y[k] || j < k;
    return y[j] > y[k] || (y[j] == y[k] && j < k);
}

static void add_label(metrics *m, const float *y, uint32_t label)
{
    tas_metrics *r = m->result;
    uint32_t most = m->outputs == 1 && y[0] > 0 && r->count == 2, above = 0;
    for (uint32_t j = 1; j < m->outputs; j++) most = beats(y, j, most) ? j : most;
    for (uint32_t j = 0; j < m->outputs && r->count > METRICS_TOP; j++) above += j != label && beats(y, j, label);
    r->classes[label].support++;
    r->classes[most].predicted++;
    r->classes[label].correct += most == label;
    m->right += most == label;
    m->top += above < METRICS_TOP;
    if (r->confusion) r->confusion[(size_t)label * r->count + most]++;
}

static void add_answers(metrics *m, const float *y, const float *target)
{
    for (uint32_t j = 0; j < m->outputs; j++) {
        tas_class_metrics *c = &m->result->classes[j];
        const bool predicted = y[j] > 0, is = target[j] > 0.5f;
        c->support += is;
        c->predicted += predicted;
        c->correct += is && predicted;
        m->right += is == predicted;
    }
}

static void add_values(metrics *m, const float *y, const float *target)
{
    for (uint32_t j = 0; j < m->outputs; j++) {
        const double d = (double)y[j] - (double)target[j];
        running_add(&m->targets[j], (double)target[j]);
        m->squares[j] += d * d;
        m->errors += fabs(d);
    }
}

void metrics_add(metrics *m, const float *outputs, const void *target)
{
    m->result->examples++;
    if (m->result->kind == TAS_METRICS_CLASSES)
        add_label(m, outputs, *(const uint32_t *)target);
    else if (m->result->kind == TAS_METRICS_ANSWERS)
        add_answers(m, outputs, target);
    else
        add_values(m, outputs, target);
}

static double quotient(uint64_t a, uint64_t b) { return b ? (double)a / (double)b : NAN; }

static void finish_classes(tas_metrics *r)
{
    uint64_t seen = 0;
    r->precision = r->recall = r->f1 = 0;
    for (uint32_t j = 0; j < r->count; j++) {
        tas_class_metrics *c = &r->classes[j];
        c->precision = quotient(c->correct, c->predicted);
        c->recall = quotient(c->correct, c->support);
        c->f1 = quotient(2 * c->correct, c->predicted + c->support);
        if (!c->support) continue;
        seen++;
        r->precision += c->predicted ? c->precision : 0;
        r->recall += c->recall;
        r->f1 += c->f1;
    }
    const double count = seen ? (double)seen : NAN;
    r->precision /= count;
    r->recall /= count;
    r->f1 /= count;
}

static void finish_values(const metrics *m, tas_metrics *r)
{
    const double all = (double)r->examples * r->count;
    double squares = 0, sum = 0;
    uint32_t varying = 0;
    for (uint32_t j = 0; j < r->count; j++) {
        squares += m->squares[j];
        if (!(m->targets[j].squares > 0)) continue;
        sum += 1 - m->squares[j] / m->targets[j].squares;
        varying++;
    }
    r->rmse = sqrt(squares / all);
    r->mae = m->errors / all;
    r->r2 = varying ? sum / varying : NAN;
}

tas_metrics *metrics_take(metrics *m)
{
    tas_metrics *r = m->result;
    const double answers = r->kind == TAS_METRICS_ANSWERS ? (double)r->count : 1;
    r->accuracy = r->top5 = r->rmse = r->mae = r->r2 = r->precision = r->recall = r->f1 = NAN;
    if (r->kind == TAS_METRICS_VALUES)
        finish_values(m, r);
    else
        finish_classes(r);
    if (r->kind != TAS_METRICS_VALUES) r->accuracy = (double)m->right / ((double)r->examples * answers);
    if (r->kind == TAS_METRICS_CLASSES && r->count > METRICS_TOP) r->top5 = quotient(m->top, r->examples);
    m->result = NULL;
    return r;
}

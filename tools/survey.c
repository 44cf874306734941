/* What is in a split of a data set. */
#include "survey.h"

#include <float.h>
#include <stdlib.h>

enum { SAMPLE = 1 << 16, PIECE_BYTES = 1 << 20 };
static const uint64_t whole_most = (uint64_t)1 << 30; /* bytes, as of tas_data_fingerprint() */

static const survey_range nothing = {DBL_MAX, -DBL_MAX, 0};

/* mean is a sum until the end. */
static void widen(survey_range *range, double value)
{
    if (value < range->least) range->least = value;
    if (value > range->most) range->most = value;
    range->mean += value;
}

static survey_range *make_ranges(size_t count)
{
    survey_range *out = malloc(count * sizeof *out);
    for (size_t k = 0; out && k < count; k++) out[k] = nothing;
    return out;
}

static bool allocate(survey *of)
{
    const uint32_t classes = tas_data_classes(of->data);
    of->input_count = of->info.height ? 1 : tas_data_input_size(of->data);
    of->inputs = make_ranges(of->input_count);
    if (classes) of->classes = calloc(classes, sizeof *of->classes);
    if (!classes) of->targets = make_ranges(of->info.target_size);
    return of->inputs && (classes ? of->classes != NULL : of->targets != NULL);
}

/* n examples: their inputs, and their labels or values. */
typedef struct piece {
    size_t n;
    uint64_t *index;
    float *inputs;
    void *targets;
} piece;

static size_t target_bytes(const survey *of)
{
    return of->targets ? of->info.target_size * sizeof(float) : sizeof(uint32_t);
}

static bool open_piece(const survey *of, piece *p)
{
    const size_t bytes = tas_data_input_size(of->data) * sizeof(float) + target_bytes(of);
    p->n = PIECE_BYTES / bytes ? PIECE_BYTES / bytes : 1;
    p->index = malloc(p->n * sizeof *p->index);
    p->inputs = malloc(p->n * tas_data_input_size(of->data) * sizeof(float));
    p->targets = malloc(p->n * target_bytes(of));
    return p->index && p->inputs && p->targets;
}

static void close_piece(piece *p)
{
    free(p->index);
    free(p->inputs);
    free(p->targets);
}

static void add_inputs(survey *of, const piece *p, size_t n)
{
    const size_t size = tas_data_input_size(of->data);
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < size; i++)
            widen(&of->inputs[of->input_count > 1 ? i : 0], (double)p->inputs[k * size + i]);
}

static void add_targets(survey *of, const piece *p, size_t n)
{
    const uint32_t *labels = p->targets;
    const float *values = p->targets;
    for (size_t k = 0; k < n && of->classes; k++) of->classes[labels[k]]++;
    for (size_t k = 0; k < n * of->info.target_size && of->targets; k++)
        widen(&of->targets[k % of->info.target_size], (double)values[k]);
}

/* Each `every`-th of the examples, or all of them. */
static tas_status look(survey *of, piece *p, double every, uint64_t count, bool inputs)
{
    tas_status status = TAS_OK;
    for (uint64_t at = 0, n; at < count && !status; at += n) {
        n = count - at < p->n ? count - at : p->n;
        for (uint64_t k = 0; k < n; k++) p->index[k] = (uint64_t)((double)(at + k) * every);
        status = tas_data_get(of->data, p->index, (size_t)n, inputs ? p->inputs : NULL, inputs ? NULL : p->targets);
        if (!status && inputs) add_inputs(of, p, (size_t)n);
        if (!status && !inputs) add_targets(of, p, (size_t)n);
    }
    return status;
}

static void finish(survey *of)
{
    const double values = (double)of->looked * (double)tas_data_input_size(of->data) / (double)of->input_count;
    for (size_t k = 0; k < of->input_count; k++) of->inputs[k].mean /= values;
    for (size_t k = 0; k < of->info.target_size && of->targets; k++) of->targets[k].mean /= (double)of->count;
}

tas_status survey_make(survey *of, const tas_data *data)
{
    piece p = {0};
    tas_status status = TAS_OK;
    *of = (survey){.data = data};
    if (!data) return TAS_OK;
    tas_data_get_info(data, &of->info);
    of->count = of->looked = tas_data_count(data);
    const double element = of->info.input_type == TAS_INPUT_U8 ? 1 : sizeof(float);
    const double bytes = (double)of->count * (double)tas_data_input_size(data) * element;
    if (bytes > (double)whole_most && of->count > SAMPLE) of->looked = SAMPLE;
    if (!allocate(of) || !open_piece(of, &p)) status = TAS_NO_MEMORY;
    if (!status) status = look(of, &p, 1, of->count, false);
    if (!status) status = look(of, &p, (double)of->count / (double)of->looked, of->looked, true);
    if (!status) finish(of);
    close_piece(&p);
    return status;
}

void survey_free(survey *of)
{
    free(of->inputs);
    free(of->targets);
    free(of->classes);
    *of = (survey){0};
}

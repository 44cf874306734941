/* Data sets of arrays: the inputs and the targets of each split. */
#include "data/readers/array_sets.h"
#include "data/readers/targets.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct reading_state {
    const reader_request *request;
    const array_sets *sets;
    array_layout layout; /* of the first split; count 0: none yet */
    char layout_from[512];
    targets_kind kind;
} reading_state;

/* For prediction those that are there are not looked at: they may be of classes that the network does not know. */
static bool has_targets(const reading_state *of, int split)
{
    return of->sets->at[split][ARRAY_TARGETS] >= 0 && !of->request->inputs_only;
}

static tas_status open_array(const reading_state *of, int split, int role, array *out)
{
    return of->sets->open(of->sets->user, (size_t)of->sets->at[split][role], out);
}

static tas_targets wanted_targets(const reading_state *of, const array *y)
{
    const tas_targets wanted = of->request->reading->targets;
    const bool labels = of->sets->bytes_are_labels && y->kind == 'u' && y->bytes == 1 && y->dims == 1;
    return wanted == TAS_TARGETS_AUTO && labels ? TAS_TARGETS_CLASSES : wanted;
}

/* inputs: for errors; NULL and count 0: not to be compared */
static tas_status read_targets(reading_state *of, int split, const char *inputs, uint64_t count, reader_set *set)
{
    array y = {0};
    double *value = NULL;
    size_t width = 0;
    tas_status status = open_array(of, split, 1, &y);
    if (!status) status = targets_check_shape(&y, inputs, inputs ? count : y.dim[0], &width);
    if (!status) status = array_read_doubles(&y, &value);
    if (!status && !of->kind.decided)
        status = targets_decide(of->request, y.from, value, y.dim[0], width, wanted_targets(of, &y), &of->kind);
    if (!status && set) status = targets_fill(of->request, y.from, value, y.dim[0], width, &of->kind, set);
    free(value);
    array_close(&y);
    return status;
}

/* Both splits have examples of one shape. */
static tas_status check_layouts(reading_state *of, const array *x, const array_layout *layout)
{
    char text[ARRAY_DIMS_TEXT];
    const array_layout *first = &of->layout;
    if (first->count && (first->size != layout->size || first->height != layout->height ||
                         first->width != layout->width || first->channels != layout->channels))
        return fail(x->context, TAS_BAD_DATA, "%s: %s: expected examples of the same shape as in %s", x->from,
                    array_print_dims(x, text), of->layout_from);
    if (!first->count) snprintf(of->layout_from, sizeof of->layout_from, "%s", x->from);
    of->layout = *layout;
    return TAS_OK;
}

static tas_status read_split(reading_state *of, int split, reader_set *set)
{
    array x = {0};
    array_layout layout = {0};
    tas_status status = open_array(of, split, 0, &x);
    if (!status) status = array_lay_out(of->request, &x, &layout);
    if (!status) status = check_layouts(of, &x, &layout);
    if (!status && has_targets(of, split)) status = read_targets(of, split, x.from, layout.count, set);
    if (!status && !has_targets(of, split))
        status = targets_fill_zero(of->request, x.from, layout.count, &of->kind, set);
    if (!status) status = array_read_inputs(of->request, &x, &layout, set);
    set->present = !status;
    array_close(&x);
    return status;
}

static tas_status read_splits(reading_state *of, reader_result *out)
{
    const bool *wanted = of->request->wanted;
    tas_status status = targets_keep(of->request, of->request->path, &of->kind);
    /* what the labels are is the training split's to say, whether it is read or not */
    if (!status && !of->kind.decided && !wanted[TAS_TRAIN] && has_targets(of, TAS_TRAIN))
        status = read_targets(of, TAS_TRAIN, NULL, 0, NULL);
    for (int split = 0; split < 2 && !status; split++)
        if (wanted[split] && of->sets->at[split][0] >= 0) status = read_split(of, split, &out->split[split]);
    if (status) return status;
    out->schema.channels = of->layout.channels;
    out->schema.height = of->layout.height;
    out->schema.width = of->layout.width;
    return targets_describe(of->request, &of->kind, &out->schema);
}

tas_status array_sets_read(const reader_request *request, const array_sets *sets, reader_result *out)
{
    reading_state state = {.request = request, .sets = sets};
    const tas_status status = read_splits(&state, out);
    targets_free(&state.kind);
    return status;
}

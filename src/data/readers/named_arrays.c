/* Data sets of arrays with names. */
#include "data/readers/named_arrays.h"
#include "data/readers/targets.h"

#include "base/format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LISTED = 12, NONE = -1, SETS = 3 };

/* Inputs and targets. The first two are the splits; the third has none. */
static const char *const names[SETS][2] = {{"x_train", "y_train"}, {"x_test", "y_test"}, {"x", "y"}};

static int find_set(const char *name)
{
    for (int s = 0; s < SETS; s++)
        if (!strcasecmp(name, names[s][0]) || !strcasecmp(name, names[s][1])) return s;
    return NONE;
}

bool named_arrays_is_known(const char *name) { return find_set(name) != NONE; }

bool named_arrays_is_partner(const char *name, const char *of)
{
    const int a = find_set(name), b = find_set(of);
    return a != NONE && b != NONE && (a == SETS - 1) == (b == SETS - 1);
}

/* As it is written, else in upper case. */
static int find_array(const named_arrays *all, const char *name)
{
    for (size_t i = 0; i < all->count; i++)
        if (!strcmp(all->name[i], name)) return (int)i;
    for (size_t i = 0; i < all->count; i++)
        if (!strcasecmp(all->name[i], name)) return (int)i;
    return NONE;
}

/* Which arrays are what: by split, inputs and targets. */
typedef struct roles {
    int at[2][2];
} roles;

static tas_status refuse_names(const reader_request *request, const named_arrays *all, const char *lacks)
{
    char text[1024] = "";
    text_buffer list = {.text = text, .bytes = sizeof text};
    for (size_t i = 0; i < all->count && i < LISTED; i++) format_add(&list, "%s%s", i ? ", " : "", all->name[i]);
    if (all->count > LISTED) format_add(&list, " and %zu more", all->count - LISTED);
    return fail(request->context, TAS_BAD_DATA,
                "%s: no array %s; expected x_train and y_train (x_test, y_test), or x and y; it has %s", request->path,
                lacks, all->count ? text : "none");
}

/* What is predicted from: an only array whatever its name, or else the test split if there is no other. */
static void find_inputs(const named_arrays *all, roles *out)
{
    if (all->count == 1) out->at[TAS_TRAIN][0] = 0;
    if (out->at[TAS_TRAIN][0] < 0) memcpy(out->at[TAS_TRAIN], out->at[TAS_TEST], sizeof out->at[TAS_TRAIN]);
}

static tas_status find_roles(const reader_request *request, const named_arrays *all, roles *out)
{
    int at[SETS][2];
    for (int s = 0; s < SETS; s++)
        for (int k = 0; k < 2; k++) at[s][k] = find_array(all, names[s][k]);
    const bool split = at[0][0] >= 0 || at[0][1] >= 0 || at[1][0] >= 0 || at[1][1] >= 0;
    for (int s = 0; s < 2; s++)
        for (int k = 0; k < 2; k++) out->at[s][k] = split ? at[s][k] : s == TAS_TRAIN ? at[2][k] : NONE;
    if (request->inputs_only) find_inputs(all, out);
    if (out->at[0][0] < 0 && out->at[1][0] < 0) return refuse_names(request, all, split ? "x_train" : "x_train or x");
    for (int s = 0; s < 2; s++)
        for (int k = 0; k < 2; k++)
            if (out->at[s][k] < 0 && out->at[s][!k] >= 0 && !(k == 1 && request->inputs_only))
                return refuse_names(request, all, names[split ? s : 2][k]);
    return TAS_OK;
}

/* Reading ---------------------------------------------------------------------------------------------------------- */

typedef struct reading_state {
    const reader_request *request;
    const named_arrays *all;
    roles roles;
    array_layout layout; /* of the first split; count 0: none yet */
    char layout_from[512];
    targets_kind kind;
} reading_state;

static bool has_targets(const reading_state *of, int split) { return of->roles.at[split][1] >= 0; }

static tas_status open_array(const reading_state *of, int split, int role, array *out)
{
    return of->all->open(of->all->user, (size_t)of->roles.at[split][role], out);
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
        status = targets_decide(of->request, y.from, value, y.dim[0], width, of->request->reading->targets, &of->kind);
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
        if (wanted[split] && of->roles.at[split][0] >= 0) status = read_split(of, split, &out->split[split]);
    if (status) return status;
    out->schema.channels = of->layout.channels;
    out->schema.height = of->layout.height;
    out->schema.width = of->layout.width;
    return targets_describe(of->request, &of->kind, &out->schema);
}

tas_status named_arrays_read(const reader_request *request, const named_arrays *all, reader_result *out)
{
    reading_state state = {.request = request, .all = all};
    tas_status status = find_roles(request, all, &state.roles);
    if (!status) status = read_splits(&state, out);
    targets_free(&state.kind);
    return status;
}

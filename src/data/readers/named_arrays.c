/* Data sets of arrays with names. */
#include "data/readers/named_arrays.h"

#include "base/format.h"

#include <string.h>
#include <strings.h>

enum { LISTED = 12, NONE = ARRAY_NONE, SETS = 3 };

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
static void find_inputs(const named_arrays *all, array_sets *out)
{
    if (all->count == 1) out->at[TAS_TRAIN][0] = 0;
    if (out->at[TAS_TRAIN][0] < 0) memcpy(out->at[TAS_TRAIN], out->at[TAS_TEST], sizeof out->at[TAS_TRAIN]);
}

static tas_status find_roles(const reader_request *request, const named_arrays *all, array_sets *out)
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
            if (request->wanted[s] && out->at[s][k] < 0 && out->at[s][!k] >= 0 && !(k && request->inputs_only))
                return refuse_names(request, all, names[split ? s : 2][k]);
    return TAS_OK;
}

tas_status named_arrays_read(const reader_request *request, const named_arrays *all, reader_result *out)
{
    array_sets sets = {.open = all->open, .user = all->user};
    const tas_status status = find_roles(request, all, &sets);
    return status ? status : array_sets_read(request, &sets, out);
}

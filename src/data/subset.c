/* Parts of a data set, without copies: a split drawn from a seed, the first examples. */
#include "data/dataset.h"
#include "data/shuffle.h"

#include <inttypes.h>
#include <stdlib.h>

/* A part of a set: its first `count` examples, until it gets a list. `which` is for errors. */
static tas_status create_part(const tas_data *whole, uint64_t count, const char *which, tas_data **out)
{
    char name[sizeof whole->name];
    tas_data_options options = whole->options;
    options.count = count;
    snprintf(name, sizeof name, "%s %" PRIu64 " of %.200s", which, count, whole->name);
    tas_status status = dataset_create(whole->context, &options, name, out);
    if (status) return status;
    (*out)->root = dataset_root(whole);
    (*out)->index = whole->index;
    return TAS_OK;
}

static tas_status create_listed(const tas_data *whole, uint64_t count, const char *which, tas_data **out)
{
    tas_status status = create_part(whole, count, which, out);
    if (status) return status;
    (*out)->index = (*out)->own_index = malloc((size_t)count * sizeof *(*out)->own_index);
    if ((*out)->index) return TAS_OK;
    return fail(whole->context, TAS_NO_MEMORY, "%s: no memory for a list of %" PRIu64 " examples", whole->name, count);
}

/* Turns indices in the whole into indices in the set that its examples come from. */
static void resolve(const tas_data *whole, tas_data *part)
{
    if (!whole->index) return;
    for (uint64_t k = 0; k < part->options.count; k++) part->own_index[k] = whole->index[part->own_index[k]];
}

static tas_status split(const tas_data *whole, uint64_t count, uint64_t seed, tas_data **rest, tas_data **held_out)
{
    tas_status status = TAS_OK;
    if (count == 0 || count >= whole->options.count)
        return fail(whole->context, TAS_BAD_ARGUMENT,
                    "%s: cannot hold out %" PRIu64 " examples; expected 1 to all but one of %" PRIu64, whole->name,
                    count, whole->options.count);
    if (rest) status = create_listed(whole, whole->options.count - count, "the other", rest);
    if (!status && held_out) status = create_listed(whole, count, "the drawn", held_out);
    if (status) return status;
    shuffle_split(seed, (uint32_t)whole->options.count, (uint32_t)count, held_out ? (*held_out)->own_index : NULL,
                  rest ? (*rest)->own_index : NULL);
    if (rest) resolve(whole, *rest);
    if (held_out) resolve(whole, *held_out);
    return TAS_OK;
}

tas_status tas_data_split(const tas_data *whole, uint64_t count, uint64_t seed, tas_data **rest, tas_data **held_out)
{
    entry_state caller;
    if (rest) *rest = NULL;
    if (held_out) *held_out = NULL;
    entry_begin(whole->context, &caller);
    const tas_status status = split(whole, count, seed, rest, held_out);
    if (status) tas_data_close(rest);
    if (status) tas_data_close(held_out);
    entry_end(&caller);
    return status;
}

tas_status tas_data_head(const tas_data *whole, uint64_t count, tas_data **out)
{
    entry_state caller;
    tas_status status = TAS_OK;
    *out = NULL;
    entry_begin(whole->context, &caller);
    if (count == 0 || count > whole->options.count)
        status = fail(whole->context, TAS_BAD_ARGUMENT, "%s: the first %" PRIu64 " examples, expected 1 to %" PRIu64,
                      whole->name, count, whole->options.count);
    if (!status) status = create_part(whole, count, "the first", out);
    entry_end(&caller);
    return status;
}

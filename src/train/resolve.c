/* Networks for a data set: what their texts leave to it is filled in, before they are parsed. */
#include "data/moments.h"
#include "network/fill.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SHAPE_TEXT = 64 };

typedef struct resolver {
    tas_context *context;
    const char *from;
    const tas_data *data;
    fill_outline outline;
    char shape[SHAPE_TEXT];
    moments moments;
} resolver;

/* The input's: of the text, or of the set. */
static void find_shape(resolver *r)
{
    fill_outline *o = &r->outline;
    const size_t size = r->data->options.input_size;
    const bool known = o->channels;
    tas_data_info info;
    tas_data_get_info(r->data, &info);
    if (!known && info.height) {
        o->height = info.height;
        o->width = info.width;
        o->channels = info.channels;
    } else if (!known) {
        o->channels = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
    }
    if (o->height)
        snprintf(r->shape, sizeof r->shape, "%" PRIu32 "x%" PRIu32 "x%" PRIu32, o->channels, o->height, o->width);
    else
        snprintf(r->shape, sizeof r->shape, "%" PRIu32, o->channels);
}

static bool has_labels(const resolver *r) { return r->data->options.target_type == TAS_TARGET_LABEL; }

static tas_status check(const resolver *r)
{
    const fill_outline *o = &r->outline;
    const uint64_t plane = o->height ? (uint64_t)o->height * o->width : 1;
    if (o->normalize_inputs && (plane > UINT32_MAX || plane * o->channels != r->data->options.input_size))
        return fail(r->context, TAS_BAD_NETWORK, "%s: takes %s values per example, but %s has %zu", r->from, r->shape,
                    r->data->name, r->data->options.input_size);
    const bool of_values = o->loss_known && o->loss != TAS_LOSS_SOFTMAX && o->loss != TAS_LOSS_BCE;
    if (o->normalize_targets && of_values && has_labels(r))
        return fail(r->context, TAS_BAD_NETWORK,
                    "%s: '" LINE_NORMALIZE "' of loss %s needs float targets, but %s has labels", r->from,
                    tas_loss_name(o->loss), r->data->name);
    return TAS_OK;
}

/* mean and std, `count` of them each. */
static tas_status allocate(const resolver *r, size_t count, float **mean, float **std)
{
    *mean = calloc(count, sizeof **mean);
    *std = calloc(count, sizeof **std);
    return *mean && *std ? TAS_OK : fail(r->context, TAS_NO_MEMORY, "%s: no memory for means", r->from);
}

static tas_status find_moments(resolver *r)
{
    const fill_outline *o = &r->outline;
    moments *m = &r->moments;
    tas_status status = TAS_OK;
    m->channels = o->channels;
    if (o->normalize_inputs) status = allocate(r, o->channels, &m->mean, &m->std);
    if (!status && o->normalize_targets && !has_labels(r))
        status = allocate(r, r->data->options.target_size, &m->target_mean, &m->target_std);
    if (status || !(m->mean || m->target_mean)) return status;
    return moments_read(r->data, m);
}

static uint32_t outputs_of(const resolver *r)
{
    const tas_data_options *options = &r->data->options;
    if (!has_labels(r)) return options->target_size > UINT32_MAX ? UINT32_MAX : (uint32_t)options->target_size;
    const bool answer = r->outline.loss_known && r->outline.loss == TAS_LOSS_BCE && options->classes <= 2;
    return answer ? 1 : options->classes;
}

static tas_status fill_in(resolver *r, const char *text, char **out)
{
    const moments *m = &r->moments;
    find_shape(r);
    tas_status status = check(r);
    if (!status) status = find_moments(r);
    if (status) return status;
    const fill_values values = {
        .shape = r->shape,
        .outputs = outputs_of(r),
        .loss = tas_loss_name(has_labels(r) ? TAS_LOSS_SOFTMAX : TAS_LOSS_MSE),
        .drops_normalize = !r->outline.loss_known,
        .inputs = {m->mean ? m->channels : 0, m->mean, m->std},
        .targets = {m->target_mean ? (uint32_t)r->data->options.target_size : 0, m->target_mean, m->target_std}};
    return fill_text(r->context, text, &values, out);
}

/* Opens the text for a set; NULL: for none. */
static tas_status open_text(tas_context *context, const char *text, const char *from, bool file, const tas_data *data,
                            tas_network **out)
{
    resolver r = {.context = context, .from = from, .data = data, .outline = fill_read(text)};
    const bool fills = r.outline.words || r.outline.normalize_inputs || r.outline.normalize_targets;
    char *filled = NULL;
    if (!data || !fills) return network_open_text(context, text, from, file, out);
    tas_status status = fill_in(&r, text, &filled);
    if (!status) status = network_open_text(context, filled, from, file, out);
    free(filled);
    free(r.moments.mean);
    free(r.moments.std);
    free(r.moments.target_mean);
    free(r.moments.target_std);
    return status;
}

tas_status tas_network_parse_for(tas_context *context, const char *text, const char *from, const tas_data *data,
                                 tas_network **out)
{
    entry_state saved;
    *out = NULL;
    entry_begin(context, &saved);
    const tas_status status = open_text(context, text, from ? from : "network", false, data, out);
    entry_end(&saved);
    return status;
}

tas_status tas_network_open_for(tas_context *context, const char *name_or_file, const tas_data *data, tas_network **out)
{
    entry_state saved;
    char *text = NULL;
    bool file = false;
    *out = NULL;
    entry_begin(context, &saved);
    tas_status status = network_read(context, name_or_file, &text, &file);
    if (!status) status = open_text(context, text, name_or_file, file, data, out);
    free(text);
    entry_end(&saved);
    return status;
}

/* What is expected of data: a loss over classes needs labels; the others take both, and with several outputs labels may
 * be meant, of which each output is one. */
static tas_targets targets_of(const fill_outline *o)
{
    if (!o->loss_known || o->loss == TAS_LOSS_BCE) return TAS_TARGETS_AUTO;
    if (o->loss == TAS_LOSS_SOFTMAX) return TAS_TARGETS_CLASSES;
    return o->outputs == 1 || o->outputs_data ? TAS_TARGETS_VALUES : TAS_TARGETS_AUTO;
}

static tas_status expect(tas_context *context, const char *text, const char *from, bool file, tas_reading *reading)
{
    const fill_outline o = fill_read(text);
    tas_network *network = NULL;
    const tas_status status = o.words ? TAS_OK : network_open_text(context, text, from, file, &network);
    tas_network_close(&network);
    if (status) return status;
    reading->targets = targets_of(&o);
    reading->channels = o.channels;
    reading->height = o.height;
    reading->width = o.width;
    return TAS_OK;
}

tas_status tas_network_expect_text(tas_context *context, const char *text, const char *from, tas_reading *reading)
{
    entry_state saved;
    entry_begin(context, &saved);
    const tas_status status = expect(context, text, from ? from : "network", false, reading);
    entry_end(&saved);
    return status;
}

tas_status tas_network_expect(tas_context *context, const char *name_or_file, tas_reading *reading)
{
    entry_state saved;
    char *text = NULL;
    bool file = false;
    entry_begin(context, &saved);
    tas_status status = network_read(context, name_or_file, &text, &file);
    if (!status) status = expect(context, text, name_or_file, file, reading);
    free(text);
    entry_end(&saved);
    return status;
}

/* Ranks other than 0: see ranks_serve.h. */
#include "train/ranks_serve.h"

#include "train/feed.h"
#include "train/predict.h"

#include <stdlib.h>
#include <string.h>

static void close_data(tas_data **part)
{
    if (*part) free((*part)->own_index);
    free(*part);
    *part = NULL;
}

/* A run ----------------------------------------------------------------------------------------------------------- */

static void close_run(tas_ranks *ranks)
{
    tas_run_close(&ranks->run);
    tas_model_close(&ranks->model);
    tas_network_close(&ranks->network);
    close_data(&ranks->part);
}

static tas_status find_root(tas_ranks *ranks, const ranks_opening *head, const tas_data **root)
{
    const char *hex;
    for (size_t i = 0; i < ranks->set_count; i++) {
        if (!ranks->sets[i]) continue;
        const tas_status status = ranks_fingerprint(ranks, ranks->sets[i], &hex);
        *root = ranks->sets[i];
        if (status || !strcmp(hex, head->fingerprint)) return status;
    }
    return fail(ranks->context, TAS_BAD_DATA, "has other data: none of its sets has the fingerprint %.16s of rank 0's",
                head->fingerprint);
}

/* The set of the run, whose examples lie in the root's memory. Errors that concern it are of this context. */
static tas_status open_data(tas_ranks *ranks, const ranks_opened *opened, tas_data **out)
{
    const ranks_opening *head = &opened->head;
    const tas_data *root = head->data;
    tas_status status = ranks->sets ? find_root(ranks, head, &root) : TAS_OK;
    if (status) return status;
    tas_data *part = *out = malloc(sizeof *part);
    if (!part) return fail(ranks->context, TAS_NO_MEMORY, "no memory for a set");
    *part = *root;
    part->context = ranks->context;
    part->own_index = NULL;
    part->options.count = head->count;
    if (!ranks->sets) return TAS_OK; /* it is the part itself */
    part->root = root;
    if (!head->indexed) return TAS_OK;
    part->own_index = malloc((size_t)head->count * sizeof *opened->index);
    part->index = part->own_index;
    if (!part->own_index) return fail(ranks->context, TAS_NO_MEMORY, "no memory for a list of examples");
    memcpy(part->own_index, opened->index, (size_t)head->count * sizeof *opened->index);
    return TAS_OK;
}

/* What a run of rank 0 may use here. */
static uint64_t own_budget(const tas_ranks *ranks, uint64_t wanted)
{
    const uint64_t own = model_limits(ranks->model, ranks->budget).budget;
    return wanted && wanted < own ? wanted : own;
}

/* For an evaluation or a prediction: what a run leaves. */
static tas_status open_model(tas_ranks *ranks, tas_network *network, tas_model **out)
{
    const uint64_t used = ranks->device->used_bytes;
    const tas_status status = tas_model_open(ranks->device, network, 1, out);
    if (!status && ranks->budget) tas_model_set_budget(*out, ranks->budget > used ? ranks->budget - used : 1);
    return status;
}

static tas_status open_run(tas_ranks *ranks, const char *message)
{
    ranks_opened opened;
    ranks_decode_opening(message, &opened);
    tas_train_options options = opened.head.options;
    options.changes = opened.changes;
    options.on_step = NULL;
    options.on_trace = NULL;
    options.user = NULL;
    tas_status status = open_data(ranks, &opened, &ranks->part);
    if (!status) status = tas_network_parse(ranks->context, opened.text, "the network", &ranks->network);
    if (!status) status = tas_model_open(ranks->device, ranks->network, options.seed, &ranks->model);
    if (!status) options.budget = own_budget(ranks, options.budget);
    if (!status) status = tas_run_open(ranks->model, ranks->part, &options, &ranks->run);
    return status;
}

static tas_status reply(tas_ranks *ranks, tas_status status, double seconds)
{
    ranks_reply own = {.status = status, .seconds = seconds};
    if (!status && ranks->run) {
        slices_describe_layout(ranks->run->model, own.layout);
        own.room = ranks_room(ranks->run);
    }
    if (status) snprintf(own.error, sizeof own.error, "%.*s", TRANSPORT_WHY - 1, ranks->context->error);
    ranks->transport.kind->describe(ranks->transport.self, own.name);
    return exchange_blocks(&ranks->all, &own, sizeof own, NULL);
}

/* A run that could not be opened is no failure: rank 0 decides what comes of it. */
static tas_status do_open(tas_ranks *ranks, const char *message)
{
    const tas_status opened = open_run(ranks, message),
                     replied = reply(ranks, opened, opened ? 0 : ranks->run->ranked->warm_seconds);
    if (opened) close_run(ranks);
    return replied;
}

static tas_status do_time(tas_ranks *ranks, const char *message)
{
    (void)message;
    const tas_status timed = run_time_step(ranks->run);
    return reply(ranks, timed, ranks->run->ranked->warm_seconds);
}

static tas_status do_shares(tas_ranks *ranks, const char *message)
{
    tas_run *run = ranks->run;
    const uint32_t *share = (const uint32_t *)(const void *)message, as_devices = share[ranks->transport.count + 1];
    tas_status status = ranked_open(run, share, as_devices);
    if (status) ranks->transport.kind->fail(ranks->transport.self, ranks->context->error);
    return status ? status : ranked_put(run, NULL, 0);
}

static tas_status do_order(tas_ranks *ranks, const char *message)
{
    tas_run *run = ranks->run;
    uint64_t epoch;
    memcpy(&epoch, message, sizeof epoch);
    tas_status status = exchange_broadcast(&ranks->all, run->order, (uint64_t)run->count * sizeof *run->order);
    if (status) return status;
    run->w.epoch = (uint32_t)epoch;
    run->epoch = epoch + 1;
    return feed_order(&run->w, run->order, run->count);
}

static tas_status do_step(tas_ranks *ranks, const char *message)
{
    ranks_stepping stepping;
    memcpy(&stepping, message, sizeof stepping);
    return ranked_step(ranks->run, &stepping.step, &stepping.of);
}

static tas_status do_put(tas_ranks *ranks, const char *message)
{
    uint64_t step;
    memcpy(&step, message, sizeof step);
    return ranked_put(ranks->run, NULL, step);
}

static tas_status do_get(tas_ranks *ranks, const char *message)
{
    (void)message;
    return ranked_get(ranks->run, NULL);
}

static tas_status do_close(tas_ranks *ranks, const char *message)
{
    (void)message;
    close_run(ranks);
    return TAS_OK;
}

/* An evaluation --------------------------------------------------------------------------------------------------- */

static tas_status receive_parameters(tas_ranks *ranks, tas_model *model, const tas_network *network)
{
    tas_status status = TAS_OK;
    for (int i = 0; i < network->parameter_count && !status; i++) {
        const uint64_t elements = network->tensors[network->parameters[i]].elements;
        float *values = malloc((size_t)elements * sizeof *values);
        if (!values) return fail(ranks->context, TAS_NO_MEMORY, "no memory for parameters");
        status = exchange_broadcast(&ranks->all, values, elements * sizeof *values);
        if (!status && model) status = parameters_write(model, network->parameters[i], values);
        free(values);
    }
    return status;
}

static tas_status do_evaluate(tas_ranks *ranks, const char *message)
{
    ranks_opened opened;
    tas_network *network = NULL;
    tas_model *model = NULL;
    tas_data *data = NULL;
    evaluate_part part = {0};
    ranks_decode_opening(message, &opened);
    tas_status status = tas_network_parse(ranks->context, opened.text, "the network", &network);
    if (status) return status; /* the parameters that follow could not be taken */
    tas_status done = open_data(ranks, &opened, &data);
    if (!done) done = open_model(ranks, network, &model);
    status = receive_parameters(ranks, model, network);
    if (!done && !status) done = evaluate_alloc(model, data, opened.head.outputs, &part);
    evaluate_cut(opened.head.count, ranks->transport.rank, ranks->transport.count, &part);
    if (!done && !status) done = evaluate_some(model, data, &part);
    if (!status) status = reply(ranks, done, 0);
    if (!status && !done) status = ranks_move_part(ranks, 0, false, network->outputs, &part);
    evaluate_free(&part);
    tas_model_close(&model);
    tas_network_close(&network);
    close_data(&data);
    return status;
}

/* A prediction ---------------------------------------------------------------------------------------------------- */

/* What a rank that cannot do its part was sent has to be taken all the same. */
static tas_status predict_part(tas_ranks *ranks, const tas_network *network, tas_model *model, tas_status done,
                               uint32_t n)
{
    const uint64_t inputs = (uint64_t)n * network->inputs, outputs = (uint64_t)n * network->outputs;
    float *in = malloc((size_t)inputs * sizeof *in + 1), *out = malloc((size_t)outputs * sizeof *out + 1);
    tas_status status = in && out ? TAS_OK : fail(ranks->context, TAS_NO_MEMORY, "no memory for examples of rank 0");
    if (!status) status = exchange_move(&ranks->all, 0, true, in, inputs * sizeof *in);
    if (!status && !done) done = predict_alone(model, in, n, out);
    if (!status) status = reply(ranks, done, 0);
    if (!status && !done) status = exchange_move(&ranks->all, 0, false, out, outputs * sizeof *out);
    free(in);
    free(out);
    return status;
}

static tas_status do_predict(tas_ranks *ranks, const char *message)
{
    tas_network *network = NULL;
    tas_model *model = NULL;
    uint64_t count, from;
    uint32_t n;
    memcpy(&count, message, sizeof count);
    tas_status status = tas_network_parse(ranks->context, message + sizeof count, "the network", &network);
    if (status) return status; /* the parameters that follow could not be taken */
    const tas_status done = open_model(ranks, network, &model);
    status = receive_parameters(ranks, model, network);
    ranks_cut_examples(ranks, count, ranks->transport.rank, &from, &n);
    if (!status) status = predict_part(ranks, network, model, done, n);
    tas_model_close(&model);
    tas_network_close(&network);
    return status;
}

/* Commands -------------------------------------------------------------------------------------------------------- */

/* A failure here ends all ranks. */
static const struct {
    tas_status (*run)(tas_ranks *ranks, const char *message);
    bool of_run;
} commands[RANKS_COMMANDS] = {
    [RANKS_OPEN] = {do_open, false},       [RANKS_TIME] = {do_time, true},    [RANKS_SHARES] = {do_shares, true},
    [RANKS_ORDER] = {do_order, true},      [RANKS_STEP] = {do_step, true},    [RANKS_PUT] = {do_put, true},
    [RANKS_GET] = {do_get, true},          [RANKS_CLOSE] = {do_close, false}, [RANKS_EVALUATE] = {do_evaluate, false},
    [RANKS_PREDICT] = {do_predict, false},
};

static tas_status carry_out(tas_ranks *ranks, bool *leaves)
{
    ranks_header header;
    tas_status status = exchange_broadcast(&ranks->all, &header, sizeof header);
    if (status) return status;
    char *message = malloc((size_t)header.bytes + 1);
    if (!message) return fail(ranks->context, TAS_NO_MEMORY, "no memory for a message of rank 0");
    if (header.bytes > RANKS_SHORT)
        status = exchange_broadcast(&ranks->all, message, header.bytes);
    else
        memcpy(message, header.data, (size_t)header.bytes);
    *leaves = header.command == RANKS_LEAVE;
    if (!status && !*leaves) {
        const bool known = header.command < RANKS_COMMANDS && commands[header.command].run;
        if (!known || (commands[header.command].of_run && !ranks->run))
            status = fail(ranks->context, TAS_RANK_FAILED, "an unexpected command of rank 0");
        else
            status = commands[header.command].run(ranks, message);
    }
    free(message);
    return status;
}

static tas_status serve(tas_ranks *ranks)
{
    bool leaves = false;
    tas_status status = TAS_OK;
    while (!status && !leaves) status = carry_out(ranks, &leaves);
    if (status) {
        ranks->failed = true;
        ranks->transport.kind->fail(ranks->transport.self, ranks->context->error);
    }
    return status;
}

tas_status tas_ranks_serve(tas_ranks *ranks, tas_device *device, const tas_data *const *sets, size_t count)
{
    entry_state saved;
    if (ranks_lead(ranks)) return fail(ranks->context, TAS_BAD_ARGUMENT, "rank 0 leads: it does not serve");
    entry_begin(ranks->context, &saved);
    ranks->device = device;
    if (device) ranks->transport.kind->name_device(ranks->transport.self, device->info.id);
    ranks->sets = sets;
    ranks->set_count = count;
    const tas_status status = serve(ranks);
    close_run(ranks);
    entry_end(&saved);
    return status;
}

void *ranks_serve_thread(void *self)
{
    entry_state saved;
    tas_ranks *ranks = self;
    entry_begin(ranks->context, &saved);
    ranks->transport.kind->name_device(ranks->transport.self, ranks->device->info.id);
    ranks->result = serve(ranks);
    ranks->context->wait = NULL; /* it needs the transport */
    ranks->transport.kind->close(ranks->transport.self);
    entry_end(&saved);
    return NULL;
}

void ranks_serve_free(tas_ranks *ranks)
{
    close_run(ranks);
    ranks_attach(ranks->context, NULL);
    exchange_close(&ranks->all);
    free(ranks->share);
    free(ranks);
}

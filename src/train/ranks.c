/* Ranks: opening, commands of rank 0, the end. See ranks.h. */
#include "train/ranks.h"

#include "base/digest.h"
#include "model/model.h"
#include "train/piece.h"
#include "train/ranks_serve.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Opening --------------------------------------------------------------------------------------------------------- */

/* The exchange of commands has one shard per rank, at least. */
static tas_status open_exchange(tas_ranks *ranks)
{
    const uint32_t count = ranks->transport.count;
    uint32_t shards = 1, *share = malloc((count + (size_t)1) * sizeof *share);
    if (!share) return fail(ranks->context, TAS_NO_MEMORY, "no memory for %u ranks", count);
    while (shards < count) shards *= 2;
    halving_share(count, shards, NULL, share);
    const tas_status status = exchange_open(&ranks->all, ranks->context, &ranks->transport, shards, share);
    free(share);
    return status;
}

/* What has to be the same for messages to mean the same. */
static tas_status check_versions(tas_ranks *ranks)
{
    const uint16_t order = 1;
    char version[128];
    snprintf(version, sizeof version, "%s, contract %d, messages %d of %zu bytes, %s", tas_version(), tas_contract(),
             RANKS_COMMANDS, sizeof(ranks_opening), *(const char *)&order ? "little-endian" : "big-endian");
    return tas_ranks_check(ranks, "the version", version);
}

/* Outside of steps a driver hangs if it blocks for so long, or is busy for much longer. */
static void limit_wait(tas_ranks *ranks, double seconds)
{
    static const double busy = 600;
    if (ranks->in_step) return;
    ranks->transport.kind->limit(ranks->transport.self, seconds > 0 ? busy + seconds : 0, seconds);
}

void ranks_attach(tas_context *context, tas_ranks *ranks)
{
    context->ranks = ranks;
    context->wait = ranks ? limit_wait : NULL;
    context->waits = 0;
}

static tas_status make_ranks(tas_context *context, tas_ranks **out)
{
    *out = NULL;
    if (context->ranks) return fail(context, TAS_BAD_ARGUMENT, "this context has ranks already");
    *out = calloc(1, sizeof **out);
    if (!*out) return fail(context, TAS_NO_MEMORY, "no memory for ranks");
    (*out)->context = context;
    return TAS_OK;
}

int tas_ranks_launched(void) { return transport_is_launched(); }

tas_status tas_ranks_open_mpi(tas_context *context, tas_ranks **out)
{
    entry_state saved;
    char why[TRANSPORT_WHY] = "";
    entry_begin(context, &saved);
    tas_status status = make_ranks(context, out);
    if (!status && !transport_open_mpi(&(*out)->transport, why)) {
        free(*out);
        *out = NULL;
        status = fail(context, TAS_BAD_ARGUMENT, "%s", why);
    }
    if (!status) {
        ranks_attach(context, *out);
        status = open_exchange(*out);
        if (!status) status = check_versions(*out);
        if (status) tas_ranks_close(out);
    }
    entry_end(&saved);
    return status;
}

static bool start_worker(tas_ranks *ranks, uint32_t i, const transport *t, tas_device *device)
{
    ranks_worker *worker = &ranks->workers[i];
    tas_ranks *own = calloc(1, sizeof *own);
    if (!own) return false;
    *own = (tas_ranks){.context = device->context, .transport = *t, .device = device, .budget = worker->budget};
    *worker = (ranks_worker){.device = device, .ranks = own, .budget = worker->budget};
    ranks_attach(own->context, own);
    if (!open_exchange(own) && !pthread_create(&worker->thread, NULL, ranks_serve_thread, own)) return true;
    exchange_close(&own->all);
    ranks_attach(own->context, NULL);
    free(own);
    return false;
}

/* Makes devices ranks, and this thread rank 0 of them. */
static tas_status start_workers(tas_ranks *ranks, tas_device *const *devices, uint32_t count)
{
    transport *places = calloc(count + (size_t)1, sizeof *places);
    if (!places || !transport_open_threads(count + 1, places)) {
        free(places);
        return fail(ranks->context, TAS_NO_MEMORY, "no memory for ranks");
    }
    ranks->transport = places[0];
    ranks->transport.kind->on_hang(ranks->transport.self, ranks->on_hang, ranks->hang_user);
    ranks->failed = false;
    ranks->worker_count = 0;
    tas_status status = open_exchange(ranks);
    for (uint32_t i = 0; i < count; i++) {
        if (!status && start_worker(ranks, i, &places[i + 1], devices[i])) {
            ranks->worker_count++;
            continue;
        }
        if (!status) status = fail(ranks->context, TAS_NO_MEMORY, "no memory, or no thread, for a device");
        tas_ranks_fail(ranks, "a device could not be made a rank");
        places[i + 1].kind->close(places[i + 1].self);
    }
    free(places);
    return status;
}

static tas_status open_devices(tas_context *context, tas_device *const *devices, size_t count, tas_ranks **out)
{
    tas_status status = make_ranks(context, out);
    if (status) return status;
    (*out)->local = true;
    (*out)->workers = calloc(count + 1, sizeof *(*out)->workers);
    if (!(*out)->workers)
        status = fail(context, TAS_NO_MEMORY, "no memory for ranks");
    else
        status = start_workers(*out, devices, (uint32_t)count);
    if (!status) {
        ranks_attach(context, *out);
        return TAS_OK;
    }
    if ((*out)->transport.kind)
        tas_ranks_close(out);
    else {
        free((*out)->workers);
        free(*out);
        *out = NULL;
    }
    return status;
}

tas_status tas_ranks_open_devices(tas_context *context, tas_device *const *devices, size_t count, tas_ranks **out)
{
    entry_state saved;
    tas_status status = TAS_OK;
    *out = NULL;
    entry_begin(context, &saved);
    for (size_t i = 0; i < count; i++)
        if (devices[i]->context == context || devices[i]->context->ranks)
            status =
                fail(context, TAS_BAD_ARGUMENT, "device %s: expected one of a context of its own", devices[i]->info.id);
    if (!status) status = open_devices(context, devices, count, out);
    entry_end(&saved);
    return status;
}

uint32_t tas_ranks_index(const tas_ranks *ranks) { return ranks->transport.rank; }
uint32_t tas_ranks_count(const tas_ranks *ranks) { return ranks->transport.count; }

void tas_ranks_set_budget(tas_ranks *ranks, uint32_t rank, uint64_t bytes)
{
    if (rank == ranks->transport.rank)
        ranks->budget = bytes;
    else if (rank - 1 < ranks->worker_count)
        ranks->workers[rank - 1].budget = ranks->workers[rank - 1].ranks->budget = bytes;
}

uint32_t tas_ranks_shards(const tas_ranks *ranks, uint32_t rank)
{
    const bool known = ranks->share && rank < ranks->transport.count;
    return known ? ranks->share[rank + 1] - ranks->share[rank] : 0;
}

void tas_ranks_get_traffic(const tas_ranks *ranks, tas_ranks_traffic *out)
{
    *out = ranks->done;
    out->messages = ranks->transport.messages;
    out->bytes = ranks->transport.bytes;
}

void tas_ranks_set_hang(tas_ranks *ranks, tas_hang_fn on_hang, void *user)
{
    ranks->on_hang = on_hang;
    ranks->hang_user = user;
    ranks->transport.kind->on_hang(ranks->transport.self, on_hang, user);
}

void tas_ranks_fail(tas_ranks *ranks, const char *why)
{
    ranks->transport.kind->fail(ranks->transport.self, why);
    ranks->failed = true;
}

/* Comparing ------------------------------------------------------------------------------------------------------- */

enum { SHOWN = 160, COMPARED = 65 + TRANSPORT_NAME + SHOWN };

/* The digest of a text, the name of the rank, and the text's beginning. */
static void describe_text(const tas_ranks *ranks, const char *text, char out[COMPARED])
{
    char name[TRANSPORT_NAME] = "", hex[65];
    digest d;
    ranks->transport.kind->describe(ranks->transport.self, name);
    digest_begin(&d);
    digest_add_bytes(&d, text, strlen(text));
    digest_end(&d, hex);
    memset(out, 0, COMPARED);
    memcpy(out, hex, 65);
    snprintf(out + 65, TRANSPORT_NAME, "%s", name);
    snprintf(out + 65 + TRANSPORT_NAME, SHOWN, "%s", text);
}

static void find_difference(const tas_ranks *ranks, const char *what, const char *all, char verdict[TRANSPORT_WHY])
{
    for (uint32_t r = 1; r < ranks->transport.count; r++) {
        const char *other = all + (size_t)r * COMPARED;
        if (!memcmp(all, other, 64)) continue;
        snprintf(verdict, TRANSPORT_WHY, "rank %u (%s): %s is not that of rank 0: '%s' there, '%s' here", r, other + 65,
                 what, other + 65 + TRANSPORT_NAME, all + 65 + TRANSPORT_NAME);
        return;
    }
}

tas_status tas_ranks_check(tas_ranks *ranks, const char *what, const char *text)
{
    entry_state saved;
    char own[COMPARED], verdict[TRANSPORT_WHY] = "";
    entry_begin(ranks->context, &saved);
    char *all = malloc((size_t)ranks->transport.count * COMPARED);
    tas_status status = all ? TAS_OK : fail(ranks->context, TAS_NO_MEMORY, "no memory to compare ranks");
    describe_text(ranks, text, own);
    if (!status) status = exchange_blocks(&ranks->all, own, COMPARED, all);
    if (!status && ranks_lead(ranks)) find_difference(ranks, what, all, verdict);
    if (!status) status = exchange_broadcast(&ranks->all, verdict, sizeof verdict);
    if (!status && *verdict) status = fail(ranks->context, TAS_BAD_ARGUMENT, "%s", verdict);
    free(all);
    entry_end(&saved);
    return status;
}

/* Commands of rank 0 ---------------------------------------------------------------------------------------------- */

tas_status ranks_tell(tas_ranks *ranks, ranks_command command, const void *data, uint64_t bytes)
{
    ranks_header header = {.command = (uint32_t)command, .bytes = bytes};
    if (ranks->failed)
        return fail(ranks->context, TAS_RANK_FAILED, "%s", ranks->transport.kind->why(ranks->transport.self));
    if (bytes && bytes <= RANKS_SHORT) memcpy(header.data, data, (size_t)bytes);
    tas_status status = exchange_broadcast(&ranks->all, &header, sizeof header);
    if (!status && bytes > RANKS_SHORT) status = exchange_broadcast(&ranks->all, (void *)(uintptr_t)data, bytes);
    ranks->failed = status == TAS_RANK_FAILED;
    return status;
}

void ranks_even_share(const tas_ranks *ranks, uint32_t shards, uint32_t *share)
{
    halving_share(ranks->transport.count, shards, NULL, share);
}

tas_status ranks_fingerprint(tas_ranks *ranks, const tas_data *root, const char **hex)
{
    for (int i = 0; i < ranks->root_count; i++) {
        *hex = ranks->roots[i].hex;
        if (ranks->roots[i].of == root) return TAS_OK;
    }
    const int at = ranks->root_count < RANKS_ROOTS ? ranks->root_count : RANKS_ROOTS - 1;
    const tas_status status = tas_data_fingerprint(root, ranks->roots[at].hex);
    ranks->roots[at].of = root;
    ranks->root_count = at + !status;
    *hex = ranks->roots[at].hex;
    return status;
}

/* The longest that a rank takes for its shards. */
static double longest(const uint32_t *share, const double *speed, uint32_t count)
{
    double most = 0;
    for (uint32_t r = 0; r < count; r++) {
        const double seconds = (share[r + 1] - share[r]) / speed[r];
        if (seconds > most) most = seconds;
    }
    return most;
}

/* Shares by the speeds that were measured, if that makes a step faster by a sixth or more: then the schedule of the
 * exchange is the less even one. True if they are not even. */
static bool choose_share(const tas_ranks *ranks, uint32_t shards, const ranks_reply *replies, uint32_t *share)
{
    const uint32_t count = ranks->transport.count;
    double *speed = calloc(count, sizeof *speed);
    uint32_t *own = malloc((count + (size_t)1) * sizeof *own);
    bool known = speed && own, uneven = false;
    ranks_even_share(ranks, shards, share);
    for (uint32_t r = 0; r < count && known; r++) {
        if (replies[r].seconds > 0) speed[r] = (share[r + 1] - share[r]) / replies[r].seconds;
        known = speed[r] > 0;
    }
    if (known) {
        halving_share(count, shards, speed, own);
        uneven = longest(own, speed, count) * 7 < longest(share, speed, count) * 6;
        if (uneven) memcpy(share, own, (count + (size_t)1) * sizeof *own);
    }
    free(speed);
    free(own);
    return uneven;
}

tas_status ranks_hear(tas_ranks *ranks, double seconds, ranks_reply *replies)
{
    ranks_reply own = {.seconds = seconds};
    tas_status status = exchange_blocks(&ranks->all, &own, sizeof own, replies);
    for (uint32_t r = 1; r < ranks->transport.count && !status; r++)
        if (replies[r].status)
            status = fail(ranks->context, replies[r].status, "rank %u (%s): %s", r, replies[r].name, replies[r].error);
    ranks->failed |= status == TAS_RANK_FAILED;
    return status;
}

/* What needs one device; NULL: nothing. */
static const char *obstacle(const tas_run *run)
{
    const tas_train_options *options = &run->options;
    if (options->noise) return "the gradient noise scale is measured";
    if (options->audit > 0 || options->audit_step) return "the device is audited";
    if (options->on_trace) return "a trace is made";
    return run->model->device->arith == TAS_ARITH_FAST ? "its arithmetic is fast" : NULL;
}

tas_status ranks_begin_run(tas_run *run)
{
    tas_ranks *ranks = run->model->context->ranks;
    if (!ranks) return TAS_OK;
    const uint32_t count = ranks->transport.count, rank = ranks->transport.rank;
    const char *why = obstacle(run);
    tas_status status = TAS_OK;
    if (ranks_lead(ranks)) ranks->transport.kind->name_device(ranks->transport.self, run->model->device->info.id);
    if (why) {
        note_once(ranks->context, "this run is on rank 0 alone, as %s: with the same bits", why);
        return TAS_OK;
    }
    if (run->options.shards < count)
        status = fail(ranks->context, TAS_BAD_ARGUMENT,
                      "%u ranks: expected at least as many shards, but each batch has %u", count, run->options.shards);
    uint32_t *share = status ? NULL : malloc((count + (size_t)1) * sizeof *share);
    run->ranked = share ? calloc(1, sizeof *run->ranked) : NULL;
    if (run->ranked) {
        ranks_even_share(ranks, run->options.shards, share);
        run->ranked->ranks = ranks;
        run->ranked->from = share[rank];
        run->ranked->to = share[rank + 1];
        forecast_request_rank(&run->request);
        status = ranked_host_bytes(run->model->device, run->model->network, &run->options, NULL, count, (int)rank,
                                   &run->request.exchange);
    } else if (!status)
        status = fail(ranks->context, TAS_NO_MEMORY, "no memory for a run over ranks");
    free(share);
    return status;
}

/* Whether the devices of all ranks use the same layout of parameters. */
static bool are_alike(const tas_run *run, const ranks_reply *replies, uint32_t count)
{
    bool alike = true;
    char own[65];
    slices_describe_layout(run->model, own);
    for (uint32_t r = 1; r < count; r++) alike &= !strcmp(own, replies[r].layout);
    return alike;
}

uint64_t ranks_room(const tas_run *run)
{
    const plan_device limits = model_limits(run->model, run->options.budget);
    if (!limits.shared) return UINT64_MAX;
    return run->w.plan.total < limits.budget ? limits.budget - run->w.plan.total : 0;
}

/* Uneven shares have more sums to keep: whether the budgets of all ranks, which were kept with even ones, have room. */
static bool has_room(const tas_run *run, const ranks_reply *replies, const uint32_t *share)
{
    const uint32_t count = run->model->context->ranks->transport.count;
    tas_status status = TAS_OK;
    bool fits = true;
    for (uint32_t r = 0; r < count && !status && fits; r++) {
        const uint64_t room = r ? replies[r].room : ranks_room(run);
        uint64_t even, own;
        status = ranked_host_bytes(run->model->device, run->model->network, &run->options, NULL, count, (int)r, &even);
        if (!status)
            status =
                ranked_host_bytes(run->model->device, run->model->network, &run->options, share, count, (int)r, &own);
        fits = !status && (own <= even || own - even <= room);
    }
    return fits;
}

/* All ranks time a step again, at the same time. The shortest one of each counts. */
static tas_status time_again(tas_run *run, ranks_reply *replies)
{
    tas_ranks *ranks = run->model->context->ranks;
    const uint32_t count = ranks->transport.count;
    ranks_reply *again = calloc(count, sizeof *again);
    tas_status status = again ? ranks_tell(ranks, RANKS_TIME, NULL, 0)
                              : fail(ranks->context, TAS_NO_MEMORY, "no memory for replies of ranks");
    const tas_status own = status ? status : run_time_step(run);
    if (own && !status) tas_ranks_fail(ranks, ranks->context->error); /* the others wait for what rank 0 replies */
    if (!own) status = ranks_hear(ranks, run->ranked->warm_seconds, again);
    for (uint32_t r = 0; r < count && !own && !status; r++)
        if (again[r].seconds < replies[r].seconds) replies[r].seconds = again[r].seconds;
    free(again);
    return own ? own : status;
}

/* A share stays for the whole run, and what slowed one rank down for the moment of the measurement may pass: uneven
 * shares need several measurements that agree. */
static tas_status find_share(tas_run *run, ranks_reply *replies, uint32_t *share)
{
    enum { AGAIN = 3 };
    tas_ranks *ranks = run->model->context->ranks;
    tas_status status = TAS_OK;
    for (int k = 0; choose_share(ranks, run->options.shards, replies, share) && k < AGAIN && !status; k++)
        status = time_again(run, replies);
    if (!status && !has_room(run, replies, share)) ranks_even_share(ranks, run->options.shards, share);
    return status;
}

/* share: of all ranks, followed by whether their devices use the same layout. */
static tas_status open_everywhere(tas_run *run, ranks_reply *replies, uint32_t *share)
{
    tas_ranks *ranks = run->model->context->ranks;
    const uint32_t count = ranks->transport.count;
    uint64_t bytes;
    char *opening = NULL;
    tas_status status = ranks_encode_opening(ranks, run->model, run->data, &run->options, false, &opening, &bytes);
    if (!status) status = ranks_tell(ranks, RANKS_OPEN, opening, bytes);
    free(opening);
    if (status) return status;
    run->ranked->told = true;
    status = ranks_hear(ranks, run->ranked->warm_seconds, replies);
    if (!status) status = find_share(run, replies, share);
    if (status) return status;
    share[count + 1] = are_alike(run, replies, count);
    status = ranks_tell(ranks, RANKS_SHARES, share, (count + (size_t)2) * sizeof *share);
    if (!status) status = ranked_open(run, share, share[count + 1]);
    return status ? status : ranked_put(run, NULL, 0);
}

tas_status ranks_open_run(tas_run *run)
{
    tas_ranks *ranks = run->model->context->ranks;
    const uint32_t count = ranks->transport.count;
    ranks_reply *replies = calloc(count, sizeof *replies);
    uint32_t *share = malloc((count + (size_t)2) * sizeof *share);
    tas_status status = replies && share ? open_everywhere(run, replies, share)
                                         : fail(ranks->context, TAS_NO_MEMORY, "no memory for replies of ranks");
    free(replies);
    free(share);
    return status;
}

tas_status ranks_order(tas_run *run, uint64_t epoch)
{
    tas_ranks *ranks = run->model->context->ranks;
    tas_status status = ranks_tell(ranks, RANKS_ORDER, &epoch, sizeof epoch);
    return status ? status : exchange_broadcast(&ranks->all, run->order, (uint64_t)run->count * sizeof *run->order);
}

static tas_status note_failure(tas_ranks *ranks, tas_status status)
{
    ranks->failed |= status == TAS_RANK_FAILED;
    return status;
}

tas_status ranks_step(tas_run *run, const run_step *step, const optimizer_step *of)
{
    const ranks_stepping stepping = {*step, *of};
    tas_ranks *ranks = run->model->context->ranks;
    tas_status status = ranks_tell(ranks, RANKS_STEP, &stepping, sizeof stepping);
    if (!status) status = ranked_step(run, step, of);
    return note_failure(ranks, status);
}

tas_status ranks_put(tas_run *run, const char *from, uint64_t step)
{
    tas_ranks *ranks = run->model->context->ranks;
    tas_status status = ranks_tell(ranks, RANKS_PUT, &step, sizeof step);
    if (!status) status = ranked_put(run, from, step);
    return note_failure(ranks, status);
}

tas_status ranks_get(tas_run *run, char *to)
{
    tas_ranks *ranks = run->model->context->ranks;
    tas_status status = ranks_tell(ranks, RANKS_GET, NULL, 0);
    if (!status) status = ranked_get(run, to);
    return note_failure(ranks, status);
}

void ranks_close_run(tas_run *run)
{
    tas_ranks *ranks = run->model->context->ranks;
    char error[sizeof ranks->context->error];
    if (!run->ranked) return;
    memcpy(error, ranks->context->error, sizeof error);
    if (run->ranked->told && ranks_lead(ranks) && !ranks->failed) ranks_tell(ranks, RANKS_CLOSE, NULL, 0);
    memcpy(ranks->context->error, error, sizeof error); /* of what ended the run */
    ranks->done.beside_seconds += run->ranked->beside_seconds;
    ranks->done.exchange_seconds += run->ranked->exchange.seconds - run->ranked->beside_seconds;
    ranks->done.waited_seconds += run->ranked->exchange.waited - run->ranked->beside_waited;
    ranks->done.gradient_seconds += run->ranked->gradient_seconds;
    ranks->done.update_seconds += run->ranked->update_seconds;
    ranked_close(run);
}

/* Devices that fail ------------------------------------------------------------------------------------------------ */

enum { JOIN_SECONDS = 10, JOIN_HANGING = 1 /* one that was found to hang */ };

/* The threads of devices end by themselves, except one that hangs in a driver: its memory, its device and its context
 * stay. True if it has ended. */
static bool join(tas_ranks *ranks, uint32_t rank)
{
    ranks_worker *worker = &ranks->workers[rank - 1];
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ranks->transport.kind->hangs(ranks->transport.self, rank) ? JOIN_HANGING : JOIN_SECONDS;
    if (worker->joined || worker->device->context->hangs) return worker->joined;
    worker->joined = !pthread_timedjoin_np(worker->thread, NULL, &until);
    worker->device->context->hangs = !worker->joined;
    ranks->hanging += !worker->joined;
    return worker->joined;
}

/* The devices that can go on come first, with their budgets; returns how many. What the others have is lost to this
 * process. */
static uint32_t end_workers(tas_ranks *ranks, tas_run **runs, tas_device **devices)
{
    uint32_t good = 0;
    for (uint32_t i = 0; i < ranks->worker_count; i++) {
        tas_ranks *own = ranks->workers[i].ranks;
        const bool ended = join(ranks, i + 1);
        runs[i] = own->run && own->run->ranked && own->run->ranked->open ? own->run : NULL;
        if (!ended || own->result != TAS_RANK_FAILED) continue;
        ranks->workers[good].budget = ranks->workers[i].budget;
        devices[good++] = ranks->workers[i].device;
    }
    return good;
}

static void free_workers(tas_ranks *ranks)
{
    for (uint32_t i = 0; i < ranks->worker_count; i++)
        if (!ranks->workers[i].device->context->hangs) ranks_serve_free(ranks->workers[i].ranks);
    ranks->worker_count = 0;
}

/* With the devices that are left, from what all had after the last step. */
static tas_status begin_again(tas_run *run, tas_device *const *devices, uint32_t count, const char *state)
{
    tas_ranks *ranks = run->model->context->ranks;
    const uint64_t step = run->step;
    ranked_close(run);
    free_workers(ranks);
    ranks_attach(ranks->context, NULL);
    ranks->transport.kind->close(ranks->transport.self);
    exchange_close(&ranks->all);
    tas_status status = start_workers(ranks, devices, count);
    ranks_attach(ranks->context, ranks);
    if (!status) status = ranks_begin_run(run);
    if (!status) status = run_time_step(run);
    if (!status) status = ranks_open_run(run);
    return status ? status : ranks_put(run, state, step);
}

/* All have stopped after the same step, since none gets through a sum without the others. */
bool ranks_rescue(tas_run *run, tas_status *status)
{
    tas_ranks *ranks = run->model->context->ranks;
    if (*status != TAS_RANK_FAILED || !ranks || !ranks->local || !run->ranked || !run->ranked->open) return false;
    const uint32_t count = ranks->worker_count;
    tas_run **runs = calloc(count + (size_t)1, sizeof *runs);
    tas_device **devices = calloc(count + (size_t)1, sizeof *devices);
    char *state = malloc((size_t)piece_bytes(run) + 1);
    bool whole = runs && devices && state;
    const uint32_t good = whole ? end_workers(ranks, runs, devices) : 0;
    for (uint32_t i = 0; i < count && whole; i++) whole = runs[i] && runs[i]->ranked->updated == run->step;
    if (whole && good < count) {
        note(ranks->context, "%s; the run goes on without it, with the same bits",
             ranks->transport.kind->why(ranks->transport.self));
        ranked_get_stopped(run, runs, (int)count, state);
        *status = begin_again(run, devices, good, state);
        whole = !*status;
    } else
        whole = false;
    free(runs);
    free(devices);
    free(state);
    return whole;
}

/* The end --------------------------------------------------------------------------------------------------------- */

int tas_ranks_close(tas_ranks **of)
{
    tas_ranks *ranks = of ? *of : NULL;
    if (!ranks) return 0;
    *of = NULL;
    if (ranks_lead(ranks) && !ranks->failed) ranks_tell(ranks, RANKS_LEAVE, NULL, 0);
    if (ranks->local) tas_ranks_fail(ranks, "ends");
    for (uint32_t i = 0; i < ranks->worker_count; i++) join(ranks, i + 1);
    free_workers(ranks);
    ranks_attach(ranks->context, NULL);
    ranks->transport.kind->close(ranks->transport.self);
    exchange_close(&ranks->all);
    free(ranks->workers);
    free(ranks->share);
    const int hanging = (int)ranks->hanging;
    free(ranks);
    return hanging;
}

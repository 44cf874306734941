/* tassello plan: what training would take of a device's memory, and in which tiles. */
#include "batch_schedule.h"
#include "link.h"
#include "optimizer.h"
#include "plan_ranks.h"
#include "sets.h"

typedef struct settings {
    const char *net, *data, *device, *loss;
    bool json, noise, keep_on_host;
    int optimizer;
    float clip;
    uint64_t examples;
    cli_size budget, validation;
    data_settings reading;
    uint64_t batch; /* UINT64_MAX: not given */
    batch_schedule batch_schedule;
    link_settings link;
    double step_seconds; /* -1: not given */
    tas_plan_options plan;
} settings;

#define READING(field) offsetof(settings, reading.field)
#define LINK(field) offsetof(settings, link.field)

static const cli_option options[] = {
    OPTION_VALIDATION(offsetof(settings, validation), "The memory for evaluating them is part of the budget."),
    OPTION_EXAMPLES(offsetof(settings, examples)),
    OPTIONS_READING(READING),
    OPTION_LOSS(offsetof(settings, loss)),
    {.name = "batch",
     .metavar = "N",
     .group = GROUP_BATCH,
     .type = TYPE_U64,
     .least = 1,
     .most = UINT32_MAX,
     .offset = offsetof(settings, batch),
     .help = "Examples per update (default 64, or all if there are fewer)."},
    OPTION_BATCH_SCHEDULE(offsetof(settings, batch_schedule), "The plan is for the largest."),
    OPTION_SHARDS(offsetof(settings, plan.shards)),
    {.name = "ranks",
     .metavar = "N",
     .group = GROUP_BATCH,
     .type = TYPE_U32,
     .least = 1,
     .most = TAS_SCALE_RANKS,
     .offset = offsetof(settings, plan.ranks),
     .help =
         "Plan for one of N ranks that share the --shards of each batch: devices of this machine, or processes "
         "under MPI. Also print what they exchange, and with --bandwidth and --latency, or --exchange, how fast a step "
         "of up to 4096 ranks is expected to be."},
    OPTION_BUDGET(offsetof(settings, budget)),
    OPTION_TILE(offsetof(settings, plan.tile)),
    OPTION_KEEP_ON_HOST(offsetof(settings, keep_on_host)),
    OPTION_OPTIMIZER(offsetof(settings, optimizer)),
    OPTION_CLIP(offsetof(settings, clip)),
    OPTION_JSON(offsetof(settings, json)),
    {.name = "noise",
     .group = GROUP_OUTPUT,
     .offset = offsetof(settings, noise),
     .help = "Plan for a run that measures the gradient noise scale."},
    OPTIONS_LINK(LINK),
    {.name = "step-seconds",
     .metavar = "SECONDS",
     .group = GROUP_DEVICE,
     .type = TYPE_F64,
     .offset = offsetof(settings, step_seconds),
     .help = "--ranks: what a step of one device takes, of which a rank needs as large a share as it has of the batch. "
             "Default: steps on the device are timed."},
    OPTION_DEVICE(offsetof(settings, device)),
    {0},
};

static const uint32_t batches[] = {1, 8, 32, 64, 128, 256, 512, 1024, 4096};
enum { BATCHES = sizeof batches / sizeof *batches, BATCH_MOST = 1 << 24 };

/* A batch of the table. A plan without tiles: there is none within the budget. */
typedef struct row {
    uint32_t batch;
    tas_plan plan;
} row;

typedef struct session {
    cli_state cli;
    settings s;
    tas_device *device;
    cli_net net;
    tas_network *network;
    cli_sets sets;
    const tas_data *train, *test; /* of the sets; NULL without DATA */
    tas_plan plan;
    tas_link link;
    tas_scale scale;
    row rows[BATCHES + 1]; /* and the whole set */
    int row_count;
} session;

static tas_status make_plan(session *r, uint32_t batch, tas_plan *out)
{
    tas_plan_options request = r->s.plan;
    request.batch = batch;
    if (out != &r->plan) request.change_count = 0; /* a row of the table */
    request.validation = r->sets.validation;
    return tas_plan_make(r->device, r->network, r->train, r->test, &request, out);
}

static tas_status add_row(session *r, uint32_t batch)
{
    row *next = &r->rows[r->row_count++];
    next->batch = batch;
    const tas_status status = make_plan(r, batch, &next->plan);
    /* of a budget that is too small the sufficient one is known; else this program lacks memory */
    return status == TAS_NO_MEMORY && next->plan.min_budget > next->plan.budget ? TAS_OK : status;
}

static tas_status make_rows(session *r)
{
    const uint64_t most = r->train ? tas_data_count(r->train) : batches[BATCHES - 1];
    tas_status status = TAS_OK;
    for (int i = 0; i < BATCHES && batches[i] <= most && !status; i++) status = add_row(r, batches[i]);
    if (!status && most <= BATCH_MOST && r->rows[r->row_count - 1].batch < most) status = add_row(r, (uint32_t)most);
    return status;
}

/* The data as the network needs them, if there are any, and the network with what the data fill in. */
static int open_data(session *r)
{
    const settings *s = &r->s;
    tas_reading reading;
    sets_reading(&s->reading, &reading);
    r->net.name = s->net;
    r->net.loss = s->loss;
    int failed = s->data ? cli_network_expect(&r->cli, &r->net, &reading) : 0;
    if (!failed && s->data) failed = sets_read(&r->sets, &r->cli, s->data, &reading);
    if (!failed && s->data) failed = sets_cut(&r->sets, &r->cli, s->data, s->examples, &s->validation, 1);
    r->train = r->sets.train;
    r->test = r->sets.test;
    const uint64_t all = r->train ? tas_data_count(r->train) : UINT64_MAX;
    if (s->batch == UINT64_MAX && !s->batch_schedule.first && r->s.plan.batch > all) r->s.plan.batch = (uint32_t)all;
    return failed ? failed : cli_network_open_for(&r->cli, &r->net, r->sets.all, &r->network);
}

/* What is wrong with NET and DATA is found before kernels are built. */
static int open_session(session *r)
{
    tas_context *context = r->cli.context;
    const settings *s = &r->s;
    const int failed = open_data(r);
    if (failed) return failed;
    if (s->data) {
        if (!cli_check_fit(&r->cli, r->network, s->net, r->train, s->data, TAS_TRAIN)) return EXIT_FAILED;
        if (!cli_check_fit(&r->cli, r->network, s->net, r->test, s->data, TAS_TEST)) return EXIT_FAILED;
        if (!batch_schedule_check(&r->cli, &s->batch_schedule, r->train, s->data)) return EXIT_USAGE;
        if (!cli_check_batch(&r->cli, s->plan.batch, r->train, s->data)) return EXIT_USAGE;
    }
    const tas_status status = tas_device_open_for(context, s->device, TAS_ARITH_EXACT, r->network, 1, &r->device);
    if (status) return cli_failed(&r->cli, status);
    return cli_budget(&r->cli, &s->budget, tas_device_get_info(r->device), &r->s.plan.budget) ? 0 : EXIT_FAILED;
}

/* ------------------------------------------------------------------------------------------------------- for people */

static void print_data(const session *r)
{
    printf("data         %llu examples to train, ", (unsigned long long)tas_data_count(r->train));
    if (r->sets.validation) printf("%llu held out, ", (unsigned long long)tas_data_count(r->sets.validation));
    printf("%llu to test\n", (unsigned long long)tas_data_count(r->test));
}

static uint32_t largest(const session *r)
{
    uint32_t most = r->s.plan.batch;
    for (int i = 0; i < r->s.plan.change_count; i++)
        if (r->s.plan.changes[i].batch > most) most = r->s.plan.changes[i].batch;
    return most;
}

static void print_head(const session *r)
{
    const tas_device_info *d = tas_device_get_info(r->device);
    char text[BYTES_TEXT];
    printf("device       %s (%s)\nnetwork      %s\n", cli_shown(d->id), cli_shown(d->name), cli_shown(r->s.net));
    if (r->train)
        print_data(r);
    else
        printf("data         none given: a streamed set of bytes, no evaluation\n");
    if (r->plan.budget == UINT64_MAX)
        printf("budget       none: the device does not report how much memory it has\n");
    else
        printf("budget       %s (%llu bytes)\n", cli_bytes(r->plan.budget, text), (unsigned long long)r->plan.budget);
    printf("plan         ");
    cli_print_tiles(&r->plan, largest(r));
    putchar('\n');
}

static void print_map(const tas_plan *plan, const tas_device_info *device)
{
    char text[BYTES_TEXT];
    printf("memory       %s (%llu bytes)\n", cli_bytes(plan->bytes_total, text), (unsigned long long)plan->bytes_total);
    for (const tas_plan_part *part = plan->part; part->name; part++)
        if (part->bytes)
            printf("             %-16s %10s %5.1f %%  (%llu bytes)\n", part->name, cli_bytes(part->bytes, text),
                   100 * (double)part->bytes / (double)plan->bytes_total, (unsigned long long)part->bytes);
    printf("lower bound  %s (%llu bytes); steps need %.2f times that, beside the data set\n",
           cli_bytes(plan->lower_bound, text), (unsigned long long)plan->lower_bound,
           (double)plan->step_bytes / (double)plan->lower_bound);
    if (plan->passes > 1)
        printf("passes       %u over the tiles of a batch; %s (%llu bytes) kept between them, on the %s\n",
               plan->passes, cli_bytes(plan->kept_bytes, text), (unsigned long long)plan->kept_bytes,
               plan->kept_on_host ? "host" : "device");
    if (!device->shared_memory)
        printf("host memory  %s (%llu bytes), beside the budget\n", cli_bytes(plan->host_bytes, text),
               (unsigned long long)plan->host_bytes);
    printf("per example  %s (%llu bytes) for each further one in a tile\n", cli_bytes(plan->bytes_per_example, text),
           (unsigned long long)plan->bytes_per_example);
    printf("untiled      batches up to %u\n", plan->largest_untiled);
    printf("min budget   %s (%llu bytes)\n", cli_bytes(plan->min_budget, text), (unsigned long long)plan->min_budget);
}

static void print_rows(const session *r)
{
    char text[BYTES_TEXT];
    printf("%7s  %10s  %6s  %6s  %-13s  %s\n", "batch", "memory", "tile", "tiles", "data set", "min budget");
    for (int i = 0; i < r->row_count; i++) {
        const tas_plan *plan = &r->rows[i].plan;
        printf("%7u  ", r->rows[i].batch);
        if (plan->tile)
            printf("%10s  %6u  %6u  %-13s  ", cli_bytes(plan->bytes_total, text), plan->tile, plan->tiles,
                   plan->resident ? "on the device" : "streamed");
        else
            printf("%10s  %6s  %6s  %-13s  ", "none", "-", "-", "-");
        printf("%llu\n", (unsigned long long)plan->min_budget);
    }
}

/* ------------------------------------------------------------------------------------------------------------- JSON */

static json_t *describe_row(const row *entry)
{
    const tas_plan *plan = &entry->plan;
    json_t *o = json_object();
    json_object_set_new(o, "batch", json_integer(entry->batch));
    json_object_set_new(o, "bytes", plan->tile ? json_integer((json_int_t)plan->bytes_total) : json_null());
    json_object_set_new(o, "tile", plan->tile ? json_integer(plan->tile) : json_null());
    json_object_set_new(o, "tiles", plan->tile ? json_integer(plan->tiles) : json_null());
    json_object_set_new(o, "resident", plan->tile ? json_boolean(plan->resident) : json_null());
    json_object_set_new(o, "min_budget", json_integer((json_int_t)plan->min_budget));
    return o;
}

static void print_json(const session *r)
{
    const tas_plan *plan = &r->plan;
    json_t *o = json_object(), *parts = json_object(), *table = json_array();
    for (const tas_plan_part *part = plan->part; part->name; part++)
        json_object_set_new(parts, part->name, json_integer((json_int_t)part->bytes));
    for (int i = 0; i < r->row_count; i++) json_array_append_new(table, describe_row(&r->rows[i]));
    json_object_set_new(o, "network", cli_json_text(r->s.net));
    json_object_set_new(o, "data", r->s.data ? cli_json_text(r->s.data) : json_null());
    json_object_set_new(o, "device", cli_json_text(tas_device_get_info(r->device)->id));
    json_object_set_new(o, "batch", json_integer(largest(r)));
    json_object_set_new(o, "budget", cli_json_budget(plan->budget));
    json_object_set_new(o, "tile", json_integer(plan->tile));
    json_object_set_new(o, "tiles", json_integer(plan->tiles));
    json_object_set_new(o, "resident", json_boolean(plan->resident));
    json_object_set_new(o, "bytes_total", json_integer((json_int_t)plan->bytes_total));
    json_object_set_new(o, "host_bytes", json_integer((json_int_t)plan->host_bytes));
    json_object_set_new(o, "step_bytes", json_integer((json_int_t)plan->step_bytes));
    json_object_set_new(o, "lower_bound", json_integer((json_int_t)plan->lower_bound));
    json_object_set_new(o, "bytes_fixed", json_integer((json_int_t)plan->bytes_fixed));
    json_object_set_new(o, "bytes_per_example", json_integer((json_int_t)plan->bytes_per_example));
    json_object_set_new(o, "min_budget", json_integer((json_int_t)plan->min_budget));
    json_object_set_new(o, "passes", json_integer(plan->passes));
    json_object_set_new(o, "kept_bytes", json_integer((json_int_t)plan->kept_bytes));
    json_object_set_new(o, "kept_on_host", json_boolean(plan->kept_on_host));
    json_object_set_new(o, "repeated_flops", json_integer((json_int_t)plan->repeated_flops));
    json_object_set_new(o, "largest_untiled", json_integer(plan->largest_untiled));
    json_object_set_new(o, "parts", parts);
    json_object_set_new(o, "table", table);
    if (r->s.plan.ranks) json_object_set_new(o, "ranks", plan_ranks_describe(&r->scale, &r->link));
    cli_json_print(o, stdout);
}

/* ---------------------------------------------------------------------------------------------------------- the run */

static tas_status forecast_ranks(session *r)
{
    const tas_plan_options *plan = &r->s.plan;
    tas_scale_options request;
    if (!plan->ranks) return TAS_OK;
    tas_scale_options_init(&request);
    request.batch = largest(r);
    request.shards = plan->shards;
    request.ranks = plan->ranks;
    request.optimizer = plan->optimizer;
    request.clip = plan->clip;
    request.step_seconds = r->s.step_seconds > 0 ? r->s.step_seconds : 0;
    request.link = r->link;
    return tas_scale_forecast(r->device, r->network, &request, &r->scale);
}

static int plan(session *r)
{
    if (!link_read(&r->cli, &r->s.link, &r->link)) return EXIT_FAILED;
    const int failed = open_session(r);
    if (failed) return failed;
    tas_status status = make_plan(r, r->s.plan.batch, &r->plan);
    if (!status) status = make_rows(r);
    if (!status) status = forecast_ranks(r);
    if (status) return cli_failed(&r->cli, status);
    if (r->s.json) {
        print_json(r);
    } else {
        print_head(r);
        print_map(&r->plan, tas_device_get_info(r->device));
        if (r->s.plan.ranks) plan_ranks_print(&r->scale, &r->link);
        print_rows(r);
    }
    return 0;
}

static void set_batches(settings *s)
{
    batch_schedule_read(&plan_command, &s->batch_schedule);
    const uint32_t first = s->batch_schedule.first;
    const bool given = s->batch != UINT64_MAX;
    if (given && first) cli_usage(&plan_command, "--batch and --batch-schedule: expected only one of them");
    if (given) s->plan.batch = (uint32_t)s->batch;
    if (!first) return;
    s->plan.batch = first;
    s->plan.changes = s->batch_schedule.list;
    s->plan.change_count = s->batch_schedule.count;
}

static void check_ranks(const settings *s)
{
    const uint32_t ranks = s->plan.ranks;
    link_check(&plan_command, &s->link);
    if (!ranks && (link_given(&s->link) || s->step_seconds >= 0))
        cli_usage(&plan_command, "--bandwidth, --latency, --exchange and --step-seconds: expected --ranks with them");
    if (s->step_seconds >= 0 && !link_given(&s->link))
        cli_usage(&plan_command, "--step-seconds: expected --bandwidth and --latency, or --exchange, with it");
    if (s->step_seconds == 0) cli_usage(&plan_command, "--step-seconds 0: expected more than 0");
    if (ranks > s->plan.shards)
        cli_usage(&plan_command, "--ranks %u: expected at most as many as --shards, %u", ranks, s->plan.shards);
}

static int run(int argc, char **argv)
{
    session r = {0};
    tas_plan_options_init(&r.s.plan);
    r.s.batch = UINT64_MAX;
    r.s.step_seconds = -1;
    link_begin(&r.s.link);
    cli_parse(&plan_command, argc, argv, &r.s);
    cli_check_loss(&plan_command, r.s.loss, r.s.net);
    set_batches(&r.s);
    cli_check_shards(&plan_command, r.s.plan.shards);
    check_ranks(&r.s);
    if (!r.s.data && (r.s.examples || r.s.validation.bytes || r.s.validation.percent > 0))
        cli_usage(&plan_command, "--examples and --validation: expected DATA with them");
    r.s.plan.noise = r.s.plan.preconditioned_noise = r.s.noise;
    r.s.plan.keep_on_host = r.s.keep_on_host;
    r.s.plan.optimizer = (tas_optimizer)r.s.optimizer;
    r.s.plan.clip = r.s.clip > 0;
    if (!cli_open(&r.cli, &plan_command)) return EXIT_FAILED;
    const int result = plan(&r);
    sets_close(&r.sets);
    tas_network_close(&r.network);
    cli_network_free(&r.net);
    tas_device_close(&r.device);
    cli_close(&r.cli);
    return result;
}

const cli_command plan_command = {
    .name = "plan",
    .summary = "forecast the memory that training needs",
    .description =
        "Prints how much memory 'tassello train' would allocate, to the byte, and into how many tiles it would cut a "
        "batch, without allocating any. A table shows the same for other batch sizes within the same budget.\n\n"
        "With DATA, the forecast covers training on it and the evaluation that follows. Without DATA, it covers "
        "training on a streamed set of bytes.\n\n"
        "The lower bound is what no step can do without that stores its gradient: the weights, the gradient, the "
        "optimizer's state, and the inputs and activations that the backward pass reads. A step whose update makes "
        "gradients itself, as SGD's does for dense layers if the batch is one tile and not large, can need less. What "
        "steps need is the device's memory without the data set. Memory that an operation needs while it runs is taken "
        "from that of activations.\n\n"
        "The host keeps a snapshot of the parameters and of the optimizer's state, in case the device fails. Host "
        "memory counts towards the budget if the device shares it.\n\n"
        "With --ranks, several devices share each batch. Steps are timed on this device, which needs a quiet machine, "
        "or "
        "given by --step-seconds. Staging is what each rank moves between its device and its host, and update the part "
        "of the weights that is its own. More ranks pay as long as their efficiency, the speed-up divided by the "
        "ranks, is at least 50 %. Beyond --shards the table has as many shards as ranks.",
    .arguments = {ARGUMENT_NET(offsetof(settings, net)), ARGUMENT_DATA(offsetof(settings, data), true)},
    .options = options,
    .examples = {"tassello plan lenet DATA --batch 512", "tassello plan lenet --batch 4096 --budget 64M"},
    .run = run,
};

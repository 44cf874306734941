/* tassello plan --ranks: see plan_ranks.h. */
#include "plan_ranks.h"

static const double pays = 0.5; /* efficiency */

static tas_status time_step(tas_device *device, const tas_network *network, uint32_t batch, double *seconds)
{
    tas_bench_options options;
    tas_bench_steps steps;
    tas_bench_options_init(&options);
    options.batch = batch;
    options.repetitions = 3;
    const tas_status status = tas_bench_steps_run(device, network, &options, &steps);
    if (status) return status;
    *seconds = steps.seconds.median;
    tas_profile_free(steps.profile);
    return TAS_OK;
}

static tas_status measure(plan_ranks *p, tas_context *context, tas_device *device, const tas_network *network,
                          const tas_plan_options *plan)
{
    tas_train_options train;
    const tas_tensor_info *info;
    tas_train_options_init(&train);
    tas_train_options_choose(&train, plan->optimizer);
    tas_scale_options_init(&p->scale);
    p->scale.shards = plan->shards;
    for (size_t i = 0; (info = tas_network_tensor(network, i)) != NULL; i++)
        if (info->trained) p->scale.weights += info->elements;
    if (p->bandwidth.bytes) p->scale.bandwidth = (double)p->bandwidth.bytes;
    if (p->latency >= 0) p->scale.latency = p->latency;
    tas_status status = tas_scale_measure(context, &train, &p->scale);
    if (!status) status = time_step(device, network, plan->batch, &p->scale.step_seconds);
    if (!status) status = time_step(device, network, 1, &p->scale.least_seconds);
    if (p->scale.least_seconds > p->scale.step_seconds) p->scale.least_seconds = p->scale.step_seconds;
    return status;
}

static tas_status add_row(plan_ranks *p, tas_context *context, uint32_t ranks)
{
    tas_scale *row = &p->row[p->count++];
    const tas_status status = tas_scale_ranks(context, &p->scale, ranks, row);
    if (!status && row->efficiency >= pays) p->most = ranks;
    return status;
}

int plan_ranks_find(plan_ranks *p, cli_state *cli, tas_device *device, const tas_network *network,
                    const tas_plan_options *plan)
{
    tas_context *context = cli->context;
    tas_status status = measure(p, context, device, network, plan);
    bool own = false;
    for (uint32_t ranks = 1; ranks <= plan->shards && !status; ranks *= 2) {
        if (!own && p->ranks <= ranks) {
            own = true;
            if (p->ranks < ranks) status = add_row(p, context, p->ranks);
        }
        if (!status) status = add_row(p, context, ranks);
    }
    return status ? cli_failed(cli, status) : 0;
}

void plan_ranks_print(const plan_ranks *p)
{
    char text[BYTES_TEXT];
    printf("ranks        of %u shards; a message takes %g us and its bytes by %s/s%s\n", p->scale.shards,
           1e6 * p->scale.latency, cli_bytes((uint64_t)p->scale.bandwidth, text),
           p->latency >= 0 && p->bandwidth.bytes ? "" : " (assumed)");
    printf("%7s  %9s  %9s  %9s  %10s  %8s  %10s  %10s\n", "ranks", "step ms", "exchange", "update", "efficiency",
           "speed-up", "sent", "state");
    for (int i = 0; i < p->count; i++) {
        const tas_scale *row = &p->row[i];
        char state[BYTES_TEXT];
        printf("%7u  %9.3f  %9.3f  %9.3f  %8.1f %%  %8.1f  %10s  %10s%s\n", row->ranks, 1e3 * row->seconds,
               1e3 * row->exchange_seconds, 1e3 * row->host_seconds, 100 * row->efficiency,
               row->efficiency * row->ranks, cli_bytes(row->bytes, text), cli_bytes(row->state_bytes, state),
               row->ranks == p->ranks ? "  *" : "");
    }
    printf("up to        %u ranks each does at least half of what one alone would\n", p->most);
}

static json_t *describe_row(const tas_scale *row)
{
    json_t *o = json_object();
    json_object_set_new(o, "ranks", json_integer(row->ranks));
    json_object_set_new(o, "seconds", json_real(row->seconds));
    json_object_set_new(o, "gradient_seconds", json_real(row->gradient_seconds));
    json_object_set_new(o, "exchange_seconds", json_real(row->exchange_seconds));
    json_object_set_new(o, "host_seconds", json_real(row->host_seconds));
    json_object_set_new(o, "efficiency", json_real(row->efficiency));
    json_object_set_new(o, "messages", json_integer((json_int_t)row->messages));
    json_object_set_new(o, "bytes", json_integer((json_int_t)row->bytes));
    json_object_set_new(o, "vector_bytes", json_integer((json_int_t)row->vector_bytes));
    json_object_set_new(o, "state_bytes", json_integer((json_int_t)row->state_bytes));
    return o;
}

json_t *plan_ranks_describe(const plan_ranks *p)
{
    json_t *o = json_object(), *rows = json_array();
    for (int i = 0; i < p->count; i++) json_array_append_new(rows, describe_row(&p->row[i]));
    json_object_set_new(o, "shards", json_integer(p->scale.shards));
    json_object_set_new(o, "latency", json_real(p->scale.latency));
    json_object_set_new(o, "bandwidth", json_real(p->scale.bandwidth));
    json_object_set_new(o, "step_seconds", json_real(p->scale.step_seconds));
    json_object_set_new(o, "least_seconds", json_real(p->scale.least_seconds));
    json_object_set_new(o, "most", json_integer(p->most));
    json_object_set_new(o, "rows", rows);
    return o;
}

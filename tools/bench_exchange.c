/* tassello bench --exchange: how fast messages between ranks are. */
#include "bench.h"
#include "ranks.h"

static void print_text(const tas_link_bench *bench)
{
    char text[BYTES_TEXT], figures[FLOAT_TEXT], low[FLOAT_TEXT], high[FLOAT_TEXT];
    printf("ranks        %u (%s)\n", bench->ranks, bench->transport);
    printf("%12s  %12s  %12s  %12s\n", "message", "median us", "least us", "most us");
    for (int i = 0; i < bench->count; i++) {
        const tas_link_time *row = &bench->time[i];
        printf("%12s  %12s  %12s  %12s\n", cli_bytes(row->bytes, text),
               cli_figures(1e6 * row->seconds.median, 3, figures), cli_figures(1e6 * row->seconds.low, 3, low),
               cli_figures(1e6 * row->seconds.high, 3, high));
    }
    printf("latency      %s us\n", cli_figures(1e6 * bench->link.latency, 3, figures));
    printf("bandwidth    %s/s (%.0f bytes/s), in each direction\n", cli_bytes((uint64_t)bench->link.bandwidth, text),
           bench->link.bandwidth);
}

static void print_json(const tas_link_bench *bench)
{
    json_t *o = json_object(), *rows = json_array();
    for (int i = 0; i < bench->count; i++) {
        const tas_link_time *row = &bench->time[i];
        json_t *one = json_object();
        json_object_set_new(one, "bytes", json_integer((json_int_t)row->bytes));
        json_object_set_new(one, "seconds", cli_json_real(row->seconds.median));
        json_object_set_new(one, "seconds_low", cli_json_real(row->seconds.low));
        json_object_set_new(one, "seconds_high", cli_json_real(row->seconds.high));
        json_array_append_new(rows, one);
    }
    json_object_set_new(o, "exchange", json_integer(1));
    json_object_set_new(o, "ranks", json_integer(bench->ranks));
    json_object_set_new(o, "transport", json_string(bench->transport));
    json_object_set_new(o, "latency_s", cli_json_real(bench->link.latency));
    json_object_set_new(o, "bandwidth_bytes_per_s", cli_json_real(bench->link.bandwidth));
    json_object_set_new(o, "messages", rows);
    cli_json_print(o, stdout);
}

int bench_exchange(cli_state *cli, uint32_t threads, uint32_t repetitions, bool json)
{
    tas_link_bench bench;
    command_ranks ranks;
    int result = 0;
    if (!ranks_begin(&ranks, cli)) return EXIT_FAILED;
    const tas_status status = tas_bench_exchange(cli->context, ranks.ranks, threads, repetitions, &bench);
    ranks.joined = !status;
    if (status)
        result = cli_failed(cli, status);
    else if (ranks.index)
        result = ranks_serve(&ranks, NULL, NULL, 0); /* until rank 0 is done */
    else if (json)
        print_json(&bench);
    else
        print_text(&bench);
    ranks_end(&ranks);
    return result;
}

/* More devices than one: what they exchange, how fast, and how many pay. A forecast of a training step on R ranks
 * (ranks.h), from what one device takes and what messages take; src/exchange/scaling.h has the formula. */
#ifndef TASSELLO_SCALE_H
#define TASSELLO_SCALE_H

#include <tassello/bench.h>
#include <tassello/model.h>
#include <tassello/ranks.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What messages between ranks take: latency + bytes / bandwidth seconds, while each rank sends and receives at once.
 * bandwidth: bytes per second, in each direction. */
typedef struct tas_link {
    double latency, bandwidth;
} tas_link;

/* Messages of so many bytes, in both directions at once, between two ranks: seconds of one. */
typedef struct tas_link_time {
    uint64_t bytes;
    tas_bench_time seconds;
} tas_link_time;

enum { TAS_LINK_SIZES = 8 };

typedef struct tas_link_bench {
    uint32_t ranks;
    /* "MPI", "threads". Static. */
    const char *transport;
    /* Latency: that of the smallest message; bandwidth: by the largest. */
    tas_link link;
    /* In ascending order of bytes; medians of the repetitions, of the slowest pair of ranks. */
    int count;
    tas_link_time time[TAS_LINK_SIZES];
} tas_link_bench;

/* Measures messages between neighbors of the exchange, as it would send them. All ranks make this call together; *out
 * is filled on all of them. With ranks NULL, `threads` threads of this process (2 to 64) take their place, as further
 * devices of one host do. repetitions: at least 1. TAS_BAD_ARGUMENT for fewer than two ranks; TAS_NO_MEMORY;
 * TAS_RANK_FAILED. */
TAS_API tas_status tas_bench_exchange(tas_context *context, tas_ranks *ranks, uint32_t threads, uint32_t repetitions,
                                      tas_link_bench *out);

typedef struct tas_scale_options {
    /* Of this struct: set by tas_scale_options_init(). */
    size_t size;
    /* Examples per update (64), and the shards that it is cut into (1). */
    uint32_t batch, shards;
    /* For which memory and traffic are forecast (1): at most as many as shards. */
    uint32_t ranks;
    /* As in tas_plan_options. */
    tas_optimizer optimizer;
    int clip;
    /* Seconds of a step of one device. 0: measured, and so is the part of it that a rank has. Otherwise a part is taken
     * to need as large a share of the time as it has of the examples. */
    double step_seconds;
    /* bandwidth 0: not known, and no times are forecast. */
    tas_link link;
} tas_scale_options;
TAS_API void tas_scale_options_init(tas_scale_options *options);

/* Figures of one step. NaN: not known. */
typedef struct tas_scale_row {
    uint32_t ranks;
    /* As the options have them, but at least one per rank. */
    uint32_t shards;
    /* Examples of the rank that has the most. */
    uint32_t examples;
    /* What a rank sends in a step, at most. */
    uint64_t messages, bytes;
    /* Seconds of the parts of a step, and of all of it. compute: the gradient on the device; staging: gradient and
     * weights between device and host; update: of a rank's slice of the weights, on the host. */
    double compute, staging, exchange, update, seconds;
    /* Against one device; and divided by the ranks. */
    double speedup, efficiency;
} tas_scale_row;

enum { TAS_SCALE_RANKS = 4096, TAS_SCALE_ROWS = 13 };

typedef struct tas_scale {
    /* Of options.ranks. */
    tas_scale_row asked;
    /* Host memory that a rank of these needs for the exchange, at most, beside what tas_plan_make() gives: sums of
     * subtrees, weights, a copy in the device's layout, messages; and in it, its slice of the optimizer's state. */
    uint64_t host_bytes, state_bytes;
    /* Seconds of a rank's host, with a link: staging; and the update of all weights, as if one rank made it. */
    double staging, update;
    /* 1, 2, 4, ... up to the examples of a batch, or to TAS_SCALE_RANKS. */
    int count;
    tas_scale_row row[TAS_SCALE_ROWS];
    /* The largest of the rows up to which each has an efficiency of at least 0.5; 0: no times are known. */
    uint32_t most;
} tas_scale;

/* Forecasts steps of a network on ranks whose devices are all as fast as this one. Without a link nothing is measured.
 * With one the staging and the update are timed on this machine, and unless step_seconds is given the steps on the
 * device. TAS_BAD_ARGUMENT; TAS_BAD_NETWORK if the network waits for a data set; TAS_NO_MEMORY; TAS_DEVICE_FAILED. */
TAS_API tas_status tas_scale_forecast(tas_device *device, const tas_network *network, const tas_scale_options *options,
                                      tas_scale *out);

#ifdef __cplusplus
}
#endif

#endif

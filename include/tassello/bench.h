/* Benchmarks: how fast a device runs the operations of a network, and whole training steps. */
#ifndef TASSELLO_BENCH_H
#define TASSELLO_BENCH_H

#include <tassello/network.h>
#include <tassello/profile.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tas_bench_options {
    /* Of this struct; set by tas_bench_options_init(). */
    size_t size;
    /* Examples per step (default 64). */
    uint32_t batch;
    /* Shards that each batch is cut into (default 1), as in tas_train_options. */
    uint32_t shards;
    /* Repetitions, of which the median is taken: at least 1 (default 5). */
    uint32_t repetitions;
    /* Length of a repetition in seconds, at least: as many calls as that needs (default 0.02). */
    double seconds;
    /* Only this operation, by its name in the rows below; NULL (the default): all of them. */
    const char *operation;
} tas_bench_options;
TAS_API void tas_bench_options_init(tas_bench_options *options);

/* Seconds of one call: the median of the repetitions, the shortest and the longest. */
typedef struct tas_bench_time {
    double median, low, high;
} tas_bench_time;

/* A call of a training step. Texts are valid during the callback. */
typedef struct tas_bench_call {
    /* "dense_forward"; "feed", "watch" and "update" for what a step does besides its layers. */
    const char *operation;
    /* "kernel", "clblast", or "reference". */
    const char *provider;
    /* The layer and its shapes: "1 dense 1x28x28 -> 500x1x1"; "" for what belongs to no layer. */
    const char *layer;
    /* Examples of the call: the batch, or less if it does not fit. */
    uint32_t examples;
    /* Floating-point operations of products, an fma counting as two; 0 for other operations. */
    double flops;
    /* Bytes of the operands, each counted once for reading and once for writing. */
    double bytes;
    tas_bench_time seconds;
} tas_bench_call;
typedef void (*tas_bench_fn)(void *user, const tas_bench_call *call);

/* Times each kind of call of a training step of the network, alone, on random data: calls of equal shapes once. On a
 * device that was opened with TAS_ARITH_FAST only the products that CLBlast computes. TAS_BAD_ARGUMENT;
 * TAS_BAD_NETWORK if the network waits for a data set; TAS_NO_MEMORY; TAS_DEVICE_FAILED. */
TAS_API tas_status tas_bench_calls(tas_device *device, const tas_network *network, const tas_bench_options *options,
                                   tas_bench_fn on_call, void *user);

/* Training steps with SGD and momentum, from a data set on the device. */
typedef struct tas_bench_steps {
    /* Examples of the largest tile: less than the batch if that does not fit. */
    uint32_t tile;
    tas_bench_time seconds;
    /* Of one step, from a profile that is taken after the timed steps: launches of kernels, how often work was handed
     * to the device, and how often the host waited for it. */
    double launches, flushes, waits;
    /* Share of the profile in which nothing ran on the device. */
    double gap_share;
    /* How many steps the profile has; it is freed with tas_profile_free(). */
    uint64_t profiled_steps;
    tas_profile *profile;
} tas_bench_steps;

/* Times training steps of the network. The errors are those of tas_bench_calls(). */
TAS_API tas_status tas_bench_steps_run(tas_device *device, const tas_network *network, const tas_bench_options *options,
                                       tas_bench_steps *out);

#ifdef __cplusplus
}
#endif

#endif

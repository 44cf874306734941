/* tas_bench_steps_run(): whole training steps, timed first and profiled afterwards. */
#include "lab/bench/bench.h"

#include "device/device.h"

static tas_status advance(void *self, uint64_t count) { return tas_run_advance(self, count, NULL); }

/* As many steps as fit into a repetition; at least 2. */
static uint64_t profiled_steps(const tas_bench_options *options, double step_seconds)
{
    const double steps = step_seconds > 0 ? options->seconds / step_seconds : 2;
    return steps < 2 ? 2 : (uint64_t)steps;
}

/* Of kernels: rows of transfers have bytes. */
static double count_launches(const tas_profile *p)
{
    double launches = 0;
    for (size_t i = 0; i < p->count; i++)
        if (!p->rows[i].bytes) launches += (double)p->rows[i].launches;
    return launches;
}

static tas_status profile_steps(tas_run *run, uint64_t steps, tas_profile **out)
{
    tas_device *device = run->model->device;
    tas_status status = tas_profile_start(device);
    if (status) return status;
    status = advance(run, steps);
    const tas_status stopped = tas_profile_stop(device, out);
    return status ? status : stopped;
}

/* Beside its steps an advance looks at the weights, once: what one step less has is taken off. */
static tas_status profile(tas_run *run, const tas_bench_options *options, tas_bench_steps *out)
{
    const uint64_t more = profiled_steps(options, out->seconds.median);
    tas_profile *one = NULL;
    out->profiled_steps = 1 + more;
    tas_status status = profile_steps(run, 1, &one);
    if (!status) status = profile_steps(run, out->profiled_steps, &out->profile);
    if (!status) {
        const tas_profile *all = out->profile;
        out->launches = (count_launches(all) - count_launches(one)) / (double)more;
        out->flushes = (double)(all->flushes - one->flushes) / (double)more;
        out->waits = (double)(all->waits - one->waits) / (double)more;
        out->gap_share = all->wall_seconds > 0 ? all->gap_seconds / all->wall_seconds : 0;
    }
    tas_profile_free(one);
    return status;
}

tas_status tas_bench_steps_run(tas_device *device, const tas_network *network, const tas_bench_options *options,
                               tas_bench_steps *out)
{
    entry_state saved;
    bench b;
    *out = (tas_bench_steps){0};
    entry_begin(device->context, &saved);
    tas_status status = bench_open(device, network, options, &b);
    if (!status) {
        out->tile = bench_tile(&b);
        status = bench_time(&b, options, advance, b.run, &out->seconds);
    }
    if (!status) status = profile(b.run, options, out);
    bench_close(&b);
    if (status) tas_profile_free(out->profile);
    if (status) out->profile = NULL;
    entry_end(&saved);
    return status;
}

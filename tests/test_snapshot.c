/* What a run keeps on the host in case its device fails or its weights overflow: one snapshot if the device shares the
 * host's memory, else two; as the plan counts it. And a snapshot that fails while it is read. */
#include "device/device.h" /* before check.h, which has a macro of the name fail */

#include "support.h"

#include <string.h>
#include <time.h>

static const char net[] = "input 6\ndense 700\nrelu\ndense 4\n"; /* snapshots are the largest that is read */

/* The reference as a device that may fail, and fails at a read of a snapshot once a step has taken more than the time
 * between two of them. */
static struct {
    const device_driver *driver;
    uint64_t bytes; /* of what is read into a snapshot at once */
    tas_status how;
    int skip, left; /* such reads that go well first, and those that then fail */
} failing;

static tas_status failing_read(tas_device *on, const mem *m, uint64_t offset, void *to, uint64_t bytes)
{
    if (bytes == failing.bytes && failing.left && !(failing.skip && failing.skip--)) {
        failing.left--;
        memset(to, 0xff, bytes / 2);
        return (fail)(context, failing.how, "failed on purpose");
    }
    return failing.driver->read(on, m, offset, to, bytes);
}

static int wait_once(void *user, const tas_step *step)
{
    static const struct timespec pause = {.tv_sec = 2, .tv_nsec = 100000000};
    (void)user;
    if (step->step == 3 && failing.how) nanosleep(&pause, NULL);
    return 0;
}

static tas_plan forecast_of(const tas_model *model, const tas_train_options *options)
{
    tas_plan out;
    tas_plan_options planned;
    tas_plan_options_init(&planned);
    planned.batch = options->batch;
    planned.optimizer = options->optimizer;
    planned.budget = options->budget;
    expect_ok(tas_plan_make(device, tas_model_network(model), sample, NULL, &planned, &out));
    return out;
}

/* Fails at the second read of the snapshot after step 3: the parameters have come, the state has not. */
static tas_status train(tas_status how, int times, char hex[65], tas_train_result *result)
{
    tas_model *model = model_of_text(net, 3);
    tas_train_options options = sample_options(9, 8);
    options.on_step = wait_once;
    failing.bytes = 0;
    const tas_tensor_info *info;
    for (size_t i = 0; (info = tas_network_tensor(tas_model_network(model), i)); i++)
        failing.bytes += (info->elements * sizeof(float) + 63) / 64 * 64;
    failing.how = how;
    failing.left = times;
    failing.skip = 3; /* the first snapshot, and the parameters of the second */
    const tas_status status = tas_train(model, sample, &options, result);
    ck_assert_int_eq(failing.left, 0);
    expect_ok(tas_model_digest(model, hex));
    tas_model_close(&model);
    return status;
}

static void begin_failing(int shared)
{
    static device_driver driver;
    failing.driver = device->driver;
    driver = *device->driver;
    driver.never_fails = false;
    driver.read = failing_read;
    device->driver = &driver;
    device->info.shared_memory = shared;
}

/* 0: with memory of its own, where the snapshot before is whole. */
START_TEST(a_snapshot_that_fails)
{
    char whole[65], hex[65], after[65];
    tas_train_result result;
    begin_failing(_i);
    ck_assert_int_eq(train(TAS_OK, 0, whole, &result), TAS_OK);
    ck_assert_int_eq(train(TAS_NO_MEMORY, 1, hex, &result), TAS_OK); /* a refusal changes nothing: it is read again */
    ck_assert_str_eq(hex, whole);
    ck_assert_int_eq(result.replays, 0);
    const tas_status status = train(TAS_DEVICE_FAILED, 1, after, &result);
    if (_i) {
        ck_assert_int_eq(status, TAS_DEVICE_FAILED); /* nothing is whole; and what was read is not given out */
        ck_assert_str_ne(after, whole);
        ck_assert_uint_eq(result.steps, 3);
    } else {
        ck_assert_int_eq(status, TAS_OK);
        ck_assert_str_eq(after, whole);
        ck_assert_int_eq(result.replays, 1);
    }
    device->driver = failing.driver;
}
END_TEST

START_TEST(host_memory_is_as_planned)
{
    const bool never_fails = _i == 0, shared = _i <= 1, adam = random_below(2);
    uint64_t streamed = 0;
    if (!never_fails) begin_failing(shared);
    failing.bytes = 0;
    for (int tight = 0; tight < 2; tight++) {
        tas_model *model = model_of_text(net, 3);
        tas_train_options options = sample_options(9, 8);
        tas_train_result result;
        options.optimizer = adam ? TAS_ADAM : TAS_SGD;
        tas_plan p = forecast_of(model, &options);
        if (tight) options.budget = p.min_budget;
        p = forecast_of(model, &options);
        expect_ok(tas_train(model, sample, &options, &result));
        ck_assert_uint_eq(result.peak_bytes, p.bytes_total);
        ck_assert_uint_eq(result.host_bytes, p.host_bytes);
        uint64_t parameters = 0, parts = 0;
        for (const tas_plan_part *part = p.part; part->name; part++) parts += part->bytes;
        ck_assert_uint_eq(parts, p.bytes_total);
        for (const tas_plan_part *part = p.part; part->name; part++)
            if (!strcmp(part->name, "parameters")) parameters = part->bytes;
        const uint64_t copies = (shared ? 1 : 2) * parameters * (adam ? 3 : 2);
        ck_assert_uint_ge(p.host_bytes, copies + 4 * COUNT);
        ck_assert_uint_lt(p.host_bytes, copies + 4 * COUNT + COUNT * 4 * (INPUTS + 2));
        streamed += !p.resident;
        tas_model_close(&model);
        ck_assert_uint_eq(device->used_bytes + device->host_bytes, 0);
    }
    ck_assert_uint_eq(streamed, 1);
    if (!never_fails) device->driver = failing.driver;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snapshot");
    TCase *tc = tcase_create("snapshot");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, sample_open, sample_close);
    tcase_add_loop_test(tc, a_snapshot_that_fails, 0, 2);
    tcase_add_loop_test(tc, host_memory_is_as_planned, 0, 3);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}

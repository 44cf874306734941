/* Profiles of one driver's device and of the reference: what they count and time, and that events, which exist only
 * meanwhile, come to their end whatever goes wrong. TASSELLO_TEST_DEVICE is the id. The calls below take the place of
 * OpenCL's (the linker's --wrap): they count, and fail or lie when told to. */
#include "device/opencl/launchers/launchers.h"
#include "device/opencl/opencl.h"
#include "device/profile.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>

enum { HELD_MOST = 4096, PIECE = 64 };

/* OpenCL, watched ------------------------------------------------------------------------------------------------- */

typedef enum lie { TRUTH, ZERO, BACKWARDS, CENTURIES, THIRD_IS_ZERO } lie;

static struct watch {
    uint64_t made, released, most_held; /* references to events */
    uint64_t tickets;                   /* of them, those that streams have whether or not there is a profile */
    uint64_t moved;                     /* bytes, of transfers with an event that the profile wants */
    uint64_t queues, queues_released;
    uint64_t asked; /* for an event's time: twice each */
    lie lie;
    int refuse_enqueue, refuse_finish, refuse_wait, refuse_queue; /* the n-th from now; 0: none */
} seen;

/* Whether this is the call that is to fail. */
static bool is_due(int *countdown) { return *countdown && !--*countdown; }

static cl_int made(cl_int error, cl_event *event, uint64_t bytes)
{
    if (error || !event) return error;
    seen.made++;
    seen.moved += bytes;
    if (seen.made - seen.released > seen.most_held) seen.most_held = seen.made - seen.released;
    return error;
}

#define WRAP(type, name, ...)                                                                                          \
    type __real_##name(__VA_ARGS__);                                                                                   \
    type __wrap_##name(__VA_ARGS__);                                                                                   \
    type __wrap_##name(__VA_ARGS__)

WRAP(cl_int, clEnqueueNDRangeKernel, cl_command_queue q, cl_kernel k, cl_uint d, const size_t *o, const size_t *g,
     const size_t *l, cl_uint n, const cl_event *w, cl_event *event)
{
    if (is_due(&seen.refuse_enqueue)) return CL_OUT_OF_RESOURCES;
    return made(__real_clEnqueueNDRangeKernel(q, k, d, o, g, l, n, w, event), event, 0);
}

WRAP(cl_int, clEnqueueWriteBuffer, cl_command_queue q, cl_mem m, cl_bool b, size_t o, size_t bytes, const void *p,
     cl_uint n, const cl_event *w, cl_event *event)
{
    if (is_due(&seen.refuse_enqueue)) return CL_OUT_OF_RESOURCES;
    const bool streams = q == ((opencl_device *)device->cl)->transfers;
    seen.tickets += streams;
    return made(__real_clEnqueueWriteBuffer(q, m, b, o, bytes, p, n, w, event), event,
                streams && !is_profiled(device) ? 0 : bytes);
}

WRAP(cl_int, clEnqueueMarkerWithWaitList, cl_command_queue q, cl_uint n, const cl_event *w, cl_event *event)
{
    seen.tickets++;
    return made(__real_clEnqueueMarkerWithWaitList(q, n, w, event), event, 0);
}

WRAP(cl_int, clRetainEvent, cl_event event) { return made(__real_clRetainEvent(event), &event, 0); }

WRAP(cl_int, clEnqueueReadBuffer, cl_command_queue q, cl_mem m, cl_bool b, size_t o, size_t bytes, void *p, cl_uint n,
     const cl_event *w, cl_event *event)
{
    if (is_due(&seen.refuse_enqueue)) return CL_OUT_OF_RESOURCES;
    return made(__real_clEnqueueReadBuffer(q, m, b, o, bytes, p, n, w, event), event, bytes);
}

WRAP(cl_int, clEnqueueFillBuffer, cl_command_queue q, cl_mem m, const void *p, size_t s, size_t o, size_t bytes,
     cl_uint n, const cl_event *w, cl_event *event)
{
    if (is_due(&seen.refuse_enqueue)) return CL_OUT_OF_RESOURCES;
    return made(__real_clEnqueueFillBuffer(q, m, p, s, o, bytes, n, w, event), event, bytes);
}

WRAP(cl_int, clReleaseEvent, cl_event event)
{
    seen.released++;
    return __real_clReleaseEvent(event);
}

WRAP(cl_int, clGetEventProfilingInfo, cl_event event, cl_profiling_info which, size_t bytes, void *value, size_t *size)
{
    const cl_int error = __real_clGetEventProfilingInfo(event, which, bytes, value, size);
    cl_ulong *time = value;
    const bool ends = which == CL_PROFILING_COMMAND_END;
    const uint64_t command = seen.asked++ / 2;
    if (seen.lie == ZERO || (seen.lie == THIRD_IS_ZERO && command % 3 == 2)) *time = 0;
    if (seen.lie == BACKWARDS) *time = ends ? 1000000 : 2000000;
    if (seen.lie == CENTURIES && ends) *time += (cl_ulong)1 << 62;
    return error;
}

WRAP(cl_int, clWaitForEvents, cl_uint n, const cl_event *events)
{
    const cl_int error = __real_clWaitForEvents(n, events);
    return is_due(&seen.refuse_wait) ? CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST : error;
}

WRAP(cl_int, clFinish, cl_command_queue queue)
{
    const cl_int error = __real_clFinish(queue);
    return is_due(&seen.refuse_finish) ? CL_OUT_OF_RESOURCES : error;
}

WRAP(cl_command_queue, clCreateCommandQueue, cl_context c, cl_device_id d, cl_command_queue_properties p, cl_int *error)
{
    if (is_due(&seen.refuse_queue)) {
        *error = CL_OUT_OF_HOST_MEMORY;
        return NULL;
    }
    seen.queues++;
    return __real_clCreateCommandQueue(c, d, p, error);
}

WRAP(cl_int, clReleaseCommandQueue, cl_command_queue queue)
{
    seen.queues_released++;
    return __real_clReleaseCommandQueue(queue);
}

/* Fixtures -------------------------------------------------------------------------------------------------------- */

static tas_device *devices[2]; /* the driver's, and the reference */
static tas_device_info info;
static bool tells_times; /* Mesa's rusticl did not always */

static void begin(void) { seen = (struct watch){0}; }

static void use(int which)
{
    begin();
    device = devices[which];
}

static void draw_sample(void)
{
    for (int i = 0; i < COUNT * INPUTS; i++) sample_inputs[i] = random_float(-1, 1);
    for (int i = 0; i < COUNT; i++) sample_labels[i] = random_below(CLASSES);
    sample = data_of(COUNT, INPUTS, sample_inputs, sample_labels, CLASSES, 0);
}

static void close_sample(void)
{
    for (int i = 0; i < 2; i++) profile_close(devices[i]); /* of a test that failed */
    tas_data_close(&sample);
}

static uint64_t count_launches(const tas_profile *p)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < p->count; i++) sum += p->rows[i].launches;
    return sum;
}

static const tas_profile_row *find_row(const tas_profile *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (!strcmp(p->rows[i].name, name)) return &p->rows[i];
    ck_abort_msg("no row %s", name);
}

/* What holds of every profile. timed: every launch is expected to have a time. */
static void check_profile(const tas_profile *p, bool timed)
{
    double sum = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < p->count; i++) {
        const tas_profile_row *r = &p->rows[i];
        const bool moves = !strcmp(r->name, "write") || !strcmp(r->name, "read") || !strcmp(r->name, "fill") ||
                           !strcmp(r->name, "stream");
        ck_assert_msg(r->launches && r->timed <= r->launches && r->seconds >= 0, "row %s", r->name);
        ck_assert_msg((r->bytes != 0) == moves, "row %s: %llu bytes", r->name, (unsigned long long)r->bytes);
        ck_assert_msg(!timed || r->timed == r->launches, "row %s: %llu launches, %llu timed", r->name,
                      (unsigned long long)r->launches, (unsigned long long)r->timed);
        ck_assert_msg(!i || r->seconds <= p->rows[i - 1].seconds, "row %s is out of order", r->name);
        if (strcmp(r->name, "stream")) sum += r->seconds; /* it runs beside the others */
        bytes += r->bytes;
    }
    ck_assert(p->busy_seconds >= 0 && p->gap_seconds >= 0 && p->busy_seconds <= sum + 1e-6);
    ck_assert_double_eq_tol(p->busy_seconds + p->gap_seconds, p->wall_seconds, 1e-6);
    if (timed) ck_assert(p->busy_seconds > 0);
    if (device == devices[0]) {
        ck_assert_uint_eq(count_launches(p), seen.made - seen.tickets);
        ck_assert_uint_eq(bytes, seen.moved);
    }
    ck_assert_uint_eq(seen.released, seen.made);
}

enum { BATCH = 12 };

/* By an optimizer that never makes gradients itself. */
static tas_train_options usual_options(uint64_t steps)
{
    tas_train_options options = sample_options(BATCH, steps);
    options.optimizer = TAS_RMSPROP;
    return options;
}

static void train_sample(uint64_t steps, char hex[65])
{
    tas_model *model = model_of_text(sample_net, 3);
    const tas_train_options options = usual_options(steps);
    expect_ok(tas_train(model, sample, &options, NULL));
    expect_ok(tas_model_digest(model, hex));
    tas_model_close(&model);
}

/* Commands without anything about them: fills of one piece of memory. */
static void fill_often(int times)
{
    mem m;
    expect_ok(device_alloc(device, PIECE, &m));
    for (int i = 0; i < times; i++) expect_ok(device->driver->zero(device, &m));
    device_release(device, &m);
}

/* The account ----------------------------------------------------------------------------------------------------- */

START_TEST(spans_of_the_device_are_added_up)
{
    profile p = {.on = true, .since = 0};
    const int a = profile_count(&p, "a", 0), b = profile_count(&p, "b", 5);
    ck_assert_int_eq(profile_count(&p, "b", 7), b);
    profile_time(&p, a, 10000, 11000, false);
    profile_time(&p, b, 10500, 11500, false); /* half of it beside the one before */
    profile_time(&p, b, 11500, 11500, false); /* too short for the clock */
    profile_time(&p, a, 13000, 14000, false);
    profile_time(&p, a, 13200, 13800, false); /* within the one before */
    profile_time(&p, b, 11700, 19700, true);  /* a stream */
    ck_assert_uint_eq(p.wall, 4000);
    ck_assert_uint_eq(p.busy, 2500);
    ck_assert_uint_eq(p.time[a], 2600);
    ck_assert_uint_eq(p.time[b], 9000);
    ck_assert(p.row[a].timed == 3 && p.row[b].timed == 3 && p.row[b].launches == 2 && p.row[b].bytes == 12);
    profile_time(&p, a, 0, 15000, false);
    profile_time(&p, a, 15000, 0, false);
    profile_time(&p, a, 15000, 14999, false);
    profile_time(&p, a, 15000, UINT64_MAX, false);
    profile_time(&p, a, UINT64_MAX - 5, UINT64_MAX, false);
    ck_assert_uint_eq(p.row[a].timed, 3);
    ck_assert_uint_eq(p.wall, 4000);
}
END_TEST

/* Rows, counts, bytes; the steps alone; and the same weights. */
START_TEST(a_training)
{
    char plain[65], profiled[65];
    tas_profile *p;
    use(_i);
    train_sample(9, plain);
    ck_assert_uint_eq(seen.made, 0);
    expect_ok(tas_profile_start(device));
    tas_model *model = model_of_text(sample_net, 3);
    const tas_train_options options = usual_options(9);
    const uint64_t before = seen.made;
    expect_ok(tas_train(model, sample, &options, NULL));
    if (_i == 0) ck_assert_uint_gt(seen.made, before);
    expect_ok(tas_profile_stop(device, &p));
    expect_ok(tas_model_digest(model, profiled));
    tas_model_close(&model);
    check_profile(p, _i || tells_times);
    ck_assert_str_eq(profiled, plain);
    ck_assert_uint_eq(find_row(p, "rmsprop")->launches, 9); /* and not the step that warms up */
    ck_assert_uint_eq(find_row(p, "dense_forward")->launches, 27);
    ck_assert_uint_gt(find_row(p, "read")->bytes, 0);
    if (_i == 0) ck_assert(p->flushes >= 9 && p->waits >= 1);
    tas_profile_free(p);
    begin();
    train_sample(9, plain); /* and it is off again */
    ck_assert_uint_eq(seen.made, 0);
    ck_assert_str_eq(profiled, plain);
}
END_TEST

/* What a step launches with the kernels for GPUs: one launch per call of the network, of which none is for a bias, a
 * relu behind a layer that can end with it, the gradient of one, or a copy that would change nothing. */
START_TEST(a_step_on_a_gpu)
{
    static const char net[] = "input 1x2x3\nconv2d 3 2 padding 1\nrelu\nmax_pool 2\ndense 5\nrelu\ndense 4\n";
    static const char *const others[] = {"read", "write", "fill", "check_finite"};
    const tas_train_options options = sample_options(BATCH, 9);
    uint64_t launches = 0;
    tas_profile *p;
    use(0);
    opencl_device *cl = device->cl;
    const bool cpu = cl->cpu;
    cl->cpu = false;
    launchers_install(device);
    expect_ok(tas_profile_start(device));
    tas_model *model = model_of_text(net, 3);
    expect_ok(tas_train(model, sample, &options, NULL));
    expect_ok(tas_profile_stop(device, &p));
    for (size_t i = 0; i < p->count; i++) {
        bool step = true;
        for (int k = 0; k < 4; k++) step &= strcmp(p->rows[i].name, others[k]) != 0;
        if (step) launches += p->rows[i].launches;
    }
    ck_assert_uint_eq(launches, 9 * (1 + 5 + 6 + 2)); /* the feed, forward, backward, the watch and the update */
    tas_profile_free(p);
    tas_model_close(&model);
    cl->cpu = cpu;
    launchers_install(device);
}
END_TEST

/* Of sample_net, in words: W of parameters, which a device may pad, in the update (7 W) and the watch; and a count by
 * hand of the rest. */
START_TEST(bytes_of_a_step)
{
    enum { PARAMETERS = 6 * 9 + 9 + 9 * 7 + 7 + 7 * 4 + 4, B = BATCH };
    const int feed = 6 * B + B + 2 * B + 6 * B;
    const int forward = (6 * B + 54 + 9 + 9 * B) + (9 * B + 63 + 7 + 7 * B) + 2 * 7 * B + (7 * B + 28 + 4 + 4 * B);
    const int loss = 4 * B + B + 2 * B + 2 * B + 4 * B;
    const int third = (4 * B + 28 + 7 * B) + (7 * B + 4 * B + 28) + 4;
    const int second = (7 * B + 63 + 9 * B) + (9 * B + 7 * B + 63) + 7;
    const int backward = third + 3 * 7 * B + second + 3 * 9 * B + (6 * B + 9 * B + 54) + 9;
    const int watch = B + 4 + 1 + 2 * 2, update = 4 + 2;
    tas_profile *p;
    char hex[65];
    use(_i);
    expect_ok(tas_profile_start(device));
    train_sample(4, hex); /* all of whole batches */
    expect_ok(tas_profile_stop(device, &p));
    const double rest = p->step_bytes / 4 - (feed + forward + loss + backward + watch + update);
    ck_assert_uint_eq(p->steps, 4);
    ck_assert_msg(p->least_bytes == 6 * 4 * PARAMETERS + B * (6 * 4 + 4), "%g bytes at least", p->least_bytes);
    ck_assert_msg(rest >= 8 * PARAMETERS && rest <= 8 * 16 * PARAMETERS && fmod(rest, 8) == 0, "%g words", rest);
    tas_profile_free(p);
}
END_TEST

/* With the least memory, tiles of the set pass through the device. */
START_TEST(a_streamed_training)
{
    tas_profile *p;
    tas_train_result result;
    enum { MANY = 5000, STEPS = 9 };
    static float inputs[MANY * INPUTS];
    static uint32_t labels[MANY];
    char plain[65], streamed[65];
    use(_i);
    for (int i = 0; i < MANY * INPUTS; i++) inputs[i] = random_float(-1, 1);
    for (int i = 0; i < MANY; i++) labels[i] = random_below(CLASSES);
    tas_data_close(&sample);
    sample = data_of(MANY, INPUTS, inputs, labels, CLASSES, 0);
    train_sample(STEPS, plain);
    tas_model *model = model_of_text(sample_net, 3);
    tas_train_options options = usual_options(STEPS);
    options.budget = 1;
    expect(tas_train(model, sample, &options, NULL), TAS_NO_MEMORY, "smallest sufficient budget is ", "");
    options.budget = strtoull(strstr(tas_error(context), "budget is ") + 10, NULL, 10);
    begin();
    expect_ok(tas_profile_start(device));
    expect_ok(tas_train(model, sample, &options, &result));
    ck_assert(!result.resident);
    expect_ok(tas_profile_stop(device, &p));
    check_profile(p, _i || tells_times);
    const tas_profile_row *row = find_row(p, _i ? "write" : "stream");
    if (_i == 0) ck_assert_uint_eq(seen.queues_released, seen.queues);
    const uint64_t example =
        INPUTS * sizeof(float) + 2 * sizeof(uint32_t); /* with its label and its place in the order */
    if (_i == 0) ck_assert_uint_eq(row->bytes, result.examples * example);
    if (_i == 1) ck_assert_uint_ge(row->bytes, result.examples * example);
    expect_ok(tas_model_digest(model, streamed));
    ck_assert_str_eq(streamed, plain);
    tas_profile_free(p);
    tas_model_close(&model);
}
END_TEST

START_TEST(a_wait_for_a_stream_is_counted)
{
    mem m;
    void *ticket = NULL;
    const char from[PIECE] = {0};
    use(0);
    expect_ok(tas_profile_start(device));
    expect_ok(device_alloc(device, PIECE, &m));
    expect_ok(device->driver->write_later(device, &m, from, PIECE, NULL, &ticket));
    const uint64_t before = device->profile->waits;
    expect_ok(device->driver->join(device, &ticket));
    ck_assert_uint_eq(device->profile->waits, before + 1);
    expect_ok(device->driver->join(device, &ticket)); /* nothing to wait for */
    ck_assert_uint_eq(device->profile->waits, before + 1);
    device_release(device, &m);
    expect_ok(tas_profile_stop(device, NULL));
}
END_TEST

START_TEST(what_is_between_is_left_out)
{
    tas_profile *p;
    use(_i);
    expect_ok(tas_profile_start(device));
    fill_often(3);
    expect_ok(profile_pause(device));
    fill_often(10);
    expect_ok(profile_resume(device));
    ck_assert_uint_eq(device->profile->last, 0); /* nor is the time between a gap */
    fill_often(4);
    expect_ok(tas_profile_stop(device, &p));
    check_profile(p, _i || tells_times);
    ck_assert(p->count == 1 && p->rows[0].launches == 7 && p->rows[0].bytes == 7 * PIECE);
    tas_profile_free(p);
}
END_TEST

START_TEST(mistakes_are_told)
{
    tas_profile *p = (tas_profile *)&p;
    use(_i);
    expect(tas_profile_stop(device, &p), TAS_BAD_ARGUMENT, "not being profiled", "");
    ck_assert_ptr_null(p);
    expect_ok(tas_profile_start(device));
    expect(tas_profile_start(device), TAS_BAD_ARGUMENT, "already being profiled", "");
    fill_often(1);
    expect_ok(tas_profile_stop(device, NULL));
    ck_assert_uint_eq(seen.released, seen.made);
    expect_ok(tas_profile_start(device)); /* nothing happens in it */
    expect_ok(tas_profile_stop(device, &p));
    ck_assert(!p->count && p->wall_seconds == 0);
    tas_profile_free(p);
    tas_profile_free(NULL);
}
END_TEST

/* Events ---------------------------------------------------------------------------------------------------------- */

START_TEST(events_do_not_pile_up)
{
    enum { MANY = 2 * HELD_MOST + 500 };
    tas_profile *p;
    use(0);
    expect_ok(tas_profile_start(device));
    fill_often(MANY);
    expect_ok(tas_profile_stop(device, &p));
    check_profile(p, tells_times);
    ck_assert_uint_eq(p->rows[0].launches, MANY);
    ck_assert_uint_le(seen.most_held, HELD_MOST + 1);
    tas_profile_free(p);
}
END_TEST

START_TEST(times_that_make_no_sense)
{
    static const lie lies[] = {ZERO, BACKWARDS, CENTURIES, THIRD_IS_ZERO};
    tas_profile *p;
    use(0);
    seen.lie = lies[_i];
    expect_ok(tas_profile_start(device));
    fill_often(30);
    expect_ok(tas_profile_stop(device, &p));
    check_profile(p, false);
    ck_assert_uint_eq(p->rows[0].launches, 30);
    if (seen.lie != THIRD_IS_ZERO) ck_assert(!p->rows[0].timed && p->rows[0].seconds == 0 && p->wall_seconds == 0);
    if (seen.lie == THIRD_IS_ZERO && tells_times) ck_assert_uint_eq(p->rows[0].timed, 20);
    tas_profile_free(p);
}
END_TEST

/* A refused command is neither counted nor timed, whichever it is. */
START_TEST(refused_commands)
{
    tas_profile *p;
    char hex[65];
    for (int n = 1; n < 60; n += 7) {
        use(0);
        tas_model *model = model_of_text(sample_net, 3);
        const tas_train_options options = usual_options(3);
        expect_ok(tas_profile_start(device));
        seen.refuse_enqueue = n;
        tas_train(model, sample, &options, NULL); /* it may fail, or mend it */
        const bool refused = !seen.refuse_enqueue;
        seen.refuse_enqueue = 0;
        expect_ok(tas_profile_stop(device, &p));
        ck_assert(refused);
        check_profile(p, tells_times && p->count);
        tas_profile_free(p);
        tas_model_close(&model);
    }
    train_sample(2, hex);
}
END_TEST

/* What the profile's own wait is told comes out at the caller's next one, and once. */
START_TEST(a_wait_that_fails)
{
    tas_profile *p;
    use(0);
    expect_ok(tas_profile_start(device));
    seen.refuse_wait = 1;
    fill_often(HELD_MOST + 1);
    ck_assert_int_eq(seen.refuse_wait, 0);
    expect(device->driver->finish(device), TAS_DEVICE_FAILED, "clWaitForEvents", "CL_EXEC_STATUS_ERROR");
    expect_ok(device->driver->finish(device));
    expect_ok(tas_profile_stop(device, &p));
    check_profile(p, tells_times);
    tas_profile_free(p);
}
END_TEST

START_TEST(an_end_that_fails)
{
    tas_profile *p;
    use(0);
    expect_ok(tas_profile_start(device));
    fill_often(5);
    seen.refuse_finish = 1;
    expect(tas_profile_stop(device, &p), TAS_DEVICE_FAILED, "clFinish", "");
    ck_assert_ptr_null(p);
    ck_assert_uint_eq(seen.released, seen.made);
    fill_often(5);
    ck_assert_uint_eq(seen.made, 5);
    ck_assert_uint_eq(seen.queues_released, seen.queues);
}
END_TEST

/* No queue that times: the device goes on without. No other queue at the end: it goes on with that one. */
START_TEST(queues_that_are_refused)
{
    tas_profile *p;
    use(0);
    seen.refuse_queue = 1;
    expect(tas_profile_start(device), TAS_NO_MEMORY, "clCreateCommandQueue", "");
    ck_assert_ptr_null(device->profile);
    fill_often(2);
    ck_assert_uint_eq(seen.made, 0);
    expect_ok(tas_profile_start(device));
    fill_often(20); /* one alone may take no time on a clock */
    seen.refuse_queue = 1;
    expect_ok(tas_profile_stop(device, &p));
    check_profile(p, tells_times);
    tas_profile_free(p);
    fill_often(2);
    ck_assert_uint_eq(seen.made, 20);
    ck_assert_uint_eq(seen.queues_released, seen.queues);
    begin();
    expect_ok(tas_profile_start(device));
    fill_often(20);
    expect_ok(tas_profile_stop(device, &p));
    check_profile(p, tells_times);
    tas_profile_free(p);
    ck_assert_uint_eq(seen.queues_released, seen.queues);
}
END_TEST

START_TEST(a_device_that_is_closed_meanwhile)
{
    begin();
    if (_i)
        expect_ok(reference_open(context, &device));
    else
        expect_ok(open_opencl(context, &info, TAS_ARITH_UNTESTED, &device));
    expect_ok(tas_profile_start(device));
    fill_often(5);
    tas_device_close(&device);
    ck_assert_uint_eq(seen.made, _i ? 0 : 5);
    ck_assert_uint_eq(seen.released, seen.made);
    ck_assert_uint_eq(seen.queues_released, seen.queues);
}
END_TEST

static bool find_device(const char *id)
{
    tas_device_info *list;
    size_t count, found = 0;
    if (!id || tas_devices(context, &list, &count)) return false;
    while (found < count && strcmp(list[found].id, id)) found++;
    if (found < count) info = list[found];
    tas_devices_free(list);
    return info.id[0];
}

int main(void)
{
    const char *id = getenv("TASSELLO_TEST_DEVICE");
    random_seed(test_seed());
    if (tas_context_open(&context)) return 1;
    if (!find_device(id)) {
        printf("skipped: no device %s\n", id ? id : "named by TASSELLO_TEST_DEVICE");
        return 77;
    }
    tells_times = strcmp(id, "rusticl") != 0;
    if (open_opencl(context, &info, TAS_ARITH_EXACT, &devices[0]) || reference_open(context, &devices[1])) {
        fprintf(stderr, "%s\n", tas_error(context));
        return 1;
    }

    Suite *suite = suite_create(id);
    TCase *account = tcase_create("account"), *events = tcase_create("events");
    TCase *const all[] = {account, events};
    tcase_add_test(account, spans_of_the_device_are_added_up);
    tcase_add_loop_test(account, a_training, 0, 2);
    tcase_add_test(account, a_step_on_a_gpu);
    tcase_add_loop_test(account, bytes_of_a_step, 0, 2);
    tcase_add_loop_test(account, a_streamed_training, 0, 2);
    tcase_add_test(account, a_wait_for_a_stream_is_counted);
    tcase_add_loop_test(account, what_is_between_is_left_out, 0, 2);
    tcase_add_loop_test(account, mistakes_are_told, 0, 2);
    tcase_add_test(events, events_do_not_pile_up);
    tcase_add_loop_test(events, times_that_make_no_sense, 0, 4);
    tcase_add_test(events, refused_commands);
    tcase_add_test(events, a_wait_that_fails);
    tcase_add_test(events, an_end_that_fails);
    tcase_add_test(events, queues_that_are_refused);
    tcase_add_loop_test(events, a_device_that_is_closed_meanwhile, 0, 2);
    for (int i = 0; i < 2; i++) {
        tcase_add_checked_fixture(all[i], draw_sample, close_sample);
        tcase_set_timeout(all[i], 0);
        suite_add_tcase(suite, all[i]);
    }
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* a child that uses its parent's OpenCL context hangs */
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    for (int i = 0; i < 2; i++) tas_device_close(&devices[i]);
    tas_context_close(&context);
    return failed != 0;
}

/* Auditing a run: what is right passes, and each operation that is made wrong is found, at its step and in its tile.
 * The device is the reference under another type, with one operation in another's place. */
#include "device/device.h" /* before check.h, which has a macro of the name fail */
#include "ops/compare.h"

#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char net[] = "input 6\ndense 9\nrelu\ndropout 0.2\ndense 4\n";
static const char coupled[] = "input 6\ndense 12\nbatch_norm\ngelu\ndense 8 no bias\nbatch_norm group 5\ndense 4\n"
                              "loss softmax smoothing 0.1\n";
enum { STEPS = 24, WRONG = 20 /* the step: all are audited from the 16th on, if not before */ };

/* What is wrong: the lowest bit of the first element of an operand, after so many launches of an operation in a step.
 */
static struct {
    op_id op;
    int operand, skip;
    uint64_t step, done; /* the step, 0: none; those that are over */
    op_launch right;
} wrong;

static tas_status launch_wrong(tas_device *on, const op_args *args, const mem *operand, const mem *scratch)
{
    const tas_status status = wrong.right(on, args, operand, scratch);
    if (!wrong.step || wrong.done + 1 != wrong.step || wrong.skip--) return status;
    operand[wrong.operand].host[op_type_bytes(op_get(args->op)->operand[wrong.operand].type) * args->first] ^= 1;
    wrong.step = 0;
    return status;
}

/* From one to the other, that operation is the wrong one. */
static void plant(void)
{
    wrong.right = device->launch[wrong.op];
    device->launch[wrong.op] = launch_wrong;
}

static void unplant(void) { device->launch[wrong.op] = wrong.right; }

static int count_step(void *user, const tas_step *step)
{
    (void)user;
    wrong.done = step->step;
    return 0;
}

static tas_train_options audited(void)
{
    tas_train_options options = sample_options(10, STEPS);
    options.audit = 1;
    options.tile = 4;
    options.on_step = count_step;
    return options;
}

static void begin(void)
{
    sample_open();
    device->info.type = TAS_TYPE_OTHER;
    memset(&wrong, 0, sizeof wrong);
}

static void end(void)
{
    device->info.type = TAS_TYPE_REFERENCE;
    sample_close();
}

static char why[1024]; /* the last training failed */

/* Trains so and gives the digest of what the model has then. */
static tas_status train(const char *text, const tas_train_options *options, char hex[65], tas_train_result *result)
{
    tas_model *model = model_of_text(text, 3);
    wrong.done = 0;
    const tas_status status = tas_train(model, sample, options, result);
    snprintf(why, sizeof why, "%s", tas_error(context));
    expect_ok(tas_model_digest(model, hex));
    tas_model_close(&model);
    return status;
}

static void digest_after(const char *text, const tas_train_options *like, uint64_t steps, char hex[65])
{
    tas_train_options options = *like;
    options.audit = 0;
    options.audit_step = 0;
    options.steps = steps;
    ck_assert_msg(train(text, &options, hex, NULL) == TAS_OK, "%s", why);
}

START_TEST(what_is_right_passes_and_keeps_its_bits)
{
    static const tas_optimizer optimizers[] = {TAS_SGD, TAS_ADAMW, TAS_RMSPROP, TAS_LION, TAS_LARS, TAS_LAMB};
    char whole[65], hex[65];
    tas_train_result result;
    tas_train_options options = audited();
    tas_train_options_choose(&options, optimizers[_i]);
    options.clip = 0.5f;
    options.weight_decay = 0.01f;
    options.decay_on = TAS_DECAY_ON_WEIGHTS;
    options.noise = options.preconditioned_noise = random_below(2) == 0;
    options.tile = random_below(2) ? 3 : 10;
    options.keep_on_host = (int)random_below(2);
    options.shards = random_below(2) ? 8 : 1;
    const char *text = random_below(2) ? net : coupled;
    digest_after(text, &options, STEPS, whole);
    ck_assert_int_eq(train(text, &options, hex, &result), TAS_OK);
    ck_assert_str_eq(hex, whole);
    ck_assert_uint_ge(result.audit.steps, STEPS - 15);
    ck_assert_uint_ge(result.audit.operations, 12 * result.audit.steps);
    ck_assert_uint_eq(result.audit.different, 0);
    ck_assert_uint_eq(result.audit.first.step, 0);
    ck_assert(result.audit.seconds >= 0); /* 0 if the steps before, which it is compared with, took as long */
}
END_TEST

/* Operations of the feed, of forward and backward, of the watch and of the update; operand: one that they write. */
static const struct {
    op_id op;
    int operand;
    uint32_t tiles; /* 0: it is one for the whole batch */
} each[] = {
    {OP_GATHER_FLOATS, 3, 1},
    {OP_GATHER_FLOATS, 4, 1},
    {OP_DENSE_FORWARD, 3, 1},
    {OP_DROPOUT_BACKWARD, 2, 1},
    {OP_DROPOUT_FORWARD, 2, 1},
    {OP_SOFTMAX_LOSS, 2, 1},
    {OP_DENSE_BACKWARD_PARAMETERS, 2, 1},
    {OP_DENSE_BACKWARD_PARAMETERS, 4, 1},
    {OP_DENSE_BACKWARD_INPUT, 2, 1},
    {OP_WATCH, 3, 0},
    {OP_WATCH, 4, 0},
    {OP_SGD, 0, 0},
};

START_TEST(each_operation_that_is_wrong_is_found)
{
    char before[65], hex[65];
    tas_train_result result;
    tas_train_options options = audited();
    options.tile = 10;
    digest_after(net, &options, WRONG - 1, before);
    wrong.op = each[_i].op;
    wrong.operand = each[_i].operand;
    wrong.step = WRONG;
    plant();
    const tas_status status = train(net, &options, hex, &result);
    unplant();
    const tas_audit_difference *d = &result.audit.first;
    ck_assert_msg(status == TAS_MISMATCH, "%s: %d", op_get(each[_i].op)->name, status);
    ck_assert_uint_eq(d->step, WRONG);
    ck_assert_uint_eq(d->tile, each[_i].tiles);
    ck_assert_str_eq(d->operation, op_get(each[_i].op)->name);
    ck_assert_str_eq(d->operand, op_get(each[_i].op)->operand[each[_i].operand].name);
    ck_assert_uint_eq(d->element, 0);
    ck_assert_uint_eq(d->different, 1);
    ck_assert_uint_eq(d->is ^ d->should, 1);
    ck_assert_uint_eq(result.audit.different, 1);
    ck_assert_uint_eq(result.weights_step, WRONG - 1);
    ck_assert_str_eq(hex, before);
    ck_assert_ptr_nonnull(strstr(why, "step 20 ("));
}
END_TEST

START_TEST(one_step_is_audited_in_all_its_tiles)
{
    char hex[65];
    tas_train_result result;
    tas_train_options options = audited();
    options.audit = 0;
    options.audit_step = 7;
    ck_assert_int_eq(train(net, &options, hex, &result), TAS_OK);
    ck_assert_uint_eq(result.audit.steps, 1);
    wrong.op = OP_DENSE_FORWARD; /* that ends with the relu */
    wrong.operand = 3;
    wrong.step = 7;
    wrong.skip = 4; /* of two layers; tiles of 4, 4 and 2 examples */
    plant();
    ck_assert_int_eq(train(net, &options, hex, &result), TAS_MISMATCH);
    unplant();
    ck_assert_uint_eq(result.audit.first.step, 7);
    ck_assert_uint_eq(result.audit.first.tile, 3);
    ck_assert_str_eq(result.audit.first.tensor, "2.relu");
    ck_assert_uint_eq(result.weights_step, 0); /* none was audited before */
    char initial[65];
    tas_model *model = model_of_text(net, 3);
    expect_ok(tas_model_digest(model, initial));
    tas_model_close(&model);
    ck_assert_str_eq(hex, initial);
}
END_TEST

START_TEST(differences_are_counted_if_the_run_shall_go_on)
{
    char hex[65];
    tas_train_result result;
    tas_train_options options = audited();
    options.audit_continues = 1;
    wrong.op = OP_SGD;
    wrong.step = WRONG;
    plant();
    ck_assert_int_eq(train(net, &options, hex, &result), TAS_OK);
    unplant();
    ck_assert_uint_eq(result.steps, STEPS);
    ck_assert_uint_eq(result.audit.different, 1);
    ck_assert_uint_eq(result.audit.first.step, WRONG);
}
END_TEST

/* A read that fails while a step is audited: the run resumes from a snapshot, and audits that step when it comes. */
static struct {
    const device_driver *right;
    int left, times; /* reads that go well before, while a step is audited; and that then fail */
    tas_status how;
} reads;

static tas_status failing_read(tas_device *on, const mem *m, uint64_t offset, void *to, uint64_t bytes)
{
    if (on->observer && reads.left-- <= 0 && reads.times-- > 0) return (fail)(context, reads.how, "failed on purpose");
    return reads.right->read(on, m, offset, to, bytes);
}

static void fail_at(int left, int which, const char whole[65])
{
    static const int most[] = {1, 1, 3}; /* most of what is refused is read again */
    char hex[65];
    tas_train_result result;
    const tas_train_options options = audited();
    reads.left = left;
    reads.how = which ? TAS_NO_MEMORY : TAS_DEVICE_FAILED;
    reads.times = most[which];
    ck_assert_msg(train(net, &options, hex, &result) == TAS_OK, "read %d: %s", left, why);
    ck_assert_msg(!strcmp(hex, whole), "read %d: another digest", left);
    if (!which) ck_assert_int_eq(result.replays, 1);
    ck_assert_int_le(result.replays + result.cuts, most[which]);
    ck_assert_uint_eq(result.audit.different, 0);
    ck_assert_uint_ge(result.audit.steps, STEPS - 15);
}

/* At each read of the first step that is audited, and at some of those that follow. */
START_TEST(a_device_that_fails_under_audit)
{
    static device_driver driver;
    const tas_train_options options = audited();
    char whole[65];
    digest_after(net, &options, STEPS, whole);
    reads.right = device->driver;
    driver = *device->driver;
    driver.never_fails = false;
    driver.read = failing_read;
    device->driver = &driver;
    for (int left = 0; left < 120; left++) fail_at(left, _i, whole);
    device->driver = reads.right;
}
END_TEST

START_TEST(the_plan_counts_the_copy)
{
    char hex[65];
    tas_plan plan;
    tas_plan_options planned;
    tas_train_result result;
    tas_train_options options = audited();
    tas_model *model = model_of_text(net, 3);
    tas_plan_options_init(&planned);
    planned.batch = options.batch;
    planned.tile = options.tile;
    planned.audits = 1;
    expect_ok(tas_plan_make(device, tas_model_network(model), sample, NULL, &planned, &plan));
    tas_model_close(&model);
    ck_assert_int_eq(train(net, &options, hex, &result), TAS_OK);
    ck_assert_uint_eq(result.peak_bytes, plan.bytes_total);
    ck_assert_uint_eq(result.host_bytes, plan.host_bytes);
}
END_TEST

/* A run that goes on from a file goes back to that, if nothing was audited since. */
START_TEST(a_resumed_run)
{
    char file[] = "/tmp/tassello-audit-XXXXXX", saved[65], hex[65];
    const int fd = mkstemp(file);
    ck_assert_int_ge(fd, 0);
    tas_train_options options = audited();
    options.audit = 0;
    tas_model *model = model_of_text(net, 3);
    tas_run *run = NULL;
    expect_ok(tas_run_open(model, sample, &options, &run));
    expect_ok(tas_run_advance(run, 5, NULL));
    expect_ok(tas_run_save(run, file, NULL, 0));
    expect_ok(tas_model_digest(model, saved));
    tas_run_close(&run);
    options.audit_step = 9;
    wrong.op = OP_SGD;
    wrong.step = 9;
    plant();
    tas_train_result result;
    expect_ok(tas_run_resume(model, sample, &options, file, &run));
    expect(tas_run_advance(run, UINT64_MAX, &result), TAS_MISMATCH, "audit", "sgd");
    unplant();
    tas_run_close(&run);
    expect_ok(tas_model_digest(model, hex));
    ck_assert_str_eq(hex, saved);
    ck_assert_uint_eq(result.weights_step, 5);
    tas_model_close(&model);
    close(fd);
    unlink(file);
}
END_TEST

static void expect_refused(const tas_train_options *options, const char *word, const char *other)
{
    tas_model *model = model_of_text(net, 3);
    expect(tas_train(model, sample, options, NULL), TAS_BAD_ARGUMENT, word, other);
    tas_model_close(&model);
}

START_TEST(what_cannot_be_audited_is_refused)
{
    tas_train_options options = audited();
    device->info.type = TAS_TYPE_REFERENCE;
    expect_refused(&options, "reference", "another device");
    device->info.type = TAS_TYPE_OTHER;
    device->arith = TAS_ARITH_FAST;
    expect_refused(&options, "fast arithmetic", "");
    device->arith = TAS_ARITH_EXACT;
    static const float shares[] = {-0.1f, 1.5f, NAN};
    for (int i = 0; i < 3; i++) {
        options.audit = shares[i];
        expect_refused(&options, "audit", "from 0 to 1");
    }
    options.audit = 0;
    options.audit_step = STEPS + 1;
    expect_refused(&options, "step 25", "24 steps");
}
END_TEST

START_TEST(bits_are_compared)
{
    const float a[] = {1, NAN, 0, 3, -1}, b[] = {1, -NAN, -0.0f, 3, 1};
    comparison c = compare_bits(TYPE_F32, a, b, 2);
    ck_assert_uint_eq(c.different, 0);
    c = compare_bits(TYPE_F32, a, b, 5);
    ck_assert_uint_eq(c.different, 2);
    ck_assert_uint_eq(c.first, 2);
    ck_assert_uint_eq(c.should, 0x80000000u);
    c = compare_bits(TYPE_U32, a, b, 2); /* as integers they are two numbers */
    ck_assert_uint_eq(c.different, 1);
    ck_assert_uint_eq(compare_bits(TYPE_U8, "abc", "abd", 3).first, 2);
    ck_assert_uint_eq(compare_ulp(1, nextafterf(1, 2)), 1);
    ck_assert_uint_eq(compare_ulp(-0.0f, 0), 0);
    ck_assert_uint_eq(compare_ulp(nextafterf(0, -1), nextafterf(0, 1)), 2);
    ck_assert_uint_eq(compare_ulp(-INFINITY, INFINITY), 0xff000000u);
    ck_assert_uint_eq(compare_ulp(NAN, 1), UINT32_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("audit");
    TCase *tests = tcase_create("audit");
    tcase_add_checked_fixture(tests, begin, end);
    tcase_add_loop_test(tests, what_is_right_passes_and_keeps_its_bits, 0, 6);
    tcase_add_loop_test(tests, each_operation_that_is_wrong_is_found, 0, (int)(sizeof each / sizeof *each));
    tcase_add_test(tests, one_step_is_audited_in_all_its_tiles);
    tcase_add_test(tests, differences_are_counted_if_the_run_shall_go_on);
    tcase_add_loop_test(tests, a_device_that_fails_under_audit, 0, 3);
    tcase_add_test(tests, the_plan_counts_the_copy);
    tcase_add_test(tests, a_resumed_run);
    tcase_add_test(tests, what_cannot_be_audited_is_refused);
    tcase_add_test(tests, bits_are_compared);
    suite_add_tcase(suite, tests);
    return support_run(suite);
}

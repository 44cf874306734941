/* Traces of a run: the same whatever the tile, the passes and the memory; and the first entry that differs is that of
 * the operation that was made wrong. */
#include "device/device.h" /* before check.h, which has a macro of the name fail */

#include "support.h"

#include <stdlib.h>
#include <string.h>

static const char net[] = "input 6\ndense 12\nbatch_norm\nrelu as skip\ndense 12 no bias\nbatch_norm group 5\ngelu\n"
                          "add skip\nconcat skip\ndropout 0.2\ndense 4\nloss softmax smoothing 0.1\n";
static const char chain[] = "input 6\ndense 9\nrelu\ndropout 0.2\ndense 4\n";
enum { STEPS = 8, ENTRIES = 256, WRONG = 5 };

/* What on_trace was told. */
typedef struct told {
    uint64_t step[STEPS];
    char digest[STEPS][ENTRIES][65], name[ENTRIES][400];
    int steps, entries;
    uint64_t end; /* the step after which it ends the run; 0: none */
    float values[STEPS][64];
    size_t bytes;
} told;
static told one, other;

static int listen(void *user, const tas_trace *trace)
{
    told *to = user;
    ck_assert_int_lt(to->steps, STEPS);
    ck_assert_int_lt(trace->count, ENTRIES);
    for (int i = 0; i < trace->count; i++) {
        memcpy(to->digest[to->steps][i], trace->entries[i].sha256, 65);
        snprintf(to->name[i], sizeof to->name[i], "%s %s", trace->entries[i].operation, trace->entries[i].tensor);
        ck_assert_uint_gt(trace->entries[i].elements, 0);
    }
    to->entries = trace->count;
    to->bytes = trace->bytes;
    if (trace->values) memcpy(to->values[to->steps], trace->values, trace->bytes < 256 ? trace->bytes : 256);
    to->step[to->steps++] = trace->step;
    return trace->step == to->end;
}

static tas_train_options traced(told *to)
{
    tas_train_options options = sample_options(10, STEPS);
    const uint64_t end = to->end;
    memset(to, 0, sizeof *to);
    to->end = end;
    options.trace_every = 1;
    options.on_trace = listen;
    options.user = to;
    return options;
}

static const char *text = net;

static tas_status train(const tas_train_options *options, tas_train_result *result)
{
    tas_model *model = model_of_text(text, 3);
    const tas_status status = tas_train(model, sample, options, result);
    tas_model_close(&model);
    return status;
}

/* The first step and entry that differ; false if none does. */
static bool differs(int *step, int *entry)
{
    ck_assert_int_eq(one.entries, other.entries);
    ck_assert_int_eq(one.steps, other.steps);
    for (*step = 0; *step < one.steps; ++*step)
        for (*entry = 0; *entry < one.entries; ++*entry) {
            ck_assert_str_eq(one.name[*entry], other.name[*entry]);
            if (strcmp(one.digest[*step][*entry], other.digest[*step][*entry]) != 0) return true;
        }
    return false;
}

START_TEST(tiles_and_memory_do_not_matter)
{
    static const tas_optimizer optimizers[] = {TAS_SGD, TAS_ADAM, TAS_LAMB};
    int step, entry;
    tas_train_options options = traced(&one);
    tas_train_options_choose(&options, optimizers[_i % 3]);
    options.clip = 0.5f;
    options.shards = _i % 3 ? 1 : 4;
    text = _i % 2 ? net : chain;
    ck_assert_int_eq(train(&options, NULL), TAS_OK);
    ck_assert_int_eq(one.steps, STEPS);
    tas_train_options again = traced(&other);
    again.optimizer = options.optimizer;
    tas_train_options_choose(&again, options.optimizer);
    again.clip = 0.5f;
    again.shards = options.shards;
    again.tile = _i < 3 ? 5 : 7;
    again.keep_on_host = _i < 3;
    again.noise = again.preconditioned_noise = _i >= 3;
    ck_assert_int_eq(train(&again, NULL), TAS_OK);
    ck_assert_msg(!differs(&step, &entry), "step %d: %s", step + 1, one.name[entry]);
}
END_TEST

START_TEST(a_trace_changes_no_bit)
{
    char plain[65], hex[65];
    for (int i = 0; i < 2; i++) {
        tas_model *model = model_of_text(net, 3);
        tas_train_options options = traced(&one);
        if (!i) options.trace_every = 0;
        expect_ok(tas_train(model, sample, &options, NULL));
        expect_ok(tas_model_digest(model, i ? hex : plain));
        ck_assert_int_eq(one.steps, i * STEPS);
        tas_model_close(&model);
    }
    ck_assert_str_eq(hex, plain);
}
END_TEST

START_TEST(steps_are_chosen)
{
    tas_train_options options = traced(&one);
    options.trace_every = 3;
    ck_assert_int_eq(train(&options, NULL), TAS_OK);
    ck_assert_int_eq(one.steps, 3);
    ck_assert(one.step[0] == 1 && one.step[1] == 3 && one.step[2] == 6);
    one.end = 6;
    options = traced(&one);
    options.trace_every = 1;
    options.trace_first = 5;
    options.ahead = 1;
    tas_train_result result;
    ck_assert_int_eq(train(&options, &result), TAS_STOPPED);
    ck_assert_int_eq(one.steps, 2);
    ck_assert(one.step[0] == 5 && one.step[1] == 6);
    ck_assert_uint_eq(result.steps, 6);
    one.end = 0;
}
END_TEST

/* The last entries are the parameters and the slots; of the parameters the last is the bias of the last layer. */
START_TEST(values_are_given)
{
    tas_train_options options = traced(&one);
    ck_assert_int_eq(train(&options, NULL), TAS_OK);
    int bias = 0;
    while (strcmp(one.name[bias], "sgd 10.dense.bias") != 0) ck_assert_int_lt(++bias, one.entries);
    options = traced(&one);
    options.trace_values = bias + 1;
    tas_model *model = model_of_text(net, 3);
    float values[4];
    expect_ok(tas_train(model, sample, &options, NULL));
    ck_assert_uint_eq(one.bytes, sizeof values);
    expect_ok(tas_model_read(model, "10.dense.bias", values, 4));
    ck_assert_mem_eq(one.values[STEPS - 1], values, sizeof values);
    tas_model_close(&model);
}
END_TEST

/* One that is wrong in its lowest bit, in step WRONG alone. */
static struct {
    op_id op;
    int operand;
    uint64_t done;
    bool was;
    op_launch right;
} wrong;

static tas_status launch_wrong(tas_device *on, const op_args *args, const mem *operand, const mem *scratch)
{
    const tas_status status = wrong.right(on, args, operand, scratch);
    if (wrong.done + 1 != WRONG || wrong.was) return status;
    wrong.was = true;
    operand[wrong.operand].host[0] ^= 1;
    return status;
}

static int count_wrong(void *user, const tas_trace *trace)
{
    wrong.done = trace->step;
    return listen(user, trace);
}

static const struct {
    op_id op;
    int operand;
    const char *entry;
} each[] = {
    {OP_GATHER_FLOATS, 4, "gather_floats input"},
    {OP_DENSE_FORWARD, 3, "dense_forward 1.dense"},
    {OP_NORM_FORWARD, -1, "norm_forward 3.relu"},
    {OP_ADD, 2, "add 7.add"},
    {OP_DENSE_BACKWARD_PARAMETERS, 4, "dense_backward_parameters 10.dense.bias.gradient"},
    {OP_SGD, 0, "sgd 1.dense.weight"},
};

START_TEST(the_operation_that_is_wrong_is_the_first)
{
    int step, entry;
    tas_train_options options = traced(&one);
    options.tile = each[_i].op == OP_DENSE_BACKWARD_PARAMETERS ? 10 : 5; /* it overwrites an unfinished sum */
    ck_assert_int_eq(train(&options, NULL), TAS_OK);
    memset(&wrong, 0, sizeof wrong);
    wrong.op = each[_i].op;
    wrong.operand = each[_i].operand;
    for (int o = 0; wrong.operand < 0; o++)
        if (op_get(wrong.op)->operand[o].access != ACCESS_IN) wrong.operand = o;
    wrong.right = device->launch[wrong.op];
    device->launch[wrong.op] = launch_wrong;
    options = traced(&other);
    options.tile = each[_i].op == OP_DENSE_BACKWARD_PARAMETERS ? 10 : 5; /* it overwrites an unfinished sum */
    options.on_trace = count_wrong;
    ck_assert_int_eq(train(&options, NULL), TAS_OK);
    device->launch[wrong.op] = wrong.right;
    ck_assert(wrong.was && differs(&step, &entry));
    ck_assert_int_eq(step + 1, WRONG);
    ck_assert_str_eq(one.name[entry], each[_i].entry);
}
END_TEST

/* A read of a trace that fails: the step is repeated, and told once. */
static struct {
    const device_driver *right;
    int left;
    tas_status how;
    bool begun;
} reads;

static tas_status failing_read(tas_device *on, const mem *m, uint64_t offset, void *to, uint64_t bytes)
{
    if (reads.begun && !reads.left--) return (fail)(context, reads.how, "failed on purpose");
    return reads.right->read(on, m, offset, to, bytes);
}

static int begin_failing(void *user, const tas_trace *trace)
{
    reads.begun = true;
    return listen(user, trace);
}

START_TEST(a_device_that_fails_under_a_trace)
{
    static device_driver driver;
    int step, entry;
    tas_train_result result;
    tas_train_options options = traced(&one);
    ck_assert_int_eq(train(&options, NULL), TAS_OK);
    options = traced(&other);
    options.on_trace = begin_failing;
    reads.right = device->driver;
    reads.left = (int)random_below(200);
    reads.how = _i ? TAS_NO_MEMORY : TAS_DEVICE_FAILED;
    reads.begun = false;
    driver = *device->driver;
    driver.never_fails = false;
    driver.read = failing_read;
    device->driver = &driver;
    const tas_status status = train(&options, &result);
    device->driver = reads.right;
    ck_assert_int_eq(status, TAS_OK);
    ck_assert_int_lt(reads.left, 0);
    ck_assert_msg(!differs(&step, &entry), "step %d: %s", step + 1, one.name[entry]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trace");
    TCase *tests = tcase_create("trace");
    tcase_add_checked_fixture(tests, sample_open, sample_close);
    tcase_add_loop_test(tests, tiles_and_memory_do_not_matter, 0, 6);
    tcase_add_test(tests, a_trace_changes_no_bit);
    tcase_add_test(tests, steps_are_chosen);
    tcase_add_test(tests, values_are_given);
    tcase_add_loop_test(tests, the_operation_that_is_wrong_is_the_first, 0, (int)(sizeof each / sizeof *each));
    tcase_add_loop_test(tests, a_device_that_fails_under_a_trace, 0, 2);
    suite_add_tcase(suite, tests);
    return support_run(suite);
}

/* One driver's device against the C reference: the cases of verify, both kinds of product kernels, every vector width,
 * and whole trainings. TASSELLO_TEST_DEVICE is the id; TASSELLO_TEST_SIZE=small for simulators; TASSELLO_KERNELS=all:
 * kernels of all widths and groups, and nothing else. */
#include "device/opencl/launchers/launchers.h"
#include "device/opencl/opencl.h"
#include "verify/cases.h"
#include "verify/training.h"

#include "driver.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void print_line(void *user, const char *line)
{
    (void)user;
    fprintf(stderr, "note: %s\n", line);
}

/* A driver whose fma is software has no vectors either. */
static bool has_slow_fma(void) { return device->info.vector_width < 4; }

/* Simulators take a few cases, and a driver with a slow fma some. */
static uint32_t case_count(void) { return tested_small ? 1 : has_slow_fma() ? 4 : 12; }
static uint32_t edge_count(void) { return tested_small ? 4 : EDGE_CASES; }

static void check_operation(op_id op, uint32_t cases)
{
    case_results results;
    char text[CASES_TEXT];
    tas_status status = cases_verify(device, op, 3, edge_count(), cases, NULL, &results);
    ck_assert_msg(!status, "%s: %s", op_get(op)->name, tas_error(context));
    ck_assert_msg(!results.failed, "%s: %s", op_get(op)->name, cases_print(&results, text));
    ck_assert_uint_gt(results.passed, 0);
}

START_TEST(operation) { check_operation((op_id)_i, case_count()); }
END_TEST

static int find_nothing(const void *self, const tas_device *on, const op_args *call)
{
    (void)self;
    (void)on;
    (void)call;
    return -1;
}

/* A plan asks once for a tile's scratch, and a smaller tile may have another variant. */
static void check_scratch(op_id op, uint32_t number)
{
    op_args args;
    if (!case_draw_args(op, &(case_name){.seed = test_seed(), .number = number}, &args)) return;
    args.panel_width = device_batch_panel(device, args.n);
    const uint64_t planned = device_scratch(device, &args);
    for (args.n = args.n > 40 ? 40 : args.n; args.n; args.n--)
        for (device->variant = 0; device->variant < device->variants[op]; device->variant++)
            ck_assert_msg(device_scratch(device, &args) <= planned, "%s, case %u, n=%u, variant %d", op_get(op)->name,
                          number, args.n, device->variant);
    device->variant = -1;
}

START_TEST(scratch_of_variants)
{
    opencl_device *cl = device->cl;
    const device_tuning tuning = device->tuning;
    const bool cpu = cl && cl->cpu;
    if (!cl) return;
    device->tuning.find = find_nothing;
    for (int other = 0; other < 2; other++) {
        cl->cpu = other ? !cpu : cpu;
        launchers_install(device);
        for (int op = OP_DENSE_FORWARD; op <= OP_CONV_BACKWARD_BIAS; op++)
            for (uint32_t number = 0; number < 2 * EDGE_CASES; number++) check_scratch((op_id)op, number);
    }
    cl->cpu = cpu;
    device->tuning = tuning;
    launchers_install(device);
}
END_TEST

/* Lowers some sizes at random; false if the operation has no such shape. */
static bool lower_sizes(op_id op, case_name *name)
{
    op_args args;
    if (!case_draw_args(op, name, &args)) return false;
    for (int f = 0; f < FIELDS; f++) {
        const uint32_t size = *case_name_field(&args, f);
        name->given[f] = size && random_below(3) == 0;
        name->value[f] = size ? random_below(size) : 0;
    }
    return case_draw_args(op, name, &args);
}

/* Shapes to which verify may shrink a case are shapes that the kernels take. */
START_TEST(lowered_shapes)
{
    const op_id op = (op_id)_i;
    const uint32_t wanted = case_count();
    for (uint32_t number = 0, found = 0; number < 2 * EDGE_CASES && found < wanted; number++) {
        case_name name = {.seed = test_seed(), .number = number};
        difference what;
        char text[DIFFERENCE_TEXT];
        if (!lower_sizes(op, &name)) continue;
        ck_assert_msg(!case_verify(device, op, &name, &what), "%s", tas_error(context));
        ck_assert_msg(!what.found && !what.stray, "%s: %s", op_get(op)->name, compare_print(&what, text));
        found++;
    }
}
END_TEST

/* Of which there are kernels for both kinds of devices; and what takes panels of examples with them. */
static const op_id products[] = {OP_DENSE_FORWARD,
                                 OP_DENSE_FORWARD_NO_BIAS,
                                 OP_DENSE_BACKWARD_INPUT,
                                 OP_DENSE_BACKWARD_WEIGHTS,
                                 OP_DENSE_BACKWARD_PARAMETERS,
                                 OP_DENSE_BACKWARD_BIAS,
                                 OP_CONV_FORWARD,
                                 OP_CONV_FORWARD_NO_BIAS,
                                 OP_CONV_BACKWARD_INPUT,
                                 OP_CONV_BACKWARD_WEIGHTS,
                                 OP_CONV_BACKWARD_PARAMETERS,
                                 OP_CONV_BACKWARD_BIAS,
                                 OP_MAX_POOL_FORWARD,
                                 OP_MAX_POOL_BACKWARD,
                                 OP_AVERAGE_POOL_FORWARD,
                                 OP_AVERAGE_POOL_BACKWARD,
                                 OP_DROPOUT_FORWARD,
                                 OP_DROPOUT_BACKWARD,
                                 OP_UPSAMPLE_FORWARD,
                                 OP_UPSAMPLE_BACKWARD,
                                 OP_PAD_FORWARD,
                                 OP_PAD_BACKWARD,
                                 OP_ADD_BIAS,
                                 OP_GATHER_IMAGE_BYTES,
                                 OP_GATHER_IMAGE_FLOATS};
enum { PRODUCTS = sizeof products / sizeof *products };

static bool tests_all_kernels(void)
{
    const char *kernels = getenv("TASSELLO_KERNELS");
    return kernels && !strcmp(kernels, "all");
}

/* Kernels for processors and for GPUs, with small groups and large, whatever the device is. Rare ones, and those that
 * the cases above have run, are left out unless all are asked for, which takes minutes longer. */
START_TEST(product_kernels)
{
    static const struct {
        bool cpu;
        uint32_t width;
        uint64_t group;
        bool rare;
    } variants[] = {
        {true, 4, 0, true}, {true, 8, 0, false}, {true, 16, 0, false}, {false, 1, 16, true}, {false, 1, 256, false}};
    opencl_device *cl = device->cl;
    const bool cpu = cl->cpu;
    const uint32_t width = device->info.vector_width;
    const uint64_t group = device->info.max_group;
    const int v = _i / PRODUCTS;
    if (variants[v].group > group) return;
    if (!tests_all_kernels() && (variants[v].rare || (cpu && variants[v].width == width))) return;
    /* minutes, where fma is software: dense layers with the least vectors */
    if (variants[v].cpu && has_slow_fma() && (variants[v].width > 4 || _i % PRODUCTS > 4)) return;
    cl->cpu = variants[v].cpu;
    device->info.vector_width = variants[v].width;
    if (variants[v].group) device->info.max_group = variants[v].group;
    launchers_install(device);
    check_operation(products[_i % PRODUCTS], 2);
    cl->cpu = cpu;
    device->info.vector_width = width;
    device->info.max_group = group;
    launchers_install(device);
}
END_TEST

START_TEST(canonical_digest)
{
    char hex[65];
    if (tested_small) return;
    ck_assert_msg(!training_digest(device, _i, hex), "%s", tas_error(context));
    ck_assert_str_eq(hex, tas_canonical_digest((size_t)_i));
}
END_TEST

/* Units of the first layer that no example makes positive. */
static uint32_t count_dead(tas_model *model, const float *x, uint32_t examples)
{
    const tas_tensor_info *w = tas_network_tensor(tas_model_network(model), 0);
    float *weights = malloc(w->elements * sizeof *weights), *bias = malloc(w->dims[0] * sizeof *bias);
    uint32_t dead = 0;
    ck_assert(!tas_model_read(model, "1.dense.weight", weights, w->elements));
    ck_assert(!tas_model_read(model, "1.dense.bias", bias, w->dims[0]));
    for (size_t o = 0; o < w->dims[0]; o++) {
        bool alive = false;
        for (uint32_t n = 0; n < examples; n++) {
            double sum = (double)bias[o];
            for (size_t i = 0; i < w->dims[1]; i++)
                sum += (double)x[n * w->dims[1] + i] * (double)weights[o * w->dims[1] + i];
            alive |= sum > 0;
        }
        dead += !alive;
    }
    free(weights);
    free(bias);
    return dead;
}

/* Trains on one device; the caller closes the model. */
static tas_model *train_on(tas_device *side, tas_network *network, tas_data *data, const tas_train_options *run,
                           char hex[65])
{
    tas_model *model;
    tas_train_result result;
    ck_assert_msg(!tas_model_open(side, network, 7, &model), "%s", tas_error(context));
    ck_assert_msg(!tas_train(model, data, run, &result), "%s", tas_error(context));
    ck_assert_msg(!tas_model_digest(model, hex), "%s", tas_error(context));
    ck_assert_uint_gt(result.steps, 0);
    return model;
}

/* A training of both devices on the same random data, whose first input is always 0, ends in the same digest. Gives the
 * number of dead units. */
static uint32_t check_training(const char *text, uint32_t examples, const tas_train_options *run)
{
    tas_network *network;
    tas_data *data;
    tas_data_options set;
    char hex[2][65];
    draw d = {.seed = 5, .mode = DRAW_SPARSE};
    ck_assert_msg(!tas_network_parse(context, text, "test", &network), "%s", tas_error(context));
    const size_t inputs = tas_network_inputs(network);
    float *x = malloc(examples * inputs * sizeof *x);
    uint32_t *labels = malloc(examples * sizeof *labels);
    for (size_t i = 0; i < examples * inputs; i++) x[i] = i % inputs ? __builtin_fabsf(draw_float(&d)) : 0;
    for (uint32_t i = 0; i < examples; i++) labels[i] = draw_below(&d, (uint32_t)tas_network_outputs(network));
    tas_data_options_init(&set);
    set.count = examples;
    set.input_size = inputs;
    set.input_type = TAS_INPUT_F32;
    set.classes = (uint32_t)tas_network_outputs(network);
    set.inputs = x;
    set.targets = labels;
    ck_assert_msg(!tas_data_open(context, &set, &data), "%s", tas_error(context));
    tas_model *model = train_on(reference, network, data, run, hex[0]);
    tas_model_close(&model);
    model = train_on(device, network, data, run, hex[1]);
    const uint32_t dead = count_dead(model, x, examples);
    tas_model_close(&model);
    ck_assert_str_eq(hex[0], hex[1]);
    tas_data_close(&data);
    tas_network_close(&network);
    free(x);
    free(labels);
    return dead;
}

/* The networks that ship, at batches with whose sizes convolutions are packed in several pieces; the last batch is
 * smaller. Random pictures. */
START_TEST(training_shipped_networks)
{
    static const struct {
        const char *name;
        uint32_t batch, examples;
    } runs[] = {{"mlp", 300, 400}, {"cnn", 64, 101}, {"lenet", 512, 600}};
    enum { PIXELS = 784, LABELS = 10 };
    const uint32_t examples = runs[_i].examples;
    tas_network *network;
    tas_data *data;
    tas_data_options set;
    tas_train_options run;
    char hex[2][65];
    draw d = {.seed = 6};
    if (tested_small || has_slow_fma()) return;
    uint8_t *x = malloc(examples * PIXELS);
    uint32_t *labels = malloc(examples * sizeof *labels);
    for (size_t i = 0; i < examples * PIXELS; i++) x[i] = (uint8_t)(draw_below(&d, 3) ? draw_u32(&d) : 0);
    for (uint32_t i = 0; i < examples; i++) labels[i] = draw_below(&d, LABELS);
    tas_data_options_init(&set);
    set.count = examples;
    set.input_size = PIXELS;
    set.input_type = TAS_INPUT_U8;
    set.classes = LABELS;
    set.inputs = x;
    set.targets = labels;
    tas_train_options_init(&run);
    run.batch = runs[_i].batch;
    run.steps = 2;
    ck_assert_msg(!tas_network_open(context, runs[_i].name, &network), "%s", tas_error(context));
    ck_assert_msg(!tas_data_open(context, &set, &data), "%s", tas_error(context));
    for (int side = 0; side < 2; side++) {
        tas_model *model = train_on(side ? device : reference, network, data, &run, hex[side]);
        tas_model_close(&model);
    }
    ck_assert_msg(!strcmp(hex[0], hex[1]), "%s at %u: %s, the reference has %s", runs[_i].name, run.batch, hex[1],
                  hex[0]);
    tas_data_close(&data);
    tas_network_close(&network);
    free(x);
    free(labels);
}
END_TEST

/* A layer of one chain, a layer of granules, and a last batch that is smaller. */
START_TEST(training_chain_and_granules)
{
    tas_train_options run;
    tas_train_options_init(&run);
    run.batch = 48;
    run.steps = tested_small ? 2 : 9;
    check_training(tested_small ? "input 20\ndense 30\nrelu\ndense 5\n" : "input 700\ndense 100\nrelu\ndense 10\n", 170,
                   &run);
}
END_TEST

/* At a rate that kills units: their gradients become 0, and their momentum decays through all that is tiny. */
START_TEST(training_dead_units)
{
    tas_train_options run;
    tas_train_options_init(&run);
    run.batch = 16;
    run.steps = tested_small ? 3 : has_slow_fma() ? 300 : 2000;
    run.lr = 0.3f;
    const uint32_t dead = check_training("input 60\ndense 40\nrelu\ndense 8\n", 64, &run);
    if (!tested_small) ck_assert_uint_gt(dead, 3);
}
END_TEST

/* The weights of the input that is always 0 halve every two steps, and the run ends as they reach 2^-135: without rule
 * 8 a device that flushes denormals ends with 0 there, and others do not. */
START_TEST(training_decay_to_nothing)
{
    tas_train_options run;
    tas_train_options_init(&run);
    run.batch = 16;
    run.steps = tested_small ? 3 : 262;
    run.lr = 0.3f;
    run.momentum = 0.5f;
    run.weight_decay = 0.3f;
    check_training("input 60\ndense 40\nrelu\ndense 8\n", 64, &run);
}
END_TEST

/* What a child of this process gets: errors from all that would reach the driver, and no wait for ever. */
static bool fails_in_child(tas_run *run, tas_model *model, tas_device *opened)
{
    tas_device_info *list;
    tas_device *other;
    size_t count;
    bool as_expected = tas_run_advance(run, 1, NULL) == TAS_DEVICE_FAILED && strstr(tas_error(context), "fork()");
    as_expected &= tas_devices(context, &list, &count) == TAS_DEVICE_FAILED;
    as_expected &= tas_device_open(context, opened->info.id, TAS_ARITH_EXACT, &other) == TAS_DEVICE_FAILED;
    as_expected &= tas_device_open(context, "reference", TAS_ARITH_EXACT, &other) == TAS_OK;
    tas_device_close(&other);
    tas_run_close(&run);
    tas_model_close(&model);
    tas_device_close(&opened);
    return as_expected;
}

START_TEST(child_of_a_process_that_uses_it)
{
    const float x[8] = {0};
    const uint32_t labels[4] = {0, 1, 0, 1};
    tas_network *network;
    tas_data *data;
    tas_data_options set;
    tas_train_options options;
    tas_model *model;
    tas_run *run;
    int status;
    tas_data_options_init(&set);
    set.count = 4;
    set.input_size = set.classes = 2;
    set.input_type = TAS_INPUT_F32;
    set.inputs = x;
    set.targets = labels;
    tas_train_options_init(&options);
    options.batch = 2;
    options.steps = 3;
    ck_assert_msg(!tas_network_parse(context, "input 2\ndense 2\n", "test", &network), "%s", tas_error(context));
    ck_assert_msg(!tas_data_open(context, &set, &data), "%s", tas_error(context));
    ck_assert_msg(!tas_model_open(device, network, 7, &model), "%s", tas_error(context));
    ck_assert_msg(!tas_run_open(model, data, &options, &run), "%s", tas_error(context));
    ck_assert_msg(!tas_run_advance(run, 1, NULL), "%s", tas_error(context));
    const pid_t child = fork();
    if (!child) {
        alarm(60);
        _exit(!fails_in_child(run, model, device));
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(status == 0, "the child ended with %d", status);
    ck_assert_msg(!tas_run_advance(run, 1, NULL), "%s", tas_error(context));
    tas_run_close(&run);
    tas_model_close(&model);
    tas_data_close(&data);
    tas_network_close(&network);
}
END_TEST

static Suite *make_suite(const char *id)
{
    Suite *suite = suite_create(id ? id : "reference");
    TCase *operations = tcase_create("operations"), *kernels = tcase_create("products"),
          *trainings = tcase_create("trainings");
    TCase *const all[] = {operations, kernels, trainings};
    device = tested;
    tas_set_log(context, print_line, NULL);
    tcase_add_loop_test(operations, operation, 0, OP_COUNT);
    tcase_add_loop_test(operations, lowered_shapes, 0, OP_COUNT);
    tcase_add_test(kernels, scratch_of_variants);
    tcase_add_loop_test(kernels, product_kernels, 0, tested_small ? PRODUCTS : 5 * PRODUCTS);
    tcase_add_loop_test(trainings, canonical_digest, 0,
                        tested_small ? 1 : TRAININGS); /* the second takes minutes there */
    tcase_add_loop_test(trainings, training_shipped_networks, 0, 3);
    tcase_add_test(trainings, training_chain_and_granules);
    tcase_add_test(trainings, training_dead_units);
    tcase_add_test(trainings, training_decay_to_nothing);
    if (id) tcase_add_test(trainings, child_of_a_process_that_uses_it);
    for (int i = 0; i < 3; i++) {
        tcase_set_timeout(all[i], 0);
        if (all[i] == kernels || !tests_all_kernels()) suite_add_tcase(suite, all[i]);
    }
    return suite;
}

int main(void) { return driver_run(make_suite); }

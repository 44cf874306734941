/* Models through the public API on the reference device: parameters, prediction, evaluation, checkpoints; and the
 * program around the library, whose floating-point state and locale are its own. */
#include "model/model.h" /* before check.h, which has a macro of the name fail */

#include "base/file.h"
#include "model/safetensors.h"
#include "support.h"

#include <fenv.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* Parameters ------------------------------------------------------------------------------------------------------- */

START_TEST(parameters_by_name)
{
    tas_model *model = model_of_text("input 3\ndense 2\n", 3);
    const float given[6] = {1, -0x1p-41f, 1e-45f, -0.0f, 0x1p-40f, -2e30f}, wanted[6] = {1, 0, 0, 0, 0x1p-40f, -2e30f};
    const float bad[6] = {5, 5, 5, 5, NAN, 5}, bad_too[2] = {-INFINITY, 1};
    float got[6];
    expect_ok(tas_model_write(model, "1.dense.weight", given, 6));
    expect_ok(tas_model_read(model, "1.dense.weight", got, 6));
    ck_assert_mem_eq(got, wanted, sizeof got); /* bits: no -0 */
    expect(tas_model_write(model, "1.dense.weight", bad, 6), TAS_BAD_DATA, "1.dense.weight", "element 4");
    expect(tas_model_write(model, "1.dense.bias", bad_too, 2), TAS_BAD_DATA, "1.dense.bias", "element 0");
    expect(tas_model_write(model, "1.dense.weight", given, 5), TAS_BAD_ARGUMENT, "6 elements", "5");
    expect(tas_model_read(model, "1.dense.bias", got, 6), TAS_BAD_ARGUMENT, "2 elements", "6");
    expect(tas_model_read(model, "1.dense", got, 6), TAS_BAD_ARGUMENT, "'1.dense'", "1.dense.weight, 1.dense.bias");
    expect(tas_model_read(model, "", got, 6), TAS_BAD_ARGUMENT, "''", "1.dense.weight");
    expect(tas_model_read(model, "1.dense.wieght", got, 6), TAS_BAD_ARGUMENT, "'1.dense.wieght'",
           "did you mean '1.dense.weight'");
    expect_ok(tas_model_read(model, "1.dense.weight", got, 6));
    ck_assert_mem_eq(got, wanted, sizeof got); /* as before what failed */
    tas_model_close(&model);
}
END_TEST

/* Prediction and evaluation ---------------------------------------------------------------------------------------- */

START_TEST(predictions_and_scores)
{
    enum { MOST = 1100 };
    static float x[MOST * INPUTS], y[MOST * 10], y_again[10];
    static uint32_t label[MOST];
    static const uint32_t counts[] = {1, 2, 511, 512, 513, MOST};
    for (int mse = 0; mse < 2; mse++) {
        plain_net net = {.inputs = INPUTS, .mean = 0.25, .std = 0.5, .mse = mse};
        for (int kind = PLAIN_RELU; kind <= PLAIN_SOFTPLUS; kind++)
            plain_add(&net, PLAIN_DENSE, 10), plain_add(&net, (plain_kind)kind, 0);
        plain_add(&net, PLAIN_DENSE, 10);
        double parameters[1100];
        tas_model *model = model_of(&net, 9);
        float *values = model_get(model);
        for (size_t k = 0; k < plain_parameters(&net); k++)
            values[k] = random_float(-0.8f, 0.8f), parameters[k] = values[k];
        model_set(model, values);
        for (int k = 0; k < MOST * INPUTS; k++) x[k] = random_float(-1, 2);
        for (int k = 0; k < MOST; k++) label[k] = random_below(10);
        expect_ok(tas_predict(model, x, 0, y));
        for (int c = 0; c < 6; c++) {
            tas_score score = {0};
            double loss = 0, out[10], in[INPUTS], target[10] = {0};
            uint64_t hits = 0;
            expect_ok(tas_predict(model, x, counts[c], y));
            for (uint32_t e = 0; e < counts[c]; e++) {
                uint32_t most = 0;
                for (int i = 0; i < INPUTS; i++) in[i] = x[e * INPUTS + (uint32_t)i];
                plain_forward(&net, parameters, in, out, NULL);
                for (int j = 0; j < 10; j++) {
                    ck_assert_msg(fabs(out[j] - y[e * 10 + (uint32_t)j]) < 1e-4, "example %u: %g, expected %g", e,
                                  y[e * 10 + (uint32_t)j], out[j]);
                    out[j] = y[e * 10 + (uint32_t)j];
                    most = out[j] > out[most] ? (uint32_t)j : most;
                }
                target[label[e]] = 1;
                loss += mse ? plain_squared(out, 10, target) : plain_softmax(out, 10, label[e]);
                target[label[e]] = 0;
                hits += most == label[e];
            }
            const uint32_t one = random_below(counts[c]); /* alone as in company */
            expect_ok(tas_predict(model, x + one * INPUTS, 1, y_again));
            ck_assert_mem_eq(y_again, y + one * 10, sizeof y_again);
            tas_data *set = data_of(counts[c], INPUTS, x, label, 10, 0);
            expect_ok(tas_evaluate(model, set, &score));
            ck_assert_msg(fabs(score.loss - loss / counts[c]) < 1e-5 * score.loss, "loss %.9g, expected %.9g",
                          score.loss, loss / counts[c]);
            ck_assert_uint_eq(score.examples, counts[c]);
            if (mse)
                ck_assert(score.accuracy == -1);
            else
                ck_assert(score.correct == hits && score.accuracy == (double)hits / counts[c]);
            tas_data_close(&set);
        }
        free(values);
        tas_model_close(&model);
    }
}
END_TEST

enum { LARGE_INPUTS = 8200, LARGE_COUNT = 1100 };

static int fill_large(void *user, const uint64_t *index, size_t n, void *in, void *targets)
{
    (void)user;
    for (size_t k = 0; k < n; k++) {
        uint32_t state = (uint32_t)index[k] + 1;
        for (size_t i = 0; i < LARGE_INPUTS; i++) {
            state = state * 1664525 + 1013904223;
            ((float *)in)[k * LARGE_INPUTS + i] = (float)(state >> 16) / 65536 - 0.5f;
        }
        ((uint32_t *)targets)[k] = state >> 16 & 1;
    }
    return 0;
}

/* The set passes through the device in windows of 511 examples of such a size. */
START_TEST(scores_of_more_than_a_window)
{
    tas_model *model = model_of_text("input 8200\ndense 2\n", 3);
    tas_data *set = NULL;
    tas_data_options options;
    tas_score score;
    float *x = malloc(LARGE_INPUTS * sizeof *x), y[2];
    double loss = 0;
    uint64_t hits = 0;
    tas_data_options_init(&options);
    options.count = LARGE_COUNT;
    options.input_size = LARGE_INPUTS;
    options.input_type = TAS_INPUT_F32;
    options.classes = 2;
    options.fill = fill_large;
    expect_ok(tas_data_open(context, &options, &set));
    expect_ok(tas_evaluate(model, set, &score));
    for (uint64_t e = 0; e < LARGE_COUNT; e++) {
        uint32_t label;
        fill_large(NULL, &e, 1, x, &label);
        expect_ok(tas_predict(model, x, 1, y));
        loss += plain_softmax((double[]){y[0], y[1]}, 2, label);
        hits += label == (y[1] > y[0]);
    }
    ck_assert_msg(fabs(score.loss - loss / LARGE_COUNT) < 1e-5 * score.loss, "loss %.9g, expected %.9g", score.loss,
                  loss / LARGE_COUNT);
    ck_assert_uint_eq(score.correct, hits);
    free(x);
    tas_data_close(&set);
    tas_model_close(&model);
}
END_TEST

/* A device that refuses or fails, once or for ever, at each of its commands in turn. */
static struct {
    const device_driver *driver;
    op_launch launch[OP_COUNT];
    int left; /* calls until one is refused; below 0: none is */
    bool for_ever;
    tas_status how;
} refusing = {.left = -1};

static bool refuses(void)
{
    if (refusing.left > 0) refusing.left--;
    if (refusing.left) return false;
    refusing.left = refusing.for_ever ? 0 : -1;
    return true;
}

static tas_status refuse(void) { return (fail)(context, refusing.how, "refused on purpose"); }

static tas_status refusing_launch(tas_device *d, const op_args *args, const mem *operand, const mem *scratch)
{
    return refuses() ? refuse() : refusing.launch[args->op](d, args, operand, scratch);
}

static tas_status refusing_read(tas_device *d, const mem *m, uint64_t offset, void *to, uint64_t bytes)
{
    return refuses() ? refuse() : refusing.driver->read(d, m, offset, to, bytes);
}

static tas_status refusing_write(tas_device *d, const mem *m, uint64_t offset, const void *from, uint64_t bytes,
                                 bool wait)
{
    return refuses() ? refuse() : refusing.driver->write(d, m, offset, from, bytes, wait);
}

static tas_status refusing_zero(tas_device *d, const mem *m)
{
    return refuses() ? refuse() : refusing.driver->zero(d, m);
}

static tas_status refusing_alloc(tas_device *d, uint64_t bytes, mem *out)
{
    return refuses() ? refuse() : refusing.driver->alloc(d, bytes, out);
}

static void begin_refusing(void)
{
    static device_driver driver;
    driver = *device->driver;
    driver.never_fails = false;
    refusing.driver = device->driver;
    memcpy(refusing.launch, device->launch, sizeof refusing.launch);
    driver.read = refusing_read;
    driver.write = refusing_write;
    driver.zero = refusing_zero;
    driver.alloc = refusing_alloc;
    device->driver = &driver;
    for (int op = 0; op < OP_COUNT; op++) device->launch[op] = refusing_launch;
}

static void end_refusing(void)
{
    device->driver = refusing.driver;
    memcpy(device->launch, refusing.launch, sizeof refusing.launch);
    refusing.for_ever = false;
    refusing.left = -1;
}

static int notes;

static void count_note(void *user, const char *line)
{
    (void)user;
    notes += strstr(line, "refused on purpose") != NULL;
}

/* A new model's predictions. */
static tas_status predict_anew(float *y)
{
    tas_model *model = NULL;
    tas_network *network = NULL;
    expect_ok(tas_network_parse(context, sample_net, "sample", &network));
    tas_status status = tas_model_open(device, network, 3, &model);
    if (!status) status = tas_predict(model, sample_inputs, COUNT, y);
    tas_model_close(&model);
    tas_network_close(&network);
    return status;
}

START_TEST(models_and_predictions_outlive_refusals)
{
    static const tas_status ways[] = {TAS_NO_MEMORY, TAS_DEVICE_FAILED};
    float whole[COUNT * CLASSES], got[COUNT * CLASSES];
    const uint64_t used = device->used_bytes;
    expect_ok(predict_anew(whole));
    begin_refusing();
    tas_set_log(context, count_note, NULL);
    for (int way = 0; way < 2; way++) {
        int call = 1;
        refusing.how = ways[way];
        for (bool refused = true; refused; call++) {
            refusing.left = call;
            memset(got, 0xff, sizeof got);
            notes = 0;
            expect_ok(predict_anew(got));
            refused = refusing.left < 0;
            ck_assert_mem_eq(got, whole, sizeof got);
            ck_assert_int_eq(notes, refused);
        }
        ck_assert_int_gt(call, 12);
        refusing.for_ever = true;
        for (int first = 1; first < call - 1; first++) {
            refusing.left = first;
            expect(predict_anew(got), ways[way], "on purpose", "");
            ck_assert_uint_eq(device->used_bytes, used);
        }
        refusing.for_ever = false;
        refusing.left = -1;
    }
    tas_set_log(context, NULL, NULL);
    end_refusing();
}
END_TEST

/* Checkpoints ------------------------------------------------------------------------------------------------------ */

static char folder[] = "/tmp/tassello-model-XXXXXX", path[sizeof folder + 16];

START_TEST(a_failed_run_leaves_its_snapshot)
{
    char before[65], after[65], whole[65], found[65];
    tas_data *set = data_of(COUNT, INPUTS, sample_inputs, sample_labels, CLASSES, 0);
    tas_model *model = model_of_text(sample_net, 3), *loaded = NULL;
    tas_train_options options = sample_options(9, 40);
    tas_score score;
    expect_ok(tas_model_digest(model, before));
    begin_refusing();
    refusing.how = TAS_DEVICE_FAILED;
    refusing.for_ever = true;
    refusing.left = 400;
    expect(tas_train(model, sample, &options, NULL), TAS_DEVICE_FAILED, "on purpose", "");
    expect_ok(tas_model_digest(model, after)); /* from the host: nothing else works */
    ck_assert_str_eq(after, before);           /* the first snapshot: there was no time for another */
    expect_ok(tas_model_save(model, path));
    expect(tas_evaluate(model, set, &score), TAS_DEVICE_FAILED, "on purpose", "");
    end_refusing();
    expect_ok(tas_evaluate(model, set, &score));
    expect_ok(tas_model_load(device, path, &loaded));
    expect_ok(tas_train(loaded, sample, &options, NULL));
    expect_ok(tas_train(model, sample, &options, NULL));
    expect_ok(tas_model_digest(loaded, whole));
    expect_ok(tas_model_digest(model, found));
    ck_assert_str_eq(found, whole);
    tas_model_close(&loaded);
    tas_model_close(&model);
    tas_data_close(&set);
}
END_TEST

START_TEST(saved_is_loaded)
{
    char hex[2][65];
    float y[2][COUNT * CLASSES];
    tas_score score[2];
    tas_model *model = model_of_text(sample_net, 3), *loaded = NULL;
    const tas_train_options options = sample_options(9, 11);
    expect_ok(tas_train(model, sample, &options, NULL));
    expect_ok(tas_model_save(model, path));
    expect_ok(tas_model_load(device, path, &loaded));
    ck_assert_str_eq(tas_network_text(tas_model_network(loaded)), sample_net);
    for (int round = 0; round < 2; round++) { /* and trains on as the first one does */
        for (int k = 0; k < 2; k++) {
            tas_model *which = k ? loaded : model;
            expect_ok(tas_model_digest(which, hex[k]));
            expect_ok(tas_predict(which, sample_inputs, COUNT, y[k]));
            expect_ok(tas_evaluate(which, sample, &score[k]));
            expect_ok(tas_train(which, sample, &options, NULL));
        }
        ck_assert_str_eq(hex[0], hex[1]);
        ck_assert_mem_eq(y[0], y[1], sizeof y[0]);
        ck_assert(score[0].loss == score[1].loss && score[0].correct == score[1].correct);
    }
    expect(tas_model_save(model, "/nonexistent/file"), TAS_BAD_FILE, "/nonexistent/file", "");
    expect(tas_model_save(model, folder), TAS_BAD_FILE, folder, "");
    tas_model_close(&loaded);
    tas_model_close(&model);
}
END_TEST

static void expect_name(const char *name)
{
    safetensors *file = NULL;
    expect_ok(safetensors_open(context, path, &file));
    ck_assert_str_eq(safetensors_metadata(file, "tassello.name"), name);
    safetensors_close(&file);
}

/* The end of the network's path, in UTF-8; and the checkpoint of a checkpoint keeps it. */
START_TEST(name_is_kept)
{
    static const char *const names[][2] = {
        {"mlp", "mlp"},
        {"/a/b c.net", "b c.net"},
        {"/\xff/gr\xfc\xc3\x9f \xe2\x82.net", "gr?\xc3\x9f ??.net"},
        {"\xed\xa0\x80", "???"},
    };
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        tas_network *network = NULL;
        tas_model *model = NULL;
        expect_ok(tas_network_parse(context, "input 2\ndense 1\n", names[k][0], &network));
        expect_ok(tas_model_open(device, network, 1, &model));
        tas_network_close(&network);
        for (int round = 0; round < 2; round++) {
            expect_ok(tas_model_save(model, path));
            expect_name(names[k][1]);
            tas_model_close(&model);
            expect_ok(tas_model_load(device, path, &model));
        }
        tas_model_close(&model);
    }
}
END_TEST

/* How it was trained: none at first; what was set; and the checkpoint of a checkpoint keeps it. */
START_TEST(training_is_kept)
{
    static const char said[] = "batch 32 lr 0.1 (auto: \"\xc3\x9f\\\")";
    tas_model *model = model_of_text("input 2\ndense 1\n", 1), *loaded;
    ck_assert_str_eq(tas_model_training(model), "");
    for (int round = 0; round < 3; round++) {
        expect_ok(tas_model_save(model, path));
        expect_ok(tas_model_load(device, path, &loaded));
        ck_assert_str_eq(tas_model_training(loaded), round ? said : "");
        tas_model_close(&model);
        model = loaded;
        if (!round) expect_ok(tas_model_set_training(model, said));
    }
    expect(tas_model_set_training(model, "gr\xfc\xdf"), TAS_BAD_ARGUMENT, "UTF-8", "");
    ck_assert_str_eq(tas_model_training(model), said);
    expect_ok(tas_model_set_training(model, NULL));
    ck_assert_str_eq(tas_model_training(model), "");
    tas_model_close(&model);
}
END_TEST

/* Writes a checkpoint of "input 2, dense 1" with something else about it. */
static void refuse_checkpoint(const char *text, const char *name, uint64_t rows, uint64_t cols, float value,
                              tas_status status, const char *word, const char *other)
{
    const float weight[4] = {1, value, 3, 4}, bias[1] = {5};
    const safetensors_pair pair = {"tassello.network", text};
    const safetensor tensors[] = {{.name = name, .dims = {rows, cols}, .ndims = cols ? 2 : 1, .data = weight},
                                  {.name = "1.dense.bias", .dims = {1}, .ndims = 1, .data = bias}};
    file_writer writer;
    tas_model *model = (tas_model *)&writer;
    expect_ok(file_begin(context, &writer, path));
    expect_ok(safetensors_write(context, &writer, &pair, text ? 1 : 0, tensors, 2));
    expect_ok(file_commit(context, &writer));
    expect(tas_model_load(device, path, &model), status, word, other);
    if (status)
        ck_assert_ptr_null(model);
    else
        tas_model_close(&model);
}

START_TEST(refuses_checkpoints)
{
    static const char text[] = "input 2\ndense 1\n", weight[] = "1.dense.weight";
    refuse_checkpoint(text, weight, 1, 2, 2, TAS_OK, "", "");
    refuse_checkpoint(text, weight, 2, 1, 2, TAS_BAD_DATA, path, "(1 x 2)");
    refuse_checkpoint(text, weight, 2, 2, 2, TAS_BAD_DATA, weight, "shape");
    refuse_checkpoint(text, weight, 2, 0, 2, TAS_BAD_DATA, weight, "shape");
    refuse_checkpoint(text, "weight", 1, 2, 2, TAS_BAD_DATA, path, "tensor 1.dense.weight");
    refuse_checkpoint(NULL, weight, 1, 2, 2, TAS_BAD_DATA, path, "no network");
    refuse_checkpoint("input 2\ndens 1\n", weight, 1, 2, 2, TAS_BAD_NETWORK, path, ":2: unknown layer 'dens'");
    refuse_checkpoint(text, weight, 1, 2, NAN, TAS_BAD_DATA, path, "1.dense.weight: element 1 is not finite");
    begin_refusing(); /* no memory is taken for what does not fit: the device is not asked for any */
    refusing.how = TAS_DEVICE_FAILED;
    refusing.for_ever = true;
    refusing.left = 0;
    refuse_checkpoint(text, weight, 1, 2, 2, TAS_DEVICE_FAILED, "on purpose", "");
    refuse_checkpoint(text, weight, 2, 1, 2, TAS_BAD_DATA, weight, "shape");
    refuse_checkpoint("input 784\ndense 4000000\n", weight, 2, 1, 2, TAS_BAD_DATA, weight, "(4000000 x 784)");
    end_refusing();
    tas_model *model = NULL;
    ck_assert_int_eq(truncate(path, 20), 0);
    expect(tas_model_load(device, path, &model), TAS_BAD_DATA, path, "");
    unlink(path);
    expect(tas_model_load(device, path, &model), TAS_BAD_FILE, path, "No such file");
}
END_TEST

static char logged[512];

static void keep_note(void *user, const char *line)
{
    (void)user;
    snprintf(logged, sizeof logged, "%s", line);
}

/* Another contract's weights are read, with a note; a file that names none says nothing of bits. */
START_TEST(contract_is_noted)
{
    static const char *const theirs[] = {"999", "1\x1b[2J", NULL};
    const float weight[2] = {1, 2}, bias[1] = {5};
    const safetensor tensors[] = {{.name = "1.dense.weight", .dims = {1, 2}, .ndims = 2, .data = weight},
                                  {.name = "1.dense.bias", .dims = {1}, .ndims = 1, .data = bias}};
    char ours[16], key[] = "tassello.contract";
    tas_model *model = NULL;
    float got[2];
    snprintf(ours, sizeof ours, "%d", tas_contract());
    tas_set_log(context, keep_note, NULL);
    for (int k = 0; k < 4; k++) {
        const char *contract = k < 3 ? theirs[k] : ours;
        const safetensors_pair pairs[] = {{"tassello.network", "input 2\ndense 1\n"}, {key, contract}};
        file_writer writer;
        logged[0] = 0;
        expect_ok(file_begin(context, &writer, path));
        expect_ok(safetensors_write(context, &writer, pairs, contract ? 2 : 1, tensors, 2));
        expect_ok(file_commit(context, &writer));
        expect_ok(tas_model_load(device, path, &model));
        expect_ok(tas_model_read(model, "1.dense.weight", got, 2));
        ck_assert_mem_eq(got, weight, sizeof got);
        ck_assert_msg(k < 2 ? strstr(logged, path) && strstr(logged, k ? "1\\x1b[2J" : "999") && strstr(logged, ours)
                            : !*logged,
                      "\"%s\"", logged);
        tas_model_close(&model);
    }
    tas_set_log(context, NULL, NULL);
}
END_TEST

/* The network alone, of a checkpoint whose weights are there but may be anything. */
START_TEST(network_is_loaded_without_weights)
{
    tas_network *network = NULL;
    refuse_checkpoint("input 2\ndense 1\n", "1.dense.weight", 1, 2, NAN, TAS_BAD_DATA, path, "not finite");
    expect_ok(tas_model_load_network(context, path, &network));
    ck_assert_str_eq(tas_network_text(network), "input 2\ndense 1\n");
    tas_network_close(&network);
    refuse_checkpoint("input 2\ndense 1\n", "1.dense.weight", 2, 1, 2, TAS_BAD_DATA, path, "shape");
    expect(tas_model_load_network(context, path, &network), TAS_BAD_DATA, path, "shape");
    ck_assert_ptr_null(network);
}
END_TEST

/* The program around ----------------------------------------------------------------------------------------------- */

/* A callback that leaves another floating-point state behind. */
static int leave_disturbed(void *user, const tas_step *step)
{
    if (step->step == 1) *(int *)user = fegetround(); /* the program's own is in force */
    fesetround(FE_UPWARD);
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
    return 0;
}

/* All that the library computes: a digest, predictions and a score, by way of a checkpoint. */
static void compute(char hex[65], float *y, tas_score *score, bool disturb)
{
    tas_data *set = data_of(COUNT, INPUTS, sample_inputs, sample_labels, CLASSES, 0);
    tas_model *model = model_of_text(sample_net, 3), *loaded = NULL;
    tas_train_options options = sample_options(9, 40);
    int mode = fegetround(), seen = mode;
    options.on_step = disturb ? leave_disturbed : NULL;
    options.user = &seen;
    expect_ok(tas_train(model, sample, &options, NULL));
    ck_assert_int_eq(seen, mode);
    ck_assert_int_eq(fegetround(), disturb ? FE_UPWARD : mode); /* a callback's change is the program's */
    expect_ok(tas_model_save(model, path));
    expect_ok(tas_model_load(device, path, &loaded));
    expect_ok(tas_model_digest(loaded, hex));
    expect_ok(tas_predict(loaded, sample_inputs, COUNT, y));
    expect_ok(tas_evaluate(loaded, set, score));
    tas_model_close(&loaded);
    tas_model_close(&model);
    tas_data_close(&set);
}

static void check_computed(const char *hex, const float *y, const tas_score *score, bool disturb)
{
    char hex_now[65];
    float y_now[COUNT * CLASSES];
    tas_score score_now;
    compute(hex_now, y_now, &score_now, disturb);
    ck_assert_str_eq(hex_now, hex);
    ck_assert_mem_eq(y_now, y, sizeof y_now);
    ck_assert(score_now.loss == score->loss && score_now.correct == score->correct);
}

START_TEST(floating_point_state_is_the_callers)
{
    char hex[65];
    float y[COUNT * CLASSES];
    tas_score score;
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO, FE_TONEAREST};
    compute(hex, y, &score, false);
    for (int k = 0; k < 4; k++) {
        fesetround(modes[k]);
        feraiseexcept(FE_INEXACT | FE_OVERFLOW);
#if defined(__x86_64__)
        _mm_setcsr((_mm_getcsr() | 0x8040)); /* flush to zero, denormals are zero */
        const unsigned before = _mm_getcsr();
#endif
        check_computed(hex, y, &score, false);
#if defined(__x86_64__)
        ck_assert_uint_eq(_mm_getcsr() & 0xffc0, before & 0xffc0);
        _mm_setcsr(_mm_getcsr() & ~0x8040u);
#endif
        ck_assert_int_eq(fegetround(), modes[k]);
        ck_assert(fetestexcept(FE_OVERFLOW));
        check_computed(hex, y, &score, true);
#if defined(__x86_64__)
        _mm_setcsr(_mm_getcsr() & ~0x8040u);
#endif
    }
}
END_TEST

/* A German locale, made here where the system has its source; without it this test says so and looks at nothing. */
START_TEST(locale_is_the_callers)
{
    char hex[65], command[256], number[16];
    float y[COUNT * CLASSES];
    tas_score score;
    tas_network *network = NULL;
    compute(hex, y, &score, false);
    setenv("LOCPATH", folder, 1);
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", folder);
    if (system(command) == -1 || !setlocale(LC_ALL, "de_DE.UTF-8")) {
        puts("no German locale can be made here: the test of locales looked at nothing");
        return;
    }
    snprintf(number, sizeof number, "%.1f", 0.5);
    ck_assert_str_eq(number, "0,5");
    check_computed(hex, y, &score, false);
    expect(tas_network_parse(context, "input 4\ndropout 0,5\ndense 1\n", "net", &network), TAS_BAD_NETWORK, "net:2",
           "'0,5'");
    tas_train_options bad = sample_options(9, 3);
    tas_model *model = model_of_text(sample_net, 3);
    bad.lr = -0.5f;
    expect(tas_train(model, sample, &bad, NULL), TAS_BAD_ARGUMENT, "lr -0.5:", "");
    tas_model_close(&model);
    snprintf(number, sizeof number, "%.1f", 0.5);
    ck_assert_str_eq(number, "0,5");
    setlocale(LC_ALL, "C");
}
END_TEST

int main(void)
{
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/checkpoint", folder);
    Suite *suite = suite_create("model");
    TCase *tc = tcase_create("model");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, sample_open, sample_close);
    tcase_add_test(tc, parameters_by_name);
    tcase_add_test(tc, predictions_and_scores);
    tcase_add_test(tc, scores_of_more_than_a_window);
    tcase_add_test(tc, models_and_predictions_outlive_refusals);
    tcase_add_test(tc, a_failed_run_leaves_its_snapshot);
    tcase_add_test(tc, saved_is_loaded);
    tcase_add_test(tc, name_is_kept);
    tcase_add_test(tc, training_is_kept);
    tcase_add_test(tc, refuses_checkpoints);
    tcase_add_test(tc, contract_is_noted);
    tcase_add_test(tc, network_is_loaded_without_weights);
    tcase_add_test(tc, floating_point_state_is_the_callers);
    tcase_add_test(tc, locale_is_the_callers);
    suite_add_tcase(suite, tc);
    const int failed = support_run(suite);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) || failed;
}

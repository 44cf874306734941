/* Models that take their start from a file of weights: what is taken, what is not, and files that cannot be used. */
#include "model/safetensors.h" /* before check.h, which has a macro of the name fail */

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/tassello-init-XXXXXX";

static tas_model *open_model(const char *text, uint64_t seed)
{
    tas_network *network;
    tas_model *model;
    expect_ok(tas_network_parse(context, text, "net", &network));
    expect_ok(tas_model_open(device, network, seed, &model));
    tas_network_close(&network);
    return model;
}

/* What was reported, one line for each. */
static char told[4096];

static void tell(void *user, const tas_init_entry *e)
{
    static const char *const words[] = {"taken", "missing", "other", "unused"};
    const size_t used = strlen(told);
    (void)user;
    snprintf(told + used, sizeof told - used, "%s %s %s\n", words[e->state], e->parameter ? e->parameter->name : "-",
             e->tensor ? e->tensor : "-");
}

static size_t init(tas_model *model)
{
    size_t taken;
    *told = 0;
    expect_ok(tas_model_init_from(model, path, tell, NULL, &taken));
    return taken;
}

static void same(tas_model *a, const char *name, tas_model *b, const char *its, size_t count, bool wanted)
{
    float x[512], y[512];
    expect_ok(tas_model_read(a, name, x, count));
    expect_ok(tas_model_read(b, its, y, count));
    ck_assert_msg(!memcmp(x, y, count * sizeof *x) == wanted, "%s and %s %s", name, its, wanted ? "differ" : "agree");
}

/* By name, wherever a layer stands; its own names where layers have none; never a layer of another name. */
START_TEST(a_checkpoint_of_another_network)
{
    tas_model *from = open_model("input 8\ndense 6 as a\nbatch_norm\nrelu\ndense 4 as b\nrelu\ndense 3\n", 1);
    tas_model *to = open_model("input 8\nrelu\ndense 4 as c\ndense 7 as a\nrelu\ndense 5\nrelu\ndense 3\n", 2);
    tas_model *same_places = open_model("input 8\ndense 6 as z\nbatch_norm\nrelu\ndense 4\nrelu\ndense 3\n", 2);
    expect_ok(tas_model_save(from, path));
    expect(tas_model_init_from(to, path, NULL, NULL, NULL), TAS_BAD_DATA, "none of its 10 tensors", "'as fc1'");
    ck_assert_uint_eq(init(same_places), 8);
    ck_assert(strstr(told, "missing 1.dense.weight -\nmissing 1.dense.bias -\ntaken 2.batch_norm.weight"));
    ck_assert(strstr(told, "unused - 1.dense.bias\nunused - 1.dense.weight\n"));
    same(same_places, "4.dense.weight", from, "4.dense.weight", 24, true);
    same(same_places, "1.dense.weight", from, "1.dense.weight", 48, false);
    tas_model_close(&to);
    to = open_model("input 8\nrelu\ndense 6 as a\nrelu\ndense 5\ndense 3\n", 2);
    ck_assert_uint_eq(init(to), 2);
    ck_assert(strstr(told, "taken 2.dense.weight 1.dense.weight\ntaken 2.dense.bias 1.dense.bias\nmissing 4.dense.w") ||
              strstr(told, "taken 2.dense.weight 1.dense.weight\ntaken 2.dense.bias 1.dense.bias\nother 4.dense.w"));
    same(to, "2.dense.weight", from, "1.dense.weight", 48, true);
    tas_model_close(&to);
    tas_model_close(&same_places);
    tas_model_close(&from);
}
END_TEST

static void write_tensors(const char *header, const void *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    const uint64_t length = strlen(header);
    fwrite(&length, sizeof length, 1, f);
    fwrite(header, 1, length, f);
    fwrite(data, 1, bytes, f);
    ck_assert_int_eq(fclose(f), 0);
}

static const char text[] = "input 2\ndense 2 as features.0\nbatch_norm as bn\nrelu\ndense 3 as fc\n";

/* As PyTorch writes a state_dict, in each of the float types. */
START_TEST(a_state_dict)
{
    static const uint16_t half[4] = {0x3c00, 0xc000, 0x0001, 0x3555}, brain[2] = {0x3f80, 0xc040};
    static const double wide[2] = {0.1, -1e10};
    static const float mean[2] = {0.5f, -0.25f};
    static const int64_t steps = 7;
    static const char header[] = "{\"features.0.weight\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[0,8]},"
                                 "\"features.0.bias\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[8,12]},"
                                 "\"bn.running_var\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[12,28]},"
                                 "\"bn.running_mean\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[28,36]},"
                                 "\"bn.num_batches_tracked\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[36,44]},"
                                 "\"fc.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[44,52]},"
                                 "\"fc.weight\":{\"dtype\":\"F8_E4M3\",\"shape\":[3,2],\"data_offsets\":[52,58]}}";
    unsigned char data[58] = {0};
    float x[4];
    tas_model *model = open_model(text, 3);
    memcpy(data, half, 8);
    memcpy(data + 8, brain, 4);
    memcpy(data + 12, wide, 16);
    memcpy(data + 28, mean, 8);
    memcpy(data + 36, &steps, 8);
    memcpy(data + 44, mean, 8);
    write_tensors(header, data, sizeof data);
    ck_assert_uint_eq(init(model), 4);
    ck_assert_str_eq(told, "taken 1.dense.weight features.0.weight\ntaken 1.dense.bias features.0.bias\n"
                           "missing 2.batch_norm.weight -\nmissing 2.batch_norm.bias -\n"
                           "taken 2.batch_norm.running_mean bn.running_mean\n"
                           "taken 2.batch_norm.running_var bn.running_var\nother 4.dense.weight fc.weight\n"
                           "other 4.dense.bias fc.bias\nunused - bn.num_batches_tracked\n");
    expect_ok(tas_model_read(model, "1.dense.weight", x, 4));
    ck_assert(x[0] == 1 && x[1] == -2 && x[2] == 0x1p-24f && x[3] == 0x1.554p-2f);
    expect_ok(tas_model_read(model, "1.dense.bias", x, 2));
    ck_assert(x[0] == 1 && x[1] == -3);
    expect_ok(tas_model_read(model, "2.batch_norm.running_var", x, 2));
    ck_assert(x[0] == 0.1f && x[1] == -1e10f);
    tas_model_close(&model);
}
END_TEST

/* None of them changes anything. */
START_TEST(files_that_cannot_be_used)
{
    static const float values[4] = {1, 2, 3, 4}, bad[4] = {1, 2, 3, 0x1p127f * 2};
#define ONE(NAME, TYPE, SHAPE, BYTES)                                                                                  \
    "{\"" NAME "\":{\"dtype\":\"" TYPE "\",\"shape\":" SHAPE ",\"data_offsets\":[0," BYTES "]}}"
    static const struct {
        const char *header;
        const void *data;
        size_t bytes;
        const char *word, *other;
    } rows[] = {
        {"{}", values, 0, "none of its 0 tensors", "net"},
        {ONE("fc0.weight", "F32", "[2,2]", "16"), values, 16, "none of its 1 tensors", "it has: fc0.weight"},
        {ONE("features.0.weight", "F32", "[4]", "16"), values, 16, "none of its 1 tensors", "such as 1.dense.weight"},
        {ONE("features.0.weight", "I32", "[2,2]", "16"), values, 16, "none of its 1 tensors", ""},
        {ONE("features.0.weight", "F32", "[2,2]", "16"), bad, 16, "features.0.weight: ", "element 3 is not finite"},
        {ONE("features.0.weight", "F16", "[2,2]", "16"), values, 16, "features.0.weight", "expected 8 bytes"},
        {ONE("features.0.weight", "F64", "[2,2]", "16"), values, 16, "features.0.weight", "expected 32 bytes"},
        {ONE("features.0.weight", "F32", "[2,2]", "32"), values, 16, "features.0.weight", "truncated"},
        {ONE("features.0.weight", "F32", "[2,2]", "16"), values, 12, "features.0.weight", "truncated"},
        {"{\"features.0.weight\":3}", values, 0, "features.0.weight", "expected an object"},
        {"[1, 2", values, 0, "safetensors", ""},
    };
    tas_model *model = open_model(text, 3), *fresh = open_model(text, 3);
    char a[65], b[65];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t taken = 9;
        write_tensors(rows[i].header, rows[i].data, rows[i].bytes);
        expect(tas_model_init_from(model, path, tell, NULL, &taken), TAS_BAD_DATA, rows[i].word, rows[i].other);
        ck_assert(strstr(tas_error(context), path) && !taken);
    }
    unlink(path);
    expect(tas_model_init_from(model, path, NULL, NULL, NULL), TAS_BAD_FILE, path, "");
    expect_ok(tas_model_digest(model, a));
    expect_ok(tas_model_digest(fresh, b));
    ck_assert_str_eq(a, b);
    tas_model_close(&model);
    tas_model_close(&fresh);
}
END_TEST

START_TEST(not_while_a_run_is_open)
{
    tas_network *network;
    tas_model *model;
    tas_run *run;
    const tas_train_options options = sample_options(8, 3);
    expect_ok(tas_network_parse(context, sample_net, "net", &network));
    expect_ok(tas_model_open(device, network, 1, &model));
    expect_ok(tas_model_save(model, path));
    expect_ok(tas_run_open(model, sample, &options, &run));
    expect(tas_model_init_from(model, path, NULL, NULL, NULL), TAS_BAD_ARGUMENT, path, "a training run is open");
    tas_run_close(&run);
    ck_assert_uint_eq(init(model), 6);
    tas_model_close(&model);
    tas_network_close(&network);
}
END_TEST

int main(void)
{
    close(mkstemp(path));
    Suite *suite = suite_create("init");
    TCase *files = tcase_create("files"), *runs = tcase_create("runs");
    tcase_add_checked_fixture(files, support_open, support_close);
    tcase_add_test(files, a_checkpoint_of_another_network);
    tcase_add_test(files, a_state_dict);
    tcase_add_test(files, files_that_cannot_be_used);
    suite_add_tcase(suite, files);
    tcase_add_checked_fixture(runs, sample_open, sample_close);
    tcase_add_test(runs, not_while_a_run_is_open);
    suite_add_tcase(suite, runs);
    const int failed = support_run(suite);
    unlink(path);
    return failed;
}

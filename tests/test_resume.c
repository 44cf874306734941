/* Runs that go on from a checkpoint: the same bits as without interruption, for every optimizer and schedule, with
 * noise figures, dropout, augmentation, batch normalization, tiles and batches that change; settings, data and networks
 * that are others; files that are damaged. TASSELLO_TEST_DEVICE is the device on which one of the two parts of each run
 * is made, the reference that of the other. */
#include "device/device.h" /* before check.h, which has a macro of the name fail */
#include "train/run.h"

#include "driver.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXAMPLES = 97, SIDE = 6, STEPS = 24 };

static const char *const texts[] = {
    "input 72\ndense 21\ntanh\ndropout 0.2\ndense 4\n",
    ("input 2x6x6\naugment flip shift 1\nconv2d 5 3 padding 1\nbatch_norm\nrelu\nmax_pool 2\nflatten\n"
     "dropout 0.3\ndense 4\n"),
    "input 2x6x6\nconv2d 8 3 padding 1\nbatch_norm group 4\nrelu\nglobal_avg_pool\ndense 4\n",
};
enum { TEXTS = sizeof texts / sizeof *texts };

static float inputs[EXAMPLES * 2 * SIDE * SIDE];
static uint32_t labels[EXAMPLES];
static tas_data *data;
static char file[64], earlier[80];

static void open_all(void)
{
    seed_anew();
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) inputs[i] = random_float(-1, 1);
    for (int i = 0; i < EXAMPLES; i++) labels[i] = random_below(4);
    data = data_of(EXAMPLES, 2 * SIDE * SIDE, inputs, labels, 4, 0);
    snprintf(file, sizeof file, "/tmp/tassello-resume-%d", (int)getpid());
    snprintf(earlier, sizeof earlier, "%s.previous", file);
}

static void close_all(void)
{
    tas_data_close(&data);
    unlink(file);
    unlink(earlier);
}

static tas_model *model_on(tas_device *on, const char *text)
{
    tas_network *network = NULL;
    tas_model *model = NULL;
    expect_ok(tas_network_parse(context, text, "net", &network));
    expect_ok(tas_model_open(on, network, 3, &model));
    tas_network_close(&network);
    return model;
}

typedef struct ended {
    char hex[65];
    tas_train_result result;
    float losses[STEPS + 1];
} ended;

static int on_step(void *user, const tas_step *step)
{
    ended *e = user;
    ck_assert_uint_le(step->step, STEPS);
    e->losses[step->step] = step->loss;
    return 0;
}

/* The end of a run, which it closes. */
static void end_run(tas_run **run, tas_model **model, ended *out)
{
    expect_ok(tas_run_advance(*run, UINT64_MAX, &out->result));
    tas_run_close(run);
    expect_ok(tas_model_digest(*model, out->hex));
    tas_model_close(model);
}

/* Up to `stop`, where the file is written. */
static void train_and_save(tas_device *on, const char *text, tas_train_options options, uint64_t stop, ended *out)
{
    tas_model *model = model_on(on, text);
    tas_run *run = NULL;
    options.user = out;
    expect_ok(tas_run_open(model, data, &options, &run));
    expect_ok(tas_run_advance(run, stop, &out->result));
    expect_ok(tas_run_save(run, file, "mine \xc3\xa9", 1));
    tas_run_close(&run);
    tas_model_close(&model);
}

static void resume_to_end(tas_device *on, const char *text, tas_train_options options, ended *out)
{
    tas_model *model = model_on(on, text);
    tas_run *run = NULL;
    options.user = out;
    expect_ok(tas_run_resume(model, data, &options, file, &run));
    end_run(&run, &model, out);
}

static tas_train_options draw_options(void)
{
    tas_train_options options = sample_options(5 + random_below(20), STEPS);
    tas_train_options_choose(&options, (tas_optimizer)random_below(TAS_LAMB + 1));
    options.batch = options.batch / 4 * 4;
    options.seed = random_u64();
    options.drop_last = 1;
    options.on_step = on_step;
    if (random_below(2)) options.weight_decay = 0.01f;
    if (random_below(3) == 0) options.decay_on = TAS_DECAY_ON_WEIGHTS;
    if (random_below(3) == 0) options.clip = 0.5f;
    if (random_below(3) == 0) options.lr_scaling = TAS_SCALING_AUTO;
    if (random_below(2)) options.noise = options.preconditioned_noise = 1;
    if (options.optimizer == TAS_SGD) options.nesterov = (int)random_below(2);
    options.schedule = (tas_schedule)random_below(TAS_SCHEDULE_SEESAW + 1);
    if (options.schedule == TAS_SCHEDULE_SEESAW) options.batch = 4;
    if (options.schedule != TAS_SCHEDULE_ONE_CYCLE && random_below(2)) options.warmup = 1 + random_below(9);
    if (options.schedule == TAS_SCHEDULE_STEP || options.schedule == TAS_SCHEDULE_EXPONENTIAL ||
        options.schedule == TAS_SCHEDULE_SEESAW)
        options.decay_steps = 3 + random_below(9);
    return options;
}

static void check_same(const ended *whole, const ended *again, const char *what)
{
    const tas_train_result *a = &whole->result, *b = &again->result;
    ck_assert_msg(!strcmp(whole->hex, again->hex), "%s: %s, expected %s", what, again->hex, whole->hex);
    for (int s = 1; s <= STEPS; s++)
        ck_assert_msg(!memcmp(&whole->losses[s], &again->losses[s], sizeof(float)), "%s: loss of step %d", what, s);
    ck_assert(a->steps == b->steps && a->examples == b->examples && a->last_loss == b->last_loss &&
              a->weights_step == b->weights_step);
    const tas_noise *n[][2] = {{&a->noise, &b->noise}, {&a->preconditioned_noise, &b->preconditioned_noise}};
    for (int i = 0; i < 2; i++)
        ck_assert_msg(n[i][0]->steps == n[i][1]->steps && !memcmp(&n[i][0]->value, &n[i][1]->value, sizeof(double)) &&
                          !memcmp(&n[i][0]->low, &n[i][1]->low, sizeof(double)) && n[i][0]->state == n[i][1]->state,
                      "%s: noise of %d steps, expected %d", what, (int)n[i][1]->steps, (int)n[i][0]->steps);
}

/* Saved twice on the way, each part on another device, with other tiles. */
START_TEST(the_same_bits)
{
    for (int round = 0; round < (tested == reference ? 12 : 5); round++) {
        ended whole = {0}, again = {0};
        const char *text = texts[random_below(TEXTS)];
        tas_train_options options = draw_options();
        tas_batch_change changes[] = {{3 + random_below(5), 12}, {9 + random_below(9), 20}};
        char what[160];
        if (random_below(2)) options.shards = 1u << random_below(5);
        if (options.schedule != TAS_SCHEDULE_SEESAW && random_below(2)) {
            options.changes = changes;
            options.change_count = 2;
        }
        const uint64_t first = random_below(STEPS), second = first + random_below((uint32_t)(STEPS + 1 - first));
        snprintf(what, sizeof what, "%s, %s, batch %u, saved after %d and %d, of:\n%s",
                 tas_optimizer_name(options.optimizer), tas_schedule_name(options.schedule), options.batch, (int)first,
                 (int)second, text);
        tas_model *model = model_on(reference, text);
        tas_run *run = NULL;
        options.user = &whole;
        expect_ok(tas_run_open(model, data, &options, &run));
        end_run(&run, &model, &whole);

        options.user = &again;
        options.tile = 4 * random_below(3);
        train_and_save(tested, text, options, first, &again);
        options.tile = 4 * random_below(3);
        options.keep_on_host = (int)random_below(2);
        model = model_on(reference, text);
        expect_ok(tas_run_resume(model, data, &options, file, &run));
        expect_ok(tas_run_advance(run, second - first, &again.result));
        expect_ok(tas_run_save(run, file, NULL, 0));
        tas_run_close(&run);
        tas_model_close(&model);
        resume_to_end(tested, text, options, &again);
        check_same(&whole, &again, what);
    }
}
END_TEST

/* Without options: those of the file, with what its run was opened with. */
START_TEST(the_settings_of_the_file)
{
    ended whole = {0}, again = {0};
    tas_batch_change changes[] = {{4, 12}, {11, 20}};
    tas_train_options options = sample_options(8, STEPS);
    tas_train_options_choose(&options, TAS_ADAMW);
    options.changes = changes;
    options.change_count = 2;
    options.drop_last = 1;
    options.on_step = on_step;
    tas_model *model = model_on(tested, texts[0]);
    tas_run *run = NULL;
    options.user = &whole;
    expect_ok(tas_run_open(model, data, &options, &run));
    end_run(&run, &model, &whole);
    train_and_save(tested, texts[0], options, 7, &again);

    tas_saved_run *saved = NULL;
    expect_ok(tas_saved_run_open(context, file, &saved));
    ck_assert_uint_eq(saved->step, 7);
    ck_assert_uint_eq(saved->steps, STEPS);
    ck_assert_uint_eq(saved->examples, EXAMPLES);
    ck_assert_str_eq(saved->more, "mine \xc3\xa9");
    ck_assert_int_eq(saved->options.optimizer, TAS_ADAMW);
    ck_assert_int_eq(saved->options.change_count, 2);
    ck_assert_uint_eq(saved->options.changes[1].step, 11);
    tas_saved_run_close(&saved);

    tas_network *network = NULL;
    expect_ok(tas_model_load_network(context, file, &network));
    tas_network_close(&network);
    expect_ok(tas_model_load(tested, file, &model));
    expect_ok(tas_run_resume(model, data, NULL, file, &run));
    end_run(&run, &model, &again);
    ck_assert_str_eq(whole.hex, again.hex);
}
END_TEST

/* The digest after so many steps in one go. */
static void digest_of(const tas_train_options *options, char hex[65])
{
    tas_model *model = model_on(tested, texts[0]);
    expect_ok(tas_train(model, data, options, NULL));
    expect_ok(tas_model_digest(model, hex));
    tas_model_close(&model);
}

/* Prolonged, or cut short: the same as a run of that length if the schedule does not depend on it. */
START_TEST(another_length)
{
    static const tas_schedule schedules[] = {TAS_SCHEDULE_CONSTANT, TAS_SCHEDULE_STEP, TAS_SCHEDULE_EXPONENTIAL,
                                             TAS_SCHEDULE_SEESAW};
    for (int i = 0; i < 4; i++) {
        for (int longer = 0; longer < 2; longer++) {
            ended out = {0};
            char hex[65], again[65];
            tas_train_options options = sample_options(4, 12);
            options.schedule = schedules[i];
            options.decay_steps = i ? 4 : 0;
            train_and_save(tested, texts[0], options, 9, &out);
            options.steps = longer ? 21 : 10;
            digest_of(&options, hex);
            tas_model *model = model_on(reference, texts[0]);
            tas_run *run = NULL;
            expect_ok(tas_run_resume(model, data, &options, file, &run));
            ck_assert_uint_eq(tas_run_steps(run), options.steps);
            expect_ok(tas_run_advance(run, UINT64_MAX, NULL));
            tas_run_close(&run);
            expect_ok(tas_model_digest(model, again));
            ck_assert_str_eq(hex, again);
            tas_model_close(&model);
        }
    }
}
END_TEST

static void refuse_resume(const char *text, const tas_data *on, const tas_train_options *options, tas_status wanted,
                          const char *word, const char *other)
{
    tas_model *model = model_on(tested, text);
    tas_run *run = NULL;
    char before[65], after[65];
    expect_ok(tas_model_digest(model, before));
    expect(tas_run_resume(model, on, options, file, &run), wanted, word, other);
    ck_assert_msg(strstr(tas_error(context), file) != NULL, "no file: %s", tas_error(context));
    ck_assert_ptr_null(run);
    expect_ok(tas_model_digest(model, after));
    ck_assert_str_eq(before, after);
    tas_model_close(&model);
}

START_TEST(other_settings_are_named)
{
    ended out = {0};
    tas_train_options options = sample_options(8, 12);
    tas_train_options_choose(&options, TAS_ADAM);
    options.lr = 0.001f;
    train_and_save(tested, texts[0], options, 5, &out);
    const tas_train_options same = options;
    const tas_batch_change change = {7, 9};
    struct {
        tas_train_options options;
        const char *word, *other;
    } rows[] = {
#define WITH(field, value, word, other)                                                                                \
    {({                                                                                                                \
         tas_train_options o = same;                                                                                   \
         o.field = value;                                                                                              \
         o;                                                                                                            \
     }),                                                                                                               \
     word, other}
        WITH(lr, 0.01f, "lr 0.001 there, 0.01 here", ""),
        WITH(batch, 9, "batch 8 there, 9 here", ""),
        WITH(seed, 2, "seed 1 there, 2 here", ""),
        WITH(beta1, 0.8f, "beta1 0.9 there, 0.8 here", ""),
        WITH(beta2, 0.99f, "beta2", "0.99 here"),
        WITH(epsilon, 1e-7f, "epsilon", ""),
        WITH(weight_decay, 0.1f, "weight_decay 0 there, 0.1 here", ""),
        WITH(decay_on, TAS_DECAY_ON_WEIGHTS, "decay_on all there, weights here", ""),
        WITH(optimizer, TAS_ADAMW, "optimizer adam there, adamw here", ""),
        WITH(clip, 1, "clip 0 there, 1 here", ""),
        WITH(warmup, 3, "warmup 0 there, 3 here", ""),
        WITH(drop_last, 1, "drop_last off there, on here", ""),
        WITH(shards, 8, "shards 1 there, 8 here", ""),
        WITH(schedule, TAS_SCHEDULE_COSINE, "schedule constant there, cosine here", ""),
        WITH(lr_scaling, TAS_SCALING_SQRT, "lr_scaling none there, sqrt here", ""),
        WITH(steps, 4, "after step 5", "only 4 steps"),
        {({
             tas_train_options o = same;
             o.lr = 1;
             o.seed = 9;
             o;
         }),
         "lr 0.001 there, 1 here; ", "seed 1 there, 9 here"},
        {({
             tas_train_options o = same;
             o.changes = &change;
             o.change_count = 1;
             o;
         }),
         "batches 8 there, 8,7:9 here", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refuse_resume(texts[0], data, &rows[i].options, TAS_BAD_ARGUMENT, rows[i].word, rows[i].other);
    options.momentum = 0.5f; /* does nothing with Adam */
    options.rise = 0.5f;
    options.base_batch = 7;
    options.batch_most = 60;
    options.noise = 1;
    tas_model *model = model_on(tested, texts[0]);
    tas_run *run = NULL;
    expect_ok(tas_run_resume(model, data, &options, file, &run));
    tas_run_close(&run);
    options.size--;
    expect(tas_run_resume(model, data, &options, file, &run), TAS_BAD_ARGUMENT, "options.size", "");
    tas_model_close(&model);
}
END_TEST

START_TEST(a_schedule_that_depends_on_the_length)
{
    static const tas_schedule schedules[] = {TAS_SCHEDULE_COSINE, TAS_SCHEDULE_POLYNOMIAL, TAS_SCHEDULE_ONE_CYCLE};
    for (int i = 0; i < 3; i++) {
        ended out = {0};
        tas_train_options options = sample_options(8, 12);
        options.schedule = schedules[i];
        train_and_save(tested, texts[0], options, 5, &out);
        options.steps = 13;
        refuse_resume(texts[0], data, &options, TAS_BAD_ARGUMENT, "12 steps, not 13", tas_schedule_name(schedules[i]));
        options.steps = 0; /* 12 steps as an epoch: the same run */
        options.epochs = 1;
        options.batch = 8;
        refuse_resume(texts[0], data, &options, TAS_BAD_ARGUMENT, "12 steps, not 13", "");
    }
}
END_TEST

/* A network whose first line is long: with a mean for each input, the last of which is `last`. */
static const char *long_text(char text[1024], const char *last)
{
    size_t used = (size_t)snprintf(text, 1024, "input 72 mean ");
    for (int i = 0; i < 71; i++) used += (size_t)snprintf(text + used, 1024 - used, "0.125,");
    snprintf(text + used, 1024 - used, "%s\ndense 4\n", last);
    return text;
}

START_TEST(lines_are_compared_to_their_end)
{
    ended out = {0};
    char there[1024], here[1024];
    const tas_train_options options = sample_options(8, 12);
    train_and_save(tested, long_text(there, "0.25"), options, 5, &out);
    refuse_resume(long_text(here, "0.5"), data, &options, TAS_BAD_NETWORK, "another network", "");
}
END_TEST

START_TEST(other_data_and_networks)
{
    ended out = {0};
    const tas_train_options options = sample_options(8, 12);
    tas_data *part = NULL;
    train_and_save(tested, texts[0], options, 5, &out);
    expect_ok(tas_data_head(data, EXAMPLES - 1, &part));
    refuse_resume(texts[0], part, &options, TAS_BAD_DATA, "97 examples, not the 96", "");
    tas_data_close(&part);
    inputs[random_below(EXAMPLES * 2 * SIDE * SIDE)] += 0.5f;
    tas_data *other = data_of(EXAMPLES, 2 * SIDE * SIDE, inputs, labels, 4, 0);
    refuse_resume(texts[0], other, &options, TAS_BAD_DATA, "other data", "fingerprint");
    tas_data_close(&other);
    refuse_resume("input 72\ndense 21\ntanh\ndropout 0.25\ndense 4\n", data, &options, TAS_BAD_NETWORK,
                  "'dropout 0.2' there, 'dropout 0.25'", "");
    refuse_resume("input 72\ndense 21\ntanh\ndropout 0.2\ndense 4\nloss softmax smoothing 0.1\n", data, &options,
                  TAS_BAD_NETWORK, "'no further line' there", "");
}
END_TEST

START_TEST(a_network_in_other_lines)
{
    ended out = {0};
    const tas_train_options options = sample_options(8, 12);
    train_and_save(tested, texts[0], options, 5, &out);
    tas_model *model = model_on(tested, "# a comment\ninput   72\n\ndense 21 # more\n  tanh\ndropout 0.2\ndense 4");
    tas_run *run = NULL;
    expect_ok(tas_run_resume(model, data, &options, file, &run));
    tas_run_close(&run);
    tas_model_close(&model);
}
END_TEST

START_TEST(weights_alone)
{
    const tas_train_options options = sample_options(8, 12);
    tas_saved_run *saved = NULL;
    tas_model *model = model_on(tested, texts[0]);
    expect_ok(tas_model_save(model, file));
    tas_model_close(&model);
    refuse_resume(texts[0], data, &options, TAS_BAD_DATA, "not the state of a run", "");
    expect(tas_saved_run_open(context, file, &saved), TAS_BAD_DATA, "not the state of a run", "");
    ck_assert_ptr_null(saved);
}
END_TEST

/* Not while it is advancing, nor once it has failed. */
static tas_run *advancing;
static int save_here(void *user, const tas_step *step)
{
    (void)user;
    if (step->step == 2) expect(tas_run_save(advancing, file, NULL, 0), TAS_BAD_ARGUMENT, "advancing", "");
    return 0;
}

START_TEST(when_it_can_be_saved)
{
    tas_train_options options = sample_options(8, 12);
    options.on_step = save_here;
    tas_model *model = model_on(tested, texts[0]);
    expect_ok(tas_run_open(model, data, &options, &advancing));
    expect_ok(tas_run_advance(advancing, 4, NULL));
    ck_assert_int_ne(access(file, F_OK), 0);
    expect(tas_run_save(advancing, file, "\xff", 0), TAS_BAD_ARGUMENT, "UTF-8", "");
    expect_ok(tas_run_save(advancing, file, NULL, 0));
    tas_run_close(&advancing);
    options.lr = 1e6f;
    options.weight_decay = 1e6f;
    options.on_step = NULL;
    expect_ok(tas_run_open(model, data, &options, &advancing));
    expect(tas_run_advance(advancing, 12, NULL), TAS_NOT_FINITE, "", "");
    expect(tas_run_save(advancing, file, NULL, 0), TAS_NOT_FINITE, "failed before", "");
    tas_run_close(&advancing);
    tas_model_close(&model);
}
END_TEST

/* The steps of the files of both names; 0: there is none. */
static void check_files(uint64_t now, uint64_t before)
{
    const char *const names[] = {file, earlier};
    const uint64_t steps[] = {now, before};
    for (int i = 0; i < 2; i++) {
        tas_saved_run *saved = NULL;
        ck_assert_int_eq(access(names[i], F_OK) == 0, steps[i] != 0);
        if (!steps[i]) continue;
        expect_ok(tas_saved_run_open(context, names[i], &saved));
        ck_assert_uint_eq(saved->step, steps[i]);
        tas_saved_run_close(&saved);
    }
}

START_TEST(the_last_two_files)
{
    const tas_train_options options = sample_options(8, 12);
    tas_model *model = model_on(tested, texts[0]);
    tas_run *run = NULL;
    expect_ok(tas_run_open(model, data, &options, &run));
    for (uint64_t s = 1; s <= 4; s++) {
        expect_ok(tas_run_advance(run, 1, NULL));
        expect_ok(tas_run_save(run, file, NULL, 1));
        check_files(s, s - 1);
    }
    /* As after a kill between two renames: both names are those of one file. */
    ck_assert(!unlink(earlier) && !link(file, earlier));
    expect_ok(tas_run_advance(run, 1, NULL));
    expect_ok(tas_run_save(run, file, NULL, 1));
    check_files(5, 4);
    expect_ok(tas_run_save(run, file, NULL, 0));
    check_files(5, 4);
    tas_run_close(&run);
    tas_model_close(&model);
}
END_TEST

/* Damage ---------------------------------------------------------------------------------------------------------- */

static char *read_file(size_t *bytes)
{
    FILE *in = fopen(file, "rb");
    char *text = malloc(1 << 20);
    ck_assert(in && text);
    *bytes = fread(text, 1, 1 << 20, in);
    fclose(in);
    return text;
}

static void write_file(const char *bytes, size_t count)
{
    FILE *out = fopen(file, "wb");
    ck_assert(out && fwrite(bytes, 1, count, out) == count);
    fclose(out);
}

/* A text of the header is replaced by one of the same length. */
static void damage(const char *whole, size_t bytes, const char *from, const char *to)
{
    char *copy = malloc(bytes);
    ck_assert_uint_eq(strlen(from), strlen(to));
    memcpy(copy, whole, bytes);
    char *at = memmem(copy, bytes, from, strlen(from));
    ck_assert_msg(at != NULL, "no %s", from);
    memcpy(at, to, strlen(to));
    write_file(copy, bytes);
    free(copy);
}

START_TEST(damaged_files)
{
    static const struct {
        const char *from, *to, *word;
    } rows[] = {
        {"\\\"step\\\":5", "\\\"step\\\":X", "expected JSON"},
        {"\\\"step\\\":5", "\\\"stop\\\":5", "\"step\": expected"},
        {"\\\"steps\\\":12,\\\"examples", "\\\"steps\\\": 4,\\\"examples", "\"step\": expected"},
        {"\\\"optimizer\\\":\\\"adam\\\"", "\\\"optimizer\\\":\\\"adem\\\"", "\"optimizer\": expected"},
        {"\\\"batches\\\":[[0,8]]", "\\\"batches\\\":[[1,8]]", "\"batches\": expected"},
        {"\\\"batches\\\":[[0,8]]", "\\\"batches\\\":[[0,0]]", "\"batches\": expected"},
        {"\\\"orders\\\":[[0,0,1]]", "\\\"orders\\\":[[0,9,1]]", "\"orders\": expected"},
        {"\\\"orders\\\":[[0,0,1]]", "\\\"orders\\\":[[0,0,2]]", "\"orders\": expected"},
        {"\\\"batches_changed\\\":false", "\\\"batches_changed\\\":    1", "\"batches_changed\": expected"},
        {"\\\"arithmetic\\\":\\\"exact\\\"", "\\\"arithmetic\\\":\\\"exakt\\\"", "\"arithmetic\": expected"},
        {"weight.second_moment", "weight.secondxmoment", "second_moment of its own network is missing"},
        {"\"shape\":[21,72]", "\"shape\":[72,21]", "shape of tensor"},
    };
    ended out = {0};
    tas_train_options options = sample_options(8, 12);
    tas_train_options_choose(&options, TAS_ADAM);
    train_and_save(tested, texts[0], options, 5, &out);
    size_t bytes;
    char *whole = read_file(&bytes);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        damage(whole, bytes, rows[i].from, rows[i].to);
        refuse_resume(texts[0], data, &options, TAS_BAD_DATA, rows[i].word, "");
    }
    for (int i = 0; i < 40; i++) {
        write_file(whole, random_below((uint32_t)bytes));
        refuse_resume(texts[0], data, &options, TAS_BAD_DATA, "", "");
    }
    const uint32_t infinite = 0x7f800000u; /* the last float is one of a slot */
    memcpy(whole + bytes - 4, &infinite, 4);
    write_file(whole, bytes);
    refuse_resume(texts[0], data, &options, TAS_BAD_DATA, "is not finite", "moment");
    free(whole);
}
END_TEST

/* Another contract: weights can be read, the run cannot go on. */
START_TEST(another_contract)
{
    char from[64], to[64];
    ended out = {0};
    const tas_train_options options = sample_options(8, 12);
    train_and_save(tested, texts[0], options, 5, &out);
    size_t bytes;
    char *whole = read_file(&bytes);
    snprintf(from, sizeof from, "\\\"contract\\\":%d", tas_contract());
    snprintf(to, sizeof to, "\\\"contract\\\":%d", tas_contract() == 9 ? 8 : tas_contract() + 1);
    damage(whole, bytes, from, to);
    refuse_resume(texts[0], data, &options, TAS_BAD_DATA, "arithmetic contract", "weights are usable");
    tas_model *model = NULL;
    expect_ok(tas_model_load(tested, file, &model));
    tas_model_close(&model);
    free(whole);
}
END_TEST

/* A run whose batch was changed on the way goes on with it, and so does its order. */
START_TEST(batches_that_were_decided)
{
    char hex[2][65];
    for (int cut = 0; cut < 2; cut++) {
        tas_train_options options = sample_options(4, 20);
        options.batch_most = 32;
        options.lr_scaling = TAS_SCALING_LINEAR;
        options.tile = cut ? 4 : 0;
        tas_model *model = model_on(cut ? tested : reference, texts[0]);
        tas_run *run = NULL;
        expect_ok(tas_run_open(model, data, &options, &run));
        expect_ok(tas_run_advance(run, 3, NULL));
        expect_ok(run_change_batch(run, 16));
        expect_ok(run_change_order(run, 77));
        expect_ok(tas_run_advance(run, 5, NULL));
        expect_ok(run_change_batch(run, 32));
        expect_ok(tas_run_advance(run, 1, NULL));
        if (cut) {
            expect_ok(tas_run_save(run, file, NULL, 0));
            tas_run_close(&run);
            tas_model_close(&model);
            options.batch_most = 16;
            refuse_resume(texts[0], data, &options, TAS_BAD_ARGUMENT, "batch_most 16 here", "a batch of 32");
            options.batch_most = 32;
            model = model_on(reference, texts[0]);
            expect_ok(tas_run_resume(model, data, &options, file, &run));
            ck_assert_uint_eq(tas_run_batch(run), 32);
        }
        expect_ok(tas_run_advance(run, UINT64_MAX, NULL));
        tas_run_close(&run);
        expect_ok(tas_model_digest(model, hex[cut]));
        tas_model_close(&model);
    }
    ck_assert_str_eq(hex[0], hex[1]);
}
END_TEST

static Suite *make(const char *id)
{
    Suite *suite = suite_create(id ? id : "resume");
    TCase *tc = tcase_create("resume");
    tcase_set_timeout(tc, 280);
    tcase_add_checked_fixture(tc, open_all, close_all);
    tcase_add_test(tc, the_same_bits);
    tcase_add_test(tc, the_settings_of_the_file);
    tcase_add_test(tc, another_length);
    tcase_add_test(tc, other_settings_are_named);
    tcase_add_test(tc, a_schedule_that_depends_on_the_length);
    tcase_add_test(tc, other_data_and_networks);
    tcase_add_test(tc, lines_are_compared_to_their_end);
    tcase_add_test(tc, a_network_in_other_lines);
    tcase_add_test(tc, weights_alone);
    tcase_add_test(tc, when_it_can_be_saved);
    tcase_add_test(tc, the_last_two_files);
    tcase_add_test(tc, damaged_files);
    tcase_add_test(tc, another_contract);
    tcase_add_test(tc, batches_that_were_decided);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void) { return driver_run(make); }

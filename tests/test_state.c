/* A sweep's folder: what it keeps, what it ignores; and sweeps that resume from files that were tampered with. */
#include "lab/sweep/state.h"

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Folders ---------------------------------------------------------------------------------------------------------- */

static char folder[64];

static void make_folder(void)
{
    strcpy(folder, "/tmp/tassello-state-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static const char *path_of(const char *file)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return path;
}

static void write_text(const char *file, const char *text)
{
    FILE *stream = fopen(path_of(file), "w");
    ck_assert_ptr_nonnull(stream);
    fputs(text, stream);
    ck_assert_int_eq(fclose(stream), 0);
}

/* malloc()ed; NULL: there is no such file. */
static char *read_text(const char *file)
{
    FILE *stream = fopen(path_of(file), "r");
    char *text = calloc(1, 1 << 20);
    if (stream) fread(text, 1, (1 << 20) - 1, stream), fclose(stream);
    if (stream) return text;
    free(text);
    return NULL;
}

static const state_sweep here = {
    .settings = "a\n", .environment = "here", .limits = {.examples = 900, .seed = 1, .target = NAN, .contract = 1}};

static tas_status open_state(state **s)
{
    double elapsed;
    return state_open(context, folder, &here, &elapsed, s);
}

/* A search's run at one of five rates, by which they are told apart. */
static run_key search_key(int rate)
{
    return (run_key){
        .batch = 8, .seed = 1, .lr = 1.0 / (double)(1 << rate), .kind = RUN_SEARCH, .target = 0.5, .most = 900};
}

static sweep_run given_up_run(const run_key *key, double give_up, uint64_t step, sweep_point *last)
{
    *last = (sweep_point){.step = step, .examples = 8 * step};
    last->train_loss = last->train_accuracy = last->loss = last->accuracy = NAN;
    return (sweep_run){.batch = key->batch,
                       .seed = key->seed,
                       .lr = key->lr,
                       .search = true,
                       .give_up = give_up,
                       .start = 0.1,
                       .target = key->target,
                       .outcome = ROW_UNDERTRAINED,
                       .steps = NAN,
                       .seconds = NAN,
                       .final_metric = 0.7,
                       .point = last,
                       .points = 1};
}

enum { GIVEN_UP, DIVERGED, REACHED, TO_ITS_END, NEVER, ANOTHER };

static bool is_found(const state *s, int rate, double give_up)
{
    const run_key key = search_key(rate);
    sweep_run run;
    if (!state_find(s, &key, give_up, &run)) return false;
    free(run.point);
    return true;
}

/* A run that was given up tells nothing of later; one that was not, all. */
static void check_stored(const state *s)
{
    ck_assert(is_found(s, GIVEN_UP, 400) && is_found(s, GIVEN_UP, 500));
    ck_assert(!is_found(s, GIVEN_UP, 600) && !is_found(s, GIVEN_UP, INFINITY));
    ck_assert(is_found(s, TO_ITS_END, INFINITY) && is_found(s, NEVER, INFINITY) && is_found(s, NEVER, 1));
    ck_assert(is_found(s, REACHED, 10) && is_found(s, REACHED, INFINITY));
    ck_assert(is_found(s, DIVERGED, 10) && is_found(s, DIVERGED, INFINITY));
    ck_assert(!is_found(s, ANOTHER, 10));
}

static void save_runs(state *s)
{
    for (int rate = GIVEN_UP; rate <= NEVER; rate++) {
        const run_key key = search_key(rate);
        sweep_point last;
        sweep_run run = given_up_run(&key, rate == NEVER ? INFINITY : 500, rate <= REACHED ? 64 : 60, &last);
        if (rate == DIVERGED) run.outcome = ROW_DIVERGED;
        if (rate == REACHED) run.outcome = ROW_REACHED, run.steps = 64, run.seconds = 1;
        expect_ok(state_save(s, &key, &run));
    }
}

START_TEST(a_state_knows_when_a_run_was_given_up_and_where)
{
    double elapsed;
    state *s;
    expect_ok(open_state(&s));
    save_runs(s);
    check_stored(s);
    state_close(&s);
    for (int there = 0; there < 2; there++) {
        state_sweep sweep = here;
        if (there) sweep.environment = "there";
        expect_ok(state_open(context, folder, &sweep, &elapsed, &s));
        ck_assert_str_eq(state_ignored(s), "");
        check_stored(s);
        for (int i = 0; i < 5; i++) ck_assert_int_eq(state_run(s, i)->elsewhere, there);
        ck_assert(state_run(s, 0)->start == 0.1 && state_run(s, 0)->give_up == 500 && !state_run(s, 5));
        state_close(&s);
    }
    write_text("sweep.json", "{\"settings\": \"a\\n\", \"elapsed\": 1}");
    expect(open_state(&s), TAS_BAD_FILE, "format 1", "format 3");
}
END_TEST

static void expect_ignored(const char *const *words, int runs)
{
    state *s;
    expect_ok(open_state(&s));
    for (int i = 0; words[i]; i++) ck_assert_msg(strstr(state_ignored(s), words[i]) != NULL, "%s", state_ignored(s));
    ck_assert(state_run(s, runs - 1) && !state_run(s, runs));
    state_close(&s);
}

/* Numbers that do not fit an int, or barely: the next run's file has a number that is free. */
START_TEST(numbers_of_files_have_a_limit)
{
    static const char *const large[] = {"run-2147483647.json", "run-2147483648.json", "run-99999999999999999999.json",
                                        "run-99999.json"};
    state *s;
    expect_ok(open_state(&s));
    save_runs(s);
    state_close(&s);
    char *text = read_text("run-0005.json");
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) write_text(large[i], text);
    write_text("run-5.json", text); /* the same run once more */
    write_text("run-.json", text);
    write_text("run--1.json", text);
    write_text("run-0.json", text);
    free(text);
    expect_ignored((const char *const[]){large[0], large[1], large[2], large[3], NULL}, 6);
    expect_ok(open_state(&s));
    save_runs(s);
    state_close(&s);
    ck_assert_int_eq(access(path_of("run-0010.json"), F_OK), 0);
    ck_assert_int_ne(access(path_of("run-0011.json"), F_OK), 0);
}
END_TEST

START_TEST(damaged_files_are_ignored)
{
    state *s;
    expect_ok(open_state(&s));
    save_runs(s);
    state_close(&s);
    char *text = read_text("run-0002.json"), *edited = text_replaced(text, "\"contract\": 1", "\"contract\": 7");
    write_text("run-0002.json", edited);
    free(edited);
    text[100] = 0;
    write_text("run-0003.json", text);
    write_text("run-0004.json", "[1, 2]");
    free(text);
    ck_assert_int_eq(mkdir(path_of("run-1.json"), 0700), 0);
    expect_ignored((const char *const[]){"run-1.json: it cannot be read", "run-0002.json: \"contract\"",
                                         "run-0003.json: line", "run-0004.json: \"name\"", NULL},
                   2);
    write_text("run-0001.json", "");
    write_text("run-0005.json", "\x1b[31m");
    expect_ok(open_state(&s));
    ck_assert_ptr_nonnull(strstr(state_ignored(s), "and 2 more"));
    ck_assert_ptr_null(strchr(state_ignored(s), '\x1b'));
    ck_assert_ptr_null(state_run(s, 0));
    state_close(&s);
    ck_assert_int_eq(unlink(path_of("sweep.json")), 0); /* what was ignored is somebody's all the same */
    expect(open_state(&s), TAS_BAD_FILE, "sweep.json", "");
}
END_TEST

/* Terminals would take it for a command. */
START_TEST(settings_are_shown_without_escapes)
{
    state *s;
    write_text("sweep.json", "{\"format\": 3, \"settings\": \"\\u001b]0;gone\\u0007\\n\", \"elapsed\": 1}");
    expect(open_state(&s), TAS_BAD_ARGUMENT, "\\x1b]0;gone\\x07", "");
    ck_assert_ptr_null(strchr(tas_error(context), '\x1b'));
}
END_TEST

START_TEST(seconds_of_earlier_sessions_are_checked)
{
    static const char *const seconds[] = {"-1", "1e300", "null", "\"1\"", "[]"};
    double elapsed;
    state *s;
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"format\": 3, \"settings\": \"a\\n\", \"elapsed\": %s}", seconds[i]);
        write_text("sweep.json", text);
        expect_ok(state_open(context, folder, &here, &elapsed, &s));
        ck_assert_msg(elapsed == 0, "%s: %g", seconds[i], elapsed);
        state_close(&s);
    }
}
END_TEST

/* Sweeps ----------------------------------------------------------------------------------------------------------- */

enum { N = 300, WIDE = 4, KINDS = 2, RUNS_MOST = 99 };
static float inputs[N * WIDE];
static uint32_t labels[N];
static tas_data *train;
static tas_network *net;

static void open_all(void)
{
    support_open();
    make_folder();
    random_seed(7);
    for (int i = 0; i < N; i++) {
        labels[i] = random_below(KINDS);
        for (int k = 0; k < WIDE; k++) inputs[i * WIDE + k] = random_float(-1, 1) + (k == (int)labels[i] ? 1 : 0);
    }
    train = data_of(N, WIDE, inputs, labels, KINDS, 0);
    expect_ok(tas_network_parse(context, "input 4\ndense 6\ntanh\ndense 2\nloss softmax\n", "small", &net));
}

static void close_all(void)
{
    tas_network_close(&net);
    tas_data_close(&train);
    remove_folder();
    support_close();
}

static void open_folder(void)
{
    support_open();
    make_folder();
}

static void close_folder(void)
{
    remove_folder();
    support_close();
}

static tas_sweep_options small_options(void)
{
    static const uint32_t batches[] = {8, 32};
    tas_sweep_options options;
    tas_sweep_options_init(&options);
    options.batches = batches;
    options.batch_count = 2;
    options.train.momentum = 0;
    options.train.lr = 0.1f;
    options.target = 0.5;
    options.seeds = 2;
    options.brief = 1;
    options.state = folder;
    return options;
}

static int count_files(void)
{
    int count = 0;
    for (int i = 1; i < RUNS_MOST; i++) {
        char file[32];
        snprintf(file, sizeof file, "run-%04d.json", i);
        count += !access(path_of(file), F_OK);
    }
    return count;
}

/* Seeds that no signed number holds, and that begin anew at 0. */
START_TEST(large_seeds_come_back)
{
    static const uint64_t seeds[] = {INT64_MAX, UINT64_MAX - 3};
    static const float rates[] = {0.1f, 0.1f};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        tas_sweep_options options = small_options();
        tas_sweep *first, *again;
        options.seed = seeds[i];
        options.seeds = 6;
        options.target = 0.2; /* that no untrained weights meet */
        options.rates = rates; /* of batches that were asked for, and no others */
        expect_ok(tas_sweep_run(device, net, train, NULL, &options, &first));
        ck_assert_int_eq(first->runs, 12 + first->checks); /* which batch is checked depends on timings */
        ck_assert_int_eq(count_files(), 12 + first->checks);
        expect_ok(tas_sweep_run(device, net, train, NULL, &options, &again));
        ck_assert_int_le(count_files(), 12 + first->checks + again->checks);
        ck_assert_int_eq(again->runs, 12 + again->checks);
        for (int k = 0; k < 12; k++) ck_assert_uint_eq(again->run[k].seed, first->run[k].seed);
        for (int k = 0; k < 2; k++) {
            ck_assert_int_eq(again->batch[k].seeds, 6);
            ck_assert(again->batch[k].steps.value == first->batch[k].steps.value);
            ck_assert(again->batch[k].worse_low == first->batch[k].worse_low);
        }
        tas_sweep_close(&first);
        tas_sweep_close(&again);
        remove_folder();
        make_folder();
    }
}
END_TEST

/* Each file that holds `where`, edited; their number. */
static int edit_files(const char *where, const char *from, const char *to)
{
    int count = 0;
    for (int i = 1; i < RUNS_MOST; i++) {
        char file[32];
        snprintf(file, sizeof file, "run-%04d.json", i);
        char *text = read_text(file);
        if (text && strstr(text, where) && strstr(text, from)) {
            char *edited = text_replaced(text, from, to);
            write_text(file, edited);
            free(edited);
            count++;
        }
        free(text);
    }
    return count;
}

typedef struct listener {
    char notes[4096];
    int calls;
} listener;

static int listen(void *user, const tas_sweep_progress *progress)
{
    listener *w = user;
    const size_t used = strlen(w->notes);
    if (progress->note) snprintf(w->notes + used, sizeof w->notes - used, "%s\n", progress->note);
    return 0;
}

/* Whatever was edited, the sweep ends with the results that it had, and says what it ran anew. */
START_TEST(edited_states_are_noticed_and_mended)
{
    static const char *const changes[][3] = {
        /* in files that have this, this becomes that */
        {"\"search\": false", "\"lr\": 0.", "\"lr\": 7."},
        {"\"search\": false", "lr\": ", "lr\": 1e-300, \"x\": "},
        {"\"search\": true", "\"start\": 0.", "\"start\": -0."},
        {"\"search\": false", "\"seed\": 3", "\"seed\": 2"},
        {"\"search\": false", "seed 3 ", "seed 2 "},
        {"\"search\": false", "   0,\n   0,", "   0,\n   4611686018427387904,"},
        {"\"search\": true", "B 8 ", "B 9 "},
        {"\"search\": false", "\"outcome\": 1", "\"outcome\": 4"},
        {"\"contract\"", "\"contract\": ", "\"contract\": 9"},
    };
    tas_sweep_options options = small_options();
    tas_sweep *whole, *again;
    options.batch_count = 1; /* where a second one's search begins depends on timings */
    expect_ok(tas_sweep_run(device, net, train, NULL, &options, &whole));
    const int files = count_files();
    ck_assert_int_eq(files, whole->runs);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        listener w = {.calls = 0};
        const int edited = edit_files(changes[i][0], changes[i][1], changes[i][2]);
        ck_assert_msg(edited > 0, "nothing to edit: %s", changes[i][1]);
        options.on_progress = listen;
        options.user = &w;
        expect_ok(tas_sweep_run(device, net, train, NULL, &options, &again));
        ck_assert_msg(strstr(w.notes, "run-0") != NULL, "%s: '%s'", changes[i][2], w.notes);
        ck_assert_int_eq(again->runs, whole->runs);
        ck_assert(again->batch[0].lr == whole->batch[0].lr && again->batch[0].reached == 2);
        ck_assert(again->batch[0].steps.value == whole->batch[0].steps.value);
        tas_sweep_close(&again);
        for (int k = 1; k < RUNS_MOST; k++) { /* what was mended stays; the rest goes */
            char file[32];
            snprintf(file, sizeof file, "run-%04d.json", k);
            if (strstr(w.notes, file)) unlink(path_of(file));
        }
    }
    tas_sweep_close(&whole);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("state");
    TCase *folders = tcase_create("folders"), *sweeps = tcase_create("sweeps");
    tcase_add_checked_fixture(folders, open_folder, close_folder);
    tcase_add_test(folders, a_state_knows_when_a_run_was_given_up_and_where);
    tcase_add_test(folders, numbers_of_files_have_a_limit);
    tcase_add_test(folders, damaged_files_are_ignored);
    tcase_add_test(folders, settings_are_shown_without_escapes);
    tcase_add_test(folders, seconds_of_earlier_sessions_are_checked);
    tcase_add_checked_fixture(sweeps, open_all, close_all);
    tcase_set_timeout(sweeps, 120);
    tcase_add_test(sweeps, large_seeds_come_back);
    tcase_add_test(sweeps, edited_states_are_noticed_and_mended);
    suite_add_tcase(suite, folders);
    suite_add_tcase(suite, sweeps);
    return support_run(suite);
}

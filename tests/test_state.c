/* A sweep's state: the names of runs, what is read of their files and what is refused, and sweeps that go on from files
 * that were tampered with. */
#include "lab/sweep/state.h"

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* Names ------------------------------------------------------------------------------------------------------------ */

static run_key figure_key(uint64_t seed)
{
    return (run_key){.batch = 8,
                     .seed = seed,
                     .lr = (double)0.1f,
                     .kind = RUN_FIGURES,
                     .target = 0.5,
                     .most = 9000,
                     .least = 2700,
                     .look = 240};
}

START_TEST(names_state_keys)
{
    static const uint64_t seeds[] = {0, 1, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        for (run_kind kind = RUN_SEARCH; kind <= RUN_FIGURES; kind++) {
            char name[RUN_NAME_BYTES];
            run_key key = figure_key(seeds[i]), again;
            key.kind = kind;
            key.target = 1.0 / 3;
            run_key_name(&key, name, sizeof name);
            ck_assert_msg(run_key_parse(name, &again), "%s", name);
            ck_assert_uint_eq(again.seed, seeds[i]);
            ck_assert(again.batch == 8 && again.lr == key.lr && again.kind == kind && again.target == key.target);
            ck_assert(again.most == 9000 && again.least == 2700 && again.look == 240);
        }
}
END_TEST

START_TEST(other_names_are_refused)
{
    static const char *const names[] = {
        "",
        "B 8",
        "B 8 lr 0x1p-3 seed 1 figures",
        "B 8 lr 0x1p-3 seed 1 other target 1 most 1 least 1 look 1",
        "B 8 lr 0x1p-3 seed 1 figures target 1 most 1 least 1 look 1 ",
        "B 8 lr 0.125 seed 1 figures target 1 most 1 least 1 look 1",
        "B -8 lr 0x1p-3 seed 1 figures target 1 most 1 least 1 look 1",
        "B 8 lr 0x1p-3 seed 18446744073709551616 figures target 1 most 1 least 1 look 1",
        "B 08 lr 0x1p-3 seed 1 figures target 1 most 1 least 1 look 1",
    };
    run_key key;
    ck_assert(run_key_parse("B 8 lr 0x1p-3 seed 1 figures target 1 most 1 least 1 look 1", &key));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_msg(!run_key_parse(names[i], &key), "'%s'", names[i]);
}
END_TEST

/* Files ------------------------------------------------------------------------------------------------------------ */

static const run_limits limits = {.examples = 900, .seed = 1, .target = 0.5, .contract = 1};

/* Points of whole steps: 113 to an epoch of 900, of which the last has four examples. */
static sweep_run figure_run(const run_key *key, sweep_point *point)
{
    static const uint64_t steps[] = {0, 30, 113, 150, 350}, examples[] = {0, 240, 900, 1196, 2788};
    sweep_run run = {.batch = key->batch,
                     .seed = key->seed,
                     .lr = key->lr,
                     .give_up = INFINITY,
                     .target = key->target,
                     .outcome = ROW_REACHED,
                     .steps = 150,
                     .seconds = 0.3,
                     .final_metric = 0.375,
                     .memory = 4096,
                     .point = point,
                     .points = 5};
    for (int i = 0; i < run.points; i++) {
        sweep_point *p = &point[i];
        *p = (sweep_point){.step = steps[i], .examples = examples[i], .seconds = 0.002 * (double)steps[i]};
        p->train_loss = 1.0 / (1 + i);
        p->loss = 1.1 / (1 + i) + 0.01 * (double)(key->seed % 5);
        p->accuracy = 0.2 * i;
        p->train_accuracy = i == 2 ? NAN : 0.2 * i;
        if (!i) continue;
        noise_scale_add(&p->noise, 50, 1);
        noise_scale_add(&p->noise, 55, 0.9 + 0.1 * i);
        noise_scale_merge(&run.noise, &p->noise);
    }
    return run;
}

static char *figure_text(uint64_t seed)
{
    const run_key key = figure_key(seed);
    sweep_point point[5];
    const sweep_run run = figure_run(&key, point);
    json_t *out = run_file_encode(&key, &run, "here", 1);
    char *text = json_dumps(out, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    json_decref(out);
    ck_assert_ptr_nonnull(text);
    return text;
}

static bool decode(const char *text, const run_limits *of, sweep_run *run, char *why)
{
    run_key key;
    json_t *in = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const bool fits = run_file_decode(in, of, "here", &key, run, why, 160);
    json_decref(in);
    if (fits) ck_assert_uint_eq(key.seed, run->seed);
    return fits;
}

START_TEST(runs_come_back_as_they_were)
{
    static const uint64_t seeds[] = {1, INT64_MAX - 1, (uint64_t)INT64_MAX + 4, UINT64_MAX};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        run_limits of = limits;
        of.seed = seeds[i]; /* whose runs follow it, modulo 2^64 */
        const run_key key = figure_key(seeds[i] + 1);
        sweep_point point[5];
        sweep_run wanted = figure_run(&key, point), run;
        char *text = figure_text(seeds[i] + 1), why[160];
        ck_assert_msg(decode(text, &of, &run, why), "%s", why);
        ck_assert_uint_eq(run.seed, seeds[i] + 1);
        ck_assert(run.batch == wanted.batch && run.lr == wanted.lr && isinf(run.give_up) && !run.elsewhere);
        ck_assert(run.outcome == ROW_REACHED && run.steps == 150 && run.points == 5 && run.memory == 4096);
        ck_assert(run.noise.trace == wanted.noise.trace && run.noise.pairs == wanted.noise.pairs);
        for (int k = 0; k < 5; k++) {
            const sweep_point *p = &run.point[k], *q = &wanted.point[k];
            ck_assert(p->step == q->step && p->examples == q->examples && p->loss == q->loss);
            ck_assert(p->train_accuracy == q->train_accuracy || (k == 2 && isnan(p->train_accuracy)));
            ck_assert(p->noise.squares == q->noise.squares && p->noise.steps == q->noise.steps);
        }
        free(run.point);
        free(text);
    }
}
END_TEST

/* malloc()ed, with each `from` replaced. */
static char *replaced(const char *text, const char *from, const char *to)
{
    char *out = calloc(1, strlen(text) * (2 + strlen(to)));
    ck_assert_msg(strstr(text, from) != NULL, "nothing to replace: %s", from);
    for (const char *at; (at = strstr(text, from)); text = at + strlen(from)) {
        strncat(out, text, (size_t)(at - text));
        strcat(out, to);
    }
    return strcat(out, text);
}

/* One number is another, in the file or also in the name. The last word is what is complained of. */
static const char *const edits[][3] = {
    {"\"batch\": 8", "\"batch\": 16", "batch"},
    {"\"batch\": 8", "\"batch\": 0", "batch"},
    {"\"batch\": 8", "\"batch\": 8.0", "batch"},
    {"B 8 ", "B 901 ", "batch"},
    {"\"seed\": 2", "\"seed\": 3", "seed"},
    {"\"seed\": 2", "\"seed\": -9223372036854775808", "seed"},
    {"\"seed\": 2", "\"seed\": \"18446744073709551616\"", "seed"},
    {"seed 2 ", "seed 1 ", "seed"},
    {"seed 2 ", "seed 34 ", "seed"},
    {"\"lr\": 0.1", "\"lr\": 0.2", "lr"},
    {"\"lr\": 0.1", "\"lr\": -0.1", "lr"},
    {"lr 0x", "lr -0x", "lr"},
    {"\"search\": false", "\"search\": true", "search"},
    {"\"search\": false", "\"search\": 0", "search"},
    {"\"target\": 0.5", "\"target\": 0.6", "target"},
    {"target 0.5", "target 0.75", "target"},
    {"target 0.5", "target nan", "target"},
    {"\"start\": 0.0", "\"start\": -1.0", "start"},
    {"\"give_up\": null", "\"give_up\": -1", "give_up"},
    {"\"give_up\": null", "\"give_up\": \"never\"", "give_up"},
    {"\"outcome\": 1", "\"outcome\": 0", "outcome"},
    {"\"outcome\": 1", "\"outcome\": 4", "outcome"},
    {"\"outcome\": 1", "\"outcome\": 2", "steps"},
    {"\"steps\": 150.0", "\"steps\": null", "steps"},
    {"\"steps\": 150.0", "\"steps\": 1e300", "steps"},
    {"\"steps\": 150.0", "\"steps\": 151.0", "steps"},
    {"\"race\": 0.375", "\"race\": -0.375", "race"},
    {"\"memory\": 4096", "\"memory\": -1", "memory"},
    {"\"noise\": [\n  8,", "\"noise\": [\n  -8,", "noise"},
    {"\"noise\": [\n  8,", "\"noise\": [\n  1,", "noise"},
    {"\"noise\": [\n  8,", "\"noise\": [\n", "noise"},
    {"  240,", "  18446744073709551615,", "examples"}, /* too large for JSON: see below */
    {"  240,", "  9223372036854775807,", "examples"},
    {"  240,", "  241,", "examples"},
    {"  113,", "  112,", "examples"},
    {"  113,", "  4294967296,", "step"},
    {"  113,", "  29,", "step"},
    {"  113,\n   900", "  29,\n   232", "step"},
    {"most 9000", "most 2000", "examples"},
    {"most 9000", "most -1", "name"},
    {"least 2700", "least -2700", "name"},
    {"   1.0,", "   -1.0,", "training loss"},
    {"   1.1", "   -1.1", "loss"},
    {"   0.20000000000000001", "   1.2", "accuracy"},
    {"\"contract\": 1", "\"contract\": 2", "contract"},
    {"\"contract\": 1", "\"contract\": \"1\"", "contract"},
    {"\"contract\": 1", "\"contracts\": 1", "contract"},
};

START_TEST(each_number_is_checked)
{
    char *text = figure_text(2), why[160];
    sweep_run run;
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        char *edited = replaced(text, edits[i][0], edits[i][1]);
        run.point = (sweep_point *)text;
        ck_assert_msg(!decode(edited, &limits, &run, why), "%s is believed", edits[i][1]);
        ck_assert_ptr_null(run.point);
        if (!strstr(edits[i][1], "18446744073709551615")) /* which jansson itself refuses */
            ck_assert_msg(strstr(why, edits[i][2]) != NULL, "%s: %s", edits[i][1], why);
        free(edited);
    }
    ck_assert_msg(decode(text, &limits, &run, why), "%s", why);
    free(run.point);
    free(text);
}
END_TEST

/* Numbers that a text holds, where they begin. */
static size_t find_numbers(const char *text, size_t *at, size_t most)
{
    size_t count = 0;
    for (size_t i = 1; text[i] && count < most; i++)
        if (strchr("0123456789", text[i]) && !strchr("0123456789.xabcdefp+-", text[i - 1])) at[count++] = i;
    return count;
}

/* Some numbers are replaced by others, one of them twice now and then: in the name and in its own place. */
static void mutate(char *text, size_t bytes)
{
    static const char *const others[] = {"0",     "1",     "-1",   "2",     "8",     "3",      "34",
                                         "1e17",  "0.5",   "-0.0", "1e300", "1e-9",  "null",   "2147483648",
                                         "\"7\"", "113",   "226",  "900",   "150.0", "0x1p-3", "9223372036854775807",
                                         "[]",    "false", "{}",   "4e9"};
    size_t at[400];
    char copy[16384];
    for (uint32_t edit = 1 + random_below(3); edit; edit--) {
        const size_t count = find_numbers(text, at, 400);
        if (!count) return;
        const char *to = others[random_below(sizeof others / sizeof *others)];
        const size_t from = at[random_below((uint32_t)count)];
        const size_t skip = strspn(text + from, "0123456789.xabcdefp+-");
        const int used = snprintf(copy, sizeof copy, "%.*s%s%s", (int)from, text, to, text + from + skip);
        if (used > 0 && (size_t)used < bytes && (size_t)used < sizeof copy) memcpy(text, copy, (size_t)used + 1);
    }
    if (random_below(8) == 0) text[random_below((uint32_t)strlen(text))] ^= (char)(1 << random_below(7));
}

/* Three files, some of them changed: the harness of the fuzzer aborts if anything is wrong. */
START_TEST(changed_files_do_no_harm)
{
    char *texts[] = {figure_text(2), figure_text(3), figure_text(4)};
    random_seed(test_seed());
    for (int i = 0; i < 4000; i++) {
        static char all[3 * 16384];
        size_t used = 0;
        for (int k = 0; k < 3; k++) {
            char text[16384];
            snprintf(text, sizeof text, "%s", texts[random_below(3)]);
            if (random_below(2)) mutate(text, sizeof text);
            memcpy(all + used, text, strlen(text) + 1);
            used += strlen(text) + 1;
        }
        ck_assert_int_eq(LLVMFuzzerTestOneInput((const uint8_t *)all, used), 0);
    }
    for (int k = 0; k < 3; k++) free(texts[k]);
}
END_TEST

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
    expect(open_state(&s), TAS_BAD_FILE, "format 1", "format 2");
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
                                        "run-100000.json"};
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
    char *text = read_text("run-0002.json"), *edited = replaced(text, "\"contract\": 1", "\"contract\": 7");
    write_text("run-0002.json", edited);
    free(edited);
    text[100] = 0;
    write_text("run-0003.json", text);
    write_text("run-0004.json", "[1, 2]");
    free(text);
    expect_ignored(
        (const char *const[]){"run-0002.json: \"contract\"", "run-0003.json: line", "run-0004.json: \"name\"", NULL},
        2);
    write_text("run-0001.json", "");
    write_text("run-0005.json", "\x1b[31m");
    expect_ok(open_state(&s));
    ck_assert_ptr_nonnull(strstr(state_ignored(s), "and 1 more"));
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
    write_text("sweep.json", "{\"format\": 2, \"settings\": \"\\u001b]0;gone\\u0007\\n\", \"elapsed\": 1}");
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
        snprintf(text, sizeof text, "{\"format\": 2, \"settings\": \"a\\n\", \"elapsed\": %s}", seconds[i]);
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
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        tas_sweep_options options = small_options();
        tas_sweep *first, *again;
        options.seed = seeds[i];
        options.seeds = 6;
        options.scale = 1;
        expect_ok(tas_sweep_run(device, net, train, NULL, &options, &first));
        ck_assert_int_eq(first->runs, 12);
        ck_assert_int_eq(count_files(), 12);
        expect_ok(tas_sweep_run(device, net, train, NULL, &options, &again));
        ck_assert_int_eq(count_files(), 12);
        ck_assert_int_eq(again->runs, 12);
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
            char *edited = replaced(text, from, to);
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
    TCase *files = tcase_create("files"), *folders = tcase_create("folders"), *sweeps = tcase_create("sweeps");
    tcase_add_test(files, names_state_keys);
    tcase_add_test(files, other_names_are_refused);
    tcase_add_test(files, runs_come_back_as_they_were);
    tcase_add_test(files, each_number_is_checked);
    tcase_add_test(files, changed_files_do_no_harm);
    tcase_set_timeout(files, 60);
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
    suite_add_tcase(suite, files);
    suite_add_tcase(suite, folders);
    suite_add_tcase(suite, sweeps);
    return support_run(suite);
}

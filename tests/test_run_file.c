/* The names of runs, what is read of their files and what is refused; and the fuzzer's harness on files that were
 * changed. */
#include "lab/sweep/run_file.h"

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        char *edited = text_replaced(text, edits[i][0], edits[i][1]);
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

int main(void)
{
    Suite *suite = suite_create("run_file");
    TCase *files = tcase_create("files");
    tcase_set_timeout(files, 60);
    tcase_add_test(files, names_state_keys);
    tcase_add_test(files, other_names_are_refused);
    tcase_add_test(files, runs_come_back_as_they_were);
    tcase_add_test(files, each_number_is_checked);
    tcase_add_test(files, changed_files_do_no_harm);
    suite_add_tcase(suite, files);
    return support_run(suite);
}

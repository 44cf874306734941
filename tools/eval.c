/* tassello eval: a checkpoint on the test split. */
#include "checkpoint.h"
#include "ranks.h"
#include "score.h"
#include "sets.h"

typedef struct settings {
    const char *checkpoint, *data, *device;
    bool json, metrics;
    cli_size budget;
    data_settings reading;
} settings;

#define READING(field) offsetof(settings, reading.field)

static const cli_option options[] = {
    OPTION_DEVICE(offsetof(settings, device)),
    OPTION_BUDGET(offsetof(settings, budget)),
    OPTIONS_FORMAT(READING),
    OPTION_TEST(READING, "Default: all examples are evaluated."),
    OPTIONS_IDX(READING),
    {.name = "metrics",
     .group = GROUP_OUTPUT,
     .offset = offsetof(settings, metrics),
     .help =
         "Print precision, recall and F1 of each class, which classes were taken for which, and with more than five "
         "classes how often the right one was among the five most likely (top-5)."},
    OPTION_JSON(offsetof(settings, json)),
    {0},
};

static void print_json(const settings *s, const char *training, const tas_device_info *device, const tas_data *data,
                       const tas_score *score, const tas_metrics *metrics, const char *sha256)
{
    json_t *o = json_object();
    json_object_set_new(o, "checkpoint", cli_json_text(s->checkpoint));
    json_object_set_new(o, "training", *training ? cli_json_text(training) : json_null());
    json_object_set_new(o, "data", cli_json_text(s->data));
    json_object_set_new(o, "device", cli_json_text(device->id));
    json_object_set_new(o, "examples", json_integer((json_int_t)score->examples));
    json_object_set_new(o, "accuracy", score->accuracy >= 0 ? cli_json_real(score->accuracy) : json_null());
    json_object_set_new(o, "loss", cli_json_real(score->loss));
    if (metrics) json_object_set_new(o, "metrics", score_describe(metrics, s->metrics, data));
    json_object_set_new(o, "peak_bytes", json_integer((json_int_t)score->peak_bytes));
    json_object_set_new(o, "host_bytes", json_integer((json_int_t)score->host_bytes));
    json_object_set_new(o, "weights_sha256", json_string(sha256));
    cli_json_print(o, stdout);
}

static void print_text(const settings *s, const tas_model *model, const tas_device_info *device, const tas_data *data,
                       const tas_score *score, const tas_metrics *metrics, const char *sha256)
{
    printf("device       %s (%s)\n", cli_shown(device->id), cli_shown(device->name));
    cli_print_network(tas_model_network(model), s->checkpoint);
    if (*tas_model_training(model)) printf("trained      %s\n", cli_shown(tas_model_training(model)));
    printf("data         %llu examples to test\n", (unsigned long long)score->examples);
    cli_print_peak(device, score->peak_bytes, score->host_bytes);
    if (metrics && s->metrics) score_print_tables(metrics, data);
    if (metrics) score_print_summary(score, metrics);
    cli_print_score(score, sha256);
}

/* Everything between opening and closing. The exit status. */
static int evaluate(cli_state *cli, const settings *s, const tas_data *data, tas_device *device, tas_model **model)
{
    const tas_device_info *info = tas_device_get_info(device);
    const bool values = !tas_data_classes(data); /* their loss alone says little */
    tas_score score;
    tas_metrics *metrics = NULL;
    char sha256[65];
    uint64_t budget;
    if (!cli_budget(cli, &s->budget, info, &budget)) return EXIT_FAILED;
    tas_status status = tas_model_load(device, s->checkpoint, model);
    if (!status) tas_model_set_budget(*model, budget);
    if (!status && (s->metrics || values)) status = tas_evaluate_metrics(*model, data, &score, &metrics);
    if (!status && !metrics) status = tas_evaluate(*model, data, &score);
    if (!status) status = tas_model_digest(*model, sha256);
    if (!status && s->json)
        print_json(s, tas_model_training(*model), info, data, &score, metrics, sha256);
    else if (!status)
        print_text(s, *model, info, data, &score, metrics, sha256);
    tas_metrics_free(&metrics);
    return status ? cli_failed(cli, status) : cli_check_score(cli, &score);
}

/* The test split, or all there is. The training split is read only if there is no other. */
static int read_data(cli_state *cli, const settings *s, const checkpoint *of, cli_sets *sets)
{
    tas_reading reading;
    sets_reading(&s->reading, &reading);
    if (!s->reading.test.bytes && s->reading.test.percent == 0) reading.test_share = 0;
    const int failed = checkpoint_expect(of, cli, &reading);
    if (failed) return failed;
    tas_status status = tas_data_read(cli->context, s->data, &reading, NULL, &sets->test);
    if (!status && !sets->test) status = tas_data_read(cli->context, s->data, &reading, &sets->all, &sets->test);
    if (status) {
        const int refused = cli_failed(cli, status);
        sets_hint(cli, status, true);
        return refused;
    }
    if (sets->test) return 0;
    cli_note(cli, "%s has no test split: all its %llu examples are evaluated; --test draws those that train held out",
             s->data, (unsigned long long)tas_data_count(sets->all));
    sets->test = sets->all;
    sets->all = NULL;
    return 0;
}

/* What is wrong with the files is found here, and not after kernels were built. The exit status. */
static int open_files(cli_state *cli, const settings *s, checkpoint *of, cli_sets *sets)
{
    const int failed = checkpoint_open(of, cli, s->checkpoint);
    if (failed) return failed;
    const int unread = read_data(cli, s, of, sets);
    if (unread) return unread;
    return cli_check_fit(cli, of->network, s->checkpoint, sets->test, s->data, TAS_TEST) ? 0 : EXIT_FAILED;
}

/* Over ranks: the others serve. *served: this process was one of them, and is done. */
static int join_ranks(command_ranks *ranks, const checkpoint *of, const cli_sets *sets, tas_device *device,
                      bool *served)
{
    char test[65];
    if (!ranks->ranks) return 0;
    const tas_status status = tas_data_fingerprint(sets->test, test);
    if (status) return cli_failed(ranks->cli, status);
    const char *const texts[] = {"the fingerprint of the examples", test, "the network", tas_network_text(of->network),
                                 NULL};
    const int failed = ranks_join(ranks, texts, TAS_ARITH_EXACT, of->network);
    *served = !failed && ranks->index;
    if (!*served) return failed;
    const tas_data *const list[] = {sets->test, sets->all};
    return ranks_serve(ranks, device, list, 2);
}

static int run_on_device(command_ranks *ranks, cli_state *cli, const settings *s, const checkpoint *of,
                         const cli_sets *sets, tas_device **device, tas_model **model)
{
    const char *id;
    bool served = false;
    int failed = ranks_read_devices(ranks, s->device, &s->budget, &id);
    if (failed) return failed;
    ranks_keep_first(ranks);
    const tas_status status = tas_device_open_for(cli->context, id, TAS_ARITH_EXACT, of->network, 0, device);
    if (status) return cli_failed(cli, status);
    failed = join_ranks(ranks, of, sets, *device, &served);
    return failed || served ? failed : evaluate(cli, s, sets->test, *device, model);
}

static int run(int argc, char **argv)
{
    settings s = {0};
    cli_state cli;
    command_ranks ranks;
    checkpoint of = {0};
    cli_sets sets = {0};
    tas_device *device = NULL;
    tas_model *model = NULL;
    cli_parse(&eval_command, argc, argv, &s);
    if (!cli_open(&cli, &eval_command)) return EXIT_FAILED;
    int result = ranks_begin(&ranks, &cli) ? open_files(&cli, &s, &of, &sets) : EXIT_FAILED;
    if (!result) result = run_on_device(&ranks, &cli, &s, &of, &sets, &device, &model);
    tas_model_close(&model);
    ranks_end(&ranks);
    tas_device_close(&device);
    sets_close(&sets);
    checkpoint_close(&of);
    cli_close(&cli);
    return result;
}

const cli_command eval_command = {
    .name = "eval",
    .summary = "measure a checkpoint on the test split",
    .description =
        "Measures the network of a checkpoint on the test split of a data set: the same figures, with the same bits, "
        "as the training that wrote it. The files are read as those of the training were: the checkpoint has their "
        "columns and the names of the classes. Without a test split and --test all examples are evaluated. Under MPI "
        "(mpirun, srun) "
        "each process evaluates some of them.",
    .arguments = {{.name = "CHECKPOINT",
                   .help = "a file that 'tassello train --save' wrote",
                   .complete = COMPLETE_FILE,
                   .offset = offsetof(settings, checkpoint)},
                  ARGUMENT_DATA(offsetof(settings, data), false)},
    .options = options,
    .examples = {"tassello eval mlp.safetensors DATA --metrics",
                 "tassello eval mlp.safetensors DATA --device reference --json"},
    .run = run,
};

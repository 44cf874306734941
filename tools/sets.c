/* Opening and cutting data sets. */
#include "sets.h"

#include <string.h>

/* Words ----------------------------------------------------------------------------------------------------------- */

const char *sets_format_word(int number)
{
    tas_format_info info;
    if (!number) return "auto";
    return tas_format((size_t)number - 1, &info) ? info.name : NULL;
}

const char *sets_choice_word(int number)
{
    static const char *const words[] = {
        [TAS_CHOICE_AUTO] = "auto", [TAS_CHOICE_YES] = "yes", [TAS_CHOICE_NO] = "no", NULL};
    return words[number];
}

const char *sets_missing_word(int number)
{
    static const char *const words[] = {
        [TAS_MISSING_ERROR] = "error", [TAS_MISSING_MEAN] = "mean", [TAS_MISSING_DROP] = "drop", NULL};
    return words[number];
}

/* Opening --------------------------------------------------------------------------------------------------------- */

uint64_t sets_share(const cli_size *share, uint64_t all)
{
    if (share->percent == 0) return share->bytes;
    const uint64_t count = (uint64_t)((double)all * share->percent / 100);
    return count ? count : 1;
}

static int draw_examples(cli_sets *sets, cli_state *cli, const char *path, uint64_t count, uint64_t seed)
{
    const uint64_t all = tas_data_count(sets->train);
    if (!count || count == all) return 0;
    if (count > all) {
        cli_error(cli, "--examples %llu: expected no more than the %llu examples of %s (train)",
                  (unsigned long long)count, (unsigned long long)all, path);
        return EXIT_USAGE;
    }
    const tas_status status = tas_data_split(sets->train, count, seed, NULL, &sets->part);
    if (!status) sets->train = sets->part;
    return status ? cli_failed(cli, status) : 0;
}

static int hold_out(cli_sets *sets, cli_state *cli, const char *path, const cli_size *share, uint64_t seed)
{
    const uint64_t all = tas_data_count(sets->train), count = sets_share(share, all);
    if (!count) return 0;
    if (count >= all) {
        cli_error(cli, "--validation: cannot hold out %llu examples; expected fewer than the %llu of %s (train)",
                  (unsigned long long)count, (unsigned long long)all, path);
        return EXIT_USAGE;
    }
    const tas_status status = tas_data_split(sets->train, count, seed, &sets->rest, &sets->validation);
    if (!status) sets->train = sets->rest;
    return status ? cli_failed(cli, status) : 0;
}

/* A share is drawn without --seed: the test split stays the same in all runs. */
static void set_test(const cli_size *test, tas_reading *reading)
{
    enum { DEFAULT_PERCENT = 10 };
    const bool given = test->bytes || test->percent > 0;
    reading->test_count = test->bytes;
    reading->test_share = (given ? test->percent : DEFAULT_PERCENT) / 100;
}

void sets_reading(const data_settings *settings, tas_reading *reading)
{
    tas_reading_init(reading);
    reading->format = settings->format ? sets_format_word(settings->format) : NULL;
    reading->target = settings->target;
    reading->ignore = settings->ignore;
    reading->header = (tas_choice)settings->header;
    reading->missing = (tas_missing)settings->missing;
    reading->pixels = (tas_choice)settings->pixels;
    reading->resize = (tas_choice)settings->resize;
    reading->train_images = settings->train_images;
    reading->train_labels = settings->train_labels;
    reading->test_images = settings->test_images;
    reading->test_labels = settings->test_labels;
    set_test(&settings->test, reading);
}

/* A test split that was drawn is reported, as the files do not show it. */
static void note_test(const cli_sets *sets, cli_state *cli, const char *path)
{
    tas_data_info info;
    tas_data_get_info(sets->test, &info);
    const unsigned long long held = tas_data_count(sets->test), rest = tas_data_count(sets->all);
    if (info.held_out)
        cli_note(cli, "%s has no test split: %llu of its %llu examples are held out as one; --test sets how many", path,
                 held, held + rest);
}

/* Errors of the library name no option. */
void sets_hint(cli_state *cli, tas_status status, bool drops)
{
    if (status == TAS_BAD_DATA && strstr(tas_error(cli->context), " missing field"))
        cli_note(cli, "try --missing mean%s", drops ? ", or --missing drop" : "");
}

int sets_read(cli_sets *sets, cli_state *cli, const char *path, const tas_reading *reading)
{
    const tas_status status = tas_data_read(cli->context, path, reading, &sets->all, &sets->test);
    if (status) {
        const int failed = cli_failed(cli, status);
        sets_hint(cli, status, true);
        return failed;
    }
    sets->train = sets->all;
    if (!sets->all)
        cli_error(cli, "%s: there is no training set", path);
    else if (!sets->test)
        cli_error(cli, "%s: there is no test split", path);
    else {
        note_test(sets, cli, path);
        return 0;
    }
    return EXIT_FAILED;
}

int sets_cut(cli_sets *sets, cli_state *cli, const char *path, uint64_t examples, const cli_size *validation,
             uint64_t seed)
{
    const int failed = draw_examples(sets, cli, path, examples, seed);
    return failed ? failed : hold_out(sets, cli, path, validation, seed);
}

void sets_close(cli_sets *sets)
{
    tas_data_close(&sets->validation); /* parts before what they are parts of */
    tas_data_close(&sets->rest);
    tas_data_close(&sets->part);
    tas_data_close(&sets->all);
    tas_data_close(&sets->test);
    sets->train = NULL;
}

/* Outputs --------------------------------------------------------------------------------------------------------- */

void sets_check_output(const cli_command *command, const char *option, const char *output, const char *net,
                       const char *path, const data_settings *settings)
{
    const char *const files[] = {path, settings->train_images, settings->train_labels, settings->test_images,
                                 settings->test_labels};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i]) cli_check_output(command, option, output, net, files[i]);
}

/* Printing -------------------------------------------------------------------------------------------------------- */

const char *sets_shape(const tas_data *data, char text[SHAPE_TEXT])
{
    tas_data_info info;
    tas_data_get_info(data, &info);
    if (info.channels > 1)
        snprintf(text, SHAPE_TEXT, "%u x %u x %u", info.channels, info.height, info.width);
    else if (info.height)
        snprintf(text, SHAPE_TEXT, "%u x %u", info.height, info.width);
    else
        snprintf(text, SHAPE_TEXT, "%zu", tas_data_input_size(data));
    return text;
}

/* Opening and cutting data sets. */
#include "sets.h"

uint64_t sets_share(const cli_size *share, uint64_t all)
{
    if (share->percent == 0) return share->bytes;
    const uint64_t count = (uint64_t)((double)all * share->percent / 100);
    return count ? count : 1;
}

static int draw_examples(cli_sets *sets, cli_state *cli, const char *folder, uint64_t count, uint64_t seed)
{
    const uint64_t all = tas_data_count(sets->train);
    if (!count || count == all) return 0;
    if (count > all) {
        cli_error(cli, "--examples %llu: expected no more than the %llu examples of %s (train)",
                  (unsigned long long)count, (unsigned long long)all, folder);
        return EXIT_USAGE;
    }
    const tas_status status = tas_data_split(sets->train, count, seed, NULL, &sets->part);
    if (!status) sets->train = sets->part;
    return status ? cli_failed(cli, status) : 0;
}

static int hold_out(cli_sets *sets, cli_state *cli, const char *folder, const cli_size *share, uint64_t seed)
{
    const uint64_t all = tas_data_count(sets->train), count = sets_share(share, all);
    if (!count) return 0;
    if (count >= all) {
        cli_error(cli, "--validation: cannot hold out %llu examples; expected fewer than the %llu of %s (train)",
                  (unsigned long long)count, (unsigned long long)all, folder);
        return EXIT_USAGE;
    }
    const tas_status status = tas_data_split(sets->train, count, seed, &sets->rest, &sets->validation);
    if (!status) sets->train = sets->rest;
    return status ? cli_failed(cli, status) : 0;
}

int sets_open(cli_sets *sets, cli_state *cli, const char *folder, uint64_t examples, const cli_size *validation,
              uint64_t seed)
{
    tas_status status = tas_data_open_folder(cli->context, folder, TAS_TRAIN, &sets->all);
    if (!status) status = tas_data_open_folder(cli->context, folder, TAS_TEST, &sets->test);
    if (status) return cli_failed(cli, status);
    sets->train = sets->all;
    const int failed = draw_examples(sets, cli, folder, examples, seed);
    return failed ? failed : hold_out(sets, cli, folder, validation, seed);
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

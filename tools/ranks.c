/* Commands over ranks: see ranks.h. */
#include "ranks.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The thread that uses the device cannot report it. */
static void on_hang(void *user, const char *why)
{
    const command_ranks *r = user;
    fprintf(stderr, "tassello %s: %s\n", r->cli->command->name, why);
    _exit(EXIT_FAILED);
}

bool ranks_begin(command_ranks *r, cli_state *cli)
{
    *r = (command_ranks){.cli = cli};
    if (!tas_ranks_launched()) return true;
    const tas_status status = tas_ranks_open_mpi(cli->context, &r->ranks);
    if (status) {
        cli_failed(cli, status);
        return false;
    }
    tas_ranks_set_hang(r->ranks, on_hang, r);
    r->index = tas_ranks_index(r->ranks);
    cli->rank = r->index ? r->ranks : NULL;
    return true;
}

/* Which of the processes on this machine it is, as launchers have it in the environment. */
static int local_rank(const command_ranks *r)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *text = getenv(names[i]);
        if (text) return atoi(text);
    }
    return (int)r->index;
}

static int list_all(command_ranks *r)
{
    tas_device_info *list;
    size_t count;
    const tas_status status = tas_devices(r->cli->context, &list, &count);
    if (status) return cli_failed(r->cli, status);
    r->ids = calloc(count + 1, sizeof list->long_id);
    if (!r->ids) cli_no_memory();
    char *at = r->ids;
    for (size_t i = 0; i < count && r->id_count < RANKS_DEVICES; i++) {
        if (!strcmp(list[i].id, "reference") || list[i].tier == TAS_TIER_REFUSED) continue;
        r->id[r->id_count++] = strcpy(at, list[i].long_id);
        at += strlen(at) + 1;
    }
    tas_devices_free(list);
    if (r->id_count) return 0;
    cli_error(r->cli, "--device all: there is no OpenCL device");
    return EXIT_FAILED;
}

static int split_list(command_ranks *r, const char *text)
{
    r->ids = strdup(text);
    if (!r->ids) cli_no_memory();
    for (char *at = r->ids, *word; (word = strsep(&at, ",")) != NULL;) {
        if (!*word || r->id_count == RANKS_DEVICES) {
            cli_error(r->cli, "--device %s: expected up to %d devices with a comma between two", text, RANKS_DEVICES);
            return EXIT_USAGE;
        }
        r->id[r->id_count++] = word;
    }
    return 0;
}

/* Under MPI each process has one device: of a list the one of its place on this machine. */
int ranks_read_devices(command_ranks *r, const char *text, const cli_size *budget, const char **first)
{
    r->budget = budget;
    *first = text;
    if (!text) return 0;
    const int failed = strcmp(text, "all") != 0 ? split_list(r, text) : list_all(r);
    if (failed) return failed;
    *first = r->id[r->ranks ? local_rank(r) % r->id_count : 0];
    return 0;
}

void ranks_keep_first(command_ranks *r)
{
    if (r->ranks || r->id_count < 2) return;
    cli_note(r->cli, "%s alone is used: several devices share this work only as processes under MPI", r->id[0]);
    r->id_count = 1;
}

static tas_status open_other(command_ranks *r, const char *id, tas_arith arith, const tas_network *network)
{
    const int i = r->others;
    cli_state *state = &r->states[i];
    if (!cli_open(state, r->cli->command)) return TAS_NO_MEMORY;
    r->contexts[i] = state->context;
    r->others++;
    const tas_status status = tas_device_open_for(state->context, id, arith, network, 1, &r->devices[i]);
    if (status) cli_failed(state, status);
    return status;
}

static bool set_budget(command_ranks *r, uint32_t rank, tas_device *device)
{
    uint64_t bytes;
    if (!r->budget) return true;
    if (!cli_budget(r->cli, r->budget, tas_device_get_info(device), &bytes)) return false;
    tas_ranks_set_budget(r->ranks, rank, bytes);
    return true;
}

static int open_others(command_ranks *r, tas_arith arith, const tas_network *network)
{
    for (int i = 1; i < r->id_count; i++)
        if (open_other(r, r->id[i], arith, network)) return EXIT_FAILED;
    if (!r->others) return 0;
    const tas_status status = tas_ranks_open_devices(r->cli->context, r->devices, (size_t)r->others, &r->ranks);
    if (status) return cli_failed(r->cli, status);
    tas_ranks_set_hang(r->ranks, on_hang, r);
    for (int i = 0; i < r->others; i++)
        if (!set_budget(r, (uint32_t)i + 1, r->devices[i])) return EXIT_FAILED;
    return 0;
}

int ranks_join(command_ranks *r, const char *const *texts, tas_arith arith, const tas_network *network)
{
    if (!r->ranks) return open_others(r, arith, network);
    for (; *texts; texts += 2) {
        const tas_status status = tas_ranks_check(r->ranks, texts[0], texts[1]);
        if (status) return cli_failed(r->cli, status);
    }
    r->joined = true;
    return 0;
}

/* Launchers give signals to all processes: rank 0 decides what comes of the first one. */
static void on_signal(int number)
{
    static volatile sig_atomic_t before;
    if (before && number != SIGUSR1 && number != SIGHUP) _exit(EXIT_INTERRUPTED);
    before = number != SIGUSR1;
}

int ranks_serve(command_ranks *r, tas_device *device, const tas_data *const *sets, size_t count)
{
    cli_catch_ends(on_signal);
    cli_catch(SIGUSR1, on_signal);
    if (!set_budget(r, r->index, device)) return EXIT_FAILED;
    const tas_status status = tas_ranks_serve(r->ranks, device, sets, count);
    const char *why = tas_error(r->cli->context);
    if (r->index == 1 && status == TAS_RANK_FAILED && !strncmp(why, "rank 0 (", strlen("rank 0 (")))
        fprintf(stderr, "tassello %s: %s\n", r->cli->command->name, why); /* rank 0 does not */
    return status ? cli_failed(r->cli, status) : 0;
}

void ranks_end(command_ranks *r)
{
    if (r->ranks && !r->joined && !r->others) tas_ranks_fail(r->ranks, "could not begin");
    r->cli->rank = NULL;
    if (tas_ranks_close(&r->ranks)) cli_exit_at_once();
    for (int i = 0; i < r->others; i++) {
        tas_device_close(&r->devices[i]);
        cli_close(&r->states[i]);
    }
    free(r->ids);
}

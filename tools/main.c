/* The command `tassello`: finds the subcommand. One row and one file a subcommand. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const cli_command *const commands[] = {&devices_command, &inspect_command, &plan_command,   &train_command,
                                              &sweep_command,   &eval_command,    &verify_command, NULL};

static void print_usage(FILE *stream)
{
    fputs("Usage: tassello COMMAND [OPTION...]\n"
          "Trains neural networks on any OpenCL device, with the same bits on each.\n\n",
          stream);
    for (const cli_command *const *c = commands; *c; c++) fprintf(stream, "  %-9s %s\n", (*c)->name, (*c)->summary);
    fputs("\n  tassello COMMAND --help   a command's options\n"
          "  tassello --version        versions of the library and of its arithmetic\n",
          stream);
}

static int print_version(void)
{
    printf("tassello %s\n%s\narithmetic contract %d\n", tas_version(), tas_build(), tas_contract());
    return 0;
}

static int report_unknown(const char *name)
{
    fprintf(stderr, "tassello: no command `%s'; there are:", name);
    for (const cli_command *const *c = commands; *c; c++)
        fprintf(stderr, "%s %s", c == commands ? "" : ",", (*c)->name);
    fputc('\n', stderr);
    return EXIT_USAGE;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    for (const cli_command *const *c = commands; *c; c++)
        if (!strcmp(name, (*c)->name)) return (*c)->run(argc - 1, argv + 1);

    if (!strcmp(name, "--version") || !strcmp(name, "-V")) return print_version();
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "-?"))
        print_usage(stdout);
    else if (!strcmp(name, "--man")) /* these two: for the build */
        print_man_page(commands);
    else if (!strcmp(name, "--bash-completion"))
        print_bash_completion(commands);
    else
        return report_unknown(name);
    return 0;
}

static void quit(int number)
{
    (void)number;
    _exit(EXIT_INTERRUPTED);
}

/* A closed standard stream would be the next file that is opened, a checkpoint say. What takes its place cannot be
 * used, so that writing to it fails as writing to a closed one does. */
static void hold_streams(void)
{
    while (1) {
        int fd = open("/dev/null", O_RDONLY);
        if (fd > STDERR_FILENO) close(fd);
        if (fd < 0 || fd > STDERR_FILENO) return;
    }
}

int main(int argc, char **argv)
{
    cli_catch(quit); /* train has something gentler */
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_IGN); /* a file at the limit of `ulimit -f` is an error that can be reported */
    hold_streams();

    int status = run(argc, argv);
    bool failed = ferror(stdout);
    if (fflush(stdout) || failed) {
        fprintf(stderr, "tassello: standard output cannot be written: %s\n", strerror(errno));
        if (!status) status = EXIT_FAILED;
    }
    return status;
}

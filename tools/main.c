/* The command `tassello`: finds the subcommand. One row and one file a subcommand. */
#include "cli.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const cli_command *const commands[] = {&devices_command, &data_command,   &inspect_command, &plan_command,
                                              &train_command,   &sweep_command,  &advise_command,  &eval_command,
                                              &predict_command, &export_command, &import_command,  &bench_command,
                                              &tune_command,    &verify_command, &bisect_command,  NULL};

static void print_usage(FILE *stream)
{
    fputs("Usage: tassello COMMAND [OPTION]...\n\n"
          "Trains neural networks on any OpenCL device, with the same bits on each.\n\n",
          stream);
    for (const cli_command *const *c = commands; *c; c++) fprintf(stream, "  %-9s %s\n", (*c)->name, (*c)->summary);
    fputs("\n  tassello help COMMAND     help on a command\n"
          "  tassello --version        versions of the library and of its arithmetic\n"
          "\nExamples:\n"
          "  tassello train mlp DATA --epochs 10 --save mlp.safetensors\n"
          "  tassello sweep mlp DATA --time 10m\n",
          stream);
}

static int print_version(void)
{
    printf("tassello %s\n%s\narithmetic contract %d\n", tas_version(), tas_build(), tas_contract());
    return 0;
}

static const cli_command *find_command(const char *name)
{
    for (const cli_command *const *c = commands; *c; c++)
        if (!strcmp(name, (*c)->name)) return *c;
    return NULL;
}

static int report_unknown(const char *name)
{
    const char *names[sizeof commands / sizeof *commands + 2] = {NULL}; /* and the two that are none */
    char text[256];
    int count = 0;
    for (; commands[count]; count++) names[count] = commands[count]->name;
    names[count++] = "help";
    names[count] = "--version";
    fprintf(stderr, "tassello: unknown command '%s'", tas_escape(name, text, sizeof text));
    const char *meant = tas_suggest(name, names);
    if (meant) fprintf(stderr, "; did you mean '%s'?", meant);
    if (!meant)
        for (int i = 0; commands[i]; i++) fprintf(stderr, "%s%s", i ? ", " : "; the commands are ", names[i]);
    fputs("\nTry 'tassello help'.\n", stderr);
    return EXIT_USAGE;
}

/* tassello help [COMMAND] */
static int help(const char *name)
{
    const cli_command *command = name ? find_command(name) : NULL;
    if (name && !command) return report_unknown(name);
    if (command)
        cli_help(command);
    else
        print_usage(stdout);
    return 0;
}

static bool is_help(const char *name)
{
    return !strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "-?");
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    const cli_command *command = find_command(name);
    if (command) return command->run(argc - 1, argv + 1);

    if (!strcmp(name, "--version") || !strcmp(name, "-V")) return print_version();
    if (is_help(name)) return help(argv[2] && is_help(argv[2]) ? NULL : argv[2]);
    if (!strcmp(name, "--man")) /* these three: for the build */
        manual_print(commands);
    else if (!strcmp(name, "--man-network"))
        manual_print_network();
    else if (!strcmp(name, "--bash-completion"))
        completion_print(commands);
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
    cli_catch_ends(quit); /* train and sweep have something gentler */
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_IGN); /* a file at the limit of `ulimit -f` is an error that can be reported */
    hold_streams();
    cli_json_watch();
    cli_exit(run(argc, argv));
}

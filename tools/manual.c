/* The manual pages tassello(1) and tassello-network(5), from the tables of options and of layers. */
#include "cli.h"

#include <string.h>

/* Of text in a line: escapes make it longer, and mandoc's lint wants less than 80. */
enum { ROFF_COLUMNS = 68 };

/* A character of text: dashes and quotes that can be copied, no escapes, no line that begins like a request. */
static void print_character(char c, bool start)
{
    if (start && (c == '.' || c == '\'')) fputs("\\&", stdout);
    if (c == '\\')
        fputs("\\e", stdout);
    else if (c == '-')
        fputs("\\-", stdout);
    else if (c == '`' || c == '\'')
        fputs("\\(aq", stdout);
    else
        putchar(c);
}

/* Text that roff fills; an empty line is a paragraph. */
static void print_roff(const char *text)
{
    bool start = true;
    size_t column = 0;
    for (; *text; text++, column = start ? 0 : column + 1) {
        const bool breaks = *text == ' ' && column + strcspn(text + 1, " \n") >= ROFF_COLUMNS;
        if (text[0] == '\n' && text[1] == '\n') {
            fputs("\n.PP\n", stdout);
            text++;
        } else
            print_character(breaks ? '\n' : *text, start);
        start = breaks || *text == '\n';
    }
    putchar('\n');
}

/* Lines as they are. */
static void print_verbatim(const char *text)
{
    bool start = true;
    printf(".PP\n.nf\n");
    for (; *text; start = *text++ == '\n') print_character(*text, start);
    printf(start ? ".fi\n" : "\n.fi\n");
}

static void print_option_name(const cli_option *o)
{
    printf("\\fB\\-\\-");
    for (const char *c = o->name; *c; c++) printf(*c == '-' ? "\\-" : "%c", *c);
    if (o->alone)
        printf("\\fR[=\\fI%s\\fR]", o->metavar);
    else if (o->metavar)
        printf("\\fR \\fI%s\\fR", o->metavar);
    else
        printf("\\fR");
}

static void print_synopsis(const cli_command *command)
{
    printf(".B tassello %s\n", command->name);
    for (const cli_argument *a = command->arguments; a->name; a++)
        printf(a->optional ? "[\\fI%s\\fR]\n" : ".I %s\n", a->name);
    for (cli_group group = 0; group < GROUPS; group++)
        for (const cli_option *o = NULL; (o = cli_next_option(command, group, o));) {
            putchar('[');
            print_option_name(o);
            printf("]\n");
        }
    printf(".br\n");
}

static void print_command(const cli_command *command)
{
    printf(".SS tassello %s\n", command->name);
    print_roff(command->description);
    for (const cli_argument *a = command->arguments; a->name; a++) {
        printf(".TP\n.I %s\n", a->name);
        print_roff(a->help);
    }
    for (cli_group group = 0; group < GROUPS; group++) {
        if (cli_next_option(command, group, NULL)) printf(".PP\n%s:\n", cli_group_name(group));
        for (const cli_option *o = NULL; (o = cli_next_option(command, group, o));) {
            printf(".TP\n");
            print_option_name(o);
            putchar('\n');
            print_roff(o->help);
        }
    }
    printf(".PP\nExamples:\n");
    for (int i = 0; i < EXAMPLES_MOST && command->examples[i]; i++) print_verbatim(command->examples[i]);
}

static const char man_end[] =
    ".SH EXIT STATUS\n"
    ".TP\n.B 0\nsuccess\n"
    ".TP\n.B 1\nfailed: a device or data error, a file that cannot be written,\n"
    "a loss that is not finite, a difference found by verify\n"
    ".TP\n.B 2\nwrong usage\n"
    ".TP\n.B 130\ninterrupted by SIGINT, SIGTERM or SIGHUP; a second one quits at once\n"
    ".SH ENVIRONMENT\n"
    ".TP\n.B XDG_CACHE_HOME\nparent of the cache folder tassello/, for built kernels and test results of devices\n"
    ".TP\n.B OCL_ICD_VENDORS\nfolder of drivers, or one driver, for the OpenCL loader\n";

static void print_formats(void)
{
    tas_format_info format;
    printf("DATA is a file or a folder of one of these formats, which is recognized, or named with --format.\n");
    for (size_t i = 0; tas_format(i, &format); i++) {
        printf(".SS %s: %s\n", format.name, format.title);
        print_roff(format.rules);
    }
}

void manual_print(const cli_command *const *commands)
{
    printf(".TH TASSELLO 1 \"" TASSELLO_DATE "\" \"Tassello %s\" \"User Commands\"\n", tas_version());
    printf(".SH NAME\ntassello \\- train neural networks on any OpenCL device,\nwith the same bits on each\n"
           ".SH SYNOPSIS\n");
    for (const cli_command *const *c = commands; *c; c++) print_synopsis(*c);
    printf(".B tassello \\-\\-help\n.br\n.B tassello \\-\\-version\n.SH DESCRIPTION\n"
           "The result of training is a function of the network, the data, the settings\nand the seed.\n"
           "It is not a function of the device, the driver or the memory:\nequal means equal bits.\n"
           "Results go to standard output, progress, notes and errors to standard error.\n.SH COMMANDS\n");
    for (const cli_command *const *c = commands; *c; c++) print_command(*c);
    fputs(man_end, stdout);
    printf(".SH DATA SETS\n");
    print_formats();
    printf(".SH SEE ALSO\n.BR tassello\\-network (5)\n");
}

/* Layers with their arguments, from the parser's own tables. */
static void print_layers(void)
{
    tas_layer_help help;
    for (size_t i = 0; tas_network_language(i, &help); i++) {
        printf(".TP\n\\fB%s\\fR%s\n", help.layer, help.usage + strlen(help.layer));
        print_roff(help.text);
        if (!help.arguments) continue;
        printf(".RS\n");
        for (size_t k = 0; k < help.arguments; k++) {
            printf(".TP\n.I %s\n", help.argument[k].usage);
            print_roff(help.argument[k].text);
        }
        printf(".RE\n");
    }
}

/* A network that ships. */
static void print_example(const char *name)
{
    tas_context *context = NULL;
    tas_network *network = NULL;
    if (!tas_context_open(&context) && !tas_network_open(context, name, &network)) {
        printf(".SH EXAMPLE\nThe network\n.B %s\nthat ships:\n", name);
        print_verbatim(tas_network_text(network));
    }
    tas_network_close(&network);
    tas_context_close(&context);
}

void manual_print_network(void)
{
    printf(".TH TASSELLO\\-NETWORK 5 \"" TASSELLO_DATE "\" \"Tassello %s\" \"File Formats\"\n", tas_version());
    printf(".SH NAME\ntassello\\-network \\- description of a neural network, as text\n.SH DESCRIPTION\n");
    print_roff(tas_network_rules());
    printf(".SH LAYERS\n");
    print_layers();
    print_example("lenet");
    printf(".SH SEE ALSO\n.BR tassello (1)\n");
}

/* The folder of --report: what was found as JSON, as a page, and as a text for a bug report. */
#include "verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void write_json(const json_t *found, FILE *out)
{
    json_dumpf(found, out, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    fputc('\n', out);
}

static const struct output {
    const char *name;
    void (*write)(const json_t *found, FILE *out);
} outputs[] = {
    {"verify.json", write_json},
    {"report.txt", verify_note_write},
    {"index.html", verify_page_write},
};

enum { OUTPUTS = sizeof outputs / sizeof *outputs };

static char *path_of(const verify_session *v, const struct output *output)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", v->s.report, output->name) < 0) cli_no_memory();
    return path;
}

bool verify_report_check(verify_session *v)
{
    bool good = true;
    if (mkdir(v->s.report, 0777) && errno != EEXIST) {
        cli_error(&v->cli, "--report %s: cannot be made: %s", v->s.report, strerror(errno));
        return false;
    }
    for (size_t i = 0; i < OUTPUTS && good; i++) {
        char *path = path_of(v, &outputs[i]);
        good = cli_check_write(&v->cli, "report", path);
        free(path);
    }
    return good;
}

static bool write_output(verify_session *v, const struct output *output, const json_t *found)
{
    char *text = NULL, *path = path_of(v, output);
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream) cli_no_memory();
    output->write(found, stream);
    const bool failed = ferror(stream) != 0;
    if (fclose(stream) || failed || !text) cli_no_memory();
    const tas_status status = tas_file_write(v->cli.context, path, text, bytes);
    if (status) cli_error(&v->cli, "--report %s", tas_error(v->cli.context));
    free(text);
    free(path);
    return !status;
}

bool verify_report_write(verify_session *v)
{
    bool written = true;
    json_t *found = verify_describe(v);
    for (size_t i = 0; i < OUTPUTS && written; i++) written = write_output(v, &outputs[i], found);
    json_decref(found);
    if (written && v->text)
        fprintf(v->text, "report       %s/index.html; for a bug report: %s/report.txt\n", cli_shown(v->s.report),
                cli_shown(v->s.report));
    return written;
}

/* The page of a verification: a table of operations and devices, then what failed, and what the devices are. One file,
 * without scripts; each color stands beside its word. */
#include "verify.h"

#include <string.h>

static const char style[] = "a{color:var(--mark)}\n"
                            ".found{border-collapse:separate;border-spacing:0;min-width:0}\n"
                            ".found th,.found td{text-align:left}\n"
                            ".found tbody th{position:sticky;left:0;background:var(--paper)}\n"
                            ".found thead small{display:block}\n"
                            ".exact,.tolerance{color:var(--good)}\n"
                            ".wrong,.crashed,.timed{color:var(--bad);font-weight:600}\n"
                            ".unsupported{color:var(--faint)}\n"
                            "td.exact,td.tolerance{box-shadow:inset 3px 0 var(--good)}\n"
                            "td.wrong,td.crashed,td.timed{box-shadow:inset 3px 0 var(--bad);background:var(--card)}\n"
                            "td a{color:inherit}\n";

/* ------------------------------------------------------------------------------------------------------- elements */

static void write_escaped(FILE *page, const char *text)
{
    for (const char *c = cli_shown(text); *c; c++) switch (*c) {
        case '<': fputs("&lt;", page); break;
        case '>': fputs("&gt;", page); break;
        case '&': fputs("&amp;", page); break;
        case '"': fputs("&quot;", page); break;
        default: fputc(*c, page);
        }
}

static void write_text(FILE *page, const json_t *object, const char *key)
{
    write_escaped(page, verify_text(object, key));
}

static void write_fact(FILE *page, const char *name, const char *text)
{
    if (!*text) return;
    fprintf(page, "<div><dt>%s</dt><dd>", name);
    write_escaped(page, text);
    fputs("</dd></div>\n", page);
}

/* The class is a status's first word. */
static void write_class(FILE *page, const json_t *row)
{
    const char *status = verify_text(row, "status");
    fprintf(page, "%.*s", (int)strcspn(status, " "), status);
}

/* ------------------------------------------------------------------------------------------------------ the table */

static bool is_row(const json_t *row, const json_t *like)
{
    return !strcmp(verify_text(row, "operation"), verify_text(like, "operation")) &&
           !strcmp(verify_text(row, "provider"), verify_text(like, "provider"));
}

/* Its place among the device's rows; their number if it has none. */
static size_t find_row(const json_t *rows, const json_t *like)
{
    size_t i = 0;
    while (i < json_array_size(rows) && !is_row(json_array_get(rows, i), like)) i++;
    return i;
}

/* Device and row by number, for links from the table. */
static void write_cell(FILE *page, const json_t *rows, const json_t *like, size_t device)
{
    const size_t place = find_row(rows, like);
    const json_t *row = json_array_get(rows, place);
    if (!row) {
        fputs("<td class=\"none\">&ndash;</td>", page);
        return;
    }
    const bool failed = verify_has_failed(verify_status_of(row));
    fputs("<td class=\"", page);
    write_class(page, row);
    fputs("\">", page);
    if (failed) fprintf(page, "<a href=\"#d%zur%zu\">", device, place);
    write_text(page, row, "status");
    if (failed) fputs("</a>", page);
    if (verify_status_of(row) == VERIFY_TOLERANCE)
        fprintf(page, " <small>largest error %.3f of the bound</small>", verify_number(row, "worst_error"));
    else if (verify_status_of(row) <= VERIFY_WRONG)
        fprintf(page, " <small>%.0f cases</small>", verify_number(row, "passed") + verify_number(row, "failed"));
    fputs("</td>", page);
}

/* Rows of several devices, each once, in the order of the first device that has them. */
static json_t *list_rows(const json_t *devices)
{
    size_t i, k, n;
    const json_t *device, *known;
    json_t *row, *list = json_array();
    json_array_foreach(devices, i, device) json_array_foreach(json_object_get(device, "rows"), k, row)
    {
        bool listed = false;
        json_array_foreach(list, n, known) listed |= is_row(known, row);
        if (!listed) json_array_append(list, row);
    }
    return list;
}

static void write_heads(FILE *page, const json_t *devices)
{
    size_t i;
    const json_t *device;
    fputs("<thead><tr><th scope=\"col\">operation</th>", page);
    json_array_foreach(devices, i, device)
    {
        fprintf(page, "<th scope=\"col\"><a href=\"#d%zu\">", i);
        write_text(page, device, "id");
        fputs("</a> <small class=\"", page);
        write_class(page, device);
        fputs("\">", page);
        write_text(page, device, "status");
        fputs("</small></th>", page);
    }
    fputs("</tr></thead>\n", page);
}

static void write_table(FILE *page, const json_t *devices)
{
    size_t i, k;
    const json_t *row, *device;
    json_t *rows = list_rows(devices);
    fputs("<h2>Operations and devices</h2>\n<p class=\"key\">exact: every case has the bits of the C reference. "
          "tolerance: within a bound; of CLBlast's products, which --arith fast alone uses, and of gradients that were "
          "compared with differences of losses. wrong, crashed, timed out: see what failed. "
          "unsupported: not tried; see the device. A dash: not run.</p>\n"
          "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Operations and devices\">\n"
          "<table class=\"found\">\n",
          page);
    write_heads(page, devices);
    fputs("<tbody>\n", page);
    json_array_foreach(rows, i, row)
    {
        fputs("<tr><th scope=\"row\">", page);
        write_text(page, row, "operation");
        if (strcmp(verify_text(row, "provider"), "kernel") != 0)
            fprintf(page, " <small>%s</small>", verify_text(row, "provider"));
        fputs("</th>", page);
        json_array_foreach(devices, k, device) write_cell(page, json_object_get(device, "rows"), row, k);
        fputs("</tr>\n", page);
    }
    fputs("</tbody>\n</table>\n</div>\n", page);
    json_decref(rows);
}

/* ------------------------------------------------------------------------------------------------------- a device */

/* Its place is what the table's links lead to. */
static void write_failure(FILE *page, const json_t *device, size_t number, size_t place)
{
    const json_t *row = json_array_get(json_object_get(device, "rows"), place);
    fprintf(page, "<h3 id=\"d%zur%zu\">", number, place);
    write_text(page, device, "id");
    fputs(", ", page);
    write_text(page, row, "operation");
    fputs(" (", page);
    write_text(page, row, "provider");
    fputs("): <span class=\"", page);
    write_class(page, row);
    fputs("\">", page);
    write_text(page, row, "status");
    fputs("</span></h3>\n<p>", page);
    write_text(page, row, "text");
    fputs("</p>\n", page);
    if (!*verify_text(row, "command")) return;
    fputs("<pre class=\"command\" tabindex=\"0\"><code>", page);
    write_text(page, row, "command");
    fputs("</code></pre>\n", page);
}

/* A device that failed as a whole has no row for it. */
static void write_failures_of(FILE *page, const json_t *device, size_t number)
{
    size_t i;
    const json_t *row, *rows = json_object_get(device, "rows");
    if (verify_has_failed(verify_status_of(device)) && verify_number(device, "failed") == 0) {
        fputs("<h3>", page);
        write_text(page, device, "id");
        fputs("</h3>\n<p>", page);
        write_text(page, device, "why");
        fputs("</p>\n", page);
    }
    json_array_foreach(rows, i, row) if (verify_has_failed(verify_status_of(row)))
        write_failure(page, device, number, i);
}

static void write_failures(FILE *page, const json_t *found)
{
    size_t i;
    const json_t *device;
    if (verify_number(found, "failed") == 0) return;
    fputs("<h2>What failed</h2>\n", page);
    json_array_foreach(json_object_get(found, "devices"), i, device) write_failures_of(page, device, i);
}

static void write_digests(FILE *page, const json_t *device)
{
    size_t k;
    const json_t *digest;
    json_array_foreach(json_object_get(device, "digests"), k, digest)
        write_fact(page, k ? "digest of the graph training" : "digest of the training", json_string_value(digest));
    if (json_array_size(json_object_get(device, "digests")))
        write_fact(page, "digests",
                   json_is_true(json_object_get(device, "digest_ok")) ? "the expected ones" : "NOT the expected ones");
}

static void write_facts(FILE *page, const json_t *device)
{
    static const char *const flags[] = {"fma", "denormals", "fp16", "fp64", "shared_memory"};
    static const struct {
        const char *name, *key;
    } texts[] = {{"name", "name"},     {"long id", "long_id"}, {"platform", "platform"}, {"vendor", "vendor"},
                 {"driver", "driver"}, {"OpenCL", "version"},  {"type", "type"},         {"tier", "tier"},
                 {"status", "status"}, {"why", "why"},         {"note", "note"}};
    char text[256];
    size_t used = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        write_fact(page, texts[i].name, verify_text(device, texts[i].key));
    snprintf(text, sizeof text, "%.0f units, %.0f MiB, %.0f MiB in one piece, %.0f KiB local, groups of up to %.0f",
             verify_number(device, "compute_units"), verify_number(device, "global_bytes") / 1048576,
             verify_number(device, "max_alloc_bytes") / 1048576, verify_number(device, "local_bytes") / 1024,
             verify_number(device, "max_group"));
    write_fact(page, "limits", text);
    *text = 0;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (json_is_true(json_object_get(device, flags[i])))
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? ", " : "", flags[i]);
    write_fact(page, "has", text);
    write_digests(page, device);
}

static void write_untried(FILE *page, const json_t *device)
{
    char text[1024];
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(device, "rows"), i, row)
    {
        if (verify_status_of(row) != VERIFY_UNSUPPORTED) continue;
        snprintf(text, sizeof text, "%s (%s): %s", verify_text(row, "operation"), verify_text(row, "provider"),
                 verify_text(row, "text"));
        write_fact(page, "not tried", text);
    }
}

static void write_device(FILE *page, const json_t *device, size_t number)
{
    fprintf(page, "<h2 id=\"d%zu\">", number);
    write_text(page, device, "id");
    fputs("</h2>\n<dl class=\"facts\">\n", page);
    write_facts(page, device);
    write_untried(page, device);
    fputs("</dl>\n", page);
}

/* ------------------------------------------------------------------------------------------------------- the page */

static void write_machine(FILE *page, const json_t *found)
{
    const json_t *machine = json_object_get(found, "machine");
    char text[128];
    fputs("<h2>Machine and program</h2>\n<dl class=\"facts\">\n", page);
    write_fact(page, "processor", verify_text(machine, "processor"));
    write_fact(page, "architecture", verify_text(machine, "architecture"));
    write_fact(page, "system", verify_text(machine, "system"));
    write_fact(page, "kernel", verify_text(machine, "kernel"));
    write_fact(page, "version", verify_text(found, "version"));
    write_fact(page, "build", verify_text(found, "build"));
    snprintf(text, sizeof text, "%.0f", verify_number(found, "contract"));
    write_fact(page, "arithmetic contract", text);
    snprintf(text, sizeof text, "%.0f random per operation, and the edge shapes; seed %.0f",
             verify_number(found, "cases"), verify_number(found, "seed"));
    write_fact(page, "cases", text);
    write_fact(page, "date", verify_text(found, "date"));
    fputs("</dl>\n", page);
}

static void write_head(FILE *page, const json_t *found)
{
    const unsigned failed = (unsigned)verify_number(found, "failed");
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
          "<title>tassello verify</title>\n<style>\n",
          page);
    fputs(tas_report_style(), page);
    fputs(style, page);
    fputs("</style>\n</head>\n<body>\n<main>\n<h1>", page);
    if (failed)
        fprintf(page, "%u of %zu devices failed", failed, json_array_size(json_object_get(found, "devices")));
    else
        fputs("No device failed", page);
    fputs("</h1>\n<p class=\"what\">tassello verify: every operation of a device against the C reference, bit for bit."
          "</p>\n",
          page);
}

void verify_page_write(const json_t *found, FILE *page)
{
    size_t i;
    const json_t *device, *devices = json_object_get(found, "devices");
    write_head(page, found);
    write_failures(page, found);
    write_table(page, devices);
    json_array_foreach(devices, i, device) write_device(page, device, i);
    write_machine(page, found);
    fputs("</main>\n<footer>verify.json beside this page has the same for programs; report.txt is for a bug report."
          "</footer>\n</body>\n</html>\n",
          page);
}

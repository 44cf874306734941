/* What readers share: problems, and what a format has no use for. */
#include "data/readers/reader.h"

#include <stdarg.h>
#include <string.h>

void reader_add_problem(tas_context *context, reader_problems *problems)
{
    entry_state ours;
    callback_begin(context, &ours);
    problems->found(problems->user, context->error);
    callback_end(&ours);
    problems->count++;
}

tas_status reader_problem(const reader_request *request, const char *format, ...)
{
    char text[MESSAGE_BYTES];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    const tas_status status = fail(request->context, TAS_BAD_DATA, "%s", text);
    if (!request->problems) return status;
    reader_add_problem(request->context, request->problems);
    return request->problems->count < request->problems->most ? TAS_OK : status;
}

bool reader_has_problems(const reader_request *request) { return request->problems && request->problems->count; }

/* The fields of a reading that only some formats have a use for. */
static bool is_set(const tas_reading *reading, const char *field)
{
    if (!strcmp(field, "target")) return reading->target;
    if (!strcmp(field, "ignore")) return reading->ignore;
    if (!strcmp(field, "header")) return reading->header;
    if (!strcmp(field, "missing")) return reading->missing;
    if (!strcmp(field, "resize")) return reading->resize;
    return reading->train_images || reading->train_labels || reading->test_images || reading->test_labels;
}

tas_status reader_refuse_others(const reader_request *request, const reader *format, const char *const uses[])
{
    static const char *const fields[] = {"target", "ignore", "header", "missing", "resize", "files"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        bool used = false;
        for (size_t k = 0; uses[k]; k++) used |= !strcmp(uses[k], fields[i]);
        if (used || !is_set(request->reading, fields[i])) continue;
        return fail(request->context, TAS_BAD_ARGUMENT, "%s: %s does not use %s", request->path, format->title,
                    strcmp(fields[i], "files") ? fields[i] : "files that are named one by one");
    }
    return TAS_OK;
}

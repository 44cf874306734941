/* Rows: counted, and handed to the caller. */
#include "verify/report.h"

void report_begin(const report *to, const char *name)
{
    if (!to->on_begin) return;
    entry_state ours;
    callback_begin(to->context, &ours);
    to->on_begin(to->user, name);
    callback_end(&ours);
}

void report_progress(const report *to, const tas_verify_progress *progress)
{
    if (!to->on_progress) return;
    entry_state ours;
    callback_begin(to->context, &ours);
    to->on_progress(to->user, progress);
    callback_end(&ours);
}

void report_row(const report *to, const tas_verify_row *row)
{
    tas_verify_result *result = to->result;
    if (row->skipped)
        result->skipped++;
    else if (row->failed)
        result->failed++;
    else
        result->passed++;
    if (!to->on_row) return;
    entry_state ours;
    callback_begin(to->context, &ours);
    to->on_row(to->user, row);
    callback_end(&ours);
}

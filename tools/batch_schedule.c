/* --batch-schedule: see batch_schedule.h. */
#include "batch_schedule.h"

#include <string.h>

enum { BATCH_MOST = 1 << 24, ENTRY_TEXT = 48 };

/* An entry up to the comma: "500:64", or "32" if it is the first. */
static void read_entry(const cli_command *command, const char *entry, bool first, tas_batch_change *out)
{
    const char *colon = strchr(entry, ':'), *batch = colon ? colon + 1 : entry;
    char step[ENTRY_TEXT];
    uint64_t value;
    if (first && colon)
        cli_usage(command, "--batch-schedule: %s: expected the first batch alone, such as 32,500:64", entry);
    if (!first && !colon)
        cli_usage(command, "--batch-schedule: %s: expected a step and a batch, such as 500:64", entry);
    snprintf(step, sizeof step, "%.*s", colon ? (int)(colon - entry) : 0, entry);
    if (!cli_read_u64(batch, 1, BATCH_MOST, &value))
        cli_usage(command, "--batch-schedule: %s: expected a batch from 1 to %d", entry, BATCH_MOST);
    out->batch = (uint32_t)value;
    out->step = 0;
    if (colon && !cli_read_u64(step, 1, UINT32_MAX, &out->step))
        cli_usage(command, "--batch-schedule: %s: expected a step from 1 to %u", entry, UINT32_MAX);
}

void batch_schedule_read(const cli_command *command, batch_schedule *s)
{
    tas_batch_change first = {0}, before;
    if (!s->text) return;
    for (const char *at = s->text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        const size_t length = strcspn(at, ",");
        char entry[ENTRY_TEXT];
        if (length >= sizeof entry) cli_usage(command, "--batch-schedule: %s: expected 32,500:64 or the like", at);
        snprintf(entry, sizeof entry, "%.*s", (int)length, at);
        if (first.batch && s->count == TAS_BATCH_CHANGES)
            cli_usage(command, "--batch-schedule: %s: expected at most %d changes", entry, TAS_BATCH_CHANGES);
        before = s->count ? s->list[s->count - 1] : first;
        tas_batch_change *next = first.batch ? &s->list[s->count++] : &first;
        read_entry(command, entry, next == &first, next);
        if (next != &first && next->step <= before.step)
            cli_usage(command, "--batch-schedule: %s: expected a step after %llu, where the batch before begins", entry,
                      (unsigned long long)before.step);
    }
    s->first = first.batch;
}

bool batch_schedule_check(cli_state *cli, const batch_schedule *s, const tas_data *train, const char *folder)
{
    const uint64_t examples = tas_data_count(train);
    if (s->first > examples) {
        cli_error(cli, "--batch-schedule: %u: more than the %llu example%s of %s (train)", s->first,
                  (unsigned long long)examples, examples == 1 ? "" : "s", folder);
        return false;
    }
    for (int i = 0; i < s->count; i++) {
        if (s->list[i].batch <= examples) continue;
        cli_error(cli, "--batch-schedule: %llu:%u: more than the %llu example%s of %s (train)",
                  (unsigned long long)s->list[i].step, s->list[i].batch, (unsigned long long)examples,
                  examples == 1 ? "" : "s", folder);
        return false;
    }
    return true;
}

void batch_schedule_print(const tas_batches *batches, FILE *stream)
{
    fprintf(stream, "%u", batches->list[0].batch);
    for (int i = 1; i < batches->count; i++)
        fprintf(stream, ",%llu:%u", (unsigned long long)batches->list[i].step, batches->list[i].batch);
}

json_t *batch_schedule_describe(const tas_batches *batches)
{
    json_t *list = json_array();
    for (int i = 0; i < batches->count; i++) {
        json_t *o = json_object();
        json_object_set_new(o, "step", json_integer((json_int_t)batches->list[i].step));
        json_object_set_new(o, "batch", json_integer(batches->list[i].batch));
        json_array_append_new(list, o);
    }
    return list;
}

int batch_schedule_read_list(const cli_command *command, const char *text, const char *or, int most, uint32_t *list)
{
    int count = 0;
    for (const char *at = text;; at++) {
        const size_t length = strcspn(at, ",");
        char word[16];
        uint64_t batch;
        snprintf(word, sizeof word, "%.*s", length < sizeof word ? (int)length : 0, at);
        if (!cli_read_u64(word, 1, 1 << 24, &batch))
            cli_usage(command, "--batches %s: expected whole numbers from 1 to %d separated by commas%s", text, 1 << 24,
                      or);
        if (count == most) cli_usage(command, "--batches: expected at most %d", most);
        for (int i = 0; i < count; i++)
            if (list[i] == batch) cli_usage(command, "--batches: %s is listed twice", word);
        list[count++] = (uint32_t)batch;
        at += length;
        if (!*at) return count;
    }
}

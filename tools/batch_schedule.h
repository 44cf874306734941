/* --batch-schedule: batches that change during a run, "32,500:64,2000:128". */
#ifndef BATCH_SCHEDULE_H
#define BATCH_SCHEDULE_H

#include "cli.h"

/* Where a command keeps what it was given. */
typedef struct batch_schedule {
    const char *text; /* NULL: not given */
    uint32_t first;
    tas_batch_change list[TAS_BATCH_CHANGES]; /* what follows it */
    int count;
} batch_schedule;

/* Row of a command's table; at: the offset of its batch_schedule. */
/* clang-format off */
#define OPTION_BATCH_SCHEDULE(at, more)                                                                                \
    {.name = "batch-schedule", .metavar = "LIST", .group = GROUP_BATCH, .type = TYPE_TEXT,                             \
     .offset = (at) + offsetof(batch_schedule, text),                                                                  \
     .help = "Instead of --batch: batches that change during the run. 32,500:64,2000:128 has 32 examples per update "  \
             "at first, 64 from step 500 on (after 500 updates) and 128 from step 2000 on. " more}
/* clang-format on */

/* Reads the text, if there is one. A mistake ends with status 2 and names its entry. */
void batch_schedule_read(const cli_command *command, batch_schedule *s);

/* Whether a split has as many examples as each batch; reports which batch is too large. */
bool batch_schedule_check(cli_state *cli, const batch_schedule *s, const tas_data *train, const char *folder);

/* "32,500:64,2000:128", as the option takes it. */
void batch_schedule_print(const tas_batches *batches, FILE *stream);

/* [{"step": 0, "batch": 32}, ...]. */
json_t *batch_schedule_describe(const tas_batches *batches);

/* The batches of a list such as "16,64,256", the text of --batches: at most `most`, each once; gives their count. A
 * mistake is wrong usage; `or` ends what the message expects. */
int batch_schedule_read_list(const cli_command *command, const char *text, const char *or, int most, uint32_t *list);

#endif

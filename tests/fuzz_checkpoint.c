/* libFuzzer: any bytes as the state of a run, and as a checkpoint that has one. */
#include "train/run_state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STEPS = 50, EXAMPLES_MOST = 1 << 12 };

/* A state that was accepted can be gone on from: its steps are within the set, and it is the same when written and read
 * again. */
static void walk(tas_context *context, const run_state *s)
{
    char why[RUN_STATE_WHY], text[1024];
    run_state again;
    char *first = run_state_encode(s);
    if (!first || !run_state_decode(context, first, &again, why)) abort();
    char *second = run_state_encode(&again);
    if (!second || strcmp(first, second) != 0) abort();
    if (run_state_differences(s, &again.options, text, sizeof text)) abort();
    run_state_free(&again);
    free(first);
    free(second);

    uint32_t *order = s->count <= EXAMPLES_MOST ? malloc(s->count * sizeof *order) : NULL;
    for (uint64_t step = s->step + 1; step < s->step + STEPS; step++) {
        const course_step of = course_at(&s->course, step);
        if (!of.count || of.count > of.batch || of.at >= s->count || of.at + of.count > s->count || !of.left) abort();
        if (order) course_fill(&s->course, of.epoch, order);
        for (uint32_t i = 0; order && i < of.count; i++)
            if (order[of.at + i] >= s->count) abort();
    }
    free(order);
}

static void read_text(tas_context *context, const uint8_t *input, size_t size)
{
    char why[RUN_STATE_WHY];
    run_state s;
    char *text = malloc(size + 1);
    if (!text) abort();
    memcpy(text, input, size);
    text[size] = 0;
    if (run_state_decode(context, text, &s, why)) {
        if (*why) abort();
        walk(context, &s);
    } else if (!*why || s.course.segment || s.more)
        abort();
    run_state_free(&s);
    free(text);
}

static void read_file(tas_context *context, const uint8_t *input, size_t size)
{
    tas_saved_run *saved = NULL;
    char path[64];
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, input, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const tas_status status = tas_saved_run_open(context, path, &saved);
    if (status ? saved || !*tas_error(context) : saved->step > saved->steps) abort();
    tas_saved_run_close(&saved);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    tas_context *context = NULL;
    if (tas_context_open(&context)) abort();
    if (size && input[0] == '{')
        read_text(context, input, size);
    else
        read_file(context, input, size);
    tas_context_close(&context);
    return 0;
}

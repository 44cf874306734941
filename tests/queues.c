/* A device whose commands wait in two queues. */
#include "queues.h" /* before check.h, which has a macro of the name fail */

#include "support.h"

#include <stdlib.h>

typedef struct ticket {
    bool done;
    struct ticket *before; /* of all there are */
} ticket;

typedef struct command {
    enum { COMMAND_LAUNCH, COMMAND_ZERO, COMMAND_WRITE, COMMAND_READ, COMMAND_EVENT } kind;
    op_args args; /* of a launch */
    mem operand[OP_OPERANDS], scratch;
    mem m; /* of a transfer */
    uint64_t offset, bytes;
    const void *from;
    void *to;
    const ticket *after;
    ticket *gives;
} command;

typedef struct queue {
    command *list;
    size_t first, handed, count, room; /* of those that are not done: handed to the device are those before `handed` */
} queue;

static struct {
    queues_order order;
    const device_driver *driver; /* the reference's */
    op_launch launch;
    queue work, transfers;
    ticket *tickets;
} state;

static ticket *new_ticket(void)
{
    ticket *t = calloc(1, sizeof *t);
    ck_assert_ptr_nonnull(t);
    t->before = state.tickets;
    return state.tickets = t;
}

/* Does the next command of a queue, if it is handed over and need not wait. */
static bool step(tas_device *on, queue *q)
{
    if (q->first == q->handed) return false;
    const command *c = &q->list[q->first];
    if (c->after && !c->after->done) return false;
    tas_status status = TAS_OK;
    switch (c->kind) {
    case COMMAND_LAUNCH: status = state.launch(on, &c->args, c->operand, &c->scratch); break;
    case COMMAND_ZERO: status = state.driver->zero(on, &c->m); break;
    case COMMAND_WRITE: status = state.driver->write(on, &c->m, c->offset, c->from, c->bytes, true); break;
    case COMMAND_READ: status = state.driver->read(on, &c->m, c->offset, c->to, c->bytes); break;
    case COMMAND_EVENT: break;
    }
    ck_assert_int_eq(status, TAS_OK);
    if (c->gives) c->gives->done = true;
    if (++q->first == q->count) q->first = q->handed = q->count = 0;
    return true;
}

/* What is done while nobody waits. */
static void go_on(tas_device *on)
{
    if (state.order == QUEUES_WORK_FIRST)
        while (step(on, &state.work)) {}
    else if (state.order == QUEUES_TRANSFERS_FIRST)
        while (step(on, &state.transfers)) {}
    else
        for (uint32_t k = random_below(4); k; k--) step(on, random_below(2) ? &state.work : &state.transfers);
}

static tas_status add(tas_device *on, queue *q, command c)
{
    if (q->count == q->room) {
        q->room = 2 * q->room + 16;
        ck_assert_ptr_nonnull(q->list = realloc(q->list, q->room * sizeof *q->list));
    }
    q->list[q->count++] = c;
    go_on(on);
    return TAS_OK;
}

static void hand_over(queue *q) { q->handed = q->count; }

/* Until the ticket has come, or with NULL until a queue is empty. */
static void wait_for(tas_device *on, const ticket *t, const queue *q)
{
    while (t ? !t->done : q->count > 0) {
        const bool work = state.order == QUEUES_WORK_FIRST || (state.order == QUEUES_ANY && random_below(2));
        const bool moved = work ? step(on, &state.work) || step(on, &state.transfers)
                                : step(on, &state.transfers) || step(on, &state.work);
        if (!moved) ck_abort_msg("a queue waits for what was not handed to the device");
    }
}

/* The driver
 * ------------------------------------------------------------------------------------------------------------ */

static void drain(tas_device *on)
{
    hand_over(&state.work);
    hand_over(&state.transfers);
    wait_for(on, NULL, &state.work);
    wait_for(on, NULL, &state.transfers);
}

/* OpenCL keeps memory that commands still want. */
static void late_release(tas_device *on, mem *m)
{
    drain(on);
    state.driver->release(on, m);
}

static tas_status late_zero(tas_device *on, const mem *m)
{
    return add(on, &state.work, (command){.kind = COMMAND_ZERO, .m = *m});
}

static tas_status late_finish(tas_device *on)
{
    hand_over(&state.work);
    wait_for(on, NULL, &state.work);
    return TAS_OK;
}

static tas_status late_write(tas_device *on, const mem *m, uint64_t offset, const void *from, uint64_t bytes, bool wait)
{
    add(on, &state.work, (command){.kind = COMMAND_WRITE, .m = *m, .offset = offset, .from = from, .bytes = bytes});
    return wait ? late_finish(on) : TAS_OK;
}

static tas_status late_read(tas_device *on, const mem *m, uint64_t offset, void *to, uint64_t bytes)
{
    add(on, &state.work, (command){.kind = COMMAND_READ, .m = *m, .offset = offset, .to = to, .bytes = bytes});
    return late_finish(on);
}

static tas_status late_write_later(tas_device *on, const mem *m, const void *from, uint64_t bytes, void *after,
                                   void **to)
{
    ticket *t = new_ticket();
    *to = t;
    hand_over(&state.transfers);
    add(on, &state.transfers,
        (command){.kind = COMMAND_WRITE, .m = *m, .from = from, .bytes = bytes, .after = after, .gives = t});
    hand_over(&state.transfers);
    go_on(on);
    return TAS_OK;
}

static tas_status late_read_later(tas_device *on, const mem *m, uint64_t offset, void *out, uint64_t bytes, void *after,
                                  void **to)
{
    ticket *t = new_ticket();
    *to = t;
    add(on, &state.transfers,
        (command){
            .kind = COMMAND_READ, .m = *m, .offset = offset, .to = out, .bytes = bytes, .after = after, .gives = t});
    hand_over(&state.transfers);
    go_on(on);
    return TAS_OK;
}

static tas_status late_await(tas_device *on, void *after)
{
    return add(on, &state.work, (command){.kind = COMMAND_EVENT, .after = after});
}

static tas_status late_mark(tas_device *on, void **to)
{
    ticket *t = new_ticket();
    *to = t;
    return add(on, &state.work, (command){.kind = COMMAND_EVENT, .gives = t});
}

static tas_status late_join(tas_device *on, void **of)
{
    const ticket *t = *of;
    *of = NULL;
    if (t) wait_for(on, t, NULL);
    return TAS_OK;
}

static tas_status late_flush(tas_device *on)
{
    hand_over(&state.work);
    go_on(on);
    return TAS_OK;
}

static tas_status late_launch(tas_device *on, const op_args *args, const mem *operand, const mem *scratch)
{
    command c = {.kind = COMMAND_LAUNCH, .args = *args};
    for (int o = 0; op_get(args->op)->operand[o].name; o++) c.operand[o] = operand[o];
    if (scratch) c.scratch = *scratch;
    return add(on, &state.work, c);
}

void queues_open(tas_device *on, queues_order order)
{
    static device_driver late;
    state.order = order;
    state.driver = on->driver;
    state.launch = on->launch[0];
    late = *on->driver;
    late.release = late_release;
    late.zero = late_zero;
    late.write = late_write;
    late.read = late_read;
    late.write_later = late_write_later;
    late.read_later = late_read_later;
    late.await = late_await;
    late.mark = late_mark;
    late.join = late_join;
    late.flush = late_flush;
    late.finish = late_finish;
    on->driver = &late;
    for (int op = 0; op < OP_COUNT; op++) on->launch[op] = late_launch;
}

void queues_close(tas_device *on)
{
    drain(on);
    on->driver = state.driver;
    for (int op = 0; op < OP_COUNT; op++) on->launch[op] = state.launch;
    free(state.work.list);
    free(state.transfers.list);
    state.work = state.transfers = (queue){0};
    while (state.tickets) {
        ticket *t = state.tickets;
        state.tickets = t->before;
        free(t);
    }
}

/* How training measures the gradient noise scale: see noise.h. */
#include "plan/noise_schedule.h"

enum {
    GROUP_LEAST = 16,      /* examples: a whole panel on every device */
    PROBE_PRICE = 16,      /* times its examples are trained on before the next one */
    DENSE_SPACE = 256,     /* examples, and two steps, to the next one: reading the gradient once more is then little */
    LARGE = 256,           /* examples of a batch */
    GROUP_SPACE = 10,      /* steps: a pass over the groups of a large batch costs about a third of a step, */
    GROUP_SPACE_SMALL = 16 /* and of a small one more, for its tiles are groups of 16 */
};

noise_kind noise_schedule_kind(const tas_network *network, const op_call *call)
{
    const op_row *row = op_get(call->args.op);
    bool sums = false;
    for (int o = 0; row->operand[o].name; o++)
        sums |= row->operand[o].access != ACCESS_IN && network->tensors[call->operand[o]].role == ROLE_GRADIENT;
    if (!sums || call->whole_batch) return NOISE_NOTHING;
    return row->norms == NORMS_NONE ? NOISE_GROUPS : NOISE_EXAMPLES;
}

noise_kind noise_schedule_gradient(const tas_network *network, int gradient)
{
    for (int c = 0; c < network->backward_count; c++) {
        const op_call *call = &network->backward[c];
        for (int o = 0; op_get(call->args.op)->operand[o].name; o++)
            if (call->operand[o] == gradient && op_get(call->args.op)->operand[o].access != ACCESS_IN)
                return noise_schedule_kind(network, call);
    }
    return NOISE_NOTHING;
}

uint32_t noise_schedule_group(uint32_t batch)
{
    if (batch < 2 * GROUP_LEAST) return (batch + 3) / 4; /* a set that is smaller than a probe */
    const uint32_t wanted = (batch - 1) / GROUPS_MOST + 1;
    return (wanted + GROUP_LEAST - 1) / GROUP_LEAST * GROUP_LEAST;
}

noise_schedule noise_schedule_for(const tas_network *network, uint32_t batch, uint64_t examples)
{
    noise_schedule schedule = {.interval = 1};
    for (int c = 0; c < network->backward_count; c++) {
        const noise_kind kind = noise_schedule_kind(network, &network->backward[c]);
        schedule.dense |= kind == NOISE_EXAMPLES;
        schedule.grouped |= kind == NOISE_GROUPS;
    }
    if (batch < (schedule.grouped ? 2 * GROUP_LEAST : 2)) {
        schedule.probe = examples && examples < NOISE_PROBE ? (uint32_t)examples : NOISE_PROBE;
        schedule.interval = (PROBE_PRICE * schedule.probe - 1) / batch + 1;
    } else if (schedule.grouped) {
        schedule.interval = batch < LARGE ? GROUP_SPACE_SMALL : GROUP_SPACE;
    } else {
        const uint32_t apart = (DENSE_SPACE - 1) / batch + 1;
        schedule.interval = apart > 2 ? apart : 2;
    }
    return schedule;
}

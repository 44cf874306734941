/* How training measures the gradient noise scale: see noise.h. */
#include "plan/noise_schedule.h"

enum {
    GROUP_LEAST = 16,  /* examples: a whole panel on every device */
    PROBE_PRICE = 16,  /* times its examples are trained on before the next one */
    DENSE_SPACE = 256, /* examples, and two steps, to the next one: reading the gradient once more is then little */
    LARGE = 256,       /* examples of a batch */
    GROUP_SPACE = 10,  /* steps: a pass over the groups of a large batch costs about a third of a step, */
    GROUP_SPACE_SMALL = 16, /* and of a small one more, for its tiles are groups of 16, */
    GROUP_SPACE_TINY = 64,  /* or, of one that only dense layers allow, even smaller; */
    GROUP_SPACE_DENSE = 2   /* times as many if only the preconditioned noise scale needs groups */
};

static uint32_t up_to_multiple(uint32_t value, uint32_t of) { return (value + of - 1) / of * of; }

uint32_t noise_schedule_group(const noise_schedule *schedule, uint32_t batch)
{
    const bool small = batch < 2 * GROUP_LEAST; /* a set that is smaller than a probe */
    const uint32_t wanted = small ? (batch + 3) / 4 : (batch - 1) / GROUPS_MOST + 1;
    return up_to_multiple(wanted, small ? schedule->together : up_to_multiple(GROUP_LEAST, schedule->together));
}

/* Of the whole batch: they are made once, after its tiles. */
static bool has_batch_statistics(const tas_network *network)
{
    for (int c = 0; c < network->forward_count; c++)
        if (network->forward[c].whole_batch) return true;
    return false;
}

/* Whole groups, of which the examples are taken together. */
static uint32_t probe_of(const tas_network *network, uint64_t examples)
{
    const uint32_t most = examples && examples < NOISE_PROBE ? (uint32_t)examples : NOISE_PROBE;
    return most / network->group * network->group;
}

/* The smallest batch that is measured itself. */
static uint32_t batch_least(const tas_network *network, bool grouped)
{
    return grouped ? 2 * up_to_multiple(GROUP_LEAST, network->group) : 2;
}

const char *noise_schedule_obstacle(const tas_network *network, uint32_t batch, uint64_t examples)
{
    if (!network->coupled) return NULL;
    if (has_batch_statistics(network))
        return "batch normalization over the whole batch makes each example's gradient depend on all the others; with "
               "'batch_norm group N' groups of N examples can be compared";
    if (batch < batch_least(network, true) && probe_of(network, examples) < 2 * network->group)
        return "a batch has too few groups of batch normalization to compare";
    return NULL;
}

noise_schedule noise_schedule_for(const tas_network *network, uint32_t batch, uint64_t examples)
{
    noise_schedule schedule = {.interval = 1, .together = network->group};
    if (noise_schedule_obstacle(network, batch, examples)) return (noise_schedule){.together = network->group};
    for (int c = 0; c < network->backward_count; c++) {
        const noise_kind kind = network->backward[c].noise;
        schedule.dense |= kind == NOISE_EXAMPLES;
        schedule.grouped |= kind == NOISE_GROUPS;
    }
    if (batch < batch_least(network, schedule.grouped)) {
        schedule.probe = probe_of(network, examples);
        schedule.interval = (PROBE_PRICE * schedule.probe - 1) / batch + 1;
    } else if (schedule.grouped) {
        schedule.interval = batch < LARGE ? GROUP_SPACE_SMALL : GROUP_SPACE;
    } else {
        const uint32_t apart = (DENSE_SPACE - 1) / batch + 1;
        schedule.interval = apart > 2 ? apart : 2;
    }
    return schedule;
}

void noise_schedule_precondition(noise_schedule *schedule, uint32_t batch)
{
    const uint32_t small = batch < 2 * GROUP_LEAST ? GROUP_SPACE_TINY : GROUP_SPACE_SMALL;
    const uint32_t space = schedule->probe ? 1 : batch < LARGE ? small : GROUP_SPACE;
    const uint32_t more = schedule->grouped ? 1 : GROUP_SPACE_DENSE;
    if (schedule->interval) schedule->preconditioned = up_to_multiple(space * more, schedule->interval);
}

/* What ranks exchange in a step: see scale.h. */
#include "lab/scale/scale.h"

#include "train/ranks.h"

#include <math.h>

/* Sums of squares that an update needs: of the whole gradient; and of weights, and of what moves them. */
static void add_lists(scaling_volume *v, const tas_network *network, bool clips, bool adapts)
{
    v->lists = (uint32_t)(clips + adapts);
    for (int i = 0; i < network->parameter_count; i++) {
        const tensor *t = &network->tensors[network->parameters[i]];
        if (t->role != ROLE_PARAMETER) continue;
        if (clips) v->list_values += plan_squares(t);
        if (adapts && t->decays) v->list_values += 2ull * plan_squares(t);
    }
}

/* Calls for the whole batch whose shards have a row each. */
static void add_rows(scaling_volume *v, const tas_network *network, const op_call *calls, int count)
{
    for (int c = 0; c < count; c++) {
        const op_row *row = op_get(calls[c].args.op);
        if (!row->merge) continue;
        v->rows++;
        v->row_values += network->tensors[calls[c].operand[op_result(row)]].elements;
    }
}

scaling_volume scale_volume(const tas_network *network, tas_optimizer which, bool clips)
{
    const uint32_t losses = network->class_weights ? 2 : 1;
    scaling_volume v = {.rows = losses, .row_values = losses, .broadcasts = 1, .broadcast_bytes = sizeof(ranks_header)};
    if (sizeof(ranks_stepping) > RANKS_SHORT) { /* see ranks_tell() */
        v.broadcasts++;
        v.broadcast_bytes += sizeof(ranks_stepping);
    }
    for (int i = 0; i < network->parameter_count; i++) {
        const tensor *t = &network->tensors[network->parameters[i]];
        if (t->role == ROLE_PARAMETER) v.values += t->elements;
    }
    v.buckets = slices_buckets(network);
    add_lists(&v, network, clips, optimizers_row(which)->adapts);
    add_rows(&v, network, network->forward, network->forward_count);
    add_rows(&v, network, network->backward, network->backward_count);
    return v;
}

bool scale_row(const scaling_volume *volume, const scaling_work *work, const tas_link *link, uint32_t ranks,
               uint32_t shards, tas_scale_row *out)
{
    const scaling_link used = {link->latency, link->bandwidth};
    const bool timed = link->bandwidth > 0;
    scaling_exchange walked;
    if (!scaling_walk(volume, ranks, shards, timed ? &used : NULL, NULL, &walked)) return false;
    *out = (tas_scale_row){.ranks = ranks, .shards = shards, .compute = NAN, .staging = NAN, .exchange = NAN};
    out->update = out->seconds = out->speedup = out->efficiency = NAN;
    if (ranks > 1) {
        out->messages = walked.most.messages;
        out->bytes = walked.most.bytes;
    }
    if (!timed) return true;
    const scaling_time t = scaling_time_of(ranks, work, &walked);
    out->compute = ranks > 1 ? work->compute : work->alone;
    out->staging = ranks > 1 ? work->staging : 0;
    out->exchange = ranks > 1 ? walked.seconds : 0;
    out->update = t.update;
    out->seconds = t.seconds;
    out->speedup = t.speedup;
    out->efficiency = t.efficiency;
    return true;
}

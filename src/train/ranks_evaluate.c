/* Evaluations over ranks, on rank 0: see ranks.h. */
#include "model/model.h"
#include "ops/sum.h"
#include "train/ranks.h"

#include <stdlib.h>

/* Devices of one process may be of very different speeds: its first one evaluates alone. */
bool ranks_can_evaluate(const tas_ranks *ranks, const tas_model *model, const tas_data *data)
{
    enum { OUTPUTS_MOST = 1 << 28 }; /* bytes of all outputs */
    const uint64_t count = data->options.count;
    return ranks_lead(ranks) && !ranks->local && !ranks->failed &&
           count >= (uint64_t)SUM_LANES * ranks->transport.count &&
           count * model->network->outputs * sizeof(float) <= OUTPUTS_MOST && !dataset_root(data)->options.fill;
}

tas_status ranks_send_parameters(tas_ranks *ranks, tas_model *model)
{
    tas_status status = TAS_OK;
    for (int i = 0; i < model->network->parameter_count && !status; i++) {
        const int index = model->network->parameters[i];
        const uint64_t elements = model->network->tensors[index].elements;
        float *values = malloc((size_t)elements * sizeof *values);
        status = values ? parameters_read(model, index, values)
                        : fail(ranks->context, TAS_NO_MEMORY, "no memory to send parameters");
        if (status) /* the others wait for them */
            tas_ranks_fail(ranks, ranks->context->error);
        else
            status = exchange_broadcast(&ranks->all, values, elements * sizeof *values);
        free(values);
    }
    return status;
}

tas_status ranks_evaluate(tas_ranks *ranks, tas_model *model, const tas_data *data, bool outputs)
{
    char *opening = NULL;
    uint64_t bytes;
    tas_status status = ranks_encode_opening(ranks, model, data, NULL, outputs, &opening, &bytes);
    ranks->heard = true;
    if (!status) status = ranks_tell(ranks, RANKS_EVALUATE, opening, bytes);
    if (!status) status = ranks_send_parameters(ranks, model);
    ranks->heard = status != TAS_OK;
    ranks->failed |= status == TAS_RANK_FAILED;
    free(opening);
    return status;
}

tas_status ranks_move_part(tas_ranks *ranks, uint32_t peer, bool receives, uint32_t outputs, const evaluate_part *part)
{
    const uint64_t first = part->from / SUM_LANES, blocks = (part->to + SUM_LANES - 1) / SUM_LANES - first;
    tas_status status = TAS_OK;
    for (int k = 0; k < SUM_COUNT && !status; k++)
        status = exchange_move(&ranks->all, peer, receives, part->block[k] + first, blocks * sizeof(float));
    if (!status && part->outputs)
        status = exchange_move(&ranks->all, peer, receives, part->outputs + (uint64_t)part->from * outputs,
                               (uint64_t)(part->to - part->from) * outputs * sizeof(float));
    return status;
}

/* A rank that cannot evaluate its part ends the evaluation, but not the ranks. */
tas_status ranks_evaluated(tas_ranks *ranks, uint32_t outputs, const tas_data *data, evaluate_part *part)
{
    const uint32_t count = ranks->transport.count;
    if (ranks->heard) return TAS_OK;
    ranks_reply *replies = calloc(count, sizeof *replies);
    tas_status status = replies ? TAS_OK : fail(ranks->context, TAS_NO_MEMORY, "no memory for replies of ranks");
    if (status) tas_ranks_fail(ranks, ranks->context->error);
    ranks->heard = true;
    if (!status) status = ranks_hear(ranks, 0, replies);
    if (status) status = TAS_RANK_FAILED; /* rank 0 would not do better by another attempt at its own part */
    for (uint32_t r = 1; r < count && !ranks->failed; r++) {
        evaluate_part theirs = *part;
        if (replies[r].status) continue;
        evaluate_cut(data->options.count, r, count, &theirs);
        const tas_status moved = ranks_move_part(ranks, r, true, outputs, &theirs);
        if (moved) status = moved;
        ranks->failed |= moved != TAS_OK;
    }
    free(replies);
    return status;
}

/* If rank 0 has failed on its way, what the others send is not wanted anymore, but has to be taken. */
void ranks_end_evaluation(tas_ranks *ranks)
{
    if (!ranks->heard && !ranks->failed) tas_ranks_fail(ranks, "an evaluation failed on rank 0");
    ranks->heard = false;
}

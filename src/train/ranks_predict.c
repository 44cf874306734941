/* Predictions over ranks, on rank 0: see ranks.h. Inputs and outputs are messages, so that the other ranks need no data
 * of their own. */
#include "model/model.h"
#include "train/predict.h"
#include "train/ranks.h"

#include <stdlib.h>
#include <string.h>

/* Devices of one process may be of very different speeds: its first one predicts alone. */
bool ranks_can_predict(const tas_ranks *ranks, uint32_t count)
{
    return ranks_lead(ranks) && !ranks->local && !ranks->failed && count >= ranks->transport.count;
}

void ranks_cut_examples(const tas_ranks *ranks, uint64_t count, uint32_t rank, uint64_t *from, uint32_t *n)
{
    *from = count * rank / ranks->transport.count;
    *n = (uint32_t)(count * (rank + 1) / ranks->transport.count - *from);
}

static tas_status tell(tas_ranks *ranks, tas_model *model, uint64_t count)
{
    const char *text = model->network->text;
    const size_t length = strlen(text) + 1;
    char *message = malloc(sizeof count + length);
    if (!message) return fail(ranks->context, TAS_NO_MEMORY, "no memory for a message to ranks");
    memcpy(message, &count, sizeof count);
    memcpy(message + sizeof count, text, length);
    tas_status status = ranks_tell(ranks, RANKS_PREDICT, message, sizeof count + length);
    if (!status) status = ranks_send_parameters(ranks, model);
    free(message);
    return status;
}

/* Inputs to the other ranks, or outputs from those that have made them. */
static tas_status move_parts(tas_ranks *ranks, bool receives, float *values, uint64_t count, uint64_t width,
                             const ranks_reply *replies)
{
    tas_status status = TAS_OK;
    for (uint32_t r = 1; r < ranks->transport.count && !status; r++) {
        uint64_t from;
        uint32_t n;
        ranks_cut_examples(ranks, count, r, &from, &n);
        if (replies && replies[r].status) continue;
        status = exchange_move(&ranks->all, r, receives, values + from * width, n * width * sizeof *values);
    }
    ranks->failed |= status != TAS_OK;
    return status;
}

/* What the others have made is taken in any case, and they go on. */
static tas_status take_outputs(tas_ranks *ranks, const tas_model *model, uint64_t count, float *outputs)
{
    ranks_reply *replies = calloc(ranks->transport.count, sizeof *replies);
    if (!replies) {
        tas_ranks_fail(ranks, "no memory for replies of ranks");
        return fail(ranks->context, TAS_NO_MEMORY, "no memory for replies of ranks");
    }
    tas_status status = ranks_hear(ranks, 0, replies);
    if (status) status = TAS_RANK_FAILED;
    if (!ranks->failed) {
        const tas_status moved = move_parts(ranks, true, outputs, count, model->network->outputs, replies);
        if (moved) status = moved;
    }
    free(replies);
    return status;
}

tas_status ranks_predict(tas_ranks *ranks, tas_model *model, const float *inputs, uint32_t count, float *outputs)
{
    char error[sizeof ranks->context->error];
    uint64_t from;
    uint32_t n;
    tas_status status = tell(ranks, model, count);
    if (!status) status = move_parts(ranks, false, (float *)(uintptr_t)inputs, count, model->network->inputs, NULL);
    ranks->failed |= status == TAS_RANK_FAILED;
    if (status) return status;
    ranks_cut_examples(ranks, count, 0, &from, &n);
    const tas_status own = predict_alone(model, inputs, n, outputs);
    if (own) memcpy(error, ranks->context->error, sizeof error);
    status = take_outputs(ranks, model, count, outputs);
    if (!own) return status;
    memcpy(ranks->context->error, error, sizeof error);
    return own;
}

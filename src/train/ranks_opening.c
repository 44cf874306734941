/* The message that opens a run over ranks, or an evaluation: its head, changes of the batch, indices of the examples
 * and the network's text in one piece. See ranks.h. */
#include "model/model.h"
#include "train/ranks.h"

#include <stdlib.h>
#include <string.h>

tas_status ranks_encode_opening(tas_ranks *ranks, const tas_model *model, const tas_data *data,
                                const tas_train_options *options, bool outputs, char **out, uint64_t *bytes)
{
    const char *text = model->network->text, *hex = "";
    tas_status status = ranks->local ? TAS_OK : ranks_fingerprint(ranks, dataset_root(data), &hex);
    ranks_opening head = {.change_count = options ? (uint32_t)options->change_count : 0,
                          .indexed = !ranks->local && data->index,
                          .count = data->options.count,
                          .text = strlen(text) + 1,
                          .data = data,
                          .outputs = outputs};
    if (options) head.options = *options;
    const uint64_t changes = head.change_count * sizeof(tas_batch_change);
    const uint64_t indices = head.indexed ? head.count * sizeof *data->index : 0;
    snprintf(head.fingerprint, sizeof head.fingerprint, "%s", hex);
    *bytes = sizeof head + changes + indices + head.text;
    char *at = *out = status ? NULL : malloc((size_t)*bytes);
    if (!status && !at) status = fail(ranks->context, TAS_NO_MEMORY, "no memory for a message to ranks");
    if (status) return status;
    memcpy(at, &head, sizeof head);
    at += sizeof head;
    if (changes) memcpy(at, options->changes, (size_t)changes);
    at += changes;
    if (indices) memcpy(at, data->index, (size_t)indices);
    at += indices;
    memcpy(at, text, (size_t)head.text);
    return TAS_OK;
}

void ranks_decode_opening(const char *message, ranks_opened *out)
{
    const char *at = message + sizeof out->head;
    memcpy(&out->head, message, sizeof out->head);
    out->changes = (const tas_batch_change *)(const void *)at;
    at += out->head.change_count * sizeof *out->changes;
    out->index = out->head.indexed ? (const uint32_t *)(const void *)at : NULL;
    out->text = at + (out->head.indexed ? out->head.count * sizeof *out->index : 0);
}

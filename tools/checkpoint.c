/* A checkpoint before its weights are on a device. */
#include "checkpoint.h"

#include <stdlib.h>

int checkpoint_open(checkpoint *of, cli_state *cli, const char *file)
{
    tas_status status = tas_model_load_network(cli->context, file, &of->network);
    if (!status) status = tas_model_load_schema(cli->context, file, &of->schema);
    return status ? cli_failed(cli, status) : 0;
}

void checkpoint_close(checkpoint *of)
{
    tas_network_close(&of->network);
    free(of->schema);
    of->schema = NULL;
}

/* Without a schema, as of a network that was imported, its input and its loss tell a part of it. */
void checkpoint_expect(const checkpoint *of, tas_reading *reading)
{
    tas_layer_info input;
    reading->schema = of->schema;
    if (of->schema) return;
    if (tas_network_loss(of->network) == TAS_LOSS_SOFTMAX) reading->targets = TAS_TARGETS_CLASSES;
    if (!tas_network_layer_info(of->network, 0, &input)) return;
    const bool flat = input.out[1] == 1 && input.out[2] == 1;
    reading->channels = (uint32_t)input.out[0];
    reading->height = flat ? 0 : (uint32_t)input.out[1];
    reading->width = flat ? 0 : (uint32_t)input.out[2];
}

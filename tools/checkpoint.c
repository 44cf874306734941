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

/* Without a schema, as of a network that was imported, its text has a part of it. */
int checkpoint_expect(const checkpoint *of, cli_state *cli, tas_reading *reading)
{
    reading->schema = of->schema;
    if (of->schema) return 0;
    const tas_status status =
        tas_network_expect_text(cli->context, tas_network_text(of->network), "checkpoint", reading);
    return status ? cli_failed(cli, status) : 0;
}

/* What stands in for ONNX in a build without protobuf-c. */
#include "onnx/onnx.h"

static const char missing[] = "this build has no ONNX, as protobuf-c was not there (Debian: libprotobuf-c-dev and "
                              "protobuf-c-compiler)";

const char *tas_onnx_missing(void) { return missing; }

tas_status tas_onnx_open(tas_context *context, const char *file, const char *loss, tas_onnx **out)
{
    (void)loss;
    *out = NULL;
    return fail(context, TAS_BAD_FILE, "%s: %s", file, missing);
}

void tas_onnx_close(tas_onnx **onnx) { (void)onnx; }

const tas_network *tas_onnx_network(const tas_onnx *onnx)
{
    (void)onnx;
    return NULL;
}

const float *tas_onnx_values(const tas_onnx *onnx, size_t index)
{
    (void)onnx, (void)index;
    return NULL;
}

tas_status onnx_export(const tas_network *network, onnx_source source, void *user, const char *path, bool probabilities)
{
    (void)source, (void)user, (void)probabilities;
    return fail(network->context, TAS_BAD_FILE, "%s: %s", path, missing);
}

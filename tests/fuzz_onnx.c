/* libFuzzer: any bytes as an ONNX file. The first says which loss is asked for. Seeds: tests/peer/onnx-*.onnx with a
 * byte before them. */
#include <tassello/tassello.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Each weight must be there, and be one. */
static void check_values(const tas_onnx *onnx)
{
    const tas_tensor_info *info;
    const tas_network *network = tas_onnx_network(onnx);
    double sum = 0;
    if (!tas_network_outputs(network)) abort();
    for (size_t i = 0; (info = tas_network_tensor(network, i)); i++) {
        const float *values = tas_onnx_values(onnx, i);
        for (size_t k = 0; k < info->elements; k++) sum += (double)values[k];
    }
    if (!(sum - sum == 0)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    static const char *const losses[] = {NULL, "softmax", "mse", "bce"};
    tas_context *context = NULL;
    tas_onnx *onnx = NULL;
    char path[64];
    if (size < 1) return 0;
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, input + 1, size - 1) != (ssize_t)(size - 1) || tas_context_open(&context)) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);

    const tas_status status = tas_onnx_open(context, path, losses[input[0] % 4], &onnx);
    if (!status)
        check_values(onnx);
    else if (onnx || !*tas_error(context))
        abort();
    tas_onnx_close(&onnx);
    tas_context_close(&context);
    close(fd);
    return 0;
}

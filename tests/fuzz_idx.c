/* libFuzzer: any bytes as an IDX file. The first says how many dimensions are asked for. */
#include "data/readers/idx.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    tas_context *context = NULL;
    unsigned char *bytes = NULL;
    uint64_t dims[3] = {0}, sum = 0, elements = 1;
    char path[64];
    if (size < 1) return 0;
    const int wanted = 1 + input[0] % 3, fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, input + 1, size - 1) != (ssize_t)(size - 1) || tas_context_open(&context)) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);

    const tas_status status = idx_read(context, path, wanted, dims, &bytes);
    if (!status) {
        for (int d = 0; d < wanted; d++) elements *= dims[d];
        for (uint64_t i = 0; i < elements; i++) sum += bytes[i]; /* each must be there */
        if (sum > 255 * elements) abort();
    } else if (bytes || !*tas_error(context)) {
        abort();
    }
    free(bytes);
    tas_context_close(&context);
    close(fd);
    return 0;
}

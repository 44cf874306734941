/* libFuzzer: any bytes as an IDX file. */
#include "data/readers/idx.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    tas_context *context = NULL;
    array a;
    double *value = NULL;
    char path[64];
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, input, size) != (ssize_t)size || tas_context_open(&context)) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);

    tas_status status = idx_open(context, path, &a);
    if (!status) status = array_read_doubles(&a, &value);
    volatile double last = 0;
    for (uint64_t i = 0; !status && i < a.elements; i++) last = value[i]; /* each must be there */
    (void)last;
    if (status && (value || !*tas_error(context))) abort();
    free(value);
    array_close(&a);
    tas_context_close(&context);
    close(fd);
    return 0;
}

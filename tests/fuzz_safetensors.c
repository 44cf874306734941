/* libFuzzer: any bytes as a safetensors file. */
#include "base/digest.h"
#include "model/safetensors.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Each tensor is found by its name, and each of its values that can be read is there. */
static void walk(const safetensors *file)
{
    char hex[65];
    digest d;
    digest_begin(&d);
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const safetensor *t = safetensors_get(file, i);
        size_t elements = 1;
        if (safetensors_find(file, t->name) != t) abort();
        if (t->type == SAFETENSOR_OTHER) continue;
        for (size_t k = 0; k < t->ndims; k++) elements *= (size_t)t->dims[k];
        float *values = malloc(elements * sizeof *values + 1);
        if (!values || safetensors_read(file, t, values)) abort();
        digest_add(&d, values, elements);
        free(values);
    }
    digest_end(&d, hex);
    safetensors_metadata(file, "tassello.network");
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    tas_context *context = NULL;
    safetensors *file = NULL;
    char path[64];
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, input, size) != (ssize_t)size || tas_context_open(&context)) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);

    const tas_status status = safetensors_open(context, path, &file);
    if (!status)
        walk(file);
    else if (file || !*tas_error(context))
        abort();
    safetensors_close(&file);
    if (!safetensors_open_any(context, path, &file))
        walk(file);
    else if (file || !status)
        abort(); /* it takes what the other one takes */
    safetensors_close(&file);
    tas_context_close(&context);
    close(fd);
    return 0;
}

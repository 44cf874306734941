/* libFuzzer: any bytes as sparse text, with a test split. The first byte says how it is read; two bytes before each
 * file are its length. */
#include "fuzz_set.h"

/* Examples with indices of more digits than these only take long. */
static bool has_great_index(const uint8_t *bytes, size_t size)
{
    size_t digits = 0;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == ':' && digits > 4 && digits < 10) return true;
        digits = bytes[i] >= '0' && bytes[i] <= '9' ? digits + 1 : 0;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    static const char *const names[] = {"a", "a.t"};
    char path[256];
    const uint8_t *part;
    if (size < 1 || has_great_index(input, size)) return 0;
    const unsigned choices = *input++;
    size--;
    for (int i = 0; i < 2; i++) {
        const size_t length = fuzz_cut(&input, &size, &part);
        fuzz_put(i, names[i], part, length);
    }
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), names[0]);
    fuzz_read(path, "libsvm", choices);
    return 0;
}

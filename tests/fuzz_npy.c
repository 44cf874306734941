/* libFuzzer: any bytes as the .npy files of a set. The first byte says how it is read; two bytes before each file are
 * its length. */
#include "fuzz_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    static const char *const names[] = {"x_train.npy", "Y_train.npy", "x_test.npy", "y_test.npy"};
    const uint8_t *part;
    if (size < 1) return 0;
    const unsigned choices = *input++;
    size--;
    for (int i = 0; i < 4; i++) {
        const size_t length = fuzz_cut(&input, &size, &part);
        fuzz_put(i, names[i], part, length);
    }
    fuzz_read(fuzz_folder(), "npy", choices);
    return 0;
}

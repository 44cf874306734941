/* libFuzzer: any bytes as the files of CIFAR-10, or with the highest bit of the first byte CIFAR-100. The other bits
 * say how it is read; two bytes before each file are its length. */
#include "fuzz_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    static const char *const names[2][4] = {
        {"data_batch_1.bin", "data_batch_2.bin", "test_batch.bin", "batches.meta.txt"},
        {"train.bin", "fine_label_names.txt", "test.bin", "coarse_label_names.txt"}};
    const uint8_t *part;
    if (size < 1) return 0;
    const unsigned choices = *input++;
    size--;
    for (int i = 0; i < 4; i++) {
        const size_t length = fuzz_cut(&input, &size, &part);
        fuzz_put(i, names[choices >> 7][i], part, length);
    }
    fuzz_read(fuzz_folder(), "cifar", choices);
    return 0;
}

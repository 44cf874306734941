/* libFuzzer: any bytes as tables: train.csv and test.csv, and one for prediction. The first two bytes say how they are
 * read; two bytes before each file are its length. */
#include "fuzz_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    static const char *const targets[] = {NULL, "y", "1", "2,1"}, *const ignored[] = {NULL, NULL, "2", "a,1"};
    static const char *const names[2][3] = {{"train.csv", "test.csv", "more.csv"},
                                            {"train.tsv", "test.tsv", "more.tsv"}};
    char other[256];
    const uint8_t *part;
    tas_reading reading;
    if (size < 2) return 0;
    const unsigned a = input[0], b = input[1], tabs = b >> 7;
    input += 2;
    size -= 2;
    for (int i = 0; i < 3; i++) {
        const size_t length = fuzz_cut(&input, &size, &part);
        fuzz_put(i, names[tabs][i], part, length);
    }
    tas_reading_init(&reading);
    reading.format = tabs ? "tsv" : "csv";
    reading.target = targets[a & 3];
    reading.ignore = ignored[a >> 2 & 3];
    reading.missing = (tas_missing)((a >> 4 & 3) % 3);
    reading.targets = (tas_targets)((a >> 6 & 3) % 3);
    reading.header = (tas_choice)((b & 3) % 3);
    reading.pixels = (tas_choice)((b >> 2 & 3) % 3);
    if (b & 16) reading.channels = 1, reading.height = reading.width = 2;
    snprintf(other, sizeof other, "%s/%s", fuzz_folder(), names[tabs][2]);
    fuzz_read_as(fuzz_folder(), reading, other);
    return 0;
}

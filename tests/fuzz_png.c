/* libFuzzer: any bytes as a PNG picture, as they are and with checksums that are right. */
#include "fuzz_picture.h"

#include <zlib.h>

static uint32_t get(const unsigned char *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Of each chunk: 4 bytes of length, 4 of its name, the content, 4 of checksum over name and content. */
static void correct_checksums(unsigned char *bytes, size_t size)
{
    for (size_t at = 8; at + 12 <= size;) {
        const size_t length = get(bytes + at);
        if (length > size - at - 12) return;
        const uint32_t sum = (uint32_t)crc32(0, bytes + at + 4, (unsigned)length + 4);
        for (int k = 0; k < 4; k++) bytes[at + 8 + length + (size_t)k] = (unsigned char)(sum >> (24 - 8 * k));
        at += length + 12;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (picture_recognize(input, size) != PICTURE_PNG) return 0;
    unsigned char *copy = malloc(size);
    if (!copy) return 0;
    memcpy(copy, input, size);
    fuzz_picture(input, size);
    correct_checksums(copy, size);
    fuzz_picture(copy, size);
    free(copy);
    return 0;
}

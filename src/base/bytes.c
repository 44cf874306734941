/* The order of bytes. */
#include "base/bytes.h"

#include <string.h>

static void reverse(unsigned char *bytes, size_t size)
{
    for (size_t k = 0; k < size / 2; k++) {
        const unsigned char byte = bytes[k];
        bytes[k] = bytes[size - 1 - k];
        bytes[size - 1 - k] = byte;
    }
}

void bytes_little_endian(void *out, const void *in, size_t size, size_t count)
{
    if (count && out != in) memcpy(out, in, size * count);
    if (BYTES_LITTLE_ENDIAN) return;
    for (size_t i = 0; i < count; i++) reverse((unsigned char *)out + i * size, size);
}

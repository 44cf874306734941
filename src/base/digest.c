/* SHA-256. */
#include "base/digest.h"

#include "base/bytes.h"

#include <stdint.h>

_Static_assert(sizeof(float) == 4, "float must be binary32");

void digest_begin(digest *d) { sha256_init(&d->sha); }

void digest_add_bytes(digest *d, const void *bytes, size_t count) { sha256_update(&d->sha, count, bytes); }

void digest_add_values(digest *d, const void *values, size_t size, size_t count)
{
    unsigned char piece[4096];
    if (size == 1 || BYTES_LITTLE_ENDIAN) {
        digest_add_bytes(d, values, size * count);
        return;
    }
    const size_t most = sizeof piece / size;
    for (size_t at = 0; at < count; at += most) {
        const size_t n = count - at < most ? count - at : most;
        bytes_little_endian(piece, (const unsigned char *)values + at * size, size, n);
        digest_add_bytes(d, piece, n * size);
    }
}

void digest_add(digest *d, const float *values, size_t count) { digest_add_values(d, values, sizeof *values, count); }

void digest_end(digest *d, char hex[65])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t sum[SHA256_DIGEST_SIZE];
    sha256_digest(&d->sha, sizeof sum, sum);
    for (size_t i = 0; i < sizeof sum; i++) {
        hex[2 * i] = digits[sum[i] >> 4];
        hex[2 * i + 1] = digits[sum[i] & 15];
    }
    hex[64] = 0;
}

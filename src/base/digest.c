/* SHA-256. */
#include "base/digest.h"

#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "a digest is taken of little-endian bytes: convert them here");
_Static_assert(sizeof(float) == 4, "float must be binary32");

void digest_begin(digest *d) { sha256_init(&d->sha); }

void digest_add_bytes(digest *d, const void *bytes, size_t count) { sha256_update(&d->sha, count, bytes); }

void digest_add(digest *d, const float *values, size_t count) { digest_add_bytes(d, values, count * sizeof *values); }

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

/* SHA-256: over bytes, or values in little-endian order. */
#ifndef DIGEST_H
#define DIGEST_H

#include <stddef.h>

#include <nettle/sha2.h>

typedef struct digest {
    struct sha256_ctx sha;
} digest;

void digest_begin(digest *d);
void digest_add_bytes(digest *d, const void *bytes, size_t count);
void digest_add_values(digest *d, const void *values, size_t size, size_t count); /* each of 1, 2, 4 or 8 bytes */
void digest_add(digest *d, const float *values, size_t count);
void digest_end(digest *d, char hex[65]); /* 64 hexadecimal digits and a 0 */

#endif

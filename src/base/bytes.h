/* The order of bytes: files and digests have values little-endian, whatever the processor's own order is. */
#ifndef BYTES_H
#define BYTES_H

#include <stddef.h>

enum { BYTES_LITTLE_ENDIAN = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ }; /* the processor's own order */

/* Copies count values of `size` bytes (1, 2, 4 or 8) from the processor's order to little-endian, or back, which is the
 * same. out may be in, and must not overlap it otherwise. */
void bytes_little_endian(void *out, const void *in, size_t size, size_t count);

#endif

/* What fuzzers of pictures look for: any bytes give a picture or an error, the header agrees with the pixels, and all
 * of it can be scaled. */
#ifndef FUZZ_PICTURE_H
#define FUZZ_PICTURE_H

#include "data/readers/picture.h"

#include <stdlib.h>
#include <string.h>

enum { FUZZ_PIXELS_MOST = 1 << 18 }; /* larger ones only take time */

static void fuzz_picture(const unsigned char *bytes, size_t size)
{
    char error[PICTURE_ERROR] = "";
    picture header, all;
    unsigned char planes[3 * 5 * 7];
    if (!picture_decode(bytes, size, true, &header, error)) {
        if (!*error || header.pixels) abort();
        return;
    }
    if (header.pixels || (header.channels != 1 && header.channels != 3)) abort();
    if (!picture_check_size(header.height, header.width, error)) abort();
    if ((uint64_t)header.height * header.width > FUZZ_PIXELS_MOST) return;
    if (!picture_decode(bytes, size, false, &all, error)) {
        if (!*error || all.pixels) abort();
        return;
    }
    if (all.channels != header.channels || all.height != header.height || all.width != header.width) abort();
    memset(planes, 0xaa, sizeof planes);
    if (!picture_scale(&all, bytes[size - 1] & 1 ? 3 : 1, 5, 7, planes)) abort();
    free(all.pixels);
}

#endif

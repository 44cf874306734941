/* Pictures of any kind. */
#include "data/readers/picture.h"

#include "libraries.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct kind_row {
    picture_kind kind;
    const char *name, *magic;
    size_t magic_bytes;
    const char *missing;
    bool (*decode)(const unsigned char *, size_t, bool, picture *, char *);
} kinds[] = {
#if HAVE_PNG
    {PICTURE_PNG, "PNG", "\x89PNG\r\n\x1a\n", 8, NULL, picture_png_decode},
#else
    {PICTURE_PNG, "PNG", "\x89PNG\r\n\x1a\n", 8, "libpng-dev", NULL},
#endif
#if HAVE_JPEG
    {PICTURE_JPEG, "JPEG", "\xff\xd8\xff", 3, NULL, picture_jpeg_decode},
#else
    {PICTURE_JPEG, "JPEG", "\xff\xd8\xff", 3, "libjpeg-dev", NULL},
#endif
};

static const struct kind_row *find_row(const unsigned char *head, size_t bytes)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (bytes >= kinds[i].magic_bytes && !memcmp(head, kinds[i].magic, kinds[i].magic_bytes)) return &kinds[i];
    return NULL;
}

picture_kind picture_recognize(const unsigned char *head, size_t bytes)
{
    const struct kind_row *row = find_row(head, bytes);
    return row ? row->kind : PICTURE_NONE;
}

const char *picture_missing(picture_kind kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].kind == kind) return kinds[i].missing;
    return NULL;
}

bool picture_decode(const unsigned char *bytes, size_t size, bool header_only, picture *out, char error[PICTURE_ERROR])
{
    const struct kind_row *row = find_row(bytes, size);
    *out = (picture){0};
    if (row && row->decode) {
        if (row->decode(bytes, size, header_only, out, error)) return true;
        free(out->pixels);
        *out = (picture){0};
        return false;
    }
    if (row)
        snprintf(error, PICTURE_ERROR, "a %s picture, which this build cannot read: it was made without %s", row->name,
                 row->missing);
    else
        snprintf(error, PICTURE_ERROR, "neither a PNG nor a JPEG picture");
    return false;
}

bool picture_allocate(picture *out, char error[PICTURE_ERROR])
{
    out->pixels = calloc((size_t)out->height * out->width, out->channels);
    if (!out->pixels) snprintf(error, PICTURE_ERROR, "no memory for its pixels");
    return out->pixels != NULL;
}

bool picture_check_size(uint64_t height, uint64_t width, char error[PICTURE_ERROR])
{
    if (height && width && height <= PICTURE_SIDE_MOST && width <= PICTURE_SIDE_MOST &&
        height * width <= PICTURE_PIXELS_MOST)
        return true;
    snprintf(error, PICTURE_ERROR,
             "%" PRIu64 " x %" PRIu64 " pixels (height x width), expected 1 to %d, and no side above %d", height, width,
             PICTURE_PIXELS_MOST, PICTURE_SIDE_MOST);
    return false;
}

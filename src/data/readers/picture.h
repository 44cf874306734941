/* A decoded picture, and its decoders. They work on bytes in memory that may be anything. */
#ifndef PICTURE_H
#define PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What has more pixels or a longer side is refused before memory is taken for it. */
enum { PICTURE_PIXELS_MOST = 1 << 27, PICTURE_SIDE_MOST = 1000000, PICTURE_HEAD = 8, PICTURE_ERROR = 256 };

typedef struct picture {
    uint32_t channels, height, width; /* 1 or 3 */
    unsigned char *pixels;            /* (height, width, channels), freed by the caller; NULL: not decoded */
} picture;

typedef enum picture_kind { PICTURE_NONE, PICTURE_PNG, PICTURE_JPEG } picture_kind;

/* By a file's first PICTURE_HEAD bytes. */
picture_kind picture_recognize(const unsigned char *head, size_t bytes);

/* NULL; or the package without which this build cannot decode such a picture. */
const char *picture_missing(picture_kind kind);

/* Decodes a whole file's bytes; with `header_only` nothing but sizes and channels. False: `error` says why, as the end
 * of a sentence; *out has nothing to free then. */
bool picture_decode(const unsigned char *bytes, size_t size, bool header_only, picture *out, char error[PICTURE_ERROR]);

/* Of picture_png.c and picture_jpeg.c. */
bool picture_png_decode(const unsigned char *bytes, size_t size, bool header_only, picture *out,
                        char error[PICTURE_ERROR]);
bool picture_jpeg_decode(const unsigned char *bytes, size_t size, bool header_only, picture *out,
                         char error[PICTURE_ERROR]);

/* Memory for the pixels of a picture whose sizes are set, all 0. */
bool picture_allocate(picture *out, char error[PICTURE_ERROR]);

/* Checks the sizes of a header. */
bool picture_check_size(uint64_t height, uint64_t width, char error[PICTURE_ERROR]);

/* Brings a picture to planes (channels, height, width); its pixels may be written to. False: no memory, or it is so
 * large that sums would overflow. The rule is in picture_scale.c. */
bool picture_scale(picture *from, uint32_t channels, uint32_t height, uint32_t width, unsigned char *planes);

#endif

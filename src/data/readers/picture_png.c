/* PNG pictures, by libpng: as 8 bits of gray or RGB. Alpha is dropped, 16 bits are rounded to 8, fewer are widened,
 * palettes are looked up. Nothing but IHDR, PLTE, tRNS, IDAT and IEND is read. */
#include "data/readers/picture.h"

#include "libraries.h"

#if HAVE_PNG

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is changed between setjmp() and longjmp() is here, and not in variables. */
typedef struct decoding {
    jmp_buf failed;
    png_structp png;
    png_infop info;
    const unsigned char *bytes;
    size_t size, at;
    bool header_only;
    picture *out;
    char *error;
} decoding;

static void on_error(png_structp png, png_const_charp text)
{
    decoding *d = png_get_error_ptr(png);
    snprintf(d->error, PICTURE_ERROR, "damaged PNG: %s", text);
    longjmp(d->failed, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_read(png_structp png, png_bytep to, size_t count)
{
    decoding *d = png_get_io_ptr(png);
    if (count > d->size - d->at) png_error(png, "it ends too early");
    memcpy(to, d->bytes + d->at, count);
    d->at += count;
}

/* Decoders of deflate give at most 1032 bytes for one. */
static bool check_header(decoding *d)
{
    const uint64_t height = png_get_image_height(d->png, d->info), width = png_get_image_width(d->png, d->info);
    if (!picture_check_size(height, width, d->error)) return false;
    if ((png_get_rowbytes(d->png, d->info) + 1) * height / 1032 <= d->size) return true;
    snprintf(d->error, PICTURE_ERROR, "damaged PNG: a file of %zu bytes cannot have %llu x %llu pixels", d->size,
             (unsigned long long)height, (unsigned long long)width);
    return false;
}

static bool has_gray_palette(decoding *d)
{
    png_colorp colors = NULL;
    int count = 0;
    png_get_PLTE(d->png, d->info, &colors, &count);
    for (int i = 0; i < count; i++)
        if (colors[i].red != colors[i].green || colors[i].red != colors[i].blue) return false;
    return count > 0;
}

static void set_transformations(decoding *d)
{
    const int type = png_get_color_type(d->png, d->info);
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(d->png);
    if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(d->png);
    png_set_scale_16(d->png);
    png_set_strip_alpha(d->png);
}

/* Rows of an interlaced picture are read once for each pass, into what the earlier passes left. */
static void read_rows(decoding *d, size_t row_bytes)
{
    const int passes = png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    if (png_get_rowbytes(d->png, d->info) != row_bytes || png_get_bit_depth(d->png, d->info) != 8)
        png_error(d->png, "unexpected layout");
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < d->out->height; y++) png_read_row(d->png, d->out->pixels + y * row_bytes, NULL);
    png_read_end(d->png, NULL);
}

/* A picture with a palette of grays is gray. */
static void keep_first_channel(picture *out)
{
    const size_t count = (size_t)out->height * out->width;
    for (size_t i = 0; i < count; i++) out->pixels[i] = out->pixels[3 * i];
    out->channels = 1;
}

static bool decode(decoding *d)
{
    if (setjmp(d->failed)) return false;
    png_set_read_fn(d->png, d, on_read);
    png_set_keep_unknown_chunks(d->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_user_limits(d->png, PICTURE_SIDE_MOST, PICTURE_SIDE_MOST);
    png_read_info(d->png, d->info);
    if (!check_header(d)) return false;
    const bool colored = (png_get_color_type(d->png, d->info) & PNG_COLOR_MASK_COLOR) != 0;
    const bool gray = !colored || has_gray_palette(d);
    *d->out = (picture){.channels = gray ? 1 : 3,
                        .height = png_get_image_height(d->png, d->info),
                        .width = png_get_image_width(d->png, d->info)};
    if (d->header_only) return true;
    d->out->channels = colored ? 3 : 1;
    if (!picture_allocate(d->out, d->error)) return false;
    set_transformations(d);
    read_rows(d, (size_t)d->out->width * d->out->channels);
    if (colored && gray) keep_first_channel(d->out);
    return true;
}

bool picture_png_decode(const unsigned char *bytes, size_t size, bool header_only, picture *out,
                        char error[PICTURE_ERROR])
{
    decoding d = {.bytes = bytes, .size = size, .header_only = header_only, .out = out, .error = error};
    snprintf(error, PICTURE_ERROR, "no memory to decode it");
    d.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d, on_error, on_warning);
    if (!d.png) return false;
    d.info = png_create_info_struct(d.png);
    const bool done = d.info && decode(&d);
    png_destroy_read_struct(&d.png, &d.info, NULL);
    return done;
}

#endif

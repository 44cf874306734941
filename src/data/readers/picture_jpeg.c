/* JPEG pictures, by libjpeg or libjpeg-turbo, as 8 bits of gray or RGB.
 *
 * The same library gives the same bits on each machine, and other versions most likely do: the slow but exact integer
 * transform, chroma repeated and not interpolated, no smoothing between blocks. The standard leaves the rounding of the
 * transform open, so that decoders of others may differ by one. */
#include "data/readers/picture.h"

#include "libraries.h"

#if HAVE_JPEG

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
/* needs stdio.h and stdlib.h before it */
#include <jerror.h>
#include <jpeglib.h>

/* A small file can have many scans, each of which goes through all pixels. */
static const unsigned scans_most = 500;
static const uint64_t work_most = (uint64_t)1 << 32; /* scans x pixels */

/* What is changed between setjmp() and longjmp() is here, and not in variables. */
typedef struct decoding {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    const unsigned char *bytes;
    size_t size;
    bool header_only;
    picture *out;
    char *error;
} decoding;

static void on_error(j_common_ptr jpeg)
{
    decoding *d = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    snprintf(d->error, PICTURE_ERROR, "damaged JPEG: %.200s", text);
    longjmp(d->failed, 1);
}

/* Level -1 is damage that libjpeg goes on behind, with pixels that it made up; except for these. */
static void on_message(j_common_ptr jpeg, int level)
{
    const int code = jpeg->err->msg_code;
    const bool harmless = code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM ||
                          code == JWRN_NOT_SEQUENTIAL;
    if (level < 0 && !harmless) on_error(jpeg);
}

static void on_progress(j_common_ptr common)
{
    decoding *d = common->client_data;
    const unsigned scans = (unsigned)d->jpeg.input_scan_number;
    const uint64_t pixels = (uint64_t)d->jpeg.image_height * d->jpeg.image_width;
    if (scans <= scans_most && scans * pixels <= work_most) return;
    snprintf(d->error, PICTURE_ERROR, "damaged JPEG: %u scans", scans);
    longjmp(d->failed, 1);
}

static bool check_header(decoding *d)
{
    const struct jpeg_decompress_struct *jpeg = &d->jpeg;
    if (!picture_check_size(jpeg->image_height, jpeg->image_width, d->error)) return false;
    if (jpeg->jpeg_color_space == JCS_GRAYSCALE || jpeg->jpeg_color_space == JCS_YCbCr ||
        jpeg->jpeg_color_space == JCS_RGB)
        return true;
    const bool cmyk = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    snprintf(d->error, PICTURE_ERROR, "a JPEG picture of %d channels%s, expected gray or RGB: convert it",
             jpeg->num_components, cmyk ? " (CMYK)" : "");
    return false;
}

static void read_rows(decoding *d)
{
    const size_t row_bytes = (size_t)d->out->width * d->out->channels;
    while (d->jpeg.output_scanline < d->out->height) {
        JSAMPROW row = d->out->pixels + d->jpeg.output_scanline * row_bytes;
        jpeg_read_scanlines(&d->jpeg, &row, 1);
    }
    jpeg_finish_decompress(&d->jpeg);
}

static bool decode(decoding *d)
{
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    if (setjmp(d->failed)) return false;
    jpeg_create_decompress(jpeg);
    jpeg_mem_src(jpeg, d->bytes, (unsigned long)d->size);
    jpeg->progress = &d->progress;
    jpeg_read_header(jpeg, TRUE);
    if (!check_header(d)) return false;
    const bool gray = jpeg->jpeg_color_space == JCS_GRAYSCALE;
    *d->out = (picture){.channels = gray ? 1 : 3, .height = jpeg->image_height, .width = jpeg->image_width};
    if (d->header_only) return true;
    jpeg->out_color_space = gray ? JCS_GRAYSCALE : JCS_RGB;
    jpeg->dct_method = JDCT_ISLOW;
    jpeg->do_fancy_upsampling = FALSE;
    jpeg->do_block_smoothing = FALSE;
    jpeg_start_decompress(jpeg);
    if (!picture_allocate(d->out, d->error)) return false;
    read_rows(d);
    return true;
}

bool picture_jpeg_decode(const unsigned char *bytes, size_t size, bool header_only, picture *out,
                         char error[PICTURE_ERROR])
{
    decoding d = {.bytes = bytes, .size = size, .header_only = header_only, .out = out, .error = error};
    d.jpeg.err = jpeg_std_error(&d.errors);
    d.jpeg.client_data = &d;
    d.errors.error_exit = on_error;
    d.errors.emit_message = on_message;
    d.progress.progress_monitor = on_progress;
    const bool done = decode(&d);
    jpeg_destroy_decompress(&d.jpeg);
    return done;
}

#endif

/* Pictures, how they are scaled, and folders of them as data sets. */
#include "data/dataset.h"
#include "data/readers/picture.h"
#include "data/readers/reader.h"

#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <png.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
/* needs stdio.h before it */
#include <jpeglib.h>

static char folder[] = "/tmp/tassello-images-XXXXXX";

/* The folder of this run ------------------------------------------------------------------------------------------ */

static const char *path_of(const char *name)
{
    static char text[4][512];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(text[turn], sizeof *text, "%s/%s", folder, name);
    return text[turn];
}

static int remove_entry(const char *path, const struct stat *about, int type, struct FTW *walk)
{
    (void)about;
    (void)type;
    return walk->level ? remove(path) : 0;
}

static void clear_folder(void) { nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

static void setup(void)
{
    clear_folder();
    support_open();
    setenv("XDG_CACHE_HOME", path_of("cache-of-test"), 1);
}

/* With the folders on the way. */
static FILE *create(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s", path_of(name));
    for (char *at = path + sizeof folder; (at = strchr(at, '/')); at++) {
        *at = 0;
        mkdir(path, 0777);
        *at = '/';
    }
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    return f;
}

static void put(const char *name, const void *bytes, size_t count)
{
    FILE *f = create(name);
    ck_assert_uint_eq(fwrite(bytes, 1, count, f), count);
    ck_assert_int_eq(fclose(f), 0);
}

static void put_text(const char *name, const char *text) { put(name, text, strlen(text)); }

static char *get(const char *name, size_t *bytes)
{
    FILE *f = fopen(path_of(name), "rb");
    ck_assert_ptr_nonnull(f);
    char *all = malloc(1 << 20);
    *bytes = fread(all, 1, 1 << 20, f);
    fclose(f);
    return all;
}

/* Turns over a byte, from the end if negative. */
static void damage(const char *path, long place)
{
    FILE *f = fopen(path, "r+b");
    ck_assert_ptr_nonnull(f);
    fseek(f, place, place < 0 ? SEEK_END : SEEK_SET);
    const int byte = fgetc(f);
    fseek(f, -1, SEEK_CUR);
    fputc(byte ^ 0xff, f);
    ck_assert_int_eq(fclose(f), 0);
}

/* Pictures that are written --------------------------------------------------------------------------------------- */

typedef struct layout {
    int type, depth, interlace;
    uint32_t height, width;
    png_color palette[4];
    bool has_transparent; /* tRNS */
} layout;

static void put_png(const char *name, const layout *how, const unsigned char *rows, size_t row_bytes)
{
    FILE *f = create(name);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_bytep row[64];
    ck_assert(how->height <= 64);
    png_init_io(png, f);
    png_set_IHDR(png, info, how->width, how->height, how->depth, how->type, how->interlace, 0, 0);
    if (how->type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, how->palette, 4);
    if (how->has_transparent) {
        png_color_16 gray = {.gray = rows[0]};
        png_byte alpha[4] = {0, 128, 255, 255};
        if (how->type == PNG_COLOR_TYPE_PALETTE)
            png_set_tRNS(png, info, alpha, 4, NULL);
        else
            png_set_tRNS(png, info, NULL, 0, &gray);
    }
    for (uint32_t y = 0; y < how->height; y++) row[y] = (png_bytep)rows + y * row_bytes;
    png_set_rows(png, info, row);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
    ck_assert_int_eq(fclose(f), 0);
}

static void put_jpeg(const char *name, int channels, J_COLOR_SPACE space, uint32_t height, uint32_t width,
                     const unsigned char *rows, bool progressive)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    FILE *f = create(name);
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, f);
    jpeg.image_height = height;
    jpeg.image_width = width;
    jpeg.input_components = channels;
    jpeg.in_color_space = space;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 90, TRUE);
    if (progressive) jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    for (uint32_t y = 0; y < height; y++) {
        JSAMPROW row = (JSAMPROW)rows + (size_t)y * width * (size_t)channels;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    ck_assert_int_eq(fclose(f), 0);
}

/* A gray picture of 2 x 3 pixels that begins with `first`. */
static void put_small(const char *name, int first)
{
    const layout how = {.type = PNG_COLOR_TYPE_GRAY, .depth = 8, .height = 2, .width = 3};
    unsigned char pixels[6];
    for (int i = 0; i < 6; i++) pixels[i] = (unsigned char)(first + i);
    put_png(name, &how, pixels, 3);
}

static void put_sized(const char *name, uint32_t channels, uint32_t height, uint32_t width)
{
    const layout how = {
        .type = channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, .depth = 8, .height = height, .width = width};
    unsigned char pixels[64 * 64 * 3];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (unsigned char)(i * 37 + i / 11);
    put_png(name, &how, pixels, (size_t)width * channels);
}

/* Decoding -------------------------------------------------------------------------------------------------------- */

static picture decode(const char *name)
{
    char error[PICTURE_ERROR] = "";
    picture header, all;
    size_t size;
    char *bytes = get(name, &size);
    ck_assert_msg(picture_decode((unsigned char *)bytes, size, true, &header, error), "%s: %s", name, error);
    ck_assert_msg(picture_decode((unsigned char *)bytes, size, false, &all, error), "%s: %s", name, error);
    ck_assert(!header.pixels && all.pixels && header.channels == all.channels);
    ck_assert(header.height == all.height && header.width == all.width);
    free(bytes);
    return all;
}

static void decodes_to(const char *name, uint32_t channels, uint32_t height, uint32_t width,
                       const unsigned char *expected)
{
    picture found = decode(name);
    ck_assert_msg(found.channels == channels && found.height == height && found.width == width, "%s", name);
    for (size_t i = 0; i < (size_t)channels * height * width; i++)
        ck_assert_msg(found.pixels[i] == expected[i], "%s: %zu: %d, expected %d", name, i, found.pixels[i],
                      expected[i]);
    free(found.pixels);
}

START_TEST(png_of_gray)
{
    const layout one = {.type = PNG_COLOR_TYPE_GRAY, .depth = 1, .height = 2, .width = 10};
    put_png("1.png", &one, (const unsigned char[]){0xa5, 0x40, 0x00, 0x80}, 2);
    decodes_to("1.png", 1, 2, 10,
               (const unsigned char[]){255, 0, 255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0});
    const layout two = {.type = PNG_COLOR_TYPE_GRAY, .depth = 2, .height = 1, .width = 4};
    put_png("2.png", &two, (const unsigned char[]){0x1b}, 1);
    decodes_to("2.png", 1, 1, 4, (const unsigned char[]){0, 85, 170, 255});
    const layout four = {.type = PNG_COLOR_TYPE_GRAY, .depth = 4, .height = 1, .width = 3};
    put_png("4.png", &four, (const unsigned char[]){0x1f, 0x80}, 2);
    decodes_to("4.png", 1, 1, 3, (const unsigned char[]){17, 255, 136});
    const layout wide = {.type = PNG_COLOR_TYPE_GRAY, .depth = 16, .height = 1, .width = 5};
    /* 128 / 257 = 0.498, 129 / 257 = 0.502; 65407 / 257 = 254.502 */
    put_png("16.png", &wide, (const unsigned char[]){0, 128, 0, 129, 0xff, 0x7f, 0xff, 0x7e, 0xff, 0xff}, 10);
    decodes_to("16.png", 1, 1, 5, (const unsigned char[]){0, 1, 255, 254, 255});
    const layout alpha = {.type = PNG_COLOR_TYPE_GRAY_ALPHA, .depth = 8, .height = 1, .width = 3};
    put_png("a.png", &alpha, (const unsigned char[]){10, 0, 20, 128, 30, 255}, 6);
    decodes_to("a.png", 1, 1, 3, (const unsigned char[]){10, 20, 30});
    const layout clear = {.type = PNG_COLOR_TYPE_GRAY, .depth = 8, .height = 1, .width = 3, .has_transparent = true};
    put_png("t.png", &clear, (const unsigned char[]){10, 20, 30}, 3);
    decodes_to("t.png", 1, 1, 3, (const unsigned char[]){10, 20, 30});
}
END_TEST

START_TEST(png_of_colors)
{
    const unsigned char rgb[] = {1, 2, 3, 250, 4, 5, 6, 7, 8, 9, 10, 11};
    const layout plain = {.type = PNG_COLOR_TYPE_RGB, .depth = 8, .height = 2, .width = 2};
    put_png("rgb.png", &plain, rgb, 6);
    decodes_to("rgb.png", 3, 2, 2, rgb);
    const layout alpha = {.type = PNG_COLOR_TYPE_RGB_ALPHA, .depth = 8, .height = 1, .width = 2};
    put_png("rgba.png", &alpha, (const unsigned char[]){1, 2, 3, 0, 250, 4, 5, 99}, 8);
    decodes_to("rgba.png", 3, 1, 2, rgb);
    const layout wide = {.type = PNG_COLOR_TYPE_RGB, .depth = 16, .height = 1, .width = 1};
    put_png("rgb16.png", &wide, (const unsigned char[]){0, 129, 1, 1, 0xff, 0x7f}, 6);
    decodes_to("rgb16.png", 3, 1, 1, (const unsigned char[]){1, 1, 255});
    layout colors = {.type = PNG_COLOR_TYPE_PALETTE,
                     .depth = 2,
                     .height = 1,
                     .width = 5,
                     .palette = {{1, 2, 3}, {4, 4, 4}, {7, 8, 9}, {255, 0, 1}}};
    for (int t = 0; t < 2; t++) {
        colors.has_transparent = t;
        put_png("palette.png", &colors, (const unsigned char[]){0x1b, 0x40}, 2);
        decodes_to("palette.png", 3, 1, 5, (const unsigned char[]){1, 2, 3, 4, 4, 4, 7, 8, 9, 255, 0, 1, 4, 4, 4});
    }
    for (int k = 0; k < 4; k++)
        colors.palette[k] = (png_color){(png_byte)(9 * k), (png_byte)(9 * k), (png_byte)(9 * k)};
    put_png("grays.png", &colors, (const unsigned char[]){0x1b, 0x40}, 2);
    decodes_to("grays.png", 1, 1, 5, (const unsigned char[]){0, 9, 18, 27, 9});
}
END_TEST

START_TEST(png_interlaced)
{
    for (uint32_t side = 1; side < 18; side++) {
        unsigned char pixels[18 * 18 * 3];
        for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (unsigned char)random_u64();
        const layout how = {.type = PNG_COLOR_TYPE_RGB,
                            .depth = 8,
                            .interlace = PNG_INTERLACE_ADAM7,
                            .height = side,
                            .width = 1 + side * 7 % 17};
        put_png("i.png", &how, pixels, 3 * (size_t)how.width);
        decodes_to("i.png", 3, how.height, how.width, pixels);
    }
}
END_TEST

/* Smooth pictures stay near themselves; where all pixels are the same, so does each. */
START_TEST(jpeg_of_both_kinds)
{
    unsigned char gray[20 * 30], rgb[20 * 30 * 3];
    for (int i = 0; i < 600; i++) {
        gray[i] = (unsigned char)(3 * (i / 30) + 4 * (i % 30));
        rgb[3 * i] = 200;
        rgb[3 * i + 1] = 100;
        rgb[3 * i + 2] = 50;
    }
    for (int p = 0; p < 2; p++) {
        put_jpeg("gray.jpg", 1, JCS_GRAYSCALE, 20, 30, gray, p);
        picture found = decode("gray.jpg");
        ck_assert(found.channels == 1 && found.height == 20 && found.width == 30);
        for (int i = 0; i < 600; i++) ck_assert_int_le(abs(found.pixels[i] - gray[i]), 4);
        free(found.pixels);
        put_jpeg("rgb.jpg", 3, JCS_RGB, 20, 30, rgb, p);
        found = decode("rgb.jpg");
        ck_assert(found.channels == 3 && found.height == 20 && found.width == 30);
        for (int i = 0; i < 1800; i++) ck_assert_int_le(abs(found.pixels[i] - rgb[i]), 2);
        for (int i = 3; i < 1800; i++) ck_assert_int_eq(found.pixels[i], found.pixels[i % 3]);
        free(found.pixels);
    }
}
END_TEST

/* Chroma is repeated, not interpolated: the 2 x 2 pixels that share it differ by their luma, as much in each color. */
START_TEST(jpeg_repeats_chroma)
{
    unsigned char rgb[16 * 16 * 3];
    for (int i = 0; i < 256; i++) {
        rgb[3 * i] = i % 16 < 8 ? 150 : 100;
        rgb[3 * i + 1] = 120;
        rgb[3 * i + 2] = i % 16 < 8 ? 100 : 150;
    }
    put_jpeg("c.jpg", 3, JCS_RGB, 16, 16, rgb, false);
    picture found = decode("c.jpg");
    for (int i = 0; i < 256; i += 2) {
        const unsigned char *p = found.pixels + (size_t)(3 * i);
        ck_assert(p[3] - p[0] == p[4] - p[1] && p[3] - p[0] == p[5] - p[2]);
    }
    free(found.pixels);
}
END_TEST

/* Scaling --------------------------------------------------------------------------------------------------------- */

/* The rule as it is written, pixel by pixel. */
static uint64_t weight(int64_t n, int64_t out_n, int64_t o, int64_t i)
{
    const int64_t distance = llabs((2 * i + 1) * out_n - (2 * o + 1) * n), half = 2 * (n > out_n ? n : out_n);
    return distance < half ? (uint64_t)(half - distance) : 0;
}

static unsigned char scaled(const unsigned char *in, uint32_t step, const uint32_t from[2], const uint32_t to[2],
                            uint32_t y, uint32_t x)
{
    unsigned __int128 sum = 0, all = 0;
    for (uint32_t i = 0; i < from[0]; i++)
        for (uint32_t j = 0; j < from[1]; j++) {
            const unsigned __int128 w = (unsigned __int128)weight(from[0], to[0], y, i) * weight(from[1], to[1], x, j);
            sum += w * in[((size_t)i * from[1] + j) * step];
            all += w;
        }
    return (unsigned char)((2 * sum + all) / (2 * all));
}

START_TEST(scale_follows_the_rule)
{
    for (int round = 0; round < 200; round++) {
        const uint32_t from[2] = {1 + random_below(40), 1 + random_below(40)};
        const uint32_t to[2] = {1 + random_below(20), 1 + random_below(20)}, channels = random_below(2) ? 3 : 1;
        unsigned char pixels[40 * 40 * 3], planes[20 * 20 * 3];
        const bool hard = random_below(2);
        for (size_t i = 0; i < sizeof pixels; i++)
            pixels[i] = (unsigned char)(hard ? 255 * random_below(2) : random_u64());
        picture of = {channels, from[0], from[1], pixels};
        ck_assert(picture_scale(&of, channels, to[0], to[1], planes));
        for (uint32_t c = 0; c < channels; c++)
            for (uint32_t y = 0; y < to[0]; y++)
                for (uint32_t x = 0; x < to[1]; x++)
                    ck_assert_int_eq(planes[(c * to[0] + y) * to[1] + x], scaled(pixels + c, channels, from, to, y, x));
    }
}
END_TEST

static void scales_row_to(const unsigned char *in, uint32_t n, const unsigned char *expected, uint32_t out_n)
{
    unsigned char copy[64], out[64];
    for (int turned = 0; turned < 2; turned++) {
        memcpy(copy, in, n);
        picture of = {1, turned ? n : 1, turned ? 1 : n, copy};
        ck_assert(picture_scale(&of, 1, turned ? out_n : 1, turned ? 1 : out_n, out));
        for (uint32_t i = 0; i < out_n; i++) ck_assert_int_eq(out[i], expected[i]);
    }
}

START_TEST(scale_by_hand)
{
    scales_row_to((const unsigned char[]){0, 255}, 2, (const unsigned char[]){128}, 1); /* 127.5 is rounded up */
    scales_row_to((const unsigned char[]){7}, 1, (const unsigned char[]){7, 7, 7}, 3);
    /* weights 3/4 and 1/4 */
    scales_row_to((const unsigned char[]){0, 100}, 2, (const unsigned char[]){0, 25, 75, 100}, 4);
    /* weights 6, 6 and 2 of 14 */
    scales_row_to((const unsigned char[]){10, 20, 80, 90}, 4, (const unsigned char[]){24, 76}, 2);
    scales_row_to((const unsigned char[]){3, 200, 77}, 3, (const unsigned char[]){3, 200, 77}, 3);
}
END_TEST

START_TEST(scale_channels)
{
    unsigned char rgb[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255}, planes[12], gray[] = {9, 8};
    picture of = {3, 2, 2, rgb};
    ck_assert(picture_scale(&of, 3, 2, 2, planes));
    ck_assert_mem_eq(planes, ((const unsigned char[]){255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255}), 12);
    ck_assert(picture_scale(&of, 1, 2, 2, planes)); /* 76.245, 149.685, 29.07 */
    ck_assert_mem_eq(planes, ((const unsigned char[]){76, 150, 29, 255}), 4);
    of = (picture){1, 1, 2, gray};
    ck_assert(picture_scale(&of, 3, 1, 2, planes));
    ck_assert_mem_eq(planes, ((const unsigned char[]){9, 8, 9, 8, 9, 8}), 6);
}
END_TEST

/* Sums of the longest sides, and of the most pixels. */
START_TEST(scale_of_large_pictures)
{
    static const uint32_t sizes[][2] = {{1, 1000000}, {1000000, 1}, {1000000, 134}, {134, 1000000}, {11585, 11585}};
    for (int k = 0; k < 5; k++) {
        const size_t count = (size_t)sizes[k][0] * sizes[k][1];
        unsigned char *pixels = malloc(count), out[2];
        memset(pixels, 255, count);
        picture of = {1, sizes[k][0], sizes[k][1], pixels};
        ck_assert(picture_scale(&of, 1, 1, 2, out));
        ck_assert(out[0] == 255 && out[1] == 255);
        free(pixels);
    }
}
END_TEST

/* Data sets ------------------------------------------------------------------------------------------------------- */

static tas_data *train, *test;
static tas_reading reading;
static char notes[8][1024];
static int note_count;

static void keep_note(void *user, const char *line)
{
    (void)user;
    snprintf(notes[note_count++ % 8], sizeof *notes, "%s", line);
}

static void close_sets(void)
{
    tas_data_close(&train);
    tas_data_close(&test);
}

static tas_status read_again(const char *name)
{
    close_sets();
    note_count = 0;
    memset(notes, 0, sizeof notes);
    tas_set_log(context, keep_note, NULL);
    return tas_data_read(context, path_of(name), &reading, &train, &test);
}

static bool is_noted(const char *word)
{
    for (int i = 0; i < 8; i++)
        if (strstr(notes[i], word)) return true;
    return false;
}

static void read_set(const char *name)
{
    const tas_status status = read_again(name);
    ck_assert_msg(!status, "%s", tas_error(context));
}

static void close_all(void)
{
    close_sets();
    support_close();
}

static void begin(void)
{
    setup();
    train = test = NULL;
    tas_reading_init(&reading);
}

static void wants(uint32_t channels, uint32_t height, uint32_t width)
{
    reading.channels = channels;
    reading.height = height;
    reading.width = width;
}

/* The first pixel of each example and its label. */
static void has(const tas_data *data, int count, const int *first, const uint32_t *labels)
{
    ck_assert_ptr_nonnull(data);
    ck_assert_uint_eq(tas_data_count(data), (uint64_t)count);
    const unsigned char *bytes = data->options.inputs;
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(bytes[(size_t)i * data->options.input_size], first[i]);
        ck_assert_uint_eq(((const uint32_t *)data->options.targets)[i], labels[i]);
    }
}

static tas_data_info info_of(const tas_data *data)
{
    tas_data_info info;
    tas_data_get_info(data, &info);
    return info;
}

START_TEST(set_with_both_splits)
{
    put_small("s/train/cat/b.png", 20);
    put_small("s/train/cat/a.png", 10);
    put_small("s/train/Dog/x.dat", 30); /* by content */
    put_small("s/test/cat/a.png", 40);
    put_small("s/val/cat/a.png", 50);
    put_text("s/readme.txt", "text");
    put_text("s/train/notes.txt", "text");
    put_text("s/train/cat/Thumbs.db", "no picture");
    put_small("s/train/cat/.hidden.png", 99);
    read_set("s");
    has(train, 3, (const int[]){30, 10, 20}, (const uint32_t[]){0, 1, 1});
    has(test, 1, (const int[]){40}, (const uint32_t[]){1});
    ck_assert_msg(is_noted("3 entries of its folders, which are not pictures, are ignored"), "%s", notes[0]);
    const tas_data_info info = info_of(train);
    ck_assert_str_eq(info.format, "images");
    ck_assert(info.channels == 1 && info.height == 2 && info.width == 3 && info.input_type == TAS_INPUT_U8);
    ck_assert_str_eq(info.class_name[0], "Dog");
    ck_assert_str_eq(info.class_name[1], "cat");
    ck_assert_str_eq(info.example_name[0], path_of("s/train/Dog/x.dat"));
    ck_assert_uint_eq(tas_data_classes(test), 2);
}
END_TEST

START_TEST(set_of_other_layouts)
{
    put_small("v/train/a/1.png", 1);
    put_small("v/validation/a/1.png", 2);
    read_set("v");
    has(test, 1, (const int[]){2}, (const uint32_t[]){0});
    /* classes that are called like splits have pictures, not folders */
    put_small("c/train/1.png", 3);
    put_small("c/car/1.png", 4);
    put_small("c/car/2.png", 5);
    put_small("c/__MACOSX/x/1.png", 5);
    read_set("c");
    has(train, 3, (const int[]){4, 5, 3}, (const uint32_t[]){0, 0, 1});
    ck_assert_ptr_null(test);
    put_small("t/test/a/1.png", 6);
    read_set("t");
    ck_assert_ptr_null(train);
    has(test, 1, (const int[]){6}, (const uint32_t[]){0});
    reading.test_count = 1;
    read_set("c");
    ck_assert(tas_data_count(train) == 2 && tas_data_count(test) == 1);
}
END_TEST

/* Of a table with pictures beside it, the table is the set. */
START_TEST(set_beside_a_table)
{
    put_small("s/plots/1.png", 1);
    put_text("s/train.csv", "a,b,class\n1,2,x\n3,4,y\n5,6,x\n");
    read_set("s");
    ck_assert_str_eq(info_of(train).format, "csv");
    reading.format = "images";
    read_set("s");
    has(train, 1, (const int[]){1}, (const uint32_t[]){0});
}
END_TEST

START_TEST(set_with_numbers_as_classes)
{
    char name[32];
    for (int c = 0; c < 12; c++) {
        snprintf(name, sizeof name, "n/%d/a.png", c);
        put_small(name, 10 * c);
        snprintf(name, sizeof name, "m/%d/a.png", c + 1);
        put_small(name, 10 * c);
    }
    for (int k = 0; k < 2; k++) {
        read_set(k ? "m" : "n");
        ck_assert_uint_eq(tas_data_classes(train), 12);
        has(train, 12, (const int[]){0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110},
            (const uint32_t[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
        ck_assert_int_eq(info_of(train).class_name != NULL, k);
        ck_assert_int_eq(is_noted("the classes 1 to 12 become 0 to 11"), k);
    }
    ck_assert_str_eq(info_of(train).class_name[9], "10");
}
END_TEST

START_TEST(set_as_the_network_wants_it)
{
    put_sized("s/a/1.png", 1, 4, 6);
    put_sized("s/a/2.png", 3, 8, 5);
    put_sized("s/b/1.png", 3, 4, 6);
    for (uint32_t channels = 0; channels <= 3; channels += channels ? 2 : 1) {
        wants(channels, 4, 6);
        read_set("s");
        const uint32_t found = channels ? channels : 3;
        ck_assert(info_of(train).channels == found && tas_data_input_size(train) == found * 24);
        ck_assert(channels || is_noted("1 of 3 pictures resized to 4 x 6"));
        for (int e = 0; e < 3; e++) {
            unsigned char planes[72];
            picture of = decode(e == 0 ? "s/a/1.png" : e == 1 ? "s/a/2.png" : "s/b/1.png");
            ck_assert(picture_scale(&of, found, 4, 6, planes));
            ck_assert_mem_eq((const unsigned char *)train->options.inputs + (size_t)e * found * 24, planes, found * 24);
            free(of.pixels);
        }
    }
    wants(0, 0, 0); /* now two sizes are an error, of which both files are named */
    expect(read_again("s"), TAS_BAD_DATA, "s/a/2.png: 8 x 5 pixels (height x width), but ", "s/a/1.png has 4 x 6");
    remove(path_of("s/a/2.png"));
    read_set("s");
    ck_assert_uint_eq(info_of(train).channels, 3);
    remove(path_of("s/b/1.png"));
    put_sized("s/b/2.png", 1, 4, 6);
    read_set("s");
    ck_assert_uint_eq(info_of(train).channels, 1);
    put_sized("s/train/a/1.png", 1, 4, 6); /* color in the test split counts, even if that is not read */
    put_sized("s/test/a/1.png", 3, 4, 6);
    close_sets();
    expect_ok(tas_data_read(context, path_of("s"), &reading, &train, NULL));
    ck_assert_uint_eq(info_of(train).channels, 3);
}
END_TEST

START_TEST(set_of_floats)
{
    put_small("s/a/1.png", 250);
    reading.pixels = TAS_CHOICE_NO;
    read_set("s");
    ck_assert_int_eq(info_of(train).input_type, TAS_INPUT_F32);
    float values[6];
    expect_ok(tas_data_get(train, NULL, 1, values, NULL));
    for (int i = 0; i < 6; i++) ck_assert(values[i] == (float)(250 + i));
}
END_TEST

START_TEST(set_for_prediction)
{
    put_small("s/cat/1.png", 1);
    put_small("s/dog/1.png", 2);
    put_sized("p/x/2.png", 3, 9, 9);
    put_small("p/x/1.png", 7);
    read_set("s");
    char *kept = strdup(tas_data_schema(train));
    reading.schema = kept;
    tas_data *inputs = NULL;
    static const char *const names[] = {"p", "p/x", "p/x/1.png"};
    for (int k = 0; k < 3; k++) {
        ck_assert_msg(!tas_data_read_inputs(context, path_of(names[k]), &reading, &inputs), "%s", tas_error(context));
        ck_assert_uint_eq(tas_data_count(inputs), k < 2 ? 2 : 1);
        ck_assert(*(const unsigned char *)inputs->options.inputs == 7 && info_of(inputs).channels == 1);
        ck_assert_str_eq(info_of(inputs).class_name[1], "dog");
        tas_data_close(&inputs);
    }
    expect(read_again("p"), TAS_BAD_DATA, "p/x: a class that training has not", "it has 2, from cat on");
    reading.resize = TAS_CHOICE_NO;
    expect(tas_data_read_inputs(context, path_of("p"), &reading, &inputs), TAS_BAD_DATA, "p/x/2.png: 9 x 9",
           "expected 2 x 3 without resizing");
    free(kept);
}
END_TEST

/* The cache ------------------------------------------------------------------------------------------------------- */

/* Files in a folder; *path: the last of them whose name ends so. */
static int count_files(const char *name, const char *ending, char path[512])
{
    int n = 0;
    DIR *all = opendir(path_of(name));
    for (struct dirent *e; all && (e = readdir(all));) {
        if (e->d_name[0] == '.') continue;
        n++;
        const size_t length = strlen(e->d_name);
        if (path && length > strlen(ending) && !strcmp(e->d_name + length - strlen(ending), ending))
            snprintf(path, 512, "%s/%s", path_of(name), e->d_name);
    }
    if (all) closedir(all);
    return n;
}

static void put_cached(void)
{
    put_small("s/train/a/1.png", 1);
    put_small("s/train/b/1.png", 2);
    put_small("s/test/a/1.png", 3);
}

static void check_cached(bool decoded)
{
    read_set("s");
    has(train, 2, (const int[]){1, 2}, (const uint32_t[]){0, 1});
    has(test, 1, (const int[]){3}, (const uint32_t[]){0});
    ck_assert(train->inputs.map && test->inputs.map);
    ck_assert_msg(is_noted("decoded pictures are kept in") == decoded, "%s", notes[0]);
}

#define CACHE "cache-of-test/tassello"

START_TEST(cache_is_used)
{
    put_cached();
    check_cached(true);
    ck_assert_int_eq(count_files(CACHE, "", NULL), 2);
    ck_assert(is_noted("s (train): 2 decoded pictures") && is_noted(" bytes)"));
    check_cached(false);
    ck_assert_int_eq(note_count, 0);
    wants(1, 2, 3);
    check_cached(true);
    reading.resize = TAS_CHOICE_NO;
    check_cached(true);
    ck_assert_int_eq(count_files(CACHE, "", NULL), 6);
    put_small("s/train/b/1.png", 2); /* written anew, with the same bytes */
    check_cached(true);
    reading.cache = path_of("elsewhere/deep");
    check_cached(true);
    check_cached(false);
    ck_assert_int_eq(count_files("elsewhere/deep", "", NULL), 2);
}
END_TEST

/* Same name, size and time of modification, other content. */
START_TEST(cache_sees_what_was_changed)
{
    struct stat about;
    put_cached();
    check_cached(true);
    ck_assert_int_eq(stat(path_of("s/train/a/1.png"), &about), 0);
    put_small("s/train/a/1.png", 77);
    ck_assert_int_eq(
        utimensat(AT_FDCWD, path_of("s/train/a/1.png"), (const struct timespec[]){about.st_atim, about.st_mtim}, 0), 0);
    read_set("s");
    has(train, 2, (const int[]){77, 2}, (const uint32_t[]){0, 1});
}
END_TEST

START_TEST(cache_that_is_damaged)
{
    static const char *const words[] = {"its head is damaged", "it ends within its head", "its size is wrong"};
    char path[512];
    put_cached();
    check_cached(true);
    for (int k = 0; k < 5; k++) {
        count_files(CACHE, "-train", path);
        if (k == 1) ck_assert_int_eq(truncate(path, 20), 0);
        if (k == 2) ck_assert_int_eq(truncate(path, 130), 0);
        if (k != 1 && k != 2) damage(path, k ? k * 20 : 0);
        check_cached(true);
        ck_assert_msg(is_noted(words[k < 3 ? k : 0]) && is_noted("decoded again"), "%s", notes[0]);
        check_cached(false);
    }
}
END_TEST

START_TEST(cache_forgets)
{
    char path[512];
    struct timespec old[2] = {{.tv_sec = time(NULL) - 31 * 24 * 3600}, {.tv_sec = time(NULL) - 31 * 24 * 3600}};
    put_cached();
    check_cached(true);
    count_files(CACHE, "-train", path);
    ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
    count_files(CACHE, "-test", path);
    ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
    put_text(CACHE "/other-file", "x");
    ck_assert_int_eq(utimensat(AT_FDCWD, path_of(CACHE "/other-file"), old, 0), 0);
    check_cached(false); /* used, so that it stays */
    ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
    wants(1, 2, 3);
    check_cached(true);
    ck_assert_int_eq(count_files(CACHE, "", NULL), 4); /* one of two, two new ones, and the other */
    ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(cache_may_be_missing)
{
    put_cached();
    put_text("file", "");
    setenv("XDG_CACHE_HOME", path_of("file"), 1);
    read_set("s");
    has(train, 2, (const int[]){1, 2}, (const uint32_t[]){0, 1});
    ck_assert_ptr_null(train->inputs.map);
    reading.cache = path_of("file");
    expect(read_again("s"), TAS_BAD_FILE, "/file: cannot be used as the folder of a cache", "");
}
END_TEST

/* As a full disk has it: pictures are decoded for this run alone. */
START_TEST(cache_without_room)
{
    const struct rlimit limit = {.rlim_cur = 100, .rlim_max = RLIM_INFINITY};
    put_cached();
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    read_set("s");
    has(train, 2, (const int[]){1, 2}, (const uint32_t[]){0, 1});
    has(test, 1, (const int[]){3}, (const uint32_t[]){0});
    ck_assert(!train->inputs.map && is_noted("no room for 12 bytes of decoded pictures"));
    ck_assert_int_eq(count_files(CACHE, "", NULL), 0);
}
END_TEST

/* Bad input ------------------------------------------------------------------------------------------------------- */

static void refuse(const char *name, tas_status status, const char *word, const char *other)
{
    reading.format = "images";
    expect(read_again(name), status, word, other);
    ck_assert(!train && !test);
}

START_TEST(folders_that_are_refused)
{
    mkdir(path_of("empty"), 0777);
    refuse("empty", TAS_BAD_DATA, "empty: expected a folder of PNG or JPEG pictures for each class", "no folders");
    put_small("flat/1.png", 1);
    refuse("flat", TAS_BAD_DATA, "flat: expected a folder", "for each class, found no folders");
    refuse("flat/1.png", TAS_BAD_DATA, "1.png: a picture; expected a folder", "each class");
    refuse("absent", TAS_BAD_FILE, "absent", "No such file");
    put_small("class/a/1.png", 1);
    mkdir(path_of("class/b"), 0777);
    refuse("class", TAS_BAD_DATA, "class/b: no pictures in this folder", "expected PNG or JPEG");
    put_small("split/train/a/1.png", 1);
    put_small("split/test/b/1.png", 1);
    refuse("split", TAS_BAD_DATA, "split/test/b: a class that training has not", "it has 1, from a on");
    put_small("number/train/0/1.png", 1);
    put_small("number/test/1/1.png", 1);
    refuse("number", TAS_BAD_DATA, "number/test/1: a class that training has not", "it has 1 (numbers from 0)");
    put_small("bytes/\xff/1.png", 1);
    refuse("bytes", TAS_BAD_DATA, "bytes/\\xff", "not UTF-8");
    put_small("locked/a/1.png", 1);
    put_small("locked/a/2.png", 1);
    ck_assert_int_eq(symlink("nowhere", path_of("locked/a/3.png")), 0);
    refuse("locked", TAS_BAD_DATA, "locked/a/3.png", "No such file");
}
END_TEST

START_TEST(requests_that_are_refused)
{
    put_small("s/a/1.png", 1);
    wants(2, 5, 5);
    refuse("s", TAS_BAD_DATA, "pictures have 1 or 3 channels", "input has 2");
    wants(1, 1 << 20, 1 << 20);
    refuse("s", TAS_BAD_DATA, "1048576 x 1048576 pixels are more than", "134217728");
    wants(1, 5, 5);
    reading.resize = TAS_CHOICE_NO;
    refuse("s", TAS_BAD_DATA, "s/a/1.png: 2 x 3 pixels (height x width), expected 5 x 5", "without resizing");
    wants(0, 0, 0);
    reading.targets = TAS_TARGETS_VALUES;
    refuse("s", TAS_BAD_DATA, "have classes", "targets are values");
    reading.targets = TAS_TARGETS_AUTO;
    reading.target = "a";
    refuse("s", TAS_BAD_ARGUMENT, "a folder of pictures does not use target", "");
    reading.target = NULL;
    reading.missing = TAS_MISSING_DROP;
    refuse("s", TAS_BAD_ARGUMENT, "does not use missing", "");
}
END_TEST

static void refuse_bytes(const void *bytes, size_t size, const char *word, const char *other)
{
    put_small("s/a/1.png", 1);
    put("s/a/2.png", bytes, size);
    refuse("s", TAS_BAD_DATA, "s/a/2.png: ", word);
    ck_assert_msg(strstr(tas_error(context), other), "%s", tas_error(context));
    wants(1, 2, 3); /* without a look at the headers */
    refuse("s", TAS_BAD_DATA, "s/a/2.png: ", word);
    wants(0, 0, 0);
    ck_assert_int_eq(count_files(CACHE, "", NULL), 0); /* what fails is not kept */
}

static void set_u32(char *to, uint32_t value)
{
    for (int k = 0; k < 4; k++) to[k] = (char)(value >> (24 - 8 * k));
}

/* A PNG with another header: its 13 bytes are at 16, the checksum behind them. */
static void refuse_header(uint32_t width, uint32_t height, int depth, int type, const char *word)
{
    size_t size;
    put_small("good.png", 1);
    char *bytes = get("good.png", &size);
    set_u32(bytes + 16, width);
    set_u32(bytes + 20, height);
    bytes[24] = (char)depth;
    bytes[25] = (char)type;
    png_uint_32 crc = 0xffffffff;
    for (int i = 12; i < 29; i++) {
        crc ^= (unsigned char)bytes[i];
        for (int k = 0; k < 8; k++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    set_u32(bytes + 29, ~crc);
    refuse_bytes(bytes, size, word, "");
    free(bytes);
}

START_TEST(pngs_that_are_refused)
{
    size_t size;
    put_small("good.png", 1);
    char *bytes = get("good.png", &size);
    refuse_bytes(bytes, 8, "damaged PNG: it ends too early", "");
    refuse_bytes(bytes, 30, "damaged PNG: it ends too early", "");
    refuse_bytes(bytes, size - 1, "damaged PNG: it ends too early", "");
    refuse_bytes(bytes, size / 2, "damaged PNG", "");
    bytes[size - 20] ^= 1;
    refuse_bytes(bytes, size, "damaged PNG: IDAT", "");
    free(bytes);
    refuse_header(65535, 65535, 8, 0, "65535 x 65535 pixels (height x width), expected 1 to 134217728");
    refuse_header(2000000, 1, 8, 0, "damaged PNG");
    refuse_header(0, 5, 8, 0, "damaged PNG");
    refuse_header(10000, 10000, 8, 0, "cannot have 10000 x 10000 pixels");
    refuse_header(3, 2, 5, 0, "damaged PNG");
    refuse_header(3, 2, 8, 5, "damaged PNG");
    refuse_header(3, 2, 8, 3, "damaged PNG"); /* without a palette */
}
END_TEST

START_TEST(others_that_are_refused)
{
    refuse_bytes("GIF89a.........", 15, "expected a PNG or JPEG picture, found a GIF image", "");
    refuse_bytes("", 0, "expected a PNG or JPEG picture, found an empty file", "");
    refuse_bytes("hello, world\n", 13, "expected a PNG or JPEG picture, found a", "text");
}
END_TEST

START_TEST(jpegs_that_are_refused)
{
    unsigned char pixels[40 * 40 * 4];
    size_t size;
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (unsigned char)(random_u64() & 127);
    for (int p = 0; p < 2; p++) {
        put_jpeg("good.jpg", 1, JCS_GRAYSCALE, 2, 3, pixels, p);
        char *bytes = get("good.jpg", &size);
        refuse_bytes(bytes, 4, "damaged JPEG: ", "");
        refuse_bytes(bytes, 150, "damaged JPEG: ", "");
        refuse_bytes(bytes, size - 2, "damaged JPEG: Premature end", "");
        free(bytes);
        put_jpeg("cmyk.jpg", 4, JCS_CMYK, 2, 3, pixels, p);
        bytes = get("cmyk.jpg", &size);
        refuse_bytes(bytes, size, "a JPEG picture of 4 channels (CMYK), expected gray or RGB", "");
        free(bytes);
        put_jpeg("large.jpg", 1, JCS_GRAYSCALE, 40, 40, pixels, p);
        bytes = get("large.jpg", &size);
        put_small("s/a/1.png", 1);
        put("s/a/2.png", bytes, 3 * size / 4);
        wants(1, 2, 3);
        refuse("s", TAS_BAD_DATA, "s/a/2.png: damaged JPEG: ", "Premature end");
        wants(0, 0, 0);
        for (size_t i = 0; i + 9 < size; i++) /* the frame's header has the sizes */
            if ((unsigned char)bytes[i] == 0xff && ((unsigned char)bytes[i + 1] & 0xfd) == 0xc0) {
                memset(bytes + i + 5, 0xff, 4);
                break;
            }
        refuse_bytes(bytes, size, "damaged JPEG: Maximum supported image dimension", "");
        free(bytes);
    }
}
END_TEST

/* Ten at most, and reading goes on behind each. */
static char problems[16][512];

static void keep_problem(void *user, const char *text)
{
    snprintf(problems[(*(int *)user)++ % 16], sizeof *problems, "%s", text);
}

START_TEST(check_collects_problems)
{
    char name[32];
    int found = 0, count = 0;
    put_small("s/a/good.png", 1);
    for (int i = 0; i < 13; i++) {
        snprintf(name, sizeof name, "s/a/%c.png", 'a' + i);
        put(name, "\x89PNG\r\n\x1a\n", 8);
    }
    mkdir(path_of("s/b"), 0777);
    expect_ok(tas_data_check(context, path_of("s"), &reading, 10, keep_problem, &found, &count));
    ck_assert(count == 10 && found == 10);
    ck_assert_msg(strstr(problems[0], "s/b: no pictures"), "%s", problems[0]);
    ck_assert_msg(strstr(problems[9], "s/a/i.png: damaged PNG"), "%s", problems[9]);
    found = 0;
    wants(1, 2, 3);
    rmdir(path_of("s/b"));
    expect_ok(tas_data_check(context, path_of("s"), &reading, 100, keep_problem, &found, &count));
    ck_assert_int_eq(count, 13);
    ck_assert_int_eq(count_files(CACHE, "", NULL), 0);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
    TCase *cases = tcase_create(name);
    tcase_add_checked_fixture(cases, begin, close_all);
    tcase_set_timeout(cases, 60);
    suite_add_tcase(suite, cases);
    return cases;
}

static Suite *create_suite(void)
{
    Suite *suite = suite_create("images");
    TCase *pictures = add_case(suite, "pictures"), *sets = add_case(suite, "sets"), *bad = add_case(suite, "bad");
    tcase_add_test(pictures, png_of_gray);
    tcase_add_test(pictures, png_of_colors);
    tcase_add_test(pictures, png_interlaced);
    tcase_add_test(pictures, jpeg_of_both_kinds);
    tcase_add_test(pictures, jpeg_repeats_chroma);
    tcase_add_test(pictures, scale_follows_the_rule);
    tcase_add_test(pictures, scale_by_hand);
    tcase_add_test(pictures, scale_channels);
    tcase_add_test(pictures, scale_of_large_pictures);
    tcase_add_test(sets, set_with_both_splits);
    tcase_add_test(sets, set_of_other_layouts);
    tcase_add_test(sets, set_beside_a_table);
    tcase_add_test(sets, set_with_numbers_as_classes);
    tcase_add_test(sets, set_as_the_network_wants_it);
    tcase_add_test(sets, set_of_floats);
    tcase_add_test(sets, set_for_prediction);
    tcase_add_test(sets, cache_is_used);
    tcase_add_test(sets, cache_sees_what_was_changed);
    tcase_add_test(sets, cache_that_is_damaged);
    tcase_add_test(sets, cache_forgets);
    tcase_add_test(sets, cache_may_be_missing);
    tcase_add_test(sets, cache_without_room);
    tcase_add_test(bad, folders_that_are_refused);
    tcase_add_test(bad, requests_that_are_refused);
    tcase_add_test(bad, pngs_that_are_refused);
    tcase_add_test(bad, others_that_are_refused);
    tcase_add_test(bad, jpegs_that_are_refused);
    tcase_add_test(bad, check_collects_problems);
    return suite;
}

int main(void)
{
    if (!mkdtemp(folder)) return perror(folder), 1;
    const int failed = support_run(create_suite());
    clear_folder();
    rmdir(folder);
    return failed;
}

/* Arrays in files: their elements, and how they become inputs. */
#include "data/readers/array.h"

#include "data/builder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 20 };

void array_close(array *a)
{
    if (a->stream) a->stream->close(a->stream);
    free(a->from);
    *a = (array){0};
}

tas_status array_count(array *a)
{
    char text[ARRAY_DIMS_TEXT];
    uint64_t doubles;
    a->elements = 1;
    for (int d = 0; d < a->dims; d++)
        if (a->dim[d] == 0)
            return fail(a->context, TAS_BAD_DATA, "%s: dimension %d is 0, expected at least 1", a->from, d + 1);
    for (int d = 0; d < a->dims; d++)
        if (!mul_size(a->elements, a->dim[d], &a->elements) || !mul_size(a->elements, sizeof(double), &doubles) ||
            doubles > SIZE_MAX / 2)
            return fail(a->context, TAS_BAD_DATA, "%s: %s elements do not fit in memory", a->from,
                        array_print_dims(a, text));
    return TAS_OK;
}

const char *array_print_dims(const array *a, char text[ARRAY_DIMS_TEXT])
{
    size_t at = (size_t)snprintf(text, ARRAY_DIMS_TEXT, "(");
    for (int d = 0; d < a->dims; d++)
        at += (size_t)snprintf(text + at, ARRAY_DIMS_TEXT - at, "%s%" PRIu64, d ? ", " : "", a->dim[d]);
    snprintf(text + at, ARRAY_DIMS_TEXT - at, a->dims == 1 ? ",)" : ")");
    return text;
}

tas_status array_check_size(array *a, uint64_t bytes, uint64_t header)
{
    char text[ARRAY_DIMS_TEXT];
    tas_status status = array_count(a); /* so that the bytes of the elements fit, too */
    if (status) return status;
    const uint64_t wanted = header + a->elements * a->bytes;
    if (bytes == wanted) return TAS_OK;
    return fail(a->context, TAS_BAD_DATA, "%s: %s: %" PRIu64 " bytes, expected %" PRIu64 " for %s elements of %c%d",
                a->from, bytes < wanted ? "truncated" : "trailing bytes", bytes, wanted, array_print_dims(a, text),
                a->kind, a->bytes);
}

/* deflate makes at most 1032 bytes of one (a match of 258 bytes takes 2 bits). */
tas_status array_check_deflated(const array *a, uint64_t compressed)
{
    char text[ARRAY_DIMS_TEXT];
    if (a->elements * a->bytes / 1032 <= compressed) return TAS_OK;
    return fail(a->context, TAS_BAD_DATA,
                "%s: truncated: %" PRIu64 " compressed bytes cannot hold %" PRIu64 " for %s elements", a->from,
                compressed, a->elements * a->bytes, array_print_dims(a, text));
}

/* Bytes ------------------------------------------------------------------------------------------------------------ */

tas_status array_read_bytes(const array *a, void *out, size_t want)
{
    char text[ARRAY_DIMS_TEXT];
    size_t got = 0;
    const tas_status status = a->stream->read(a->stream, out, want, &got);
    if (status || got == want) return status;
    return fail(a->context, TAS_BAD_DATA, "%s: truncated: ends before its %s elements do", a->from,
                array_print_dims(a, text));
}

tas_status array_check_end(const array *a)
{
    unsigned char past;
    size_t got = 0;
    const tas_status status = a->stream->read(a->stream, &past, 1, &got);
    if (status || !got) return status;
    return fail(a->context, TAS_BAD_DATA, "%s: trailing bytes after %" PRIu64 " elements", a->from, a->elements);
}

/* Elements --------------------------------------------------------------------------------------------------------- */

static uint64_t load_bits(const array *a, const unsigned char *from)
{
    uint64_t bits = 0;
    for (unsigned k = 0; k < a->bytes; k++) bits |= (uint64_t)from[a->big_endian ? a->bytes - 1u - k : k] << 8 * k;
    return bits;
}

static int64_t extend_sign(const array *a, uint64_t bits)
{
    const uint64_t sign = (uint64_t)1 << (8 * a->bytes - 1);
    return (int64_t)((bits ^ sign) - sign);
}

/* IEEE 754's binary16: every value is a float. */
static float half_value(uint64_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000u) << 16, mantissa = bits & 0x3ffu;
    uint32_t exponent = bits >> 10 & 0x1fu;
    float value;
    if (exponent == 0) {
        value = (float)mantissa * 0x1p-24f;
        return sign ? -value : value;
    }
    exponent += exponent == 31 ? 255 - 31 : 127 - 15;
    const uint32_t wide = sign | exponent << 23 | mantissa << 13;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static double float_value(const array *a, uint64_t bits)
{
    const uint32_t low = (uint32_t)bits;
    double wide;
    float value;
    if (a->bytes == 2) return half_value(bits);
    memcpy(&wide, &bits, sizeof wide);
    memcpy(&value, &low, sizeof value);
    return a->bytes == 4 ? (double)value : wide;
}

static double double_at(const array *a, const unsigned char *from)
{
    const uint64_t bits = load_bits(a, from);
    switch (a->kind) {
    case 'f': return float_value(a, bits);
    case 'i': return (double)extend_sign(a, bits);
    case 'b': return bits != 0;
    default: return (double)bits;
    }
}

/* Rounded once, also from whole numbers that no double holds. */
static float float_at(const array *a, const unsigned char *from)
{
    if (a->kind == 'i') return (float)extend_sign(a, load_bits(a, from));
    if (a->kind == 'u') return (float)load_bits(a, from);
    return (float)double_at(a, from);
}

/* Finite: neither infinite nor NaN. */
static bool is_finite(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7f800000u) != 0x7f800000u;
}

/* Order ------------------------------------------------------------------------------------------------------------ */

/* The indices of element k of the file. */
static void find_indices(const array *a, uint64_t k, uint64_t index[ARRAY_DIMS_MOST])
{
    for (int i = 0; i < a->dims; i++) {
        const int d = a->first_fastest ? i : a->dims - 1 - i;
        index[d] = k % a->dim[d];
        k /= a->dim[d];
    }
}

/* Where the element of an example that has these indices (index[0] is the example's) lies in memory. */
static size_t place_in_example(const array *a, const array_layout *layout, const uint64_t *index)
{
    uint64_t at = 0;
    if (layout->channels_last) return (size_t)((index[3] * layout->height + index[1]) * layout->width + index[2]);
    for (int d = 1; d < a->dims; d++) at = at * a->dim[d] + index[d];
    return (size_t)at;
}

/* place[e]: where the element of an example that comes as its e-th lies in memory; NULL: at e. */
static tas_status make_places(const array *a, const array_layout *layout, size_t **place)
{
    uint64_t index[ARRAY_DIMS_MOST] = {0};
    bool moved = false;
    *place = NULL;
    if (a->dims <= 2 || !(a->first_fastest || layout->channels_last)) return TAS_OK;
    size_t *all = malloc(layout->size * sizeof *all);
    if (!all) return fail(a->context, TAS_NO_MEMORY, "%s: no memory", a->from);
    for (size_t e = 0; e < layout->size; e++) {
        /* fastest first, the example's index is fastest of all or slowest of all */
        find_indices(a, a->first_fastest ? e * layout->count : e, index);
        all[e] = place_in_example(a, layout, index);
        moved |= all[e] != e;
    }
    if (moved)
        *place = all;
    else
        free(all);
    return TAS_OK;
}

/* What inputs are ------------------------------------------------------------------------------------------------- */

static bool is_channels(uint64_t n) { return n == 1 || n == 3 || n == 4; }

/* (n, C, H, W) or (n, H, W, C). */
static bool is_channels_last(const reader_request *request, const array *a)
{
    const tas_reading *reading = request->reading;
    const schema *kept = request->schema;
    const uint64_t *dim = a->dim;
    const bool is_kept = kept && kept->height && kept->width;
    const uint64_t c = is_kept ? kept->channels : reading->channels, h = is_kept ? kept->height : reading->height,
                   w = is_kept ? kept->width : reading->width;
    const bool first = dim[1] == c && dim[2] == h && dim[3] == w, last = dim[3] == c && dim[1] == h && dim[2] == w;
    if (first != last) return last;
    return is_channels(dim[3]) && !is_channels(dim[1]);
}

static tas_status check_layout(const reader_request *request, const array *a, const array_layout *layout)
{
    char text[ARRAY_DIMS_TEXT];
    const schema *kept = request->schema;
    if (kept && kept->input_size != layout->size)
        return fail(a->context, TAS_BAD_DATA, "%s: %s: %zu numbers per example, expected %zu as in the training set",
                    a->from, array_print_dims(a, text), layout->size, kept->input_size);
    if (kept && kept->height && layout->height &&
        (kept->channels != layout->channels || kept->height != layout->height || kept->width != layout->width))
        return fail(a->context, TAS_BAD_DATA,
                    "%s: %s: images of %" PRIu32 " x %" PRIu32 " x %" PRIu32 ", expected %" PRIu32 " x %" PRIu32
                    " x %" PRIu32 " as in the training set",
                    a->from, array_print_dims(a, text), layout->channels, layout->height, layout->width, kept->channels,
                    kept->height, kept->width);
    return TAS_OK;
}

tas_status array_lay_out(const reader_request *request, const array *a, array_layout *out)
{
    char text[ARRAY_DIMS_TEXT];
    const uint64_t *dim = a->dim;
    if (a->dims < 1 || a->dims > 4)
        return fail(a->context, TAS_BAD_DATA,
                    "%s: %s: %d dimensions, expected 1 to 4, of which the first counts the examples", a->from,
                    array_print_dims(a, text), a->dims);
    for (int d = 0; d < a->dims; d++)
        if (dim[d] > UINT32_MAX)
            return fail(a->context, TAS_BAD_DATA, "%s: dimension %d is %" PRIu64 ", expected at most %" PRIu32, a->from,
                        d + 1, dim[d], UINT32_MAX);
    *out = (array_layout){.count = dim[0], .size = (size_t)(a->elements / dim[0])};
    if (a->dims == 3) {
        out->channels = 1;
        out->height = (uint32_t)dim[1];
        out->width = (uint32_t)dim[2];
    } else if (a->dims == 4) {
        out->channels_last = is_channels_last(request, a);
        out->channels = (uint32_t)(out->channels_last ? dim[3] : dim[1]);
        out->height = (uint32_t)(out->channels_last ? dim[1] : dim[2]);
        out->width = (uint32_t)(out->channels_last ? dim[2] : dim[3]);
        note_once(a->context, "%s: %s is read as examples, %s", a->from, array_print_dims(a, text),
                  out->channels_last ? "height, width, channels" : "channels, height, width");
    }
    return check_layout(request, a, out);
}

/* Whether inputs are pixels: bytes that layers see divided by 255. */
static tas_status choose_pixels(const reader_request *request, const array *a, bool *pixels)
{
    const tas_choice choice = request->reading->pixels;
    const bool is_bytes = a->kind == 'u' && a->bytes == 1;
    const schema *kept = request->schema;
    *pixels = choice == TAS_CHOICE_YES || (choice == TAS_CHOICE_AUTO && is_bytes);
    if (!kept || choice != TAS_CHOICE_AUTO) return TAS_OK;
    /* whole numbers of another type may well be the same pixels, but nobody knows how bytes would become floats */
    if (kept->input_type == TAS_INPUT_F32 && is_bytes)
        return fail(a->context, TAS_BAD_DATA,
                    "%s: unsigned bytes, expected floats as in the training set: convert them as those were, or read "
                    "them without pixels as floats from 0 to 255",
                    a->from);
    *pixels = kept->input_type == TAS_INPUT_U8;
    return TAS_OK;
}

/* Reading inputs -------------------------------------------------------------------------------------------------- */

typedef struct job {
    const reader_request *request;
    array *a;
    const array_layout *layout;
    bool pixels;
    const size_t *place;
    unsigned char *rows; /* the examples that are being filled, */
    uint64_t first;      /* from this one on */
} job;

/* Element k of the file has a value that is refused. */
static tas_status report_element(const job *of, uint64_t k, double value)
{
    uint64_t index[ARRAY_DIMS_MOST];
    char text[ARRAY_DIMS_TEXT] = "";
    size_t at = 0;
    find_indices(of->a, k, index);
    for (int d = 1; d < of->a->dims; d++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%" PRIu64, d > 1 ? ", " : " element [", index[d]);
    if (of->a->dims > 1) snprintf(text + at, sizeof text - at, "]");
    return reader_problem(of->request, "%s: example %" PRIu64 ":%s is %g, expected %s", of->a->from, index[0], text,
                          value, of->pixels ? "a whole number from 0 to 255" : "a finite number of type float");
}

/* Element k of the file is element `at` of the rows. */
static tas_status put_element(const job *of, uint64_t k, const unsigned char *from, size_t at)
{
    if (of->pixels) {
        const double value = double_at(of->a, from);
        const bool is_pixel = value >= 0 && value <= 255 && value == (double)(unsigned char)value;
        of->rows[at] = is_pixel ? (unsigned char)value : 0;
        return is_pixel ? TAS_OK : report_element(of, k, value);
    }
    const float value = float_at(of->a, from);
    memcpy(of->rows + at * sizeof value, &value, sizeof value);
    return is_finite(value) ? TAS_OK : report_element(of, k, double_at(of->a, from));
}

/* Whether the file has the elements as they are used. */
static bool is_as_used(const job *of)
{
    const array *a = of->a;
    const bool last =
        of->layout->channels_last && of->layout->channels > 1 && (uint64_t)of->layout->height * of->layout->width > 1;
    const bool type =
        of->pixels ? a->kind == 'u' && a->bytes == 1
                   : a->kind == 'f' && a->bytes == 4 && a->big_endian == (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
    return type && !last && !(a->first_fastest && a->dims > 1);
}

/* The n elements from `first` on, in the file's order. */
static tas_status put_elements(const job *of, uint64_t first, size_t n, const unsigned char *from)
{
    const array_layout *layout = of->layout;
    tas_status status = TAS_OK;
    if (of->pixels && is_as_used(of)) {
        memcpy(of->rows + (first - of->first * layout->size), from, n);
        return TAS_OK;
    }
    for (size_t i = 0; i < n && !status; i++, from += of->a->bytes) {
        const uint64_t k = first + i;
        const uint64_t example = of->a->first_fastest ? k % layout->count : k / layout->size;
        const size_t e = (size_t)(of->a->first_fastest ? k / layout->count : k % layout->size);
        status =
            put_element(of, k, from, (size_t)(example - of->first) * layout->size + (of->place ? of->place[e] : e));
    }
    return status;
}

static size_t least(uint64_t a, uint64_t b) { return (size_t)(a < b ? a : b); }

/* The elements from `first` on, `count` of them, in pieces that fit into the buffer. */
static tas_status read_elements(const job *of, uint64_t first, uint64_t count, unsigned char *buffer)
{
    tas_status status = TAS_OK;
    for (uint64_t done = 0; done < count && !status;) {
        const size_t n = least(count - done, CHUNK / of->a->bytes);
        status = array_read_bytes(of->a, buffer, n * of->a->bytes);
        if (!status) status = put_elements(of, first + done, n, buffer);
        done += n;
    }
    return status;
}

/* With the first index fastest all examples grow at once. */
static tas_status read_examples(job *of, builder *b, unsigned char *buffer)
{
    const array_layout *layout = of->layout;
    const uint64_t row = (uint64_t)layout->size * of->a->bytes;
    const size_t piece = of->a->first_fastest ? (size_t)layout->count : row < CHUNK ? (size_t)(CHUNK / row) : 1;
    tas_status status = TAS_OK;
    for (of->first = 0; of->first < layout->count && !status; of->first += piece) {
        const size_t n = least(layout->count - of->first, piece);
        void *rows = NULL;
        status = builder_add(b, n, &rows);
        of->rows = rows;
        if (!status) status = read_elements(of, of->first * layout->size, (uint64_t)n * layout->size, buffer);
    }
    return status ? status : array_check_end(of->a);
}

static tas_status convert(job *of, reader_set *set)
{
    const array *a = of->a;
    const size_t row = of->layout->size * (of->pixels ? 1 : sizeof(float));
    builder *b = NULL;
    size_t *place = NULL;
    uint64_t count = 0;
    unsigned char *buffer = malloc(CHUNK);
    tas_status status = buffer ? TAS_OK : fail(a->context, TAS_NO_MEMORY, "%s: no memory", a->from);
    if (!status) status = make_places(a, of->layout, &place);
    of->place = place;
    if (!status) status = builder_open(a->context, a->from, row, of->request->reading->cache, 0, &b);
    if (!status) status = read_examples(of, b, buffer);
    if (!status) status = builder_finish(b, &set->inputs, &count);
    builder_close(&b);
    free(place);
    free(buffer);
    return status;
}

static tas_status check_mapped(const job *of, const data_elements *inputs)
{
    tas_status status = elements_begin(of->a->context, inputs, ELEMENTS_IN_ORDER);
    for (uint64_t k = 0; k < of->a->elements && !of->pixels && !status; k++) {
        float value;
        memcpy(&value, inputs->bytes + k * sizeof value, sizeof value);
        if (!is_finite(value)) status = report_element(of, k, (double)value);
    }
    return status;
}

tas_status array_read_inputs(const reader_request *request, array *a, const array_layout *layout, reader_set *set)
{
    job of = {.request = request, .a = a, .layout = layout};
    tas_status status = choose_pixels(request, a, &of.pixels);
    if (status) return status;
    if (a->path && is_as_used(&of) &&
        elements_map(a->context, a->path, a->fd, a->size, (size_t)(a->elements * a->bytes), &set->inputs))
        status = check_mapped(&of, &set->inputs);
    else
        status = convert(&of, set);
    if (status) return status;
    set->options.count = layout->count;
    set->options.input_size = layout->size;
    set->options.input_type = of.pixels ? TAS_INPUT_U8 : TAS_INPUT_F32;
    return TAS_OK;
}

tas_status array_read_doubles(array *a, double **out)
{
    uint64_t index[ARRAY_DIMS_MOST];
    unsigned char *buffer = malloc(CHUNK);
    double *all = malloc((size_t)a->elements * sizeof *all);
    tas_status status = buffer && all ? TAS_OK : fail(a->context, TAS_NO_MEMORY, "%s: no memory", a->from);
    for (uint64_t done = 0; done < a->elements && !status;) {
        const size_t n = least(a->elements - done, CHUNK / a->bytes);
        status = array_read_bytes(a, buffer, n * a->bytes);
        for (size_t i = 0; i < n && !status; i++) {
            uint64_t at = 0;
            find_indices(a, done + i, index);
            for (int d = 0; d < a->dims; d++) at = at * a->dim[d] + index[d];
            all[at] = double_at(a, buffer + i * a->bytes);
        }
        done += n;
    }
    if (!status) status = array_check_end(a);
    free(buffer);
    if (!status) *out = all;
    if (status) free(all);
    return status;
}

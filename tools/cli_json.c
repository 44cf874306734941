/* Values of JSON. */
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What jansson cannot allocate, callers leave out of an object without a word; and its parser (2.14) dies of it within
 * a string. So there is a reserve for when memory runs out, which is not given back. */
static bool lacking, lacked;
static _Alignas(max_align_t) char reserve[1 << 20];
static size_t reserve_used;

static void *alloc(size_t bytes)
{
    const size_t align = _Alignof(max_align_t), padded = (bytes + align - 1) / align * align;
    void *memory = malloc(bytes);
    if (memory) return memory;
    if (padded < bytes || padded > sizeof reserve - reserve_used) {
        lacking = lacked = true;
        return NULL;
    }
    reserve_used += padded;
    return reserve + reserve_used - padded;
}

static void release(void *memory)
{
    const uintptr_t at = (uintptr_t)memory, begin = (uintptr_t)reserve;
    if (at < begin || at >= begin + sizeof reserve) free(memory);
}

void cli_json_watch(void) { json_set_alloc_funcs(alloc, release); }

bool cli_json_is_whole(void)
{
    const bool whole = !lacking;
    lacking = false;
    return whole;
}

bool cli_json_was_whole(void) { return !lacked; }

json_t *cli_json_text(const char *text)
{
    json_t *value = json_string(text);
    if (value) return value;
    char *copy = strdup(text);
    if (!copy) return json_null();
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c >= 0x80) *c = '?';
    value = json_string(copy);
    free(copy);
    return value ? value : json_null();
}

json_t *cli_json_real(double value) { return isfinite(value) ? json_real(value) : json_null(); }

json_t *cli_json_float(float value)
{
    char text[FLOAT_TEXT];
    double shortest;
    return isfinite(value) && cli_read_f64(cli_float(value, text), &shortest) ? json_real(shortest) : json_null();
}

json_t *cli_json_budget(uint64_t bytes) { return bytes < UINT64_MAX ? json_integer((json_int_t)bytes) : json_null(); }

/* json_dumps() of jansson 2.14 leaves out a key for which its buffer cannot grow, and goes on. */
char *cli_json_dump(const json_t *value, size_t flags)
{
    const size_t bytes = value ? json_dumpb(value, NULL, 0, flags) : 0;
    char *text = bytes ? malloc(bytes + 1) : NULL;
    if (text && json_dumpb(value, text, bytes, flags) == bytes) {
        text[bytes] = 0;
        return text;
    }
    lacking = lacked = true;
    free(text);
    return NULL;
}

bool cli_json_print(json_t *value, FILE *stream)
{
    const size_t flags = JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9);
    char *text = cli_json_dump(value, flags);
    json_decref(value);
    const bool whole = cli_json_is_whole() && text;
    const bool done = whole && fputs(text, stream) != EOF && fputc('\n', stream) != EOF;
    free(text);
    if (!whole) errno = ENOMEM;
    return done;
}

json_t *cli_json_exact(double value)
{
    if (isfinite(value)) return json_real(value);
    return json_string(isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
}

bool cli_json_read_exact(const json_t *in, double *value)
{
    const char *text = json_string_value(in);
    if (json_is_number(in)) *value = json_number_value(in);
    if (text) *value = !strcmp(text, "nan") ? NAN : !strcmp(text, "inf") ? INFINITY : -INFINITY;
    return json_is_number(in) || text;
}

json_t *cli_json_bits(uint32_t bits)
{
    char text[16];
    snprintf(text, sizeof text, "%08x", bits);
    return json_string(text);
}

float cli_float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

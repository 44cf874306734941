/* Names of cases, printed and read. */
#include "verify/case_name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[FIELD_SIZE] = {"n", "first", "batch", "at"};

uint32_t *case_name_field(op_args *args, int field)
{
    switch (field) {
    case FIELD_N: return &args->n;
    case FIELD_FIRST: return &args->first;
    case FIELD_BATCH: return &args->batch;
    case FIELD_AT: return &args->at;
    default: return &args->size[field - FIELD_SIZE];
    }
}

const char *case_name_print(const case_name *name, char text[CASE_NAME_TEXT])
{
    const char *between = ":";
    int at = snprintf(text, CASE_NAME_TEXT, "%llu:%u", (unsigned long long)name->seed, name->number);
    for (int f = 0; f < FIELDS; f++) {
        if (!name->given[f]) continue;
        char *end = text + at;
        const size_t left = CASE_NAME_TEXT - (size_t)at;
        if (f < FIELD_SIZE)
            at += snprintf(end, left, "%s%s=%u", between, words[f], name->value[f]);
        else
            at += snprintf(end, left, "%ssize%d=%u", between, f - FIELD_SIZE, name->value[f]);
        between = ",";
    }
    return text;
}

/* Reads a number, and moves text behind it. */
static bool read_number(const char **text, uint64_t most, uint64_t *out)
{
    char *end;
    if (**text < '0' || **text > '9') return false;
    errno = 0;
    *out = strtoull(*text, &end, 10);
    *text = end;
    return !errno && *out <= most;
}

/* Reads "n" or "size3". -1: neither. */
static int read_field(const char **text)
{
    uint64_t place;
    for (int f = 0; f < FIELD_SIZE; f++) {
        const size_t length = strlen(words[f]);
        if (strncmp(*text, words[f], length) != 0 || (*text)[length] != '=') continue;
        *text += length;
        return f;
    }
    if (strncmp(*text, "size", 4) != 0) return -1;
    *text += 4;
    return read_number(text, OP_SIZES - 1, &place) ? FIELD_SIZE + (int)place : -1;
}

static bool read_size(const char **text, case_name *out)
{
    uint64_t value;
    const int field = read_field(text);
    if (field < 0 || out->given[field] || *(*text)++ != '=' || !read_number(text, UINT32_MAX, &value)) return false;
    out->given[field] = true;
    out->value[field] = (uint32_t)value;
    return true;
}

bool case_name_read(const char *text, case_name *out)
{
    uint64_t number;
    *out = (case_name){0};
    if (!read_number(&text, UINT64_MAX, &out->seed) || *text++ != ':' || !read_number(&text, UINT32_MAX, &number))
        return false;
    out->number = (uint32_t)number;
    if (!*text) return true;
    if (*text != ':') return false;
    do {
        text++;
        if (!read_size(&text, out)) return false;
    } while (*text == ',');
    return !*text;
}

/* Sets that are read from tables. */
#include "tables.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

tas_reading reading;
tas_data *train, *test;

void tables_setup(void)
{
    files_setup();
    tas_reading_init(&reading);
    train = test = NULL;
}

void tables_teardown(void)
{
    tas_data_close(&train);
    tas_data_close(&test);
    support_close();
}

void tables_write_bytes(const char *name, const char *text, size_t bytes)
{
    if (strstr(name, ".gz")) {
        gzFile f = gzopen(files_path(name), "wb");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(gzwrite(f, text, (unsigned)bytes), (int)bytes);
        ck_assert_int_eq(gzclose(f), Z_OK);
        return;
    }
    files_write(name, text, bytes);
}

void tables_write(const char *name, const char *text) { tables_write_bytes(name, text, strlen(text)); }

tas_status tables_read(const char *path)
{
    tas_data_close(&train);
    tas_data_close(&test);
    return tas_data_read(context, path, &reading, &train, &test);
}

void tables_open(const char *path) { ck_assert_msg(!tables_read(path), "%s", tas_error(context)); }

void tables_open_text(const char *name, const char *text)
{
    tables_write(name, text);
    tables_open(files_path(name));
}

const char *tables_show(const tas_data *data, int digits)
{
    static char text[4096];
    float x[1024];
    union {
        uint32_t label[1];
        float value[16];
    } t;
    tas_data_info info;
    size_t at = 0;
    tas_data_get_info(data, &info);
    for (uint64_t i = 0; i < tas_data_count(data); i++) {
        expect_ok(tas_data_get(data, &i, 1, x, &t));
        for (size_t k = 0; k < tas_data_input_size(data); k++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*g", k ? " " : "", digits, (double)x[k]);
        at += (size_t)snprintf(text + at, sizeof text - at, "|");
        if (!info.target_size) at += (size_t)snprintf(text + at, sizeof text - at, "%u", t.label[0]);
        for (size_t k = 0; k < info.target_size; k++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*g", k ? " " : "", digits, (double)t.value[k]);
        at += (size_t)snprintf(text + at, sizeof text - at, ";");
    }
    return text;
}

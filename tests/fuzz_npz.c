/* libFuzzer: any bytes as a .npz archive; or, with the highest bit of the first byte, as the members of one, so that
 * checksums do not keep what is behind them from being tested. The other bits say how it is read; two bytes before each
 * member are its length. */
#include "fuzz_set.h"

#include <zlib.h>

typedef struct zip_writer {
    uint8_t bytes[1 << 18];
    size_t used;
} zip_writer;

static void put(zip_writer *out, unsigned bytes, uint32_t value)
{
    for (unsigned k = 0; k < bytes; k++) out->bytes[out->used++] = (uint8_t)(value >> 8 * k);
}

/* Version, flags, method 0, time and date, checksum, sizes, length of the name, no extra field. */
static void put_header(zip_writer *out, const char *name, const uint8_t *bytes, size_t size)
{
    put(out, 4, 20);
    put(out, 4, 0);
    put(out, 4, 0x00210000u);
    put(out, 4, (uint32_t)crc32(0, bytes, (unsigned)size));
    put(out, 4, (uint32_t)size);
    put(out, 4, (uint32_t)size);
    put(out, 4, (uint32_t)strlen(name));
}

static void put_text(zip_writer *out, const char *text, size_t size)
{
    memcpy(out->bytes + out->used, text, size);
    out->used += size;
}

static void write_archive(zip_writer *out, const char *const *names, const uint8_t *input, size_t size)
{
    const uint8_t *part[4];
    size_t length[4], at[4];
    out->used = 0;
    for (int i = 0; i < 4; i++) {
        length[i] = fuzz_cut(&input, &size, &part[i]);
        at[i] = out->used;
        put(out, 4, 0x04034b50u);
        put_header(out, names[i], part[i], length[i]);
        put_text(out, names[i], strlen(names[i]));
        put_text(out, (const char *)part[i], length[i]);
    }
    const size_t directory = out->used;
    for (int i = 0; i < 4; i++) {
        put(out, 4, 0x02014b50u);
        put(out, 2, 20);
        put_header(out, names[i], part[i], length[i]);
        put(out, 4, 0);
        put(out, 4, 0);
        put(out, 2, 0);
        put(out, 4, (uint32_t)at[i]);
        put_text(out, names[i], strlen(names[i]));
    }
    const size_t end = out->used;
    put(out, 4, 0x06054b50u);
    put(out, 4, 0);
    put(out, 4, 0x00040004u);
    put(out, 4, (uint32_t)(end - directory));
    put(out, 4, (uint32_t)directory);
    put(out, 2, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    static const char *const names[] = {"x_train.npy", "y_train.npy", "X_test.npy", "y_test.npy"};
    static zip_writer archive;
    char path[64];
    if (size < 1 || size > sizeof archive.bytes - 1024) return 0;
    const unsigned choices = *input++;
    size--;
    if (choices & 128) {
        write_archive(&archive, names, input, size);
        fuzz_put(0, NULL, archive.bytes, archive.used);
    } else {
        fuzz_put(0, NULL, input, size);
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", FUZZ_FD);
    fuzz_read(path, "npz", choices);
    return 0;
}

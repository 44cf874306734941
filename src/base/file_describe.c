/* What a file seems to be, by its first bytes. */
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { HEAD_MOST = 4096 };

typedef struct head {
    unsigned char bytes[HEAD_MOST + 1]; /* ended by a 0 */
    size_t count;
} head;

/* Formats that begin with fixed bytes. */
static const struct magic {
    const char *bytes;
    size_t count;
    const char *what;
} magics[] = {
    {"\x93NUMPY", 6, "a NumPy array (.npy)"},
    {"\x89PNG\r\n", 6, "a PNG image"},
    {"\xff\xd8\xff", 3, "a JPEG image"},
    {"GIF8", 4, "a GIF image"},
    {"\x89HDF\r\n", 6, "an HDF5 file"},
    {"%PDF", 4, "a PDF document"},
    {"\x7f"
     "ELF",
     4, "a program"},
    {"PAR1", 4, "a Parquet file"},
    {"GGUF", 4, "a GGUF file"},
    {"\xfd"
     "7zXZ",
     5, "an xz archive"},
    {"BZh", 3, "a bzip2 archive"},
    {"\x28\xb5\x2f\xfd", 4, "a Zstandard archive"},
    {"SQLite format 3", 15, "an SQLite database"},
};

static const char *describe_magic(const head *h)
{
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if (h->count >= magics[i].count && !memcmp(h->bytes, magics[i].bytes, magics[i].count)) return magics[i].what;
    return NULL;
}

/* A ZIP archive is recognized by its first entry's name, which begins at byte 30, and the 2 bytes at 26 are its length.
 */
static const char *describe_zip(const head *h)
{
    if (h->count < 30 || memcmp(h->bytes, "PK\3\4", 4)) return NULL;
    const size_t length = h->bytes[26] | (size_t)h->bytes[27] << 8, end = 30 + length;
    if (end <= h->count && length > 4 && !memcmp(h->bytes + end - 4, ".npy", 4)) return "NumPy arrays (.npz)";
    if (end <= h->count && length > 9 && !memcmp(h->bytes + end - 9, "/data.pkl", 9))
        return "a PyTorch checkpoint (.pt)";
    return "a ZIP archive";
}

/* 2 zero bytes, the elements' type, the number of dimensions (readers/idx.c). */
static bool is_idx(const head *h)
{
    return h->count >= 4 && !h->bytes[0] && !h->bytes[1] && h->bytes[2] >= 8 && h->bytes[2] <= 14 && h->bytes[3] &&
           h->bytes[3] < 16;
}

/* The length of a header, then JSON (model/safetensors.h). */
static bool is_safetensors(const head *h) { return h->count >= 9 && !h->bytes[7] && h->bytes[8] == '{'; }

/* Whether all is text, but for a last character that the end of the head may have cut. */
static bool is_text(const head *h)
{
    const char *at = (const char *)h->bytes, *end = at + h->count;
    for (int bytes; at < end; at += bytes) {
        bytes = text_character_bytes(at);
        if (!bytes) return h->count == HEAD_MOST && end - at < 4;
        if (!*at || ((unsigned char)*at < 0x20 && !strchr("\t\n\r\f", *at))) return false;
    }
    return true;
}

static size_t separators_in_line(const char **at, char separator)
{
    size_t count = 0;
    for (; **at && **at != '\n'; ++*at) count += **at == separator;
    *at += **at == '\n';
    return count;
}

/* Whether a separator cuts the first two lines into the same number of fields. In prose, lines further down may. */
static bool is_table(const char *text, char separator)
{
    const size_t first = separators_in_line(&text, separator);
    return first && first == separators_in_line(&text, separator);
}

/* A network's first word is `input`, behind comments. */
static bool is_network(const char *text)
{
    text += strncmp(text, "\xef\xbb\xbf", 3) ? 0 : 3;
    for (;;) {
        text += strspn(text, " \t\r\n");
        if (*text != '#') break;
        text += strcspn(text, "\n");
    }
    return !strncmp(text, "input", 5) && (text[5] == ' ' || text[5] == '\t');
}

static const char *describe_text(const char *text)
{
    const char *first = text + strspn(text, " \t\r\n");
    if (is_network(text)) return "a network's text";
    if (!strncmp(text, "#!", 2)) return "a script";
    if (*first == '{' || *first == '[') return "a JSON text";
    if (*first == '<') return "an HTML or XML text";
    if (is_table(text, ',') || is_table(text, ';')) return "a CSV text";
    if (is_table(text, '\t')) return "a table with tabs (TSV)";
    return "a text";
}

static const char *describe_head(const head *h, bool gzip)
{
    const char *what = describe_magic(h);
    if (!h->count) return gzip ? "an empty file (gzip)" : "an empty file";
    if (is_idx(h)) return gzip ? "an IDX file (gzip)" : "an IDX file";
    if (gzip) return h->count > 262 && !memcmp(h->bytes + 257, "ustar", 5) ? "a tar archive (gzip)" : "a gzip archive";
    if (!what) what = describe_zip(h);
    if (!what && is_safetensors(h)) what = "a safetensors checkpoint";
    if (!what && h->count > 262 && !memcmp(h->bytes + 257, "ustar", 5)) what = "a tar archive";
    if (!what && is_text(h)) what = describe_text((const char *)h->bytes);
    return what ? what : "a binary file of an unknown format";
}

/* A folder of a data set has files of these names. */
static bool has_idx_files(const char *folder)
{
    static const char *const names[] = {"train-images-idx3-ubyte", "train-images-idx3-ubyte.gz",
                                        "t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"};
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool found = false;
    for (size_t i = 0; fd >= 0 && i < sizeof names / sizeof *names; i++) found |= !faccessat(fd, names[i], F_OK, 0);
    if (fd >= 0) close(fd);
    return found;
}

const char *file_describe(const char *path)
{
    head h = {.count = 0};
    struct stat about;
    if (stat(path, &about)) return errno == ENOENT ? "no file" : "an unreadable file";
    if (S_ISDIR(about.st_mode)) return has_idx_files(path) ? "a folder of IDX files (a data set)" : "a folder";
    if (S_ISFIFO(about.st_mode)) return "a pipe";
    if (!S_ISREG(about.st_mode)) return "a device or a socket";
    gzFile stream = gzopen(path, "rb"); /* which reads a plain file as it is */
    if (!stream) return "an unreadable file";
    const int count = gzread(stream, h.bytes, HEAD_MOST);
    const bool gzip = !gzdirect(stream);
    gzclose_r(stream);
    if (count < 0) return "an unreadable file";
    h.count = (size_t)count;
    return describe_head(&h, gzip);
}

/* Arrays in files, as NumPy and IDX have them: of any type of number, any byte order, the last or the first index
 * fastest. They become the inputs of a set; targets.h has its targets. */
#ifndef ARRAY_H
#define ARRAY_H

#include "data/readers/reader.h"

enum { ARRAY_DIMS_MOST = 8, ARRAY_DIMS_TEXT = 24 * ARRAY_DIMS_MOST };

/* A file or a member of an archive, read from its front. */
typedef struct array_stream {
    /* Reads `want` bytes; *got is less if the stream ends before, which is not an error here. What can be checked at
     * the end, as a checksum, has been checked when *got is less. */
    tas_status (*read)(struct array_stream *stream, void *out, size_t want, size_t *got);
    void (*close)(struct array_stream *stream);
} array_stream;

/* All 0: none. */
typedef struct array {
    tas_context *context;
    char *from;    /* for errors, malloc()ed: "data.npz: x_train" */
    char kind;     /* 'b': not 0 is true; 'i', 'u', 'f' */
    uint8_t bytes; /* of an element: 1, 2 (no float of 1), 4 or 8; of 'b': 1 */
    bool big_endian;
    bool first_fastest; /* Fortran's order */
    int dims;
    uint64_t dim[ARRAY_DIMS_MOST];
    uint64_t elements;    /* their product; times `bytes` it is known to fit into the file */
    array_stream *stream; /* at the first element */
    const char *path;     /* of a plain file, which ends with the elements, so that it can be mapped; else NULL */
    int fd;               /* its descriptor and size */
    uint64_t size;
} array;

/* Closes the stream and sets everything to 0. */
void array_close(array *a);

/* Computes the product of the dimensions: from 1 to the greatest that can be in memory. */
tas_status array_count(array *a);

/* The same, and that a file or member of `bytes` bytes has exactly the elements behind its header. */
tas_status array_check_size(array *a, uint64_t bytes, uint64_t header);

/* "(60000, 28, 28)" */
const char *array_print_dims(const array *a, char text[ARRAY_DIMS_TEXT]);

/* Refuses elements that `compressed` bytes of deflate cannot hold: a header alone claims no memory. */
tas_status array_check_deflated(const array *a, uint64_t compressed);

/* Exactly `want` bytes, or an error that says how many there were of how many elements. */
tas_status array_read_bytes(const array *a, void *out, size_t want);

/* That nothing follows the elements. */
tas_status array_check_end(const array *a);

/* How the examples of an array lie in memory. */
typedef struct array_layout {
    uint64_t count;                   /* of examples */
    size_t size;                      /* elements of one */
    uint32_t channels, height, width; /* 0: a row of numbers */
    bool channels_last;               /* in the file */
} array_layout;

/* Of inputs: what each dimension stands for. Notes how 4 dimensions were taken. */
tas_status array_lay_out(const reader_request *request, const array *a, array_layout *out);

/* Reads inputs: pixels or floats, mapped if they lie in the file as they are used. Fills the set's count, sizes, type
 * and inputs. */
tas_status array_read_inputs(const reader_request *request, array *a, const array_layout *layout, reader_set *set);

/* All elements, last index fastest, malloc()ed. */
tas_status array_read_doubles(array *a, double **out);

#endif

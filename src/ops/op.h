/* The operations: what a network is lowered to. One row an operation, in the file of its name: its operands, their
 * sizes, its reference in C, and the cases that verify draws for it. A device overrides references with kernels
 * (device/).
 *
 * n      examples in the tile
 * first  place in the batch of the tile's first example
 * batch  examples in the batch (or, in an evaluation, in the data set)
 */
#ifndef OP_H
#define OP_H

#include "ops/activation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum op_id {
    OP_GATHER_BYTES, /* feed.c */
    OP_GATHER_FLOATS,
    OP_GATHER_LABELS,
    OP_ONE_HOT,
    OP_DENSE_FORWARD, /* dense.c */
    OP_DENSE_BACKWARD_INPUT,
    OP_DENSE_BACKWARD_WEIGHTS,
    OP_DENSE_BACKWARD_BIAS,
    OP_CONV_FORWARD, /* conv.c */
    OP_CONV_BACKWARD_INPUT,
    OP_CONV_BACKWARD_WEIGHTS,
    OP_CONV_BACKWARD_BIAS,
    OP_MAX_POOL_FORWARD, /* pool.c */
    OP_MAX_POOL_BACKWARD,
    OP_AVERAGE_POOL_FORWARD,
    OP_AVERAGE_POOL_BACKWARD,
    OP_DROPOUT_FORWARD, /* dropout.c */
    OP_DROPOUT_BACKWARD,
    OP_TO_ROWS, /* hold.c */
    OP_TO_PANELS,
#define OP_IDS(UPPER, NAME, S, SLOPE, TEXT) OP_##UPPER##_FORWARD, OP_##UPPER##_BACKWARD,
    ACTIVATIONS(OP_IDS) /* activation.c */
#undef OP_IDS
    OP_SOFTMAX_LOSS, /* loss.c */
    OP_SQUARED_LOSS,
    OP_SUM_BLOCKS, /* sum.c */
    OP_RECORD_LOSS,
    OP_CHECK_FINITE,
    OP_SQUARE_BLOCKS, /* noise.c */
    OP_SQUARE_ROWS,
    OP_DENSE_NORMS,
    OP_SGD,  /* sgd.c */
    OP_ADAM, /* adam.c */
    OP_COUNT
} op_id;

enum {
    OP_OPERANDS = 6,
    OP_SIZES = 16,
    OP_SCALARS = 12,
    ROW_LANES = 16,       /* of a sum along a row */
    SUM_LANES = 256,      /* of a sum over a tensor; also the block, and the granule of losses */
    SQUARE_BLOCK = 4096,  /* elements of a block of a sum of squares over a tensor, */
    SQUARE_COLUMNS = 256, /* and over a row of a matrix */
    GRANULE_LEAST = 256,  /* examples x positions that a granule has at least */
};

/* What one call of an operation is told beside its operands. The row says what size[] and scalar[] mean. */
typedef struct op_args {
    op_id op;
    uint32_t n, first, batch;
    uint32_t panel_width; /* examples of a panel, where operands lie so (LAYOUT_BATCH_PANELS); 0 or 1: as rows */
    bool evaluating;      /* dropout lets everything through */
    uint32_t at;          /* place in the order of the tile's first example */
    uint32_t epoch;
    uint64_t seed;
    uint32_t size[OP_SIZES];
    float scalar[OP_SCALARS];
} op_args;

typedef enum op_type { TYPE_F32, TYPE_U32, TYPE_U8 } op_type;
typedef enum op_access { ACCESS_IN, ACCESS_OUT, ACCESS_INOUT } op_access;

/* Places in args.size[] of every operation with an operand in HOLD_PANELS: the size of that matrix. */
enum { OP_MATRIX_ROWS, OP_MATRIX_COLS };

/* How an operand lies on a device. The canonical layout, which the reference has, is row-major throughout. */
typedef enum op_layout {
    LAYOUT_ROW_MAJOR,     /* as the canonical one */
    LAYOUT_WEIGHT_PANELS, /* a matrix of parameters, in the panels that the device wants: layout.h */
    LAYOUT_BATCH_PANELS /* (n, elements), in panels of args.lanes examples: the same layout, so that lanes are examples
                         */
} op_layout;

typedef struct op_operand {
    const char *name; /* NULL ends the list */
    op_type type;
    op_access access;
    op_layout layout;
} op_operand;

typedef struct draw draw; /* random numbers of a case, draw.h */

typedef struct op_row {
    const char *name;
    op_operand operand[OP_OPERANDS + 1];
    uint64_t (*elements)(const op_args *args, int operand); /* of the canonical layout */
    uint64_t (*scratch)(const op_args *args);               /* bytes that the reference wants; NULL: none */
    uint64_t (*flops)(const op_args *args);                 /* of products, an example; an fma is two; NULL: none */
    void (*reference)(const op_args *args, void *const *operand, void *scratch);
    /* Cases: shape `edge` of the edge shapes, or a random one where edge is negative; false past the last edge. */
    bool (*shape)(op_args *args, draw *random, int edge);
    /* Fills an input; NULL or false: as fill_default() does. */
    bool (*fill)(const op_args *args, int operand, void *data, draw *random);
    bool flushes; /* values below 2^-40 that come in become 0, or do so once a sum of them is finished */
    /* Whether an operand is left with anything, so that verify does not compare it; NULL: none is. */
    bool (*undefined)(const op_args *args, int operand);
} op_row;

const op_row *op_get(op_id op);

static inline uint32_t op_panel_width(const op_args *a) { return a->panel_width ? a->panel_width : 1; }

/* n rounded up to whole panels of examples. Lanes past n hold what does not matter, but is finite where what goes in
 * is. */
static inline uint32_t op_padded(const op_args *a)
{
    return (a->n + op_panel_width(a) - 1) / op_panel_width(a) * op_panel_width(a);
}
static inline size_t op_type_bytes(op_type type) { return type == TYPE_U8 ? 1 : 4; }

#endif

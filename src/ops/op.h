/* The operations that a network is lowered to. Each has a row in the file of its subject: its operands, their sizes,
 * its reference in C, and the cases that verify draws for it. A device overrides references with kernels (device/).
 *
 * n      examples in the tile
 * first  place in the batch of the tile's first example
 * batch  examples in the batch (or, in an evaluation, in the data set)
 *
 * What sums over examples gets a leaf of the batch as if it were the batch (plan/shards.h); `origin` is then the leaf's
 * first example, for who reads rows of the whole batch. A fold of the whole batch gets the size of its shards, and
 * leaves a row for each.
 */
#ifndef OP_H
#define OP_H

#include "ops/activation.h"
#include "ops/loss.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum op_id {
    OP_GATHER_BYTES, /* feed.c */
    OP_GATHER_FLOATS,
    OP_GATHER_IMAGE_BYTES,
    OP_GATHER_IMAGE_FLOATS,
    OP_ONE_HOT,
    OP_DENSE_FORWARD, /* dense.c */
    OP_DENSE_FORWARD_NO_BIAS,
    OP_DENSE_BACKWARD_INPUT,
    OP_DENSE_BACKWARD_WEIGHTS,
    OP_DENSE_BACKWARD_PARAMETERS,
    OP_DENSE_BACKWARD_BIAS,
    OP_DENSE_CHECK, /* dense_update.c */
    OP_DENSE_SGD,
    OP_CONV_FORWARD, /* conv.c */
    OP_CONV_FORWARD_NO_BIAS,
    OP_CONV_BACKWARD_INPUT,
    OP_CONV_BACKWARD_WEIGHTS,
    OP_CONV_BACKWARD_PARAMETERS,
    OP_CONV_BACKWARD_BIAS,
    OP_MAX_POOL_FORWARD, /* pool.c */
    OP_MAX_POOL_BACKWARD,
    OP_AVERAGE_POOL_FORWARD,
    OP_AVERAGE_POOL_BACKWARD,
    OP_UPSAMPLE_FORWARD, /* resize.c */
    OP_UPSAMPLE_BACKWARD,
    OP_PAD_FORWARD,
    OP_PAD_BACKWARD,
    OP_ADD_BIAS,        /* bias.c */
    OP_DROPOUT_FORWARD, /* dropout.c */
    OP_DROPOUT_BACKWARD,
    OP_NORM_ROWS, /* norm.c, norm_fold.c */
    OP_NORM_STATISTICS,
    OP_NORM_FORWARD,
    OP_NORM_BACKWARD_ROWS,
    OP_NORM_BACKWARD_SUMS,
    OP_NORM_BACKWARD_PARAMETERS,
    OP_NORM_BACKWARD_INPUT,
    OP_NORM_LOAD_RUNNING,
    OP_NORM_UPDATE_RUNNING,
    OP_NORM_MERGE_STATISTICS, /* norm_merge.c */
    OP_NORM_MERGE_SUMS,
    OP_TO_ROWS, /* reorder.c */
    OP_TO_PANELS,
#define OP_IDS(UPPER, NAME, S, SLOPE, TEXT) OP_##UPPER##_FORWARD, OP_##UPPER##_BACKWARD,
    ACTIVATIONS(OP_IDS) /* activation.c */
#undef OP_IDS
    OP_SOFTMAX_LOSS, /* loss.c */
#define LOSS_IDS(UPPER, NAME) OP_##UPPER##_LOSS,
    TARGET_LOSSES(LOSS_IDS)
#undef LOSS_IDS
        OP_WEIGH,  /* weigh.c */
    OP_SUM_BLOCKS, /* sum.c */
    OP_CHECK_FINITE,
    OP_WATCH,         /* watch.c */
    OP_SQUARE_BLOCKS, /* sum_squares.c */
    OP_SQUARE_ROWS,
    OP_DENSE_NORMS,
    OP_PRECONDITIONED_BLOCKS, /* preconditioned.c */
    OP_PRECONDITIONED_ROWS,
    OP_CLIP, /* divisor.c */
    OP_TRUST_RATIO,
    OP_SGD,            /* sgd.c */
    OP_ADAM,           /* adam.c */
    OP_RMSPROP,        /* rmsprop.c */
    OP_LION,           /* lion.c */
    OP_LARS,           /* lars.c */
    OP_LAMB_DIRECTION, /* lamb.c */
    OP_LAMB_STEP,
    OP_ADD, /* join.c */
    OP_MULTIPLY,
    OP_CONCAT_FORWARD,
    OP_CONCAT_BACKWARD,
    OP_ADD_NODE, /* tree.c */
    OP_ADD_TREE,
    OP_COUNT
} op_id;

enum {
    OP_OPERANDS = 8,
    OP_SIZES = 16,
    OP_SCALARS = 12,
    ROW_LANES = 16,       /* of a sum along a row */
    SUM_LANES = 256,      /* of a sum over a tensor; also the block, and the granule of losses */
    SQUARE_BLOCK = 4096,  /* elements of a block of a sum of squares over a tensor, */
    SQUARE_COLUMNS = 256, /* and over a row of a matrix */
    GRANULE_LEAST = 256,  /* examples x positions of a granule, at least */
};

/* What a call of an operation gets beside its operands. The header of its subject (dense.h, ...) names the places in
 * size[] and scalar[]. */
typedef struct op_args {
    op_id op;
    uint32_t n, first, batch;
    uint32_t origin;      /* examples of the batch before the one of `first` 0 */
    uint32_t shard;       /* examples of each shard but the last; 0: the batch is one, or it does not matter */
    uint32_t panel_width; /* examples of a panel (LAYOUT_BATCH_PANELS); 0 or 1: rows */
    bool evaluating;      /* dropout passes all values unchanged */
    bool relu;            /* of rows with may_relu: what is below 0 in the result becomes 0 */
    bool adds;            /* of rows with an addend: the result is added to that */
    bool masked;          /* of rows with a mask: the result is 0 where x, which a relu has made, is 0 */
    uint8_t replaces;     /* 1 + the input in whose memory the result lies (may_replace); 0: it has memory of its own */
    uint32_t at;          /* place in the order of the tile's first example */
    uint32_t epoch;
    uint64_t seed;
    uint32_t size[OP_SIZES];
    float scalar[OP_SCALARS];
} op_args;

typedef enum op_type { TYPE_F32, TYPE_U32, TYPE_U8 } op_type;
typedef enum op_access { ACCESS_IN, ACCESS_OUT, ACCESS_INOUT } op_access;

/* Places in args.size[] of every operation with an operand in LAYOUT_WEIGHT_PANELS: the size of that matrix. */
enum { OP_MATRIX_ROWS, OP_MATRIX_COLS };

/* How an operand is laid out on a device. The canonical layout, which the reference uses, is row-major throughout. */
typedef enum op_layout {
    LAYOUT_ROW_MAJOR,
    LAYOUT_WEIGHT_PANELS, /* a matrix of parameters, in panels as wide as the device needs (layout.h) */
    LAYOUT_BATCH_PANELS   /* (n, elements), in panels of args.panel_width examples, so that vectors run over examples */
} op_layout;

typedef struct op_operand {
    const char *name; /* NULL ends the list */
    op_type type;
    op_access access;
    op_layout layout;
} op_operand;

/* What is known of the gradient of a single example to the parameters of a call that sums over examples. */
typedef enum op_norms {
    NORMS_NONE,    /* nothing: only sums over groups of examples show how they differ */
    NORMS_WEIGHTS, /* its squared norm, bias included, from operands 0 (x) and 1 (dy): OP_DENSE_NORMS */
    NORMS_BIAS     /* that of the weights includes it */
} op_norms;

typedef struct draw draw; /* random numbers of a case, draw.h */

typedef struct op_row {
    const char *name;
    op_operand operand[OP_OPERANDS + 1];
    uint64_t (*elements)(const op_args *args, int operand); /* of the canonical layout */
    uint64_t (*scratch)(const op_args *args);               /* bytes that the reference needs; NULL: none */
    uint64_t (*flops)(const op_args *args);                 /* of products, per example; an fma is two; NULL: none */
    void (*reference)(const op_args *args, void *const *operand, void *scratch);
    /* Cases: shape `edge` of the edge shapes, or a random one if edge is negative; false past the last edge. */
    bool (*shape)(op_args *args, draw *random, int edge);
    /* Of a shape of which verify lowered some sizes: sets those that follow from others; false if the operation has no
     * such shape. */
    bool (*fit)(op_args *args);
    /* Fills an input; NULL or false: as draw_fill() does. */
    bool (*fill)(const op_args *args, int operand, void *data, draw *random);
    op_norms norms; /* of calls with a gradient */
    /* Of sums over examples: 1 + the place in size[] of the examples of a granule (granule.h). 0: none. */
    uint8_t granule;
    op_id merge;   /* of a fold of the whole batch: what makes one row of those of its shards; 0: none */
    bool may_relu; /* the last thing that the operation does may be a relu: op_args.relu */
    /* 1 + the operand that the finished result may be added to, before a relu, and the sum is finished: op_args.adds.
     * It may have no elements, and no memory, in calls that do not add. 0: none. */
    uint8_t addend;
    /* 1 + the operand x that may mask the result, which is the gradient to x: op_args.masked. It may have no elements,
     * and no memory, in calls that are not masked. 0: none. */
    uint8_t mask;
    /* Whether the result, op_result(), may lie in the memory of that input of as many elements, which is then lost:
     * what of it a part of the result needs is read before that part is written. NULL: in that of none. */
    bool (*may_replace)(const op_args *args, int operand);
    bool flushes; /* values below 2^-40 that come in become 0, or do so once a sum of them is finished */
    /* How many elements of an operand are read and written, together; NULL: op_moves_all(). */
    uint64_t (*moves)(const op_args *args, int operand);
    /* Whether an operand is left with anything, so that verify does not compare it; NULL: none is. */
    bool (*undefined)(const op_args *args, int operand);
} op_row;

const op_row *op_get(op_id op);

/* The last operand that a call writes. */
int op_result(const op_row *row);

/* Whether a sum over the batch has several granules. Otherwise the operands for sums of unfinished granules may be
 * those of the totals. */
bool op_has_granules(const op_args *args);

/* Each element of an operand once, or twice if it is read and written. */
uint64_t op_moves_all(const op_args *args, int operand);

/* The bytes that a call moves at least: what it reads of its operands, and what it writes. */
uint64_t op_bytes(const op_args *args);

static inline uint32_t op_panel_width(const op_args *a) { return a->panel_width ? a->panel_width : 1; }

/* n rounded up to whole panels of examples. What is in a panel past n does not matter, but is finite if the inputs
 * are. */
static inline uint32_t op_padded(const op_args *a)
{
    return (a->n + op_panel_width(a) - 1) / op_panel_width(a) * op_panel_width(a);
}
static inline size_t op_type_bytes(op_type type) { return type == TYPE_U8 ? 1 : 4; }

#endif

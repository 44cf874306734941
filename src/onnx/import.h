/* An ONNX graph to a network's layers.
 *
 * What computes the graph's output is visited from there on, so that what nothing reads is ignored. A node, or several
 * that exporters write for one layer, is matched by a row (rows.c), which names the values that the layer reads; once
 * these have layers of their own, the row adds its layer, with weights. text.c writes the layers down. */
#ifndef ONNX_IMPORT_H
#define ONNX_IMPORT_H

#include "onnx/arena.h"
#include "onnx/file.h"

typedef Onnx__NodeProto onnx_node;

enum { ONNX_NONE = -1, ONNX_INPUTS = 20, ONNX_PARTS = 6, ONNX_WEIGHTS = 4, ONNX_DIMS = 8, ONNX_LAYERS_MOST = 4096 };

/* One example: rank 4 are planes, (n, c, h, w); 3 a picture without channels, (n, h, w), c being 1; 2 a row, (n, c),
 * h and w being 1. */
typedef struct onnx_shape {
    uint32_t c, h, w;
    int rank;
} onnx_shape;

/* A constant: floats, or whole numbers (types INT64, INT32 and BOOL). */
typedef struct onnx_tensor {
    int ndims;
    uint64_t dims[ONNX_DIMS], count;
    const float *floats;
    const int64_t *ints;
} onnx_tensor;

/* A name in the graph. */
typedef struct onnx_value {
    const char *name;
    const Onnx__TensorProto *tensor; /* an initializer, */
    int node;                        /* or the node that computes it, */
    bool input;                      /* or else the graph's input */
    int readers;
    onnx_tensor *known; /* a constant that was read */
    int layer;          /* that has it, once there is one, */
    onnx_shape shape;
    bool scaled;              /* the input, in a step of its scaling: (x - mean) / std, */
    const double *mean, *std; /* one number for each channel */
} onnx_value;

/* The number of examples in a shape that the graph computes. */
#define ONNX_BATCH (INT64_MIN + 1)

typedef struct onnx_weight {
    const char *what; /* "weight" */
    const float *values;
    uint64_t count;
} onnx_weight;

typedef struct onnx_layer {
    const char *kind, *arguments; /* "conv2d", " 16 3 padding 1"; each argument has a space before it */
    int input[ONNX_INPUTS], inputs;
    onnx_shape shape;
    onnx_weight weight[ONNX_WEIGHTS];
    int weights;
    bool commutes; /* its inputs may come in any order */
    bool implied;  /* a flatten that a dense layer after it does by itself */
    int place;     /* in the text */
    bool named;
} onnx_layer;

struct onnx_import;

/* A node, or the last of several, that becomes a layer. */
typedef struct onnx_draft {
    const struct onnx_row *row;
    const onnx_node *node;
    const onnx_node *part[ONNX_PARTS]; /* the others */
    const char **input;                /* what it reads of other layers */
    size_t inputs;
    const char *constant[2]; /* of patterns */
    enum { DRAFT_NEW, DRAFT_OPEN, DRAFT_DONE } state;
} onnx_draft;

typedef struct onnx_import {
    tas_context *context;
    const char *path;
    Onnx__ModelProto *model;
    Onnx__GraphProto *graph;
    int64_t opset;
    onnx_arena arena;
    int folds_left;     /* constants that may still be computed */
    onnx_value *values; /* by name */
    size_t value_count;
    onnx_draft *drafts; /* one per node */
    onnx_layer *layers;
    int layer_count;
    int end;                   /* the layer that the loss reads */
    const char *loss;          /* its name, and then what the last line says of it */
    const onnx_node *scale[2]; /* the nodes that bring outputs to the units of the data: Mul or Div, Add or Sub */
    int64_t batch;             /* examples; 0: any number */
    bool input_used;           /* some layer reads the input: with this scale */
    const double *mean, *std;  /* NULL: 0 and 1 */
} onnx_import;

typedef struct onnx_row {
    const char *op;
    /* Whether this row is for the node; sets the draft's inputs. NULL: always, and it reads its first input. */
    bool (*match)(onnx_import *self, onnx_draft *draft);
    /* Adds the layer, and gives it to the node's output. */
    tas_status (*add)(onnx_import *self, onnx_draft *draft);
    const char *kind; /* activations: of the layer */
} onnx_row;

/* rows.c: the row for a node; NULL: none. */
const onnx_row *onnx_find_row(onnx_import *self, onnx_draft *draft);

/* The rows' functions, by subject. */
#define ONNX_ADD(NAME) tas_status onnx_add_##NAME(onnx_import *self, onnx_draft *draft)
#define ONNX_MATCH(NAME) bool onnx_match_##NAME(onnx_import *self, onnx_draft *draft)
/* clang-format off */
ONNX_ADD(gemm); ONNX_ADD(matmul); ONNX_MATCH(matmul_bias);
ONNX_ADD(conv); ONNX_MATCH(conv); ONNX_ADD(conv_transpose); ONNX_ADD(pad);
ONNX_ADD(max_pool); ONNX_ADD(average_pool); ONNX_ADD(global_pool); ONNX_ADD(global_max_pool); ONNX_ADD(reduce_mean);
ONNX_ADD(resize);
ONNX_ADD(batch_norm); ONNX_ADD(layer_norm); ONNX_ADD(group_norm); ONNX_ADD(instance_norm);
ONNX_ADD(grouped); ONNX_MATCH(grouped); ONNX_MATCH(grouped_scaled);
ONNX_ADD(activation); ONNX_ADD(leaky); ONNX_ADD(gelu); ONNX_ADD(swish);
ONNX_MATCH(unit); ONNX_MATCH(gelu); ONNX_MATCH(silu); ONNX_MATCH(hard_swish); ONNX_MATCH(softplus);
ONNX_ADD(sum); ONNX_MATCH(sum); ONNX_ADD(product); ONNX_MATCH(product); ONNX_ADD(concat); ONNX_MATCH(concat);
ONNX_ADD(scaled_input); ONNX_MATCH(scaled_input);
ONNX_ADD(same); ONNX_ADD(cast); ONNX_ADD(dropout); ONNX_ADD(flatten); ONNX_ADD(reshape); ONNX_ADD(squeeze);
ONNX_ADD(unsqueeze);
/* clang-format on */
#undef ONNX_ADD
#undef ONNX_MATCH

/* graph.c ---- */

/* Errors name the file, the node and its type. */
tas_status onnx_refuse(const onnx_import *self, const onnx_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
tas_status onnx_no_memory(const onnx_import *self);

/* Opens the table of values. */
tas_status onnx_open_values(onnx_import *self);
onnx_value *onnx_find(const onnx_import *self, const char *name); /* NULL: none */
onnx_value *onnx_output(const onnx_import *self, const onnx_node *node);

/* The node that computes a value, if it is of that type; NULL: it is not. */
const onnx_node *onnx_producer(const onnx_import *self, const char *name, const char *op);

/* The name of an input; NULL if it is left out. */
const char *onnx_input(const onnx_node *node, size_t k);

/* Attributes: a default if there is none of that name. A list of up to `most` numbers; *count is 0 if there is none. */
const Onnx__AttributeProto *onnx_attribute(const onnx_node *node, const char *name);
int64_t onnx_int(const onnx_node *node, const char *name, int64_t initial);
float onnx_float(const onnx_node *node, const char *name, float initial);
bool onnx_is_text(const onnx_node *node, const char *name, const char *text, const char *initial);
tas_status onnx_ints(const onnx_import *self, const onnx_node *node, const char *name, size_t most, int64_t *out,
                     size_t *count);

/* constant.c ---- */

/* The constant of that name; *found is false if it is none, which is no error. */
tas_status onnx_constant(onnx_import *self, const char *name, onnx_tensor *out, bool *found);
bool onnx_is_constant(onnx_import *self, const char *name);

/* The same for a constant of one number. */
bool onnx_scalar(onnx_import *self, const char *name, double *out);

/* An input of a node that must be finite floats or whole numbers. `what` names it in errors. */
tas_status onnx_floats(onnx_import *self, const onnx_node *node, const char *name, const char *what, onnx_tensor *out);
tas_status onnx_whole(onnx_import *self, const onnx_node *node, const char *name, const char *what, onnx_tensor *out);

/* The same with `count` floats. NULL name: all are `initial`. */
tas_status onnx_vector(onnx_import *self, const onnx_node *node, const char *name, const char *what, uint64_t count,
                       float initial, const float **out);

/* fold.c: a constant that a node computes from others. depth: of nodes, so far. */
tas_status onnx_fold(onnx_import *self, const onnx_node *node, int depth, onnx_tensor *out, bool *found);
tas_status onnx_constant_at(onnx_import *self, const char *name, int depth, onnx_tensor *out, bool *found);

/* end.c ---- */

/* The loss of a name; NULL: the graph's end chooses it. */
tas_status onnx_choose_loss(onnx_import *self, const char *name);

/* The value that the loss reads: without the nodes at the end that are part of the loss here. */
tas_status onnx_find_end(onnx_import *self, const char **out);

/* What the loss's line says, once the number of outputs is known. */
tas_status onnx_finish_loss(onnx_import *self, uint64_t outputs);

/* layers.c ---- */

/* Adds a layer that reads the draft's inputs. The result is in self->layers until the next one is added; NULL: no
 * memory or too many, with the error set. */
onnx_layer *onnx_layer_add(onnx_import *self, const onnx_draft *draft, const char *kind);
void onnx_layer_weight(onnx_layer *layer, const char *what, const float *values, uint64_t count);

/* The last layer is the draft's: its node's output has the shape. */
tas_status onnx_layer_end(onnx_import *self, const onnx_draft *draft, onnx_shape shape);

/* The draft's node changes nothing but the shape. */
tas_status onnx_pass(onnx_import *self, const onnx_draft *draft, onnx_shape shape);

/* The shape of the draft's first input, and an error if it has not that rank. */
onnx_shape onnx_shape_in(const onnx_import *self, const onnx_draft *draft);
tas_status onnx_need_rank(const onnx_import *self, const onnx_draft *draft, int rank);
uint64_t onnx_elements(onnx_shape shape);
const char *onnx_shape_text(onnx_shape shape, char text[48]);

/* text.c ---- */

/* Leaves out what is implied, and writes the text of the network, which the caller frees. */
tas_status onnx_write_text(onnx_import *self, char **out);

#endif

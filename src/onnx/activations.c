/* Activations, some of which exporters write as several nodes. */
#include "base/format.h"
#include "onnx/import.h"

#include <math.h>
#include <string.h>

enum { TREE_DEPTH = 3 };

tas_status onnx_add_activation(onnx_import *self, onnx_draft *draft)
{
    const onnx_shape in = onnx_shape_in(self, draft);
    if (!onnx_layer_add(self, draft, draft->row->kind)) return TAS_BAD_NETWORK;
    return onnx_layer_end(self, draft, in);
}

static tas_status add_named(onnx_import *self, const onnx_draft *draft, const char *kind, const char *arguments)
{
    const onnx_shape in = onnx_shape_in(self, draft);
    onnx_layer *layer = onnx_layer_add(self, draft, kind);
    if (!layer) return TAS_BAD_NETWORK;
    layer->arguments = arguments;
    return onnx_layer_end(self, draft, in);
}

tas_status onnx_add_leaky(onnx_import *self, onnx_draft *draft)
{
    const float slope = onnx_float(draft->node, "alpha", 0.01f);
    if (!(slope >= 0 && slope <= 1))
        return onnx_refuse(self, draft->node, "alpha %g; expected a slope from 0 to 1", (double)slope);
    return add_named(self, draft, "leaky", onnx_print(&self->arena, " %s", format_float(slope).text));
}

tas_status onnx_add_gelu(onnx_import *self, onnx_draft *draft)
{
    if (!onnx_is_text(draft->node, "approximate", "none", "none"))
        return onnx_refuse(self, draft->node,
                           "an approximation; expected the exact form (nn.GELU() without "
                           "approximate='tanh')");
    return add_named(self, draft, "gelu", "");
}

tas_status onnx_add_swish(onnx_import *self, onnx_draft *draft)
{
    const float alpha = onnx_float(draft->node, "alpha", 1);
    if (alpha != 1) return onnx_refuse(self, draft->node, "alpha %g; expected 1", (double)alpha);
    return add_named(self, draft, "silu", "");
}

/* ---- patterns ---------------------------------------------------------------------------------------------------- */

static bool is_near(double a, double b) { return fabs(a - b) <= 1e-6 * fabs(b); }

/* The draft reads that value alone. */
static bool read_one(onnx_import *self, onnx_draft *draft, const char *name)
{
    const char **input = onnx_alloc(&self->arena, 1, sizeof *input);
    if (!input) return false;
    *input = name;
    draft->input = input;
    draft->inputs = 1;
    return true;
}

/* What a node reads beside a constant of one number. */
static const char *beside_number(onnx_import *self, const onnx_node *node, double *number)
{
    for (size_t k = 0; node && k < 2; k++)
        if (onnx_scalar(self, onnx_input(node, k), number)) return onnx_input(node, 1 - k);
    return NULL;
}

/* What a node reads if it multiplies by 1, or divides by it; NULL: it does not. */
static const char *beside_unit(onnx_import *self, const onnx_node *node)
{
    double one = 0;
    if (node && !strcmp(node->op_type, "Div"))
        return onnx_scalar(self, onnx_input(node, 1), &one) && one == 1 ? onnx_input(node, 0) : NULL;
    const char *x = node && !strcmp(node->op_type, "Mul") ? beside_number(self, node, &one) : NULL;
    return one == 1 ? x : NULL;
}

bool onnx_match_unit(onnx_import *self, onnx_draft *draft)
{
    const char *x = beside_unit(self, draft->node);
    return x && !onnx_is_constant(self, x) && read_one(self, draft, x);
}

/* The value that a name stands for, up to products with 1. */
static const char *plain_name(onnx_import *self, const char *name)
{
    for (int steps = 0; name && steps < TREE_DEPTH; steps++) {
        const onnx_node *product = onnx_producer(self, name, "Mul");
        const char *x = beside_unit(self, product ? product : onnx_producer(self, name, "Div"));
        if (!x) break;
        name = x;
    }
    return name;
}

/* x, if the value is 1 + erf(x / sqrt 2). */
static const char *erf_of(onnx_import *self, const char *name)
{
    double one = 0, by = 0;
    const char *sum = beside_number(self, onnx_producer(self, name, "Add"), &one);
    const onnx_node *erf = sum ? onnx_producer(self, sum, "Erf") : NULL;
    if (!erf || one != 1) return NULL;
    const onnx_node *product = onnx_producer(self, onnx_input(erf, 0), "Mul");
    const onnx_node *quotient = onnx_producer(self, onnx_input(erf, 0), "Div");
    if (quotient && onnx_scalar(self, onnx_input(quotient, 1), &by))
        return is_near(by, 1.4142135623730951) ? onnx_input(quotient, 0) : NULL;
    const char *x = beside_number(self, product, &by);
    return x && is_near(by, 0.70710678118654752) ? x : NULL;
}

static const char *sigmoid_of(onnx_import *self, const char *name)
{
    const onnx_node *node = onnx_producer(self, name, "Sigmoid");
    return node ? onnx_input(node, 0) : NULL;
}

static const char *hard_sigmoid_of(onnx_import *self, const char *name)
{
    const onnx_node *node = onnx_producer(self, name, "HardSigmoid");
    if (!node || !is_near((double)onnx_float(node, "alpha", 0.2f), 1.0 / 6) ||
        !is_near((double)onnx_float(node, "beta", 0.5f), 0.5))
        return NULL;
    return onnx_input(node, 0);
}

typedef const char *(*gate_of)(onnx_import *, const char *);

/* A product of products: of numbers, the gate and x. */
typedef struct product {
    const char *gate, *x;
    int gates, xs, others;
    double number;
} product;

/* The factor that is a gate. */
static const char *find_gate(onnx_import *self, const char *name, gate_of gate, int depth)
{
    const onnx_node *node = onnx_producer(self, name, "Mul");
    if (gate(self, name)) return name;
    for (size_t k = 0; node && depth < TREE_DEPTH && k < 2; k++) {
        const char *found = find_gate(self, onnx_input(node, k), gate, depth + 1);
        if (found) return found;
    }
    return NULL;
}

static void multiply(onnx_import *self, const char *name, int depth, product *p)
{
    double number;
    const onnx_node *node = onnx_producer(self, name, "Mul");
    if (name && !strcmp(name, p->gate))
        p->gates++;
    else if (name && !strcmp(name, p->x))
        p->xs++;
    else if (onnx_scalar(self, name, &number))
        p->number *= number;
    else if (node && depth < TREE_DEPTH) {
        multiply(self, onnx_input(node, 0), depth + 1, p);
        multiply(self, onnx_input(node, 1), depth + 1, p);
    } else
        p->others++;
}

/* x times the gate of x, times a number. */
static bool match_gated(onnx_import *self, onnx_draft *draft, gate_of gate, double number)
{
    product p = {.number = 1};
    const char *name = draft->node->n_output ? draft->node->output[0] : NULL;
    p.gate = name ? find_gate(self, name, gate, 0) : NULL;
    p.x = p.gate ? gate(self, p.gate) : NULL;
    if (!p.x) return false;
    multiply(self, name, 0, &p);
    return p.gates == 1 && p.xs == 1 && !p.others && is_near(p.number, number) && read_one(self, draft, p.x);
}

bool onnx_match_gelu(onnx_import *self, onnx_draft *draft) { return match_gated(self, draft, erf_of, 0.5); }
bool onnx_match_silu(onnx_import *self, onnx_draft *draft) { return match_gated(self, draft, sigmoid_of, 1); }
bool onnx_match_hard_swish(onnx_import *self, onnx_draft *draft)
{
    return match_gated(self, draft, hard_sigmoid_of, 1);
}

/* PyTorch's softplus is x itself above a threshold of 20: where(x > 20, x, softplus(x)), the same in float32. */
bool onnx_match_softplus(onnx_import *self, onnx_draft *draft)
{
    double threshold;
    const onnx_node *greater = onnx_producer(self, onnx_input(draft->node, 0), "Greater");
    const onnx_node *softplus = onnx_producer(self, plain_name(self, onnx_input(draft->node, 2)), "Softplus");
    const char *x = plain_name(self, onnx_input(draft->node, 1));
    const char *compared = greater ? plain_name(self, onnx_input(greater, 0)) : NULL;
    const char *smoothed = softplus ? plain_name(self, onnx_input(softplus, 0)) : NULL;
    if (!x || !compared || !smoothed || strcmp(x, compared) != 0 || strcmp(x, smoothed) != 0) return false;
    return onnx_scalar(self, onnx_input(greater, 1), &threshold) && threshold >= 17 && read_one(self, draft, x);
}

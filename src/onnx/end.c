/* The end of a graph: what the loss reads, and what is part of the loss here. */
#include "base/format.h"
#include "onnx/import.h"

#include <tassello/network.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOSSES_MOST = 16 };

tas_status onnx_choose_loss(onnx_import *self, const char *name)
{
    const char *names[LOSSES_MOST + 1] = {NULL};
    for (int i = 0; i < LOSSES_MOST && tas_loss_name((tas_loss)i); i++) names[i] = tas_loss_name((tas_loss)i);
    for (int i = 0; name && names[i]; i++)
        if (!strcmp(name, names[i])) self->loss = names[i];
    if (!name || self->loss) return TAS_OK;
    char text[160] = "";
    text_buffer list = {.text = text, .bytes = sizeof text};
    for (int i = 0; names[i]; i++) format_add(&list, "%s%s", i ? ", " : "", names[i]);
    const char *meant = tas_suggest(name, names);
    return fail(self->context, TAS_BAD_ARGUMENT, "unknown loss '%.60s'%s%s%s; expected one of: %s", name,
                meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "", text);
}

/* ---- softmax and sigmoid ----------------------------------------------------------------------------------------- */

/* Softmax over the classes; sigmoid with bce. */
static bool is_part_of(const onnx_import *self, const onnx_node *node, const char *loss)
{
    const int64_t axis = onnx_int(node, "axis", self->opset < 13 ? 1 : -1);
    if (!onnx_input(node, 0)) return false;
    if (!strcmp(node->op_type, "Sigmoid")) return !strcmp(loss, tas_loss_name(TAS_LOSS_BCE));
    return (!strcmp(node->op_type, "Softmax") || !strcmp(node->op_type, "LogSoftmax")) && (axis == 1 || axis == -1) &&
           !strcmp(loss, tas_loss_name(TAS_LOSS_SOFTMAX));
}

/* ---- outputs in units of the data -------------------------------------------------------------------------------- */

/* The node, of one of two types, that computes a value from another one and a constant: *from is the other. */
static const onnx_node *find_scaling(onnx_import *self, const char *name, const char *op, const char *inverse,
                                     const char **from)
{
    const onnx_node *node = onnx_producer(self, name, op);
    const char *a = node ? onnx_input(node, 0) : NULL, *b = node ? onnx_input(node, 1) : NULL;
    if (!node) {
        node = onnx_producer(self, name, inverse);
        a = node ? onnx_input(node, 0) : NULL;
        if (!a || !onnx_is_constant(self, onnx_input(node, 1)) || onnx_is_constant(self, a)) return NULL;
    } else if (onnx_is_constant(self, a) == onnx_is_constant(self, b))
        return NULL;
    else if (onnx_is_constant(self, a))
        a = b;
    if (!a || onnx_producer(self, a, "MatMul")) return NULL; /* a bias */
    *from = a;
    return node;
}

/* x S + M; *name becomes that of x. */
static void peel_scale(onnx_import *self, const char **name)
{
    self->scale[1] = find_scaling(self, *name, "Add", "Sub", name);
    self->scale[0] = find_scaling(self, *name, "Mul", "Div", name);
}

static tas_status print_scale(onnx_import *self, FILE *out, const onnx_node *node, const char *word, uint64_t outputs)
{
    const bool reverse = *node->op_type == 'S' || *node->op_type == 'D';
    const char *name = onnx_input(node, 1);
    onnx_tensor t;
    if (!onnx_is_constant(self, name)) name = onnx_input(node, 0);
    const tas_status status = onnx_floats(self, node, name, "the constant", &t);
    if (status) return status;
    if (t.count != 1 && t.count != outputs)
        return onnx_refuse(self, node, "it scales the outputs by %llu numbers; expected one, or one for each of %llu",
                           (unsigned long long)t.count, (unsigned long long)outputs);
    fprintf(out, " %s ", word);
    for (uint64_t i = 0; i < t.count; i++) {
        const float value = !reverse ? t.floats[i] : *node->op_type == 'S' ? -t.floats[i] : 1 / t.floats[i];
        if (*word == 's' && !(value >= 1e-6f && value <= 1e6f))
            return onnx_refuse(self, node,
                               "it multiplies the outputs by %g; expected 1e-6 to 1e6, the standard "
                               "deviation of the targets",
                               (double)value);
        fprintf(out, "%s%s", i ? "," : "", format_float(value).text);
    }
    return TAS_OK;
}

tas_status onnx_finish_loss(onnx_import *self, uint64_t outputs)
{
    char *text = NULL;
    size_t bytes;
    tas_status status = TAS_OK;
    if (!self->scale[0] && !self->scale[1]) return TAS_OK;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return onnx_no_memory(self);
    fputs(self->loss, out);
    if (self->scale[1]) status = print_scale(self, out, self->scale[1], "mean", outputs);
    if (self->scale[0] && !status) status = print_scale(self, out, self->scale[0], "std", outputs);
    const bool failed = ferror(out) != 0, written = !fclose(out) && text && !failed;
    self->loss = written && !status ? onnx_print(&self->arena, "%s", text) : NULL;
    free(text);
    return status || self->loss ? status : onnx_no_memory(self);
}

/* ------------------------------------------------------------------------------------------------------------------ */

static bool is_regression(const char *loss)
{
    return strcmp(loss, tas_loss_name(TAS_LOSS_SOFTMAX)) && strcmp(loss, tas_loss_name(TAS_LOSS_BCE));
}

/* Without a loss, a sigmoid at the end stands for bce, and outputs that are scaled for mse. */
static const char *guess_loss(onnx_import *self, const onnx_node *node, const char *name)
{
    if (node && !strcmp(node->op_type, "Sigmoid")) return tas_loss_name(TAS_LOSS_BCE);
    peel_scale(self, &name);
    return tas_loss_name(self->scale[0] || self->scale[1] ? TAS_LOSS_MSE : TAS_LOSS_SOFTMAX);
}

tas_status onnx_find_end(onnx_import *self, const char **out)
{
    const char *name = self->graph->n_output ? self->graph->output[0]->name : NULL;
    if (self->graph->n_output != 1 || !name)
        return fail(self->context, TAS_BAD_NETWORK, "%s: %zu outputs; expected a graph with one", self->path,
                    self->graph->n_output);
    const onnx_value *value = onnx_find(self, name);
    const onnx_node *node = value && value->node >= 0 ? self->graph->node[value->node] : NULL;
    if (node && !node->op_type) node = NULL;
    const char *loss = self->loss ? self->loss : guess_loss(self, node, name);
    const bool part = node && is_part_of(self, node, loss);
    if (part)
        note(self->context, "%s: the %s at the end is part of loss %s here, and is left out", self->path, node->op_type,
             loss);
    else if (!self->loss)
        note(self->context, "%s: an ONNX file has no loss; %s is used", self->path, loss);
    *out = part ? onnx_input(node, 0) : name;
    self->loss = loss;
    if (is_regression(loss)) peel_scale(self, out);
    return TAS_OK;
}

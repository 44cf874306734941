/* The names of a graph, and what a node has. */
#include "onnx/import.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

tas_status onnx_refuse(const onnx_import *self, const onnx_node *node, const char *format, ...)
{
    char what[1024], name[256];
    size_t number = 0;
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    while (number < self->graph->n_node && self->graph->node[number] != node) number++;
    if (node->name && *node->name)
        snprintf(name, sizeof name, "'%.200s'", node->name);
    else
        snprintf(name, sizeof name, "%zu", number + 1);
    return fail(self->context, TAS_BAD_NETWORK, "%s: node %s (%.80s): %s", self->path, name,
                node->op_type ? node->op_type : "no type", what);
}

tas_status onnx_no_memory(const onnx_import *self)
{
    return fail(self->context, TAS_NO_MEMORY, "%s: no memory to read it", self->path);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static int compare_values(const void *a, const void *b)
{
    const onnx_value *x = a, *y = b;
    return strcmp(x->name, y->name);
}

onnx_value *onnx_find(const onnx_import *self, const char *name)
{
    const onnx_value wanted = {.name = name};
    return name ? bsearch(&wanted, self->values, self->value_count, sizeof wanted, compare_values) : NULL;
}

onnx_value *onnx_output(const onnx_import *self, const onnx_node *node)
{
    return node->n_output ? onnx_find(self, node->output[0]) : NULL;
}

const onnx_node *onnx_producer(const onnx_import *self, const char *name, const char *op)
{
    const onnx_value *value = onnx_find(self, name);
    const onnx_node *node = value && value->node >= 0 ? self->graph->node[value->node] : NULL;
    return node && node->op_type && !strcmp(node->op_type, op) ? node : NULL;
}

const char *onnx_input(const onnx_node *node, size_t k)
{
    return k < node->n_input && node->input[k] && *node->input[k] ? node->input[k] : NULL;
}

static void add_value(onnx_import *self, onnx_value value)
{
    value.layer = ONNX_NONE;
    if (value.name && *value.name) self->values[self->value_count++] = value;
}

static void list_values(onnx_import *self)
{
    const Onnx__GraphProto *g = self->graph;
    for (size_t i = 0; i < g->n_initializer; i++)
        add_value(self, (onnx_value){.name = g->initializer[i]->name, .tensor = g->initializer[i], .node = ONNX_NONE});
    for (size_t n = 0; n < g->n_node; n++)
        for (size_t k = 0; k < g->node[n]->n_output; k++)
            add_value(self, (onnx_value){.name = g->node[n]->output[k], .node = (int)n});
    qsort(self->values, self->value_count, sizeof *self->values, compare_values);
}

static tas_status check_twice(const onnx_import *self)
{
    for (size_t i = 1; i < self->value_count; i++) {
        const onnx_value *a = &self->values[i - 1], *b = &self->values[i];
        if (strcmp(a->name, b->name)) continue;
        if (a->node < 0 && b->node < 0)
            return fail(self->context, TAS_BAD_NETWORK, "%s: two initializers are named '%.200s'", self->path, a->name);
        return onnx_refuse(self, self->graph->node[a->node > b->node ? a->node : b->node],
                           "its output '%.200s' is the name of another value, too; expected each name once", a->name);
    }
    return TAS_OK;
}

/* Before version 4 of the format, initializers were inputs as well. */
static tas_status add_input(onnx_import *self)
{
    const Onnx__ValueInfoProto *input = NULL;
    for (size_t i = 0; i < self->graph->n_input; i++) {
        const Onnx__ValueInfoProto *other = self->graph->input[i];
        const onnx_value *found = onnx_find(self, other->name);
        if (found && found->tensor) continue;
        if (found)
            return onnx_refuse(self, self->graph->node[found->node],
                               "its output '%.200s' is the name of the graph's input, too", found->name);
        if (input)
            return fail(self->context, TAS_BAD_NETWORK,
                        "%s: inputs '%.100s' and '%.100s'; expected a graph with one input", self->path,
                        input->name ? input->name : "", other->name ? other->name : "");
        input = other;
    }
    if (!input || !input->name || !*input->name)
        return fail(self->context, TAS_BAD_NETWORK, "%s: the graph has no input", self->path);
    add_value(self, (onnx_value){.name = input->name, .node = ONNX_NONE, .input = true});
    qsort(self->values, self->value_count, sizeof *self->values, compare_values);
    return TAS_OK;
}

static void count_readers(onnx_import *self)
{
    const Onnx__GraphProto *g = self->graph;
    for (size_t n = 0; n < g->n_node; n++)
        for (size_t k = 0; k < g->node[n]->n_input; k++) {
            onnx_value *value = onnx_find(self, g->node[n]->input[k]);
            if (value) value->readers++;
        }
    for (size_t k = 0; k < g->n_output; k++) {
        onnx_value *value = onnx_find(self, g->output[k]->name);
        if (value) value->readers++;
    }
}

tas_status onnx_open_values(onnx_import *self)
{
    const Onnx__GraphProto *g = self->graph;
    size_t count = g->n_initializer + 1;
    for (size_t n = 0; n < g->n_node; n++) count += g->node[n]->n_output;
    self->values = onnx_alloc(&self->arena, count, sizeof *self->values);
    self->drafts = onnx_alloc(&self->arena, g->n_node, sizeof *self->drafts);
    if (!self->values || !self->drafts) return onnx_no_memory(self);
    list_values(self);
    tas_status status = check_twice(self);
    if (!status) status = add_input(self);
    if (!status) count_readers(self);
    return status;
}

/* ---- attributes -------------------------------------------------------------------------------------------------- */

const Onnx__AttributeProto *onnx_attribute(const onnx_node *node, const char *name)
{
    for (size_t i = 0; i < node->n_attribute; i++)
        if (node->attribute[i]->name && !strcmp(node->attribute[i]->name, name)) return node->attribute[i];
    return NULL;
}

int64_t onnx_int(const onnx_node *node, const char *name, int64_t initial)
{
    const Onnx__AttributeProto *a = onnx_attribute(node, name);
    return a && a->has_i ? a->i : initial;
}

float onnx_float(const onnx_node *node, const char *name, float initial)
{
    const Onnx__AttributeProto *a = onnx_attribute(node, name);
    return a && a->has_f ? a->f : initial;
}

bool onnx_is_text(const onnx_node *node, const char *name, const char *text, const char *initial)
{
    const Onnx__AttributeProto *a = onnx_attribute(node, name);
    if (!a || !a->has_s) return !strcmp(text, initial);
    return a->s.len == strlen(text) && !memcmp(a->s.data, text, a->s.len);
}

tas_status onnx_ints(const onnx_import *self, const onnx_node *node, const char *name, size_t most, int64_t *out,
                     size_t *count)
{
    const Onnx__AttributeProto *a = onnx_attribute(node, name);
    *count = a ? a->n_ints : 0;
    if (*count > most)
        return onnx_refuse(self, node, "attribute '%s' has %zu numbers; expected at most %zu", name, *count, most);
    if (*count) memcpy(out, a->ints, *count * sizeof *out);
    return TAS_OK;
}

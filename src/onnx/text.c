/* The layers as a network's text: each line reads the value of the line above, or of names. */
#include "base/text.h"
#include "base/format.h"
#include "onnx/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is implied --------------------------------------------------------------------------------------------- */

static bool flattens_itself(const onnx_layer *layer)
{
    return !strcmp(layer->kind, "dense") || !strcmp(layer->kind, "flatten");
}

/* A flatten that only dense layers and the loss read is left out: place is ONNX_NONE. */
static void drop_implied(onnx_import *self)
{
    for (int i = 1; i < self->layer_count; i++) {
        onnx_layer *layer = &self->layers[i];
        bool needed = !layer->implied;
        for (int j = i + 1; j < self->layer_count && !needed; j++)
            for (int k = 0; k < self->layers[j].inputs; k++)
                needed |= self->layers[j].input[k] == i && !flattens_itself(&self->layers[j]);
        if (needed) continue;
        layer->place = ONNX_NONE;
        for (int j = i + 1; j < self->layer_count; j++)
            for (int k = 0; k < self->layers[j].inputs; k++)
                if (self->layers[j].input[k] == i) self->layers[j].input[k] = layer->input[0];
        if (self->end == i) self->end = layer->input[0];
    }
}

/* Places in the text; what reads what by name. The value of the line above comes first, if the order does not matter.
 */
static void place_layers(onnx_import *self)
{
    int place = 0, above = ONNX_NONE;
    for (int i = 0; i < self->layer_count; i++) {
        onnx_layer *layer = &self->layers[i];
        if (layer->place == ONNX_NONE) continue;
        layer->place = place++;
        for (int k = 1; k < layer->inputs && layer->commutes && layer->input[0] != above; k++)
            if (layer->input[k] == above) layer->input[k] = layer->input[0], layer->input[0] = above;
        for (int k = 0; k < layer->inputs; k++)
            if (k || layer->input[k] != above) self->layers[layer->input[k]].named = true;
        above = i;
    }
    if (self->end != above) self->layers[self->end].named = true;
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static void print_name(FILE *out, const onnx_import *self, int layer)
{
    fprintf(out, "%s_%d", self->layers[layer].kind, self->layers[layer].place);
}

static void print_list(FILE *out, const char *name, const double *values, uint32_t count, double initial)
{
    bool same = true;
    for (uint32_t c = 1; c < count; c++) same &= (float)values[c] == (float)values[0];
    if (same && (float)values[0] == (float)initial) return;
    fprintf(out, " %s ", name);
    for (uint32_t c = 0; c < (same ? 1 : count); c++)
        fprintf(out, "%s%s", c ? "," : "", format_float((float)values[c]).text);
}

static void print_input(FILE *out, const onnx_import *self)
{
    const onnx_shape s = self->layers[0].shape;
    if (s.rank == 2)
        fprintf(out, "input %u", s.c);
    else
        fprintf(out, "input %ux%ux%u", s.c, s.h, s.w);
    if (!self->mean) return;
    print_list(out, "mean", self->mean, s.c, 0);
    print_list(out, "std", self->std, s.c, 1);
}

static void print_layer(FILE *out, const onnx_import *self, int i)
{
    const onnx_layer *layer = &self->layers[i];
    if (i)
        fprintf(out, "%s%s", layer->kind, layer->arguments);
    else
        print_input(out, self);
    for (int k = 1; k < layer->inputs; k++) {
        fputc(' ', out);
        print_name(out, self, layer->input[k]);
    }
    if (layer->named) {
        fputs(" as ", out);
        print_name(out, self, i);
    }
    fputc('\n', out);
}

static void print_from(FILE *out, const onnx_import *self, int layer, int above)
{
    if (layer == above) return;
    fputs("from ", out);
    print_name(out, self, layer);
    fputc('\n', out);
}

/* Where it comes from, in a comment, without what is not printable. */
static void print_head(FILE *out, const onnx_import *self)
{
    char text[512], shown[600];
    const char *slash = strrchr(self->path, '/'), *by = self->model->producer_name;
    snprintf(text, sizeof text, "%.200s%s%.100s %.50s", slash ? slash + 1 : self->path, by && *by ? ", by " : "",
             by ? by : "", self->model->producer_version && by && *by ? self->model->producer_version : "");
    for (char *at = text; *at; at++)
        if (*at < ' ' || *at > '~') *at = '?';
    fprintf(out, "# From %s\n", text_escape(text, "", shown, sizeof shown));
}

tas_status onnx_write_text(onnx_import *self, char **out)
{
    size_t bytes;
    int above = ONNX_NONE;
    FILE *stream = open_memstream(out, &bytes);
    if (!stream) return onnx_no_memory(self);
    drop_implied(self);
    place_layers(self);
    print_head(stream, self);
    for (int i = 0; i < self->layer_count; i++) {
        const onnx_layer *layer = &self->layers[i];
        if (layer->place == ONNX_NONE) continue;
        if (i) print_from(stream, self, layer->input[0], above);
        print_layer(stream, self, i);
        above = i;
    }
    print_from(stream, self, self->end, above);
    fprintf(stream, "loss %s\n", self->loss);
    const bool failed = ferror(stream) != 0, unfinished = fclose(stream) || !*out;
    return failed || unfinished ? onnx_no_memory(self) : TAS_OK;
}

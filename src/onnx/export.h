/* A network's layers as the nodes of a graph. */
#ifndef ONNX_EXPORT_H
#define ONNX_EXPORT_H

#include "network/network.h"
#include "onnx/write.h"

typedef struct onnx_export_state {
    onnx_writer w;
    const tas_network *network;
    const char **value; /* the name of each layer's value in the graph, */
    int *rank;          /* and its dimensions: 4 with planes, 2 without */
} onnx_export_state;

/* Adds the nodes of layer i; false if there is no row for its kind. */
bool onnx_export_layer(onnx_export_state *e, int i);

/* The value of layer i as planes or as a row. */
const char *onnx_export_value(onnx_export_state *e, int i, int rank);

#endif

/* A network from an ONNX file, and to one. */
#ifndef ONNX_H
#define ONNX_H

#include "network/network.h"

#include <tassello/onnx.h>

/* Gives the values of a network's parameter, by its index among the parameters. */
typedef tas_status (*onnx_source)(void *user, int parameter, float *values);

/* Writes a network as a graph, see tas_onnx_save(). */
tas_status onnx_export(const tas_network *network, onnx_source source, void *user, const char *path,
                       bool probabilities);

#endif

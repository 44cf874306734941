/* Networks, described in text (UTF-8), one layer a line:
 *
 *     input 1x28x28 mean 0.2860 std 0.3530   # channels x height x width; pixels are (byte/255 - mean) / std
 *     dense 500                              # outputs; init he (default) or glorot
 *     relu                                   # or leaky 0.01, tanh, sigmoid, gelu
 *     dense 10
 *     loss softmax                           # the default; or mse
 */
#ifndef TASSELLO_NETWORK_H
#define TASSELLO_NETWORK_H

#include <tassello/context.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tas_network tas_network;

/* Reads a network: the name of one that ships ("mlp"), else a file. An error gives file, line and what was expected.
 * *out is closed with tas_network_close(); models made from it keep what they need. */
TAS_API tas_status tas_network_open(tas_context *context, const char *name_or_file, tas_network **out);

/* The same from memory; `from` names the text in errors. text is copied. */
TAS_API tas_status tas_network_parse(tas_context *context, const char *text, const char *from, tas_network **out);
TAS_API void tas_network_close(tas_network **network);

/* The text as it was read. Valid until the network is closed. */
TAS_API const char *tas_network_text(const tas_network *network);

/* Elements of one example's input, and of the network's output (logits, or predictions under loss mse). */
TAS_API size_t tas_network_inputs(const tas_network *network);
TAS_API size_t tas_network_outputs(const tas_network *network);

/* A line for people for layer `index` (its text, output shape, parameters), NULL past the last. Valid until close. */
TAS_API const char *tas_network_layer(const tas_network *network, size_t index);

/* Parameters' tensors in canonical order, named "1.dense.weight" (outputs, inputs) and "1.dense.bias" (outputs); the
 * number is the layer's place, the input line being 0. dims[0..1]; a bias has dims[1] = 0. NULL past the last. */
typedef struct tas_tensor_info {
    const char *name;
    size_t dims[2];
    size_t elements;
} tas_tensor_info;
TAS_API const tas_tensor_info *tas_network_tensor(const tas_network *network, size_t index);

/* Names of the networks that ship; NULL past the last. */
TAS_API const char *tas_network_shipped(size_t index);

#ifdef __cplusplus
}
#endif

#endif

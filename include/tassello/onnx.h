/* ONNX (https://onnx.ai): networks with their weights from and to other programs.
 *
 * The input of a graph is float32, (n, channels, height, width) or (n, values), in the units that layers see before the
 * network's mean and std: of pixels byte / 255. The number of examples, n, may be any. */
#ifndef TASSELLO_ONNX_H
#define TASSELLO_ONNX_H

#include <tassello/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* NULL if this build reads and writes ONNX, else what it lacks, with the names of Debian's packages. The calls below
 * then fail with TAS_BAD_FILE. */
TAS_API const char *tas_onnx_missing(void);

/* Whether a file's name ends in ".onnx". */
TAS_API int tas_onnx_is_name(const char *file);

/* A graph as a network, with its weights. */
typedef struct tas_onnx tas_onnx;

/* Reads a file. loss: a name of tas_loss_name(), since a graph has none; NULL: softmax, or bce if the graph ends in a
 * sigmoid. A softmax at the end (a sigmoid with bce) is part of the loss here and is left out, which is noted in the
 * log. *out is closed with tas_onnx_close().
 *
 * TAS_BAD_DATA if the file is not an ONNX model, is damaged, or has weights in other files; TAS_BAD_NETWORK, with the
 * node's name and type, if no layer does what it computes. Memory is taken in proportion to the file's size. */
TAS_API tas_status tas_onnx_open(tas_context *context, const char *file, const char *loss, tas_onnx **out);
TAS_API void tas_onnx_close(tas_onnx **onnx);

/* Its network, which tas_network_save() writes as a text. Valid until the ONNX model is closed. */
TAS_API const tas_network *tas_onnx_network(const tas_onnx *onnx);

/* The values of that network's tas_network_tensor(index), row-major; NULL past the last. Valid until close. */
TAS_API const float *tas_onnx_values(const tas_onnx *onnx, size_t index);

/* Opens a model with the network and its weights on a device. `name` is the network's in checkpoints; NULL: that of the
 * file. *out is closed with tas_model_close(). */
TAS_API tas_status tas_onnx_model(const tas_onnx *onnx, tas_device *device, const char *name, tas_model **out);

/* Writes a model as a graph of opset 17, whose outputs, (n, outputs), are those of tas_predict(). Its tensors have the
 * names that they have here. Augmentation is left out; dropout is a node, which does nothing unless it is trained.
 * probabilities: non-zero for the softmax of the outputs, or their sigmoid with bce; TAS_BAD_ARGUMENT for other losses.
 */
TAS_API tas_status tas_onnx_save(tas_model *model, const char *file, int probabilities);

#ifdef __cplusplus
}
#endif

#endif

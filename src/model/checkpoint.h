/* Checkpoints: a safetensors file with a network and more in its metadata. Those with the state of a run have tensors
 * beside the network's parameters. */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "model/model.h"
#include "model/safetensors.h"

typedef struct checkpoint {
    tas_context *context;
    const char *path;
    safetensors *file;
    tas_network *network;
} checkpoint;

/* The network of a file that is a checkpoint; NULL: it is not, or not of a network that this version reads. */
tas_network *checkpoint_network(tas_context *context, const safetensors *file, const char *path);

/* Opens a checkpoint and checks all but its values: the network, and that its parameters are there. Closed with
 * checkpoint_close(). */
tas_status checkpoint_open(tas_context *context, const char *path, checkpoint *c);
void checkpoint_close(checkpoint *c);

/* The state of a run, as it stands there; NULL: there is none. */
const char *checkpoint_state(const checkpoint *c);

bool checkpoint_has_shape(const safetensor *found, const tas_tensor_info *info);

/* A tensor of the file with the shape of a parameter. */
tas_status checkpoint_find(const checkpoint *c, const tas_tensor_info *info, const char *name, const safetensor **out);

/* A tensor to be written, with the shape of a parameter. */
safetensor checkpoint_tensor(const tas_tensor_info *info, const char *name, const float *data);

/* Writes a checkpoint of a model with these tensors and that state (NULL: none). keeps: the earlier file stays as
 * PATH.previous. */
tas_status checkpoint_write(const tas_model *model, const safetensor *tensors, size_t count, const char *state,
                            const char *path, bool keeps);

#endif

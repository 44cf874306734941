#include "lab/sweep/weights.h"

#include "model/model.h"

size_t weights_count(const tas_network *network)
{
    size_t all = 0;
    const tas_tensor_info *t;
    for (size_t i = 0; (t = tas_network_tensor(network, i)); i++) all += t->elements;
    return all;
}

size_t weights_trained(const tas_network *network)
{
    size_t all = 0;
    const tas_tensor_info *t;
    for (size_t i = 0; (t = tas_network_tensor(network, i)); i++)
        if (t->trained) all += t->elements;
    return all;
}

tas_status weights_read(tas_model *model, float *weights)
{
    const tas_tensor_info *t;
    tas_status status = TAS_OK;
    for (size_t i = 0; !status && (t = tas_network_tensor(model->network, i)); i++, weights += t->elements)
        status = tas_model_read(model, t->name, weights, t->elements);
    return status;
}

tas_status weights_write(tas_model *model, const float *weights)
{
    const tas_tensor_info *t;
    tas_status status = TAS_OK;
    for (size_t i = 0; !status && (t = tas_network_tensor(model->network, i)); i++, weights += t->elements)
        status = tas_model_write(model, t->name, weights, t->elements);
    return status;
}

/* Predictions of which several ranks have a part each. */
#ifndef PREDICT_H
#define PREDICT_H

#include "model/model.h"

/* The outputs for inputs on the host, on the model's device alone. */
tas_status predict_alone(tas_model *model, const float *inputs, uint32_t count, float *outputs);

#endif

/* Tassello: mini-batch training on any OpenCL device, with the same bits on each. This header includes all others. */
#ifndef TASSELLO_TASSELLO_H
#define TASSELLO_TASSELLO_H

#include <tassello/bench.h>
#include <tassello/context.h>
#include <tassello/data.h>
#include <tassello/device.h>
#include <tassello/lab.h>
#include <tassello/metrics.h>
#include <tassello/model.h>
#include <tassello/network.h>
#include <tassello/onnx.h>
#include <tassello/plan.h>
#include <tassello/profile.h>
#include <tassello/ranks.h>
#include <tassello/reach.h>
#include <tassello/scale.h>
#include <tassello/status.h>
#include <tassello/tune.h>
#include <tassello/verify.h>

#endif

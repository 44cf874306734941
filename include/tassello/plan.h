/* Plans: what a training run would take of a device's memory, before anything is allocated. The forecast is exact: what
 * tas_train() reports as peak_bytes, where the device keeps its word. */
#ifndef TASSELLO_PLAN_H
#define TASSELLO_PLAN_H

#include <tassello/data.h>
#include <tassello/device.h>
#include <tassello/model.h>
#include <tassello/network.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tas_plan_options {
    size_t size;             /* of this struct: set by tas_plan_options_init() */
    uint32_t batch;          /* examples an update; 64 */
    uint64_t budget;         /* bytes of device memory to use; 0: 60 % of a discrete device's, 50 % of a shared one's */
    uint32_t tile;           /* most examples on the device at once; 0: as the budget allows */
    tas_optimizer optimizer; /* TAS_SGD; the others keep more of each parameter */
    int noise;               /* non-zero: of a training that measures the gradient noise scale */
    const tas_data *validation; /* NULL, or what is evaluated while the run is open, beside its memory */
} tas_plan_options;
TAS_API void tas_plan_options_init(tas_plan_options *options);

typedef struct tas_plan_part {
    const char *name; /* static; NULL ends the list */
    uint64_t bytes;
} tas_plan_part;

enum { TAS_PLAN_PARTS = 16 };

typedef struct tas_plan {
    uint32_t tile;              /* examples that are on the device at once */
    uint32_t tiles;             /* a batch */
    int resident;               /* the data set lies on the device; else it is streamed */
    uint64_t budget;            /* bytes that it was made for */
    uint64_t train_budget;      /* of them, what tas_train_options are to have: all but what validation wants */
    uint64_t validation_budget; /* and what tas_model_set_budget() is to be given for it; 0: there is none */
    uint64_t bytes_total;       /* the sum of the parts */
    uint64_t host_bytes;        /* of the host's memory */
    uint64_t bytes_fixed;       /* of that, what a tile of one example would take */
    uint64_t bytes_per_example; /* what each further example of the tile adds, on average, rounded up */
    uint64_t min_budget;        /* the least with which there is a plan for this batch: a byte less has none */
    uint32_t largest_untiled;   /* the largest batch that fits in one tile; 0: none */
    tas_plan_part part[TAS_PLAN_PARTS];
} tas_plan;

/* Plans training on a device. train NULL: a set of bytes with labels, which is streamed. test, where not NULL, is
 * evaluated afterwards within the same memory. TAS_NO_MEMORY where the budget is too small: the text names the least,
 * and out->min_budget is set then, too. */
TAS_API tas_status tas_plan_make(tas_device *device, const tas_network *network, const tas_data *train,
                                 const tas_data *test, const tas_plan_options *options, tas_plan *out);

#ifdef __cplusplus
}
#endif

#endif

/* Gradients at weights that do not change: see gradients.h. */
#include "train/gradients.h"

#include "train/feed.h"
#include "train/noise.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TILE_WANTED = 1024 }; /* examples: no tile needs more to be fast */

/* Sums ------------------------------------------------------------------------------------------------------------ */

/* Watches for the norms of a batch's examples. */
typedef struct norms_watch {
    workspace *w;
    uint32_t batch;
    bool added; /* some layer's norms of this tile's examples */
} norms_watch;

static tas_status after_call(void *self, const op_call *call, uint32_t n, uint32_t first)
{
    norms_watch *watch = self;
    return noise_norms(watch->w, call, n, first, watch->batch, &watch->added);
}

static tas_status after_tile(void *self, uint32_t n, uint32_t first)
{
    (void)n;
    (void)first;
    ((norms_watch *)self)->added = false;
    return TAS_OK;
}

static tas_status run_batch(gradients *g, const uint32_t *list, uint32_t n, bool norms)
{
    workspace *w = &g->w;
    const step_batch batch = {.data = g->data, .order = list, .count = n, .panel_width = w->plan.panel_width};
    norms_watch watch = {w, n, false};
    const step_observer observer = {.self = &watch, .after_call = after_call, .after_tile = after_tile};
    tas_status status = feed_order(w, list, n);
    if (!status) status = step_gradient(w, &batch, norms ? &observer : NULL);
    return status ? status : feed_settle(w);
}

/* n = 0: only opens the feed. */
static tas_status attempt(gradients *g, const uint32_t *list, uint32_t n, float *sum, float *losses, float *norms)
{
    workspace *w = &g->w;
    const device_driver *driver = w->device->driver;
    tas_status status = g->fed ? TAS_OK : feed_open(w, g->data);
    g->fed = true; /* if it failed, all is released */
    if (status || !n) return status;
    const bool dense = norms && g->request.noise.dense;
    if (norms) memset(norms, 0, n * sizeof *norms);
    status = run_batch(g, list, n, dense);
    if (!status) status = driver->read(w->device, &w->part[PART_GRADIENT], 0, sum, w->plan.bytes[PART_GRADIENT]);
    if (!status) status = driver->read(w->device, &w->tensor[w->network->losses], 0, losses, n * sizeof *losses);
    if (!status && dense) status = driver->read(w->device, &w->norms, 0, norms, n * sizeof *norms);
    return status;
}

static void release(gradients *g)
{
    workspace_close(&g->w);
    g->fed = false;
}

/* *tile: the plan's; 0 if the device did not provide the memory. *shrunk: whether it refused some. */
static tas_status open_workspace(gradients *g, bool *shrunk, uint32_t *tile)
{
    *shrunk = false;
    if (g->w.device) {
        *tile = g->w.plan.tile;
        return TAS_OK;
    }
    tas_status status = workspace_open(&g->w, g->model, &g->request, g->budget, shrunk);
    *tile = status ? 0 : g->w.plan.tile;
    g->w.seed = g->seed;
    return status;
}

/* It changes nothing: if the device refuses memory or fails, it is repeated, as an evaluation is. */
tas_status gradients_sum(gradients *g, const uint32_t *list, uint32_t n, float *sum, float *losses, float *norms)
{
    for (workspace_retries tries = {0};;) {
        bool shrunk;
        uint32_t tile;
        tas_status status = open_workspace(g, &shrunk, &tile);
        const bool opened = !status;
        if (opened) status = attempt(g, list, n, sum, losses, norms);
        if (!status) return status;
        release(g);
        if (!opened && !shrunk) return status; /* a plan that cannot be */
        if (!workspace_should_retry(g->model, &g->request, &tries, status, tile)) return status;
        model_log_recovery(g->model, "the gradients of that batch are computed again");
    }
}

/* Opening --------------------------------------------------------------------------------------------------------- */

static tas_status find_rest(gradients *g)
{
    const tas_network *network = g->w.network;
    g->rest = calloc((size_t)network->parameter_count, sizeof *g->rest);
    if (!g->rest) return fail(g->model->context, TAS_NO_MEMORY, "no memory for a list of gradients");
    for (int i = 0; i < network->parameter_count; i++) {
        const int gradient = network->tensors[network->parameters[i]].gradient;
        if (gradient < 0 || network->tensors[gradient].noise == NOISE_EXAMPLES) continue;
        const region *p = &g->w.plan.tensor[gradient];
        g->rest[g->rests++] = (gradient_slice){p->offset / sizeof(float), p->bytes / sizeof(float)};
    }
    return TAS_OK;
}

tas_status gradients_open(gradients *g, tas_model *model, const tas_data *data, uint32_t max_batch, uint64_t budget,
                          uint64_t seed)
{
    const uint32_t tile = max_batch < MAX_TILE_WANTED ? max_batch : MAX_TILE_WANTED;
    *g = (gradients){.model = model, .data = data, .budget = budget, .seed = seed};
    tas_status status = feed_check(model->network, data);
    if (status) return status;
    g->request = forecast_request(data, true, max_batch, tile);
    g->request.noise.dense = noise_schedule_for(model->network, max_batch, 0).dense;
    model_mirror(model);
    g->request.copy = model->mirror.bytes ? COPY_PARAMETERS : COPY_NONE;
    g->request.order = 0;
    status = gradients_sum(g, NULL, 0, NULL, NULL, NULL);
    if (status) return status;
    g->elements = g->w.plan.bytes[PART_GRADIENT] / sizeof(float);
    return find_rest(g);
}

void gradients_close(gradients *g)
{
    release(g);
    free(g->rest);
    *g = (gradients){0};
}

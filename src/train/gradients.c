/* Gradients at weights that stand still, see gradient.h. */
#include "train/gradients.h"

#include "ops/dense.h"

#include <stdlib.h>
#include <string.h>

enum { TILE_WANTED = 1024 }; /* examples: no tile needs more to be fast, and what is read of it lies on the host too */

/* What a call of a dense layer's says of its examples: its outputs' gradients, its inputs (NO_TENSOR: ones), the
 * parameter's gradient. */
typedef struct dense_call {
    int x, dy, gradient;
} dense_call;

static bool as_dense(const op_call *call, dense_call *out)
{
    const int *operand = call->operand;
    if (call->args.op == OP_DENSE_BACKWARD_WEIGHTS) *out = (dense_call){operand[0], operand[1], operand[2]};
    if (call->args.op == OP_DENSE_BACKWARD_BIAS) *out = (dense_call){NO_TENSOR, operand[0], operand[1]};
    return call->args.op == OP_DENSE_BACKWARD_WEIGHTS || call->args.op == OP_DENSE_BACKWARD_BIAS;
}

static bool is_of_dense(const tas_network *network, int gradient)
{
    dense_call of;
    for (int c = 0; c < network->backward_count; c++)
        if (as_dense(&network->backward[c], &of) && of.gradient == gradient) return true;
    return false;
}

/* Norms -------------------------------------------------------------------------------------------------------------
 */

static double square_of(const float *row, uint64_t count)
{
    double sum = 0;
    for (uint64_t i = 0; i < count; i++) sum += (double)row[i] * row[i];
    return sum;
}

/* Right after the call: later ones may write over its operands. */
static tas_status add_norms(gradients *g, const op_call *call, uint32_t n, double *norms)
{
    workspace *w = &g->w;
    const device_driver *driver = w->device->driver;
    dense_call of;
    if (!as_dense(call, &of)) return TAS_OK;
    const uint64_t outputs = call->args.size[DENSE_OUTPUTS];
    const uint64_t inputs = of.x == NO_TENSOR ? 0 : call->args.size[DENSE_INPUTS];
    float *dy = g->rows, *x = g->rows + n * outputs; /* (n, outputs), (n, inputs) */
    tas_status status = driver->read(w->device, &w->tensor[of.dy], 0, dy, n * outputs * sizeof *dy);
    if (!status && inputs) status = driver->read(w->device, &w->tensor[of.x], 0, x, n * inputs * sizeof *x);
    for (uint32_t r = 0; r < n && !status; r++)
        norms[r] += square_of(dy + r * outputs, outputs) * (inputs ? square_of(x + r * inputs, inputs) : 1);
    return status;
}

static tas_status take_rows(gradients *g)
{
    uint64_t widest = 0;
    dense_call of;
    if (g->rows) return TAS_OK; /* tiles only become smaller */
    for (int c = 0; c < g->w.network->backward_count; c++) {
        const op_call *call = &g->w.network->backward[c];
        if (!as_dense(call, &of)) continue;
        const uint64_t width = (uint64_t)call->args.size[DENSE_OUTPUTS] + call->args.size[DENSE_INPUTS];
        if (width > widest) widest = width;
    }
    g->rows = malloc((size_t)(widest * g->w.plan.tile + 1) * sizeof *g->rows);
    return g->rows ? TAS_OK
                   : fail(g->model->context, TAS_NO_MEMORY, "no memory to read a tile of %u examples", g->w.plan.tile);
}

/* Sums --------------------------------------------------------------------------------------------------------------
 */

static tas_status run_backward(gradients *g, uint32_t n, uint32_t first, uint32_t batch, double *norms)
{
    const tas_network *network = g->w.network;
    tas_status status = TAS_OK;
    if (!norms) return run_calls(&g->w, network->backward, network->backward_count, n, first, batch);
    for (int c = 0; c < network->backward_count && !status; c++) {
        status = run_calls(&g->w, &network->backward[c], 1, n, first, batch);
        if (!status) status = add_norms(g, &network->backward[c], n, norms + first);
    }
    return status;
}

static tas_status run_tiles(gradients *g, const uint32_t *list, uint32_t batch, double *norms)
{
    workspace *w = &g->w;
    const tas_network *network = w->network;
    tas_status status = feed_order(w, list, batch);
    for (uint32_t first = 0; first < batch && !status; first += w->plan.tile) {
        const uint32_t n = batch - first < w->plan.tile ? batch - first : w->plan.tile;
        status = feed_tile(w, g->data, list, first, n);
        if (!status) status = run_calls(w, network->forward, network->forward_count, n, first, batch);
        if (!status) status = run_backward(g, n, first, batch, norms);
        if (!status) status = feed_done(w);
    }
    return status ? status : feed_settle(w);
}

/* n = 0: makes ready, and no more. */
static tas_status attempt(gradients *g, const uint32_t *list, uint32_t n, float *sum, float *losses, double *norms)
{
    workspace *w = &g->w;
    const device_driver *driver = w->device->driver;
    tas_status status = g->fed ? TAS_OK : feed_open(w, g->data);
    g->fed = true; /* or given back, where it failed */
    if (!status && norms) status = take_rows(g);
    if (status || !n) return status;
    if (norms) memset(norms, 0, n * sizeof *norms);
    status = run_tiles(g, list, n, norms);
    if (!status) status = driver->read(w->device, &w->part[PART_GRADIENT], 0, sum, w->plan.bytes[PART_GRADIENT]);
    if (!status) status = driver->read(w->device, &w->tensor[w->network->losses], 0, losses, n * sizeof *losses);
    return status;
}

static void give_back(gradients *g)
{
    workspace_close(&g->w);
    g->fed = false;
}

/* *tile: what it is at; 0 where the device did not give the memory. */
static tas_status take(gradients *g, bool *broke, uint32_t *tile)
{
    *broke = false;
    if (g->w.device) {
        *tile = g->w.plan.tile;
        return TAS_OK;
    }
    tas_status status = workspace_open(&g->w, g->model, &g->request, g->budget, broke);
    *tile = status ? 0 : g->w.plan.tile;
    g->w.seed = g->seed;
    return status;
}

/* Nothing that stays is written: where a device refuses memory, or fails, it is begun again, as an evaluation is. */
tas_status gradient_sum(gradients *g, const uint32_t *list, uint32_t n, float *sum, float *losses, double *norms)
{
    for (retries tries = {0};;) {
        bool broke;
        uint32_t tile;
        tas_status status = take(g, &broke, &tile);
        const bool taken = !status;
        if (taken) status = attempt(g, list, n, sum, losses, norms);
        if (!status) return status;
        give_back(g);
        if (!taken && !broke) return status; /* a plan that cannot be */
        if (!workspace_should_retry(g->model, &g->request, &tries, status, tile)) return status;
        model_log_recovery(g->model, "the gradients of that batch are begun again");
    }
}

/* Opening -----------------------------------------------------------------------------------------------------------
 */

static tas_status find_rest(gradients *g)
{
    const tas_network *network = g->w.network;
    g->rest = calloc((size_t)network->parameter_count, sizeof *g->rest);
    if (!g->rest) return fail(g->model->context, TAS_NO_MEMORY, "no memory for a list of gradients");
    for (int i = 0; i < network->parameter_count; i++) {
        const int gradient = network->tensors[network->parameters[i]].gradient;
        const region *p = &g->w.plan.tensor[gradient];
        if (is_of_dense(network, gradient)) continue;
        g->rest[g->rests++] = (gradient_slice){p->offset / sizeof(float), p->bytes / sizeof(float)};
    }
    return TAS_OK;
}

tas_status gradient_open(gradients *g, tas_model *model, const tas_data *data, uint32_t batch_most, uint64_t budget,
                         uint64_t seed)
{
    const uint32_t tile = batch_most < TILE_WANTED ? batch_most : TILE_WANTED;
    *g = (gradients){.model = model, .data = data, .budget = budget, .seed = seed};
    tas_status status = check_data(model->network, data);
    if (status) return status;
    g->request = plan_request_for(data, true, batch_most, tile);
    model_mirror(model);
    g->request.copy = model->mirror.bytes ? COPY_PARAMETERS : COPY_NONE;
    g->request.order = 0;
    status = gradient_sum(g, NULL, 0, NULL, NULL, NULL);
    if (status) return status;
    g->elements = g->w.plan.bytes[PART_GRADIENT] / sizeof(float);
    return find_rest(g);
}

void gradient_close(gradients *g)
{
    give_back(g);
    free(g->rows);
    free(g->rest);
    *g = (gradients){0};
}

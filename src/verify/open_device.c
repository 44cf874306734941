/* Opens a device: finds the one that an id names, and tests it before its first use. */
#include "device/opencl/launchers/clblast.h"
#include "device/select.h"
#include "network/network.h"
#include "ops/dense_update.h"
#include "verify/self_test.h"
#include "verify/tier.h"

#include <stdlib.h>
#include <string.h>

enum { USUAL_BATCH = 64 };

static tas_status discover(tas_context *context, tas_device_info **list, size_t *count)
{
    const double before = wait_begin(context, DEVICE_BUILD);
    const tas_status status = discover_list(context, list, count);
    wait_end(context, before);
    return status;
}

tas_status tas_devices(tas_context *context, tas_device_info **list, size_t *count)
{
    entry_state saved;
    entry_begin(context, &saved);
    tas_status status = discover(context, list, count);
    for (size_t i = 0; i < *count; i++) (*list)[i].tier = tier_recall(&(*list)[i]);
    entry_end(&saved);
    return status;
}

/* What is opened, and for what. */
typedef struct opening {
    tas_context *context;
    tas_arith arith;
    const tas_network *network; /* NULL: not known yet */
    bool training;
} opening;

/* Whether the update of such a batch probably makes itself what a call sums. A run prepares what it then needs. */
static bool leaves_to_update(tas_device *device, const op_call *call, uint32_t batch)
{
    const uint32_t *size = call->args.size;
    return network_fuses(call) &&
           batch <= dense_update_most(device_weight_panel(device, size[DENSE_OUTPUTS], size[DENSE_INPUTS]));
}

/* The calls of a tile of the usual size, with a device's usual forms of its kernels. */
static tas_status prepare_list(tas_device *device, const tas_network *network, const op_call *calls, int count)
{
    const mem none[OP_OPERANDS] = {{0}};
    const uint32_t groups = USUAL_BATCH / network->group, n = (groups ? groups : 1) * network->group;
    tas_status status = TAS_OK;
    for (int c = 0; c < count && !status; c++) {
        op_args args = calls[c].args;
        if (leaves_to_update(device, &calls[c], n)) continue;
        args.n = args.batch = n;
        args.panel_width = network_has_batch_panels(network, &calls[c]) ? device_batch_panel(device, n) : 1;
        status = device_run(device, &args, none, none);
    }
    return status;
}

static tas_status prepare_network(tas_device *device, const opening *o)
{
    const tas_network *network = o->network;
    device_calls calls;
    if (!network || !device->tester.prepare) return TAS_OK;
    device_list_calls(device, &calls);
    tas_status status = prepare_list(device, network, network->forward, network->forward_count);
    if (!status && o->training) status = prepare_list(device, network, network->backward, network->backward_count);
    if (!status && o->training) status = prepare_list(device, network, network->update, network->update_count);
    const tas_status prepared = device_prepare(device);
    return status ? status : prepared;
}

static tas_status open_tested(const opening *o, const tas_device_info *info, tas_device **out)
{
    const double before = wait_begin(o->context, DEVICE_BUILD);
    tas_status status = open_opencl(o->context, info, o->arith, out);
    wait_end(o->context, before);
    if (status) return status;
    if (o->arith == TAS_ARITH_UNTESTED) {
        (*out)->info.tier = tier_recall(info);
        return TAS_OK;
    }
    status = self_test_attach(*out);
    if (!status && o->arith == TAS_ARITH_FAST && !clblast_unused(*out)) (*out)->info.tier = TAS_TIER_TOLERANCE;
    if (!status) status = prepare_network(*out, o);
    if (status) device_close(out);
    return status;
}

static tas_status open_row(const opening *o, const tas_device_info *info, tas_device **out)
{
    if (info->type == TAS_TYPE_REFERENCE) return reference_open(o->context, out);
    return open_tested(o, info, out);
}

/* Reports why the reference is used although nobody asked for it. Devices that failed were reported already. */
static void note_fallback(tas_context *context, const tas_device_info *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].type == TAS_TYPE_NONE) note(context, "skipping %s: %s", list[i].id, list[i].note);
    note(context, "%s: using the C reference, which is slow (one thread)",
         count > 1     ? "no OpenCL device can be used"
         : *list->note ? list->note
                       : "no OpenCL driver is installed");
}

static tas_status open_device(const opening *o, const char *id, tas_device **out)
{
    tas_context *context = o->context;
    tas_device_info *list = NULL;
    size_t count = 0, tries = 0, *order = NULL;
    if (id && !strcmp(id, "reference")) return reference_open(context, out); /* without loading any driver */
    tas_status status = discover(context, &list, &count);
    if (status) return status;
    order = malloc(count * sizeof *order);
    status = order ? select_device(context, id, list, count, order, &tries)
                   : fail(context, TAS_NO_MEMORY, "no memory for a list of devices");
    if (status) goto end;

    for (size_t i = 0; i < tries; i++) {
        status = open_row(o, &list[order[i]], out);
        if (!status || id) goto end;
        note(context, "skipping %s: %s", list[order[i]].id, tas_error(context));
    }
    status = reference_open(context, out);
end:
    if (!status && !id && !(*out)->cl) note_fallback(context, list, count);
    free(order);
    tas_devices_free(list);
    return status;
}

static tas_status enter_and_open(const opening *o, const char *id, tas_device **out)
{
    entry_state saved;
    *out = NULL;
    entry_begin(o->context, &saved);
    tas_status status = (unsigned)o->arith > TAS_ARITH_UNTESTED
                            ? fail(o->context, TAS_BAD_ARGUMENT, "arith %d: expected one of tas_arith", (int)o->arith)
                            : open_device(o, id, out);
    entry_end(&saved);
    return status;
}

tas_status tas_device_open(tas_context *context, const char *id, tas_arith arith, tas_device **out)
{
    return enter_and_open(&(opening){.context = context, .arith = arith}, id, out);
}

tas_status tas_device_open_for(tas_context *context, const char *id, tas_arith arith, const tas_network *network,
                               int training, tas_device **out)
{
    return enter_and_open(&(opening){.context = context, .arith = arith, .network = network, .training = training != 0},
                          id, out);
}

tas_status tas_device_test(tas_device *device)
{
    entry_state saved;
    entry_begin(device->context, &saved);
    const tas_status status = self_test_all(device);
    entry_end(&saved);
    return status;
}

void tas_device_close(tas_device **device) { device_close(device); }

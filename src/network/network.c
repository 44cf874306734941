/* Networks: opening them by name, from a file or from a text, and what they are asked. */
#include "network/network.h"

#include "arith.h"
#include "base/file.h"
#include "network/layers/layer.h"
#include "network/lower.h"
#include "network/parse.h"
#include "philox.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MOST = 1 << 20, SHIPPED_MOST = 16 };

struct shipped_network {
    const char *name, *text;
};
extern const struct shipped_network shipped_networks[]; /* embedded by the build, ends with a NULL name */

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static tas_status open_text(tas_context *context, const char *text, const char *from, tas_network *network)
{
    if (strnlen(text, TEXT_MOST + 1) > TEXT_MOST)
        return fail(context, TAS_BAD_NETWORK, "%s: the network's text is longer than %d bytes", from, TEXT_MOST);
    char *copy = strdup(text);
    network->context = context;
    network->text = strdup(text);
    network->from = strdup(from);
    tas_status status = copy && network->text && network->from
                            ? parse_text(network, copy)
                            : fail(context, TAS_NO_MEMORY, "%s: no memory for a network", from);
    if (!status) status = lower_network(network);
    free(copy);
    return status;
}

/* *out is what was read up to an error. */
static tas_status open_network(tas_context *context, const char *text, const char *from, tas_network **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return fail(context, TAS_NO_MEMORY, "no memory for a network");
    return open_text(context, text, from ? from : "network", *out);
}

/* A file without a line that looks like a layer is probably no network at all. */
static tas_status describe_failure(tas_context *context, const char *path, tas_status status)
{
    struct stat about;
    if (stat(path, &about) || access(path, R_OK) || status == TAS_NO_MEMORY) return status;
    return fail(context, status, "%s; the file seems to be %s, expected a network's text ('input 1x28x28' first)",
                context->error, file_describe(path));
}

tas_status network_open_text(tas_context *context, const char *text, const char *from, bool file, tas_network **out)
{
    tas_status status = open_network(context, text, from, out);
    if (status && file && (!*out || !(*out)->plausible)) status = describe_failure(context, from, status);
    if (status) tas_network_close(out);
    return status;
}

tas_status tas_network_parse(tas_context *context, const char *text, const char *from, tas_network **out)
{
    entry_state saved;
    entry_begin(context, &saved);
    const tas_status status = network_open_text(context, text, from, false, out);
    entry_end(&saved);
    return status;
}

static tas_status read_file(tas_context *context, const char *path, char **text)
{
    size_t bytes = 0;
    tas_status status = file_read(context, path, TEXT_MOST, text, &bytes);
    if (!status && strlen(*text) != bytes)
        status = fail(context, TAS_BAD_NETWORK, "%s: a zero byte at %zu", path, strlen(*text));
    return status ? describe_failure(context, path, status) : TAS_OK;
}

/* Neither a file nor a network that ships. */
static tas_status fail_name(tas_context *context, const char *name)
{
    const char *names[SHIPPED_MOST + 1] = {NULL};
    char list[256] = "";
    for (size_t i = 0; i < SHIPPED_MOST && shipped_networks[i].name; i++) {
        const size_t used = strlen(list);
        names[i] = shipped_networks[i].name;
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    }
    const char *meant = tas_suggest(name, names);
    if (meant)
        return fail(context, TAS_BAD_FILE, "no file and no shipped network is named '%s'; did you mean '%s'?", name,
                    meant);
    return fail(context, TAS_BAD_FILE, "no file and no shipped network is named '%s'; shipped are: %s", name, list);
}

tas_status network_read(tas_context *context, const char *name_or_file, char **text, bool *file)
{
    struct stat about;
    *text = NULL;
    *file = false;
    for (size_t i = 0; shipped_networks[i].name; i++) {
        if (strcmp(shipped_networks[i].name, name_or_file) != 0) continue;
        *text = strdup(shipped_networks[i].text);
        return *text ? TAS_OK : fail(context, TAS_NO_MEMORY, "%s: no memory for a network", name_or_file);
    }
    if (!strpbrk(name_or_file, "/.") && stat(name_or_file, &about)) return fail_name(context, name_or_file);
    *file = true;
    return read_file(context, name_or_file, text);
}

tas_status tas_network_open(tas_context *context, const char *name_or_file, tas_network **out)
{
    entry_state saved;
    char *text = NULL;
    bool file = false;
    *out = NULL;
    entry_begin(context, &saved);
    tas_status status = network_read(context, name_or_file, &text, &file);
    if (!status) status = network_open_text(context, text, name_or_file, file, out);
    free(text);
    entry_end(&saved);
    return status;
}

void tas_network_close(tas_network **network)
{
    if (!network || !*network) return;
    tas_network *n = *network;
    for (int i = 0; i < n->layer_count; i++) layer_close(&n->layers[i]);
    free(n->layers);
    for (int t = 0; t < n->tensor_count; t++) free(n->tensors[t].constants);
    free(n->tensors);
    free(n->parameters);
    free(n->infos);
    free(n->forward);
    free(n->backward);
    free(n->update);
    free(n->text);
    free(n->from);
    free(n);
    *network = NULL;
}

/* ---- what it is asked -------------------------------------------------------------------------------------------- */

const char *tas_network_shipped(size_t index)
{
    for (size_t i = 0; shipped_networks[i].name; i++)
        if (i == index) return shipped_networks[i].name;
    return NULL;
}

tas_status tas_network_save(const tas_network *network, const char *file)
{
    file_writer writer;
    entry_state saved;
    entry_begin(network->context, &saved);
    tas_status status = file_begin(network->context, &writer, file);
    if (!status) {
        fputs(network->text, writer.stream); /* file_commit() looks at the stream's state */
        status = file_commit(network->context, &writer);
    }
    entry_end(&saved);
    return status;
}

const char *tas_network_text(const tas_network *network) { return network->text; }
size_t tas_network_inputs(const tas_network *network) { return network->inputs; }
size_t tas_network_outputs(const tas_network *network) { return network->outputs; }
tas_loss tas_network_loss(const tas_network *network) { return network->loss; }

const char *tas_network_layer(const tas_network *network, size_t index)
{
    return index < (size_t)network->layer_count ? network->layers[index].summary : NULL;
}

const tas_tensor_info *tas_network_tensor(const tas_network *network, size_t index)
{
    return index < (size_t)network->parameter_count ? &network->infos[index] : NULL;
}

int tas_network_layer_info(const tas_network *network, size_t index, tas_layer_info *info)
{
    if (index >= (size_t)network->layer_count) return 0;
    const layer *self = &network->layers[index];
    *info = (tas_layer_info){.kind = self->kind->name,
                             .name = *self->name ? self->name : NULL,
                             .input = self->from,
                             .inputs = (size_t)self->inputs,
                             .in = {self->in.channels, self->in.height, self->in.width},
                             .out = {self->out.channels, self->out.height, self->out.width},
                             .parameters = self->parameters,
                             .value_bytes = sizeof(float) * shape_elements(self->out),
                             .forward_flops = self->forward_flops,
                             .train_flops = self->train_flops,
                             .frozen = self->frozen};
    return 1;
}

bool network_fuses(const op_call *call)
{
    return call->args.op == OP_DENSE_BACKWARD_WEIGHTS || call->args.op == OP_DENSE_BACKWARD_PARAMETERS;
}

bool network_copies(const op_call *call) { return call->args.op == OP_TO_ROWS || call->args.op == OP_TO_PANELS; }

bool network_has_batch_panels(const tas_network *network, const op_call *call)
{
    for (int o = 0; op_get(call->args.op)->operand[o].name; o++)
        if (network->tensors[call->operand[o]].batch_panels) return true;
    return false;
}

int network_next_gradient(const tas_network *network, const op_call *call, int *at)
{
    while (op_get(call->args.op)->operand[*at].name) {
        const int o = (*at)++, t = call->operand[o];
        if (network->tensors[t].role == ROLE_GRADIENT && !(o && call->operand[o - 1] == t)) return t;
    }
    return NO_TENSOR;
}

float network_target_mean(const tas_network *network, uint32_t output)
{
    return line_list_at(&network->target_mean, output, 0);
}

float network_target_std(const tas_network *network, uint32_t output)
{
    return line_list_at(&network->target_std, output, 1);
}

tas_status network_check_resolved(const tas_network *network)
{
    if (!network->unresolved) return TAS_OK;
    return fail(network->context, TAS_BAD_NETWORK,
                "%s: '" LINE_NORMALIZE "' stands for numbers of a data set, but the network was opened without one: "
                "expected tas_network_open_for(), or mean and std",
                network->from);
}

uint32_t network_granule(uint64_t weights, uint32_t positions)
{
    uint32_t e = 1;
    if (weights >= ONE_CHAIN_WEIGHTS) return 0;
    while ((uint64_t)e * positions < GRANULE_LEAST) e *= 2;
    return e;
}

void network_init_parameter(const tas_network *network, int parameter, uint64_t seed, float *values)
{
    const tensor *t = &network->tensors[network->parameters[parameter]];
    const float he = arith_sqrt(arith_div(2, (float)t->fan_in));
    const float glorot = arith_sqrt(arith_div(6, (float)t->fan_in + (float)t->fan_out));
    for (uint64_t i = 0; i < t->elements; i += 4) {
        const philox_block b =
            philox(seed, PHILOX_INIT | (uint32_t)parameter, 0, (uint32_t)(i >> 34), (uint32_t)(i / 4));
        float four[4] = {0};
        if (t->init == INIT_HE) {
            philox_normal(b.v[0], b.v[1], &four[0], &four[1]);
            philox_normal(b.v[2], b.v[3], &four[2], &four[3]);
        }
        for (uint64_t k = 0; k < 4 && i + k < t->elements; k++) {
            if (t->init == INIT_ONE) four[k] = 1;
            if (t->init == INIT_HE) four[k] = he * four[k];
            if (t->init == INIT_GLOROT) four[k] = glorot * __builtin_fmaf(2, philox_unit(b.v[k]), -1);
            values[i + k] = arith_flush(four[k]);
        }
    }
}

/* Normalization: its references against double precision; gradients and statistics of networks with it against finite
 * differences of a network that is written out here; and what it changes for tiles, evaluation and checkpoints. */
#include "oracle.h"

#include "data/shuffle.h"
#include "ops/norm.h"

#include <unistd.h>

/* The operations --------------------------------------------------------------------------------------------------- */

static uint64_t channels_of(const test_case *c) { return c->args.size[NORM_CHANNELS]; }
static uint64_t positions_of(const test_case *c) { return c->args.size[NORM_POSITIONS]; }
static uint64_t sets_of(const test_case *c) { return c->args.size[NORM_SETS]; }
static uint64_t width_of(const test_case *c) { return channels_of(c) / sets_of(c); }
static uint32_t group_of(const test_case *c, uint32_t row) { return row / norm_group(&c->args); }

/* 2 sqrt(c) + d of a sum over a row: 16 lanes, then a tree of depth 4 */
static double row_bound(uint64_t width) { return U * (2 * sqrt((double)(width + 15) / 16) + 6); }

/* What is not the tile's stays. */
static bool is_own_row(const test_case *c, uint32_t row)
{
    return row >= norm_rows_first(&c->args) && row < norm_rows_first(&c->args) + c->args.n;
}

static void check_other_rows(const test_case *c, int operand)
{
    const uint64_t width = 2 * channels_of(c);
    for (uint32_t r = 0; r < norm_rows_total(&c->args); r++)
        for (uint64_t k = r * width; k < (r + 1) * width && !is_own_row(c, r); k++)
            check_exact(IN(operand)[k], OUT(operand)[k], k);
}

static void check_rows(const test_case *c)
{
    const uint64_t p = positions_of(c), channels = channels_of(c);
    for (uint32_t i = 0; i < c->args.n; i++)
        for (uint64_t k = 0; k < channels; k++) {
            const float *x = IN(0) + (i * channels + k) * p;
            const uint64_t at = (norm_rows_first(&c->args) + i) * 2 * channels + k;
            double sum = 0, size = 0, squares = 0, most = 0;
            for (uint64_t j = 0; j < p; j++) sum += x[j], size += fabs(x[j]);
            check_value(sum / p, OUT(1)[at], row_bound(p) * size / p, true, at);
            for (uint64_t j = 0; j < p; j++) {
                const double d = x[j] - (double)OUT(1)[at];
                squares += d * d;
                most += d * d;
            }
            check_value(squares, OUT(1)[at + channels], (row_bound(p) + 2 * U) * most, false, at);
        }
    check_other_rows(c, 1);
}

/* Whether the case's tile has this group, and the group's rows. */
static bool find_group(const test_case *c, uint32_t group, uint32_t *from, uint32_t *to)
{
    *from = group * norm_group(&c->args);
    *to = *from + norm_group(&c->args);
    if (*to > norm_rows_total(&c->args)) *to = norm_rows_total(&c->args);
    return is_own_row(c, *from);
}

static void check_statistics(const test_case *c)
{
    const uint64_t channels = channels_of(c), sets = sets_of(c), width = width_of(c), p = positions_of(c);
    for (uint32_t g = 0; g < norm_groups(&c->args); g++)
        for (uint64_t s = 0; s < sets; s++) {
            uint32_t from, to;
            const float *out = OUT(1) + 3 * sets * g + s;
            if (!find_group(c, g, &from, &to)) {
                for (int k = 0; k < 3; k++) check_exact((IN(1) + 3 * sets * g + s)[k * sets], out[k * sets], s);
                continue;
            }
            const double count = (double)(to - from) * width;
            double sum = 0, size = 0, between = 0, within = 0;
            for (uint32_t r = from; r < to; r++)
                for (uint64_t w = 0; w < width; w++) {
                    sum += IN(0)[r * 2 * channels + s * width + w];
                    size += fabs(IN(0)[r * 2 * channels + s * width + w]);
                }
            check_value(sum / count, out[0], row_bound((uint64_t)count) * size / count, true, s);
            for (uint32_t r = from; r < to; r++)
                for (uint64_t w = 0; w < width; w++) {
                    const double d = IN(0)[r * 2 * channels + s * width + w] - (double)out[0];
                    between += d * d;
                    within += IN(0)[(r * 2 + 1) * channels + s * width + w];
                }
            const double variance = (within + p * between) / (count * p);
            check_value(variance, out[sets], (row_bound((uint64_t)count) + 6 * U) * variance, true, s);
            const double inverse = 1 / sqrt(out[sets] + (double)c->args.scalar[NORM_EPSILON]);
            check_value(inverse, out[2 * sets], 4 * U * inverse, true, s);
        }
}

/* x^, what gamma and the group's statistics are, of a value. */
typedef struct value {
    double d, normalized, inverse, gamma;
    uint64_t channel, group, set;
} value;

static value value_of(const test_case *c, const float *gamma, uint64_t at)
{
    const uint64_t row = at / positions_of(c), channel = row % channels_of(c), sets = sets_of(c);
    const uint32_t example = (uint32_t)(row / channels_of(c));
    value v = {
        .channel = channel, .set = channel / width_of(c), .group = group_of(c, norm_rows_first(&c->args) + example)};
    const float *of = IN(1) + 3 * sets * v.group + v.set;
    v.d = IN(0)[at] - (double)of[0];
    v.inverse = of[2 * sets];
    v.normalized = v.d * v.inverse;
    v.gamma = gamma ? gamma[channel] : 1;
    return v;
}

/* Bit by bit what an addition makes of the value that was stored without it. */
static void check_added(const test_case *c, uint64_t at, const value *v)
{
    const float normalized = (float)v->d * (float)v->inverse;
    const float sum = flush(flush(fmaf((float)v->gamma, normalized, IN(3)[v->channel])) + IN(5)[at]);
    check_exact(c->args.relu && sum < 0 ? 0 : sum, OUT(4)[at], at);
}

static void check_forward(const test_case *c)
{
    for (uint64_t at = 0; at < c->elements[0]; at++) {
        const value v = value_of(c, IN(2), at);
        const double product = v.gamma * v.normalized, beta = IN(3)[v.channel];
        const double z = c->args.adds ? IN(5)[at] : 0, sum = product + beta + z;
        const double flushed = c->args.adds ? TINY : 0; /* the first of two sums may have been */
        const double bound = 4 * U * (fabs(product) + fabs(beta)) + U * fabs(sum) * c->args.adds + flushed;
        check_value(c->args.relu && sum < 0 ? 0 : sum, OUT(4)[at], bound, true, at);
        if (c->args.adds) check_added(c, at, &v);
    }
}

static void check_backward_rows(const test_case *c)
{
    const uint64_t p = positions_of(c), channels = channels_of(c);
    for (uint32_t i = 0; i < c->args.n; i++)
        for (uint64_t k = 0; k < channels; k++) {
            const uint64_t at = (norm_rows_first(&c->args) + i) * 2 * channels + k;
            double sum = 0, size = 0, products = 0, products_size = 0;
            for (uint64_t j = (i * channels + k) * p; j < (i * channels + k + 1) * p; j++) {
                const value v = value_of(c, NULL, j);
                sum += IN(2)[j], size += fabs(IN(2)[j]);
                products += IN(2)[j] * v.normalized, products_size += fabs(IN(2)[j] * v.normalized);
            }
            check_value(sum, OUT(3)[at], row_bound(p) * size, true, at);
            check_value(products, OUT(3)[at + channels], (row_bound(p) + 4 * U) * products_size, true, at);
        }
    check_other_rows(c, 3);
}

static void check_backward_sums(const test_case *c)
{
    const uint64_t channels = channels_of(c), sets = sets_of(c), width = width_of(c);
    for (uint32_t g = 0; g < norm_groups(&c->args); g++)
        for (uint64_t s = 0; s < sets; s++)
            for (int which = 0; which < 2; which++) {
                uint32_t from, to;
                const uint64_t at = (2 * (uint64_t)g + which) * sets + s;
                if (!find_group(c, g, &from, &to)) {
                    check_exact(IN(3)[at], OUT(3)[at], at);
                    continue;
                }
                const double count = (double)(to - from) * width,
                             inverse = IN(1)[(3 * (uint64_t)(c->args.shard ? 0 : g) + 2) * sets + s];
                double sum = 0, size = 0;
                for (uint32_t r = from; r < to; r++)
                    for (uint64_t w = 0; w < width; w++) {
                        const double term =
                            (double)IN(2)[s * width + w] * IN(0)[(2 * (uint64_t)r + which) * channels + s * width + w];
                        sum += term, size += fabs(term);
                    }
                const double scale = inverse / (count * positions_of(c));
                check_value(sum * scale, OUT(3)[at], (row_bound((uint64_t)count) + 4 * U) * size * fabs(scale), true,
                            at);
            }
}

/* 16 lanes over a group's examples, groups added in order: bit by bit. */
static void check_parameters(const test_case *c)
{
    const uint64_t channels = channels_of(c);
    for (uint64_t k = 0; k < channels; k++)
        for (int which = 0; which < 2; which++) {
            float total = IN(2 - which)[k];
            bool fresh = c->args.first == 0;
            for (uint32_t g = 0, from, to; g < norm_groups(&c->args); g++) {
                float lane[16] = {0};
                if (!find_group(c, g, &from, &to)) continue;
                for (uint32_t r = from; r < to; r++)
                    lane[(r - from) & 15] += IN(0)[(2 * (uint64_t)r + which) * channels + k];
                for (int half = 8; half; half /= 2)
                    for (int l = 0; l < half; l++) lane[l] += lane[l + half];
                total = fresh ? lane[0] : total + lane[0];
                fresh = false;
            }
            check_exact(total, OUT(2 - which)[k], k);
        }
}

static void check_backward_input(const test_case *c)
{
    const uint64_t sets = sets_of(c);
    for (uint64_t at = 0; at < c->elements[0]; at++) {
        const value v = value_of(c, IN(2), at);
        const double terms[] = {v.gamma * v.inverse * IN(3)[at], -(double)IN(4)[2 * sets * v.group + v.set],
                                -v.normalized * IN(4)[(2 * v.group + 1) * sets + v.set]};
        check_value(terms[0] + terms[1] + terms[2], OUT(5)[at],
                    6 * U * (fabs(terms[0]) + fabs(terms[1]) + fabs(terms[2])), true, at);
    }
}

static void check_load(const test_case *c)
{
    const uint64_t channels = channels_of(c);
    for (uint64_t k = 0; k < channels; k++) {
        const double inverse = 1 / sqrt(IN(1)[k] + (double)c->args.scalar[NORM_EPSILON]);
        check_exact(IN(0)[k], OUT(2)[k], k);
        check_exact(IN(1)[k], OUT(2)[channels + k], k);
        check_value(inverse, OUT(2)[2 * channels + k], 4 * U * inverse, true, k);
    }
}

static void check_update(const test_case *c)
{
    const double momentum = c->args.scalar[NORM_MOMENTUM];
    const uint64_t channels = channels_of(c);
    const uint32_t groups = norm_groups(&c->args), all = norm_rows_total(&c->args), size = norm_group(&c->args);
    for (uint64_t k = 0; k < channels; k++)
        for (int which = 0; which < 2; which++) {
            double running = IN(1 + which)[k], bound = 0;
            if (WORDS_IN(3)[0]) {
                check_exact(IN(1 + which)[k], OUT(1 + which)[k], k);
                continue;
            }
            for (uint32_t g = 0; g < groups; g++) {
                const double values = (double)(g + 1 < groups ? size : all - g * size) * positions_of(c);
                double of = IN(0)[(3 * (uint64_t)g + which) * channels + k];
                if (which) of *= values / (values - 1);
                bound = (1 - momentum) * bound + 6 * U * (fabs(running) + fabs(of)) + TINY;
                running = (1 - momentum) * running + momentum * of;
            }
            check_value(running, OUT(1 + which)[k], bound, true, k);
        }
}

/* Of the examples of each shard. */
static double count_of(const test_case *c, uint32_t group)
{
    const uint32_t size = norm_group(&c->args), left = c->args.batch - group * size;
    return left < size ? left : size;
}

static void check_merge(const test_case *c)
{
    const bool sums = c->args.op == OP_NORM_MERGE_SUMS;
    const uint64_t channels = channels_of(c), groups = norm_groups(&c->args), rows = sums ? 2 : 3;
    const double all = c->args.batch, bound = 40 * U;
    for (uint64_t k = 0; k < (sums ? 2 : 1) * channels; k++) {
        double mean = 0, size = 0, variance = 0;
        for (uint32_t g = 0; g < groups; g++) {
            mean += count_of(c, g) * IN(0)[g * rows * channels + k] / all;
            size += fabs(count_of(c, g) * IN(0)[g * rows * channels + k] / all);
        }
        check_value(mean, OUT(1)[k], bound * size, true, k);
        for (uint32_t g = 0; g < groups && !sums; g++) {
            const double d = IN(0)[g * rows * channels + k] - (double)OUT(1)[k];
            variance += count_of(c, g) * (d * d + IN(0)[(g * rows + 1) * channels + k]) / all;
        }
        if (sums) continue;
        const double inverse = 1 / sqrt(OUT(1)[channels + k] + (double)c->args.scalar[NORM_EPSILON]);
        check_value(variance, OUT(1)[channels + k], bound * variance, true, k);
        check_value(inverse, OUT(1)[2 * channels + k], 4 * U * inverse, true, k);
    }
}

START_TEST(operations)
{
    each_case(OP_NORM_MERGE_STATISTICS, check_merge);
    each_case(OP_NORM_MERGE_SUMS, check_merge);
    each_case(OP_NORM_ROWS, check_rows);
    each_case(OP_NORM_STATISTICS, check_statistics);
    each_case(OP_NORM_FORWARD, check_forward);
    each_case(OP_NORM_BACKWARD_ROWS, check_backward_rows);
    each_case(OP_NORM_BACKWARD_SUMS, check_backward_sums);
    each_case(OP_NORM_BACKWARD_PARAMETERS, check_parameters);
    each_case(OP_NORM_BACKWARD_INPUT, check_backward_input);
    each_case(OP_NORM_LOAD_RUNNING, check_load);
    each_case(OP_NORM_UPDATE_RUNNING, check_update);
}
END_TEST

/* Large against their spread: the variance is that of two passes. */
START_TEST(variance_of_values_far_from_zero)
{
    enum { EXAMPLES = 7, POSITIONS = 50 };
    float x[EXAMPLES * POSITIONS], rows[2 * EXAMPLES], statistics[3];
    double mean = 0, squares = 0;
    for (int i = 0; i < EXAMPLES * POSITIONS; i++) x[i] = random_float(1000, 1001), mean += x[i];
    mean /= EXAMPLES * POSITIONS;
    for (int i = 0; i < EXAMPLES * POSITIONS; i++) squares += (x[i] - mean) * (x[i] - mean);
    op_args args = {.op = OP_NORM_ROWS,
                    .n = EXAMPLES,
                    .batch = EXAMPLES,
                    .size = {[NORM_CHANNELS] = 1, [NORM_POSITIONS] = POSITIONS, [NORM_SETS] = 1}};
    run(&args, (void *[]){x, rows});
    args.op = OP_NORM_STATISTICS;
    run(&args, (void *[]){rows, statistics});
    ck_assert_double_le(fabs(statistics[1] - squares / (EXAMPLES * POSITIONS)), 2e-4 * statistics[1]);
}
END_TEST

/* Networks --------------------------------------------------------------------------------------------------------- */

enum { BATCH = 11, WIDTH = 24, LINES = 8 };

typedef struct plain_line {
    char kind[16];
    uint32_t number; /* units, groups, or examples of a group */
} plain_line;

/* A network in double precision: a batch passes through it whole. */
typedef struct plain_batch {
    uint32_t channels, positions; /* of the input */
    plain_line line[LINES];
    int lines;
    uint32_t order[BATCH]; /* of the examples */
    bool evaluating;
    double *parameters; /* in the order of the text */
    double *running;    /* where the running statistics after a step go; NULL: nowhere */
} plain_batch;

static const char *const texts[] = {
    "input 3\ndense 5\nbatch_norm\ntanh\ndense 2\nloss mse\n",
    "input 3\ndense 5\nbatch_norm group 4\ntanh\ndense 2\nloss mse\n",
    "input 4x3x2\nbatch_norm\ntanh\ndense 2\nloss mse\n",
    "input 4x3x2\nbatch_norm group 1\ntanh\ndense 3\nbatch_norm\nloss mse\n",
    "input 6\ndense 6\nbatch_norm group 4\nbatch_norm\ntanh\ndense 2\nloss mse\n",
    "input 7\ndense 6\nlayer_norm\ntanh\ndense 2\nloss mse\n",
    "input 4x3x2\nlayer_norm\ntanh\ndense 4\ngroup_norm 2\nloss mse\n",
    "input 6x2x2\ngroup_norm 3\ntanh\ndense 4\nbatch_norm\ntanh\ndense 1\nloss mse\n",
};

static void read_text(const char *text, plain_batch *net)
{
    uint32_t height = 1, width = 1;
    *net = (plain_batch){.positions = 1};
    sscanf(text, "input %ux%ux%u", &net->channels, &height, &width);
    net->positions = height * width;
    for (const char *at = strchr(text, '\n') + 1; strncmp(at, "loss", 4); at = strchr(at, '\n') + 1) {
        plain_line *l = &net->line[net->lines++];
        if (sscanf(at, "%15s group %u", l->kind, &l->number) < 2) sscanf(at, "%15s %u", l->kind, &l->number);
        if (at[strlen(l->kind)] == '\n') l->number = 0;
    }
}

/* The smallest variance so far: close to 0 a float's roundings are large against it. */
static double least_variance;

/* Of the values of some examples and channels; w: weight, bias, and for batch_norm the running mean and variance. */
static void normalize(double (*x)[WIDTH], const uint32_t *rows, uint32_t examples, uint32_t channel, uint32_t width,
                      uint32_t p, const double *w, uint32_t channels, double *mean, double *variance)
{
    const double count = (double)examples * width * p;
    if (mean) *mean = *variance = 0;
    double m = 0, v = 0;
    for (uint32_t i = 0; i < examples; i++)
        for (uint32_t k = channel * p; k < (channel + width) * p; k++) m += x[rows[i]][k] / count;
    for (uint32_t i = 0; i < examples; i++)
        for (uint32_t k = channel * p; k < (channel + width) * p; k++)
            v += (x[rows[i]][k] - m) * (x[rows[i]][k] - m) / count;
    for (uint32_t i = 0; i < examples; i++)
        for (uint32_t k = channel * p; k < (channel + width) * p; k++)
            x[rows[i]][k] = w[k / p] * (x[rows[i]][k] - m) / sqrt(v + 1e-5) + w[channels + k / p];
    if (mean) *mean = m, *variance = v * count / (count - 1);
    least_variance = fmin(least_variance, v);
}

static void batch_norm(const plain_batch *net, double (*x)[WIDTH], uint32_t group, uint32_t channels, uint32_t p,
                       const double *w)
{
    if (!group) group = BATCH;
    for (uint32_t c = 0; c < channels; c++) {
        if (net->evaluating) {
            for (int i = 0; i < BATCH; i++)
                for (uint32_t k = c * p; k < (c + 1) * p; k++)
                    x[i][k] =
                        w[c] * (x[i][k] - w[2 * channels + c]) / sqrt(w[3 * channels + c] + 1e-5) + w[channels + c];
            continue;
        }
        double running[2] = {w[2 * channels + c], w[3 * channels + c]};
        for (uint32_t from = 0; from < BATCH; from += group) {
            double mean, variance;
            normalize(x, net->order + from, BATCH - from < group ? BATCH - from : group, c, 1, p, w, channels, &mean,
                      &variance);
            running[0] = 0.9 * running[0] + 0.1 * mean;
            running[1] = 0.9 * running[1] + 0.1 * variance;
        }
        if (!net->running) continue;
        net->running[w - net->parameters + 2 * channels + c] = running[0];
        net->running[w - net->parameters + 3 * channels + c] = running[1];
    }
}

static uint32_t dense(double (*x)[WIDTH], uint32_t inputs, uint32_t units, const double *w)
{
    for (int i = 0; i < BATCH; i++) {
        double y[WIDTH];
        for (uint32_t o = 0; o < units; o++) {
            y[o] = w[units * inputs + o];
            for (uint32_t k = 0; k < inputs; k++) y[o] += w[o * inputs + k] * x[i][k];
        }
        memcpy(x[i], y, units * sizeof *y);
    }
    return units;
}

/* x: the inputs, then the outputs, of which it returns the number. */
static uint32_t pass(const plain_batch *net, double (*x)[WIDTH])
{
    uint32_t channels = net->channels, p = net->positions;
    const double *w = net->parameters;
    for (const plain_line *l = net->line; l < net->line + net->lines; l++) {
        if (!strcmp(l->kind, "tanh")) {
            for (int i = 0; i < BATCH; i++)
                for (uint32_t k = 0; k < channels * p; k++) x[i][k] = tanh(x[i][k]);
        } else if (!strcmp(l->kind, "dense")) {
            const uint32_t inputs = channels * p;
            channels = dense(x, inputs, l->number, w);
            w += channels * (inputs + 1);
            p = 1;
        } else if (!strcmp(l->kind, "batch_norm")) {
            batch_norm(net, x, l->number, channels, p, w);
            w += 4 * channels;
        } else {
            const uint32_t width = strcmp(l->kind, "layer_norm") ? channels / l->number : channels;
            for (uint32_t i = 0; i < BATCH; i++)
                for (uint32_t c = 0; c < channels; c += width)
                    normalize(x, &i, 1, c, width, p, w, channels, NULL, NULL);
            w += 2 * channels;
        }
    }
    return channels * p;
}

typedef struct problem {
    plain_batch net;
    float inputs[BATCH * WIDTH], targets[BATCH * WIDTH];
    uint32_t width, outputs;
} problem;

static double mean_loss(const problem *p)
{
    double x[BATCH][WIDTH], sum = 0;
    for (uint32_t i = 0; i < BATCH; i++)
        for (uint32_t k = 0; k < p->width; k++) x[i][k] = p->inputs[i * p->width + k];
    pass(&p->net, x);
    for (uint32_t i = 0; i < BATCH; i++)
        for (uint32_t o = 0; o < p->outputs; o++)
            sum += (x[i][o] - p->targets[i * p->outputs + o]) * (x[i][o] - p->targets[i * p->outputs + o]);
    return sum / p->outputs / BATCH;
}

static tas_train_options one_step(void)
{
    tas_train_options options;
    tas_train_options_init(&options);
    options.batch = BATCH;
    options.steps = 1;
    options.lr = 0x1p10f;
    options.momentum = 0;
    return options;
}

/* Draws parameters, variances above 0, and shows the model the same. */
static void draw_parameters(tas_model *model, double *parameters)
{
    float *values = malloc(model_elements(model) * sizeof *values);
    const tas_tensor_info *info;
    size_t at = 0;
    for (size_t i = 0; (info = tas_network_tensor(tas_model_network(model), i)); i++)
        for (size_t k = 0; k < info->elements; k++, at++)
            parameters[at] = values[at] =
                strstr(info->name, "running_var") ? random_float(0.5f, 2) : random_float(-1, 1);
    model_set(model, values);
    free(values);
}

static bool is_statistic(const tas_model *model, size_t element)
{
    const tas_tensor_info *info;
    for (size_t i = 0; (info = tas_network_tensor(tas_model_network(model), i)); element -= info->elements, i++)
        if (element < info->elements) return strstr(info->name, "running_") != NULL;
    return false;
}

/* What the model gives without training: running statistics. */
static void check_predictions(tas_model *model, problem *p)
{
    float *y = malloc(BATCH * p->outputs * sizeof *y);
    double x[BATCH][WIDTH];
    for (uint32_t i = 0; i < BATCH; i++)
        for (uint32_t k = 0; k < p->width; k++) x[i][k] = p->inputs[i * p->width + k];
    p->net.evaluating = true;
    pass(&p->net, x);
    p->net.evaluating = false;
    expect_ok(tas_predict(model, p->inputs, BATCH, y));
    for (uint32_t i = 0; i < BATCH * p->outputs; i++) {
        const double want = x[i / p->outputs][i % p->outputs];
        ck_assert_msg(fabs(y[i] - want) <= 1e-5 * (1 + fabs(want)), "output %u: %g, expected %g", i, y[i], want);
    }
    free(y);
}

/* One step's gradient and running statistics. */
static void check_step(tas_model *model, problem *p, float rate)
{
    const size_t elements = model_elements(model);
    float *after = model_get(model);
    double most = 0, *want = calloc(elements, sizeof *want), *running = calloc(elements, sizeof *running);
    const double h = 1e-6;
    p->net.running = running;
    mean_loss(p);
    p->net.running = NULL;
    for (size_t k = 0; k < elements; k++) {
        const double w = p->net.parameters[k];
        p->net.parameters[k] = w + h;
        const double above = mean_loss(p);
        p->net.parameters[k] = w - h;
        want[k] = (above - mean_loss(p)) / (2 * h);
        p->net.parameters[k] = w;
        if (fabs(want[k]) > most) most = fabs(want[k]);
    }
    ck_assert_double_gt(most, 1e-3);
    for (size_t k = 0; k < elements; k++) {
        const double got = (p->net.parameters[k] - after[k]) / rate;
        if (is_statistic(model, k))
            ck_assert_msg(fabs(after[k] - running[k]) <= 1e-6 * (1 + fabs(running[k])),
                          "statistic %zu: %g, not %g of\n%s", k, after[k], running[k],
                          tas_network_text(tas_model_network(model)));
        else
            ck_assert_msg(fabs(got - want[k]) <= 1e-4 * fabs(want[k]) + 5e-6 * (1 + most),
                          "parameter %zu: gradient %.9g, expected %.9g of\n%s", k, got, want[k],
                          tas_network_text(tas_model_network(model)));
    }
    free(want), free(running), free(after);
}

START_TEST(gradients)
{
    problem p = {0};
    tas_model *model = model_of_text(texts[_i], 1);
    const tas_train_options options = one_step();
    read_text(texts[_i], &p.net);
    p.net.parameters = calloc(model_elements(model), sizeof *p.net.parameters);
    p.width = p.net.channels * p.net.positions;
    p.outputs = (uint32_t)tas_network_outputs(tas_model_network(model));
    shuffle_order(options.seed, 0, p.net.order, BATCH);
    do {
        for (uint32_t k = 0; k < BATCH * p.width; k++) p.inputs[k] = random_float(-1.5f, 1.5f);
        for (uint32_t k = 0; k < BATCH * p.outputs; k++) p.targets[k] = random_float(-1, 1);
        draw_parameters(model, p.net.parameters);
        least_variance = 1;
        mean_loss(&p);
    } while (least_variance < 0.01);
    tas_data *data = data_of(BATCH, p.width, p.inputs, p.targets, 0, p.outputs);
    check_predictions(model, &p);
    for (uint32_t tile = 0; tile < 12; tile += 4) {
        tas_train_options tiled = options;
        tas_train_result result;
        float *values = malloc(model_elements(model) * sizeof *values);
        tiled.tile = tile;
        tiled.shards = 1u << random_below(4);
        for (size_t k = 0; k < model_elements(model); k++) values[k] = (float)p.net.parameters[k];
        model_set(model, values);
        expect_ok(tas_train(model, data, &tiled, &result));
        ck_assert_msg(fabs(result.last_loss - mean_loss(&p)) <= 2e-5 * (1 + mean_loss(&p)),
                      "loss %g, expected %g of\n%s", result.last_loss, mean_loss(&p), texts[_i]);
        check_step(model, &p, options.lr);
        free(values);
    }
    free(p.net.parameters);
    tas_data_close(&data);
    tas_model_close(&model);
}
END_TEST

static const char tiled_net[] = "input 6\ndense 9 no bias\nbatch_norm\nrelu as a\ndense 9\nbatch_norm group 4\nadd a\n"
                                "relu\nlayer_norm\ndense 4\n";

static void train(const tas_train_options *options, char digest[65])
{
    tas_model *model = model_of_text(tiled_net, 3);
    tas_train_result result;
    expect_ok(tas_train(model, sample, options, &result));
    expect_ok(tas_model_digest(model, digest));
    tas_model_close(&model);
}

/* Statistics are of the whole batch, whatever passes through the device at once, and wherever values are kept. */
START_TEST(tiles_leave_no_trace)
{
    char want[65], got[65];
    tas_train_options options = sample_options(10, 12);
    if (random_below(2)) options.shards = 4;
    train(&options, want);
    for (options.tile = 1; options.tile < 11; options.tile += 3)
        for (options.keep_on_host = 0; options.keep_on_host < 2; options.keep_on_host++) {
            train(&options, got);
            ck_assert_msg(!strcmp(want, got), "tiles of %u differ", options.tile);
        }
    options.batch = 7, options.tile = 0, options.keep_on_host = 0;
    train(&options, got);
    ck_assert_str_ne(want, got);
}
END_TEST

/* A checkpoint has the running statistics, so that what it predicts is the same. */
START_TEST(statistics_are_saved)
{
    char path[] = "/tmp/tassello-norm-XXXXXX";
    float before[CLASSES], after[CLASSES], mean[9];
    const int file = mkstemp(path);
    tas_model *model = model_of_text(tiled_net, 3), *loaded = NULL;
    tas_train_result result;
    const tas_train_options options = sample_options(10, 12);
    ck_assert_int_ge(file, 0);
    close(file);
    expect_ok(tas_train(model, sample, &options, &result));
    expect_ok(tas_model_read(model, "2.batch_norm.running_mean", mean, 9));
    ck_assert_float_gt(fabsf(mean[0]), 1e-4f);
    expect_ok(tas_predict(model, sample_inputs, 1, before));
    expect_ok(tas_model_save(model, path));
    expect_ok(tas_model_load(device, path, &loaded));
    expect_ok(tas_predict(loaded, sample_inputs, 1, after));
    ck_assert_mem_eq(before, after, sizeof before);
    tas_model_close(&loaded);
    tas_model_close(&model);
    unlink(path);
}
END_TEST

static void refuses(const char *text, const char *word, const char *other)
{
    tas_network *network = NULL;
    expect(tas_network_parse(context, text, "test", &network), TAS_BAD_NETWORK, word, other);
}

START_TEST(networks_that_cannot_be)
{
    refuses("input 6\ndense 6\ngroup_norm 4\ndense 2\n", "test:3", "divisor of 6");
    refuses("input 6\ndense 6\ngroup_norm 6\ndense 2\n", "test:3", "at most 3");
    refuses("input 6\ndense 1\nlayer_norm\ndense 2\n", "test:3", "no variance");
    refuses("input 6\ndense 6\nbatch_norm group 1\ndense 2\n", "test:3", "larger groups");
    refuses("input 6\ndense 6\nbatch_norm group 4097\nbatch_norm group 4096\ndense 2\n", "test:4", "16781312 examples");
    refuses("input 6\ndense 6\nbatch_norm momentum 2\ndense 2\n", "test:3", "momentum");
    refuses("input 6\ndense 6\nlayer_norm epsilon 0\ndense 2\n", "test:3", "epsilon");
}
END_TEST

static void refuses_batch(const char *text, uint32_t batch, bool drop_last, const char *word, const char *other)
{
    tas_model *model = model_of_text(text, 3);
    tas_train_options options = sample_options(batch, 0);
    options.epochs = 1;
    options.drop_last = drop_last;
    expect(tas_train(model, sample, &options, NULL), TAS_BAD_ARGUMENT, word, other);
    tas_model_close(&model);
}

static void trains(const char *text, uint32_t batch, uint64_t steps, bool drop_last, uint64_t examples)
{
    tas_model *model = model_of_text(text, 3);
    tas_train_options options = sample_options(batch, steps);
    tas_train_result result;
    options.epochs = 2;
    options.drop_last = drop_last;
    expect_ok(tas_train(model, sample, &options, &result));
    ck_assert_uint_eq(result.examples, examples);
    tas_model_close(&model);
}

/* The sample has 53 examples: 4 batches of 13, and 1. A group of planes has values enough. */
START_TEST(batches_without_a_variance)
{
    const char *whole = "input 6\ndense 6\nbatch_norm\ndense 4\n";
    const char *groups = "input 6\ndense 6\nbatch_norm group 4\ndense 4\n";
    const char *planes = "input 3x2x1\nbatch_norm group 1\nflatten\ndense 4\n";
    refuses_batch(whole, 1, false, "test:3: batch_norm needs at least 2", "a batch has 1; expected");
    refuses_batch(whole, 1, true, "test:3: batch_norm needs at least 2", "a batch has 1; expected");
    refuses_batch(whole, 13, false, "the last batch of an epoch has 1", "or drop_last");
    refuses_batch(groups, 13, true, "of a batch, 13 examples, 1 is left for the last group", "another batch or group");
    refuses_batch(groups, 24, false, "of the last batch of an epoch, 5 examples, 1 is left", "drop_last");
    trains(whole, 13, 4, false, 52); /* which ends before the last batch */
    trains(whole, 13, 0, true, 104);
    trains(groups, 24, 0, true, 96);
    trains(planes, 13, 0, false, 106);
    trains(planes, 53, 0, true, 106);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("norm");
    TCase *operation = tcase_create("operations"), *network = tcase_create("networks");
    tcase_add_checked_fixture(operation, support_open, support_close);
    tcase_add_test(operation, operations);
    tcase_add_test(operation, variance_of_values_far_from_zero);
    tcase_set_timeout(operation, 120);
    tcase_add_checked_fixture(network, sample_open, sample_close);
    tcase_add_loop_test(network, gradients, 0, sizeof texts / sizeof *texts);
    tcase_add_test(network, tiles_leave_no_trace);
    tcase_add_test(network, statistics_are_saved);
    tcase_add_test(network, networks_that_cannot_be);
    tcase_add_test(network, batches_without_a_variance);
    tcase_set_timeout(network, 120);
    suite_add_tcase(suite, operation);
    suite_add_tcase(suite, network);
    return support_run(suite);
}

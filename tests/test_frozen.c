/* What is measured at weights that stand still, against each example's gradient by central differences in double
 * precision: exactly, for the batches that were drawn and for all that could have been. And what late weights do.
 * TASSELLO_TEST_DEVICE is the device, else the reference. */
#include "data/shuffle.h"
#include "lab/sweep/sweep.h" /* before check.h, which has a macro of the name fail */
#include "train/gradients.h"

#include "driver.h"
#include "lab/sweep/gradient_variance.h"
#include "lab/sweep/weight_fluctuation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sets with gradients that are known ------------------------------------------------------------------------------- */

enum { SET = 6, SEED = 77 };

typedef struct problem {
    plain_net net;
    size_t elements;
    float inputs[SET * PLAIN_WIDTH], targets[SET * PLAIN_WIDTH];
    uint32_t labels[SET];
    double *parameters;
    double *gradient; /* (SET, elements) of each example */
    double *mean;     /* (elements) */
    double loss[SET], mean_loss;
    tas_model *model;
    tas_data *data;
} problem;

static double loss_of(const problem *p, uint32_t example)
{
    plain_net net = p->net;
    const uint32_t width = plain_outputs(&net);
    double x[PLAIN_WIDTH], y[PLAIN_WIDTH], target[PLAIN_WIDTH];
    net.training = true;
    net.seed = SEED;
    net.example = example;
    for (uint32_t i = 0; i < net.inputs; i++) x[i] = p->inputs[example * net.inputs + i];
    for (uint32_t j = 0; j < width; j++) target[j] = p->targets[example * width + j];
    plain_forward(&net, p->parameters, x, y, NULL);
    return net.mse ? plain_squared(y, width, target) : plain_softmax(y, width, p->labels[example]);
}

static void differentiate(problem *p)
{
    const double h = 1e-5;
    for (uint32_t e = 0; e < SET; e++) {
        p->loss[e] = loss_of(p, e);
        p->mean_loss += p->loss[e] / SET;
        for (size_t k = 0; k < p->elements; k++) {
            const double w = p->parameters[k];
            p->parameters[k] = w + h;
            const double above = loss_of(p, e);
            p->parameters[k] = w - h;
            p->gradient[e * p->elements + k] = (above - loss_of(p, e)) / (2 * h);
            p->parameters[k] = w;
            p->mean[k] += p->gradient[e * p->elements + k] / SET;
        }
    }
}

static problem *open_problem(const plain_net *net)
{
    problem *p = calloc(1, sizeof *p);
    const uint32_t width = plain_outputs(net);
    p->net = *net;
    p->elements = plain_parameters(net);
    p->parameters = malloc(p->elements * sizeof *p->parameters);
    p->gradient = malloc(SET * p->elements * sizeof *p->gradient);
    p->mean = calloc(p->elements, sizeof *p->mean);
    float *values = malloc(p->elements * sizeof *values);
    for (uint32_t k = 0; k < SET * net->inputs; k++) p->inputs[k] = random_float(-1.5f, 1.5f);
    for (uint32_t k = 0; k < SET * width; k++) p->targets[k] = random_float(-1, 1);
    for (uint32_t e = 0; e < SET; e++) p->labels[e] = random_below(width);
    for (size_t k = 0; k < p->elements; k++) p->parameters[k] = values[k] = random_float(-0.9f, 0.9f);
    p->model = model_of(net, 1);
    p->data = data_of(SET, net->inputs, p->inputs, net->mse ? (void *)p->targets : (void *)p->labels,
                      net->mse ? 0 : width, width);
    ck_assert_uint_eq(model_elements(p->model), p->elements);
    model_set(p->model, values);
    free(values);
    differentiate(p);
    return p;
}

static void close_problem(problem *p)
{
    tas_model_close(&p->model);
    tas_data_close(&p->data);
    free(p->parameters), free(p->gradient), free(p->mean);
    free(p);
}

/* Of a list of examples: |g - G|^2, the cosine, the loss less the set's. */
typedef struct seen {
    double distance, cosine, loss;
} seen;

static seen look_at(const problem *p, const uint32_t *list, uint32_t n)
{
    double product = 0, ours = 0, theirs = 0;
    seen out = {0, 0, -p->mean_loss};
    for (size_t k = 0; k < p->elements; k++) {
        double g = 0;
        for (uint32_t i = 0; i < n; i++) g += p->gradient[list[i] * p->elements + k] / n;
        out.distance += (g - p->mean[k]) * (g - p->mean[k]);
        product += g * p->mean[k];
        ours += g * g;
        theirs += p->mean[k] * p->mean[k];
    }
    for (uint32_t i = 0; i < n; i++) out.loss += p->loss[list[i]] / n;
    out.cosine = product / sqrt(ours * theirs);
    return out;
}

static bool near(double found, double wanted, double share, double least)
{
    return fabs(found - wanted) <= share * fabs(wanted) + least;
}

#define check_near(found, wanted, share, least)                                                                        \
    ck_assert_msg(near(found, wanted, share, least), #found " is %.12g, expected %.12g", (double)(found),              \
                  (double)(wanted))

/* Networks of each kind of layer, all smooth: with differences of one example no kink can be avoided for all. */
enum { NETS = 5 };
static plain_net net_number(int number)
{
    static const plain_layer conv = {.kind = PLAIN_CONV, .units = 3, .kernel = {2, 2}, .padding = {1, 0}},
                             pool = {.kind = PLAIN_AVERAGE_POOL, .kernel = {2, 2}, .stride = {2, 1}};
    const bool planes = number >= 2;
    plain_net net = {.inputs = planes ? 2 * 5 * 4 : 5, .mse = number == 1};
    if (planes) net.in = (plain_shape){2, 5, 4, false};
    if (planes) ck_assert(plain_add_window(&net, conv));
    if (planes) plain_add(&net, PLAIN_TANH, 0);
    if (number == 4) { /* convolutions alone */
        plain_add(&net, PLAIN_GLOBAL_POOL, 0);
        return net;
    }
    if (planes) ck_assert(plain_add_window(&net, pool));
    if (number == 3) {
        plain_add(&net, PLAIN_DROPOUT, 0);
        net.layer[net.layers - 1].rate = 0.4f;
    }
    if (planes) plain_add(&net, PLAIN_FLATTEN, 0);
    plain_add(&net, PLAIN_DENSE, 7);
    plain_add(&net, PLAIN_TANH, 0);
    plain_add(&net, PLAIN_DENSE, 3);
    return net;
}

static void measure(tas_model *model, const tas_data *data, const uint32_t *batches, int count, int draws,
                    uint64_t seed, uint64_t budget, frozen_point *out)
{
    char before[65], after[65];
    *out = (frozen_point){.name = "kept", .step = 3};
    expect_ok(tas_model_digest(model, before));
    expect_ok(gradient_variance_measure(model, data, batches, count, draws, seed, budget, NULL, NULL, out));
    expect_ok(tas_model_digest(model, after));
    ck_assert_str_eq(before, after);
    ck_assert_str_eq(out->name, "kept");
    ck_assert_uint_eq(out->step, 3);
    for (int k = 0; k < SWEEP_BATCHES; k++) {
        ck_assert_int_eq(out->batch[k].draws, k < count ? draws : 0);
        ck_assert(fabs(out->batch[k].cosine) <= 1);
    }
}

/* What was measured is what these very batches give. */
static void check_drawn(const problem *p, uint32_t batch, int draws, const frozen_figures *found)
{
    double distance = 0, distances = 0, cosine = 0, cosines = 0, losses = 0;
    for (int d = 0; d < draws; d++) {
        uint32_t order[SET];
        shuffle_draw(SEED, (uint32_t)d, order, SET, batch);
        const seen s = look_at(p, order, batch);
        distance += s.distance / draws;
        distances += s.distance * s.distance;
        cosine += s.cosine / draws;
        cosines += s.cosine * s.cosine;
        losses += s.loss * s.loss / draws;
    }
    const double n = draws;
    check_near(found->variance, distance, 1e-5, 1e-9);
    check_near(found->variance_error, sqrt(fabs(distances - n * distance * distance) / (n - 1) / n), 1e-4, 1e-7);
    check_near(found->cosine, cosine, 0, 1e-5);
    check_near(found->cosine_error, sqrt(fabs(cosines - n * cosine * cosine) / (n - 1) / n), 1e-3, 1e-6);
    check_near(found->loss_spread, sqrt(losses), 1e-5, 1e-6);
}

/* What is expected is the mean over all pairs. */
static void check_pairs(const problem *p, const frozen_figures *found)
{
    double distance = 0, loss = 0;
    const double pairs = SET * (SET - 1) / 2;
    for (uint32_t a = 0; a < SET; a++)
        for (uint32_t b = a + 1; b < SET; b++) {
            const uint32_t list[] = {a, b};
            const seen s = look_at(p, list, 2);
            distance += s.distance / pairs;
            loss += s.loss * s.loss / pairs;
        }
    check_near(found->variance_expected, distance, 1e-5, 0);
    check_near(found->loss_expected, sqrt(loss), 1e-5, 0);
}

START_TEST(each_batch_by_brute_force)
{
    static const uint32_t batches[] = {1, 2, 4, SET};
    const plain_net net = net_number(_i);
    problem *p = open_problem(&net);
    frozen_point point;
    const int draws = 9;
    measure(p->model, p->data, batches, 4, draws, SEED, 0, &point);

    double trace = 0, square = 0;
    for (uint32_t e = 0; e < SET; e++) trace += look_at(p, &e, 1).distance / (SET - 1);
    for (size_t k = 0; k < p->elements; k++) square += p->mean[k] * p->mean[k];
    check_near(point.loss, p->mean_loss, 1e-6, 0);
    check_near(point.trace, trace, 1e-5, 0);
    check_near(point.square, square, 1e-5, 0);
    for (int k = 0; k < 4; k++) {
        const double share = 1.0 / batches[k] - 1.0 / SET;
        check_drawn(p, batches[k], draws, &point.batch[k]);
        check_near(point.batch[k].cosine_expected, 1 / sqrt(1 + trace / square * share), 1e-5, 0);
    }
    check_pairs(p, &point.batch[1]);

    const frozen_figures *all = &point.batch[3];
    ck_assert(all->variance <= 1e-12 * trace && all->loss_spread <= 1e-6 * point.loss && all->cosine >= 1 - 1e-12);
    ck_assert(all->variance_expected == 0 && all->loss_expected == 0 && all->cosine_expected == 1);
    close_problem(p);
}
END_TEST

/* Larger sets ------------------------------------------------------------------------------------------------------ */

static const char spatial_net[] =
    "input 2x4x3\nconv2d 3 2 padding 1\ntanh\navg_pool 2\nflatten\ndense 5\ntanh\ndense 4\n";
enum { MANY = 128, PIXELS = 24 };

typedef struct many {
    float inputs[MANY * PIXELS];
    uint32_t labels[MANY];
    tas_data *data;
} many;

static many *open_many(uint32_t count, size_t inputs)
{
    many *m = calloc(1, sizeof *m);
    random_seed(5); /* what follows is statistics: always the same */
    for (uint32_t e = 0; e < MANY; e++) m->labels[e] = e * CLASSES / MANY; /* sorted by class */
    for (uint32_t k = 0; k < MANY * PIXELS; k++)
        m->inputs[k] = random_float(-1, 1) + (k % inputs == m->labels[k / inputs % MANY] ? 0.8f : 0);
    m->data = data_of(count, inputs, m->inputs, m->labels, CLASSES, 0);
    return m;
}

static void close_many(many *m)
{
    tas_data_close(&m->data);
    free(m);
}

/* tr(S) of the whole set from single gradients. */
static double exact_trace(tas_model *model, const tas_data *data, uint64_t seed)
{
    gradients g;
    const uint32_t count = (uint32_t)tas_data_count(data);
    expect_ok(gradients_open(&g, model, data, 1, 0, seed));
    float *sum = malloc(g.elements * sizeof *sum), loss, norm;
    double *total = calloc(g.elements, sizeof *total), squares = 0, square = 0;
    for (uint32_t e = 0; e < count; e++) {
        double all = 0, rest = 0;
        expect_ok(gradients_sum(&g, &e, 1, sum, &loss, &norm));
        for (uint64_t k = 0; k < g.elements; k++) {
            all += (double)sum[k] * sum[k];
            total[k] += sum[k];
        }
        for (int r = 0; r < g.rests; r++)
            for (uint64_t k = 0; k < g.rest[r].count; k++)
                rest += (double)sum[g.rest[r].from + k] * sum[g.rest[r].from + k];
        check_near((double)norm, all - rest, 1e-5, 1e-9 * all);
        squares += all;
    }
    for (uint64_t k = 0; k < g.elements; k++) square += total[k] * total[k];
    free(sum), free(total);
    gradients_close(&g);
    return (squares - square / count) / (count - 1);
}

START_TEST(theory_holds)
{
    static const uint32_t batches[] = {1, 3, 16, 64, 127};
    const int draws = 240;
    many *m = open_many(MANY, _i ? PIXELS : INPUTS);
    tas_model *model = model_of_text(_i ? spatial_net : sample_net, 3);
    frozen_point point;
    const double exact = exact_trace(model, m->data, 11);
    measure(model, m->data, batches, 5, draws, 11, 0, &point);
    for (int k = 0; k < 5; k++) {
        const frozen_figures *f = &point.batch[k];
        printf("B %3u: variance %.4g, expected %.4g +- %.2g; cosine %.4f, %.4f +- %.4f; loss %.4g, %.4g\n", batches[k],
               f->variance, f->variance_expected, f->variance_error, f->cosine, f->cosine_expected, f->cosine_error,
               f->loss_spread, f->loss_expected);
        const double wanted = exact * (1.0 / batches[k] - 1.0 / MANY);
        check_near(f->variance, wanted, 0, 3 * f->variance_error);
        check_near(f->variance_expected, wanted, _i ? 0.1 : 1e-5, 0);               /* of convolutions from 32 groups */
        check_near(f->cosine, f->cosine_expected, batches[k] < 16 ? 0.2 : 0.03, 0); /* a formula that is nearly right */
        check_near(f->loss_spread, f->loss_expected, 0.15, 0);
        if (k) ck_assert(f->variance < f[-1].variance && f->cosine > f[-1].cosine);
    }
    tas_model_close(&model);
    close_many(m);
}
END_TEST

/* Of dense layers the trace does not depend on the groups; of others it is right in the mean over what is drawn. */
START_TEST(the_trace_has_no_bias)
{
    enum { SEEDS = 40 };
    many *m = open_many(MANY, _i ? PIXELS : INPUTS);
    tas_model *model = model_of_text(_i ? spatial_net : sample_net, 3);
    const double exact = exact_trace(model, m->data, 1);
    double sum = 0, squares = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        frozen_point point;
        measure(model, m->data, NULL, 0, 2, seed, 0, &point);
        sum += point.trace;
        squares += point.trace * point.trace;
        if (!_i) check_near(point.trace, exact, 1e-5, 0);
    }
    const double mean = sum / SEEDS, error = sqrt(fabs(squares / SEEDS - mean * mean) / (SEEDS - 1));
    printf("trace %.6g, mean of estimates %.6g +- %.2g\n", exact, mean, error);
    check_near(mean, exact, 1e-5, 3 * error);
    tas_model_close(&model);
    close_many(m);
}
END_TEST

/* Tiles ------------------------------------------------------------------------------------------------------------ */

static void check_same(const frozen_point *a, const frozen_point *b, int count)
{
    ck_assert(a->loss == b->loss && a->trace == b->trace && a->square == b->square);
    for (int k = 0; k < count; k++) {
        const frozen_figures *x = &a->batch[k], *y = &b->batch[k];
        ck_assert_mem_eq(&x->variance, &y->variance, sizeof *x - offsetof(frozen_figures, variance));
    }
}

/* The least budget, as the error has it. */
static uint64_t least_budget(tas_model *model, const tas_data *data)
{
    frozen_point point;
    expect(gradient_variance_measure(model, data, NULL, 0, 2, 1, 1, NULL, NULL, &point), TAS_NO_MEMORY, "budget", "");
    return smallest_budget();
}

START_TEST(tiles_leave_no_trace)
{
    static const uint32_t batches[] = {2, 101};
    many *m = open_many(MANY, _i ? PIXELS : INPUTS);
    tas_model *model = model_of_text(_i ? spatial_net : sample_net, 3);
    frozen_point whole, cut;
    int streamed = 0, resident = 0;
    measure(model, m->data, batches, 2, 3, 2, 0, &whole);
    const uint64_t least = least_budget(model, m->data);
    for (uint64_t budget = least; budget < 12 * least; budget += 1 + budget / 8) {
        gradients g;
        expect_ok(gradients_open(&g, model, m->data, MANY, budget, 2));
        streamed += !g.w.plan.resident;
        resident += g.w.plan.resident && g.w.plan.tile < MANY;
        ck_assert_uint_le(g.w.plan.total, budget);
        gradients_close(&g);
        measure(model, m->data, batches, 2, 3, 2, budget, &cut);
        check_same(&whole, &cut, 2);
    }
    ck_assert(streamed && resident);
    expect(gradients_open(&(gradients){0}, model, m->data, MANY, least - 1, 2), TAS_NO_MEMORY, "budget", "");

    /* What training at the largest batch can do with is enough, though it be less than for the whole set at once. */
    tas_train_options options = sample_options(2, 1);
    options.budget = 1;
    expect(tas_train(model, m->data, &options, NULL), TAS_NO_MEMORY, "budget", "");
    const uint64_t training = smallest_budget();
    measure(model, m->data, batches, 1, 3, 2, training < least ? training : least - 1, &cut);
    check_near(cut.square, whole.square, 1e-5, 0);
    ck_assert(cut.batch[0].loss_spread == whole.batch[0].loss_spread);
    tas_model_close(&model);

    device = reference; /* the same sums, though the elements may lie elsewhere */
    model = model_of_text(_i ? spatial_net : sample_net, 3);
    measure(model, m->data, batches, 2, 3, 2, 0, &cut);
    device = tested;
    check_near(cut.trace, whole.trace, 1e-9, 0);
    check_near(cut.square, whole.square, 1e-9, 0);
    check_near(cut.batch[0].variance, whole.batch[0].variance, 1e-9, 0);
    tas_model_close(&model);
    close_many(m);
}
END_TEST

/* Devices that break their word ------------------------------------------------------------------------------------ */

static struct {
    const device_driver *driver;
    op_launch launch[OP_COUNT];
    int left;       /* calls until one fails; below 0: none */
    bool for_ever;  /* and all after it */
    tas_status how; /* what it answers */
} broken;

static bool breaks(void)
{
    if (broken.left > 0) broken.left--;
    if (broken.left) return false;
    broken.left = broken.for_ever ? 0 : -1;
    return true;
}

static tas_status broken_answer(void) { return (fail)(context, broken.how, "broken on purpose"); }

static tas_status broken_launch(tas_device *d, const op_args *args, const mem *operand, const mem *scratch)
{
    return breaks() ? broken_answer() : broken.launch[args->op](d, args, operand, scratch);
}

static tas_status broken_read(tas_device *d, const mem *m, uint64_t offset, void *to, uint64_t bytes)
{
    return breaks() ? broken_answer() : broken.driver->read(d, m, offset, to, bytes);
}

static tas_status broken_write(tas_device *d, const mem *m, uint64_t offset, const void *from, uint64_t bytes,
                               bool wait)
{
    return breaks() ? broken_answer() : broken.driver->write(d, m, offset, from, bytes, wait);
}

static tas_status broken_alloc(tas_device *d, uint64_t bytes, mem *out)
{
    return breaks() ? broken_answer() : broken.driver->alloc(d, bytes, out);
}

static tas_status broken_join(tas_device *d, void **ticket)
{
    const tas_status status = broken.driver->join(d, ticket);
    return status || !breaks() ? status : broken_answer();
}

START_TEST(refusals_and_failures_are_got_over)
{
    static const uint32_t batches[] = {2, 5};
    static const tas_status ways[] = {TAS_NO_MEMORY, TAS_DEVICE_FAILED};
    const plain_net net = net_number(2);
    problem *p = open_problem(&net);
    frozen_point whole, got;
    measure(p->model, p->data, batches, 2, 2, 2, 0, &whole);
    device_driver driver = *device->driver;
    driver.never_fails = false;
    broken.driver = device->driver;
    memcpy(broken.launch, device->launch, sizeof broken.launch);
    driver.read = broken_read;
    driver.write = broken_write;
    driver.alloc = broken_alloc;
    driver.join = broken_join;
    device->driver = &driver;
    for (int op = 0; op < OP_COUNT; op++) device->launch[op] = broken_launch;
    broken.left = -1;
    const uint64_t least = least_budget(p->model, p->data), used = device->used_bytes;

    for (int way = 0; way < 4; way++) {
        const uint64_t budget = way < 2 ? 0 : least + least / 20; /* streamed */
        int call = 1;
        for (bool broke = true; broke; call += 1 + call / 16) {
            broken.how = ways[way % 2];
            broken.left = call;
            got = (frozen_point){.name = NULL};
            expect_ok(gradient_variance_measure(p->model, p->data, batches, 2, 2, 2, budget, NULL, NULL, &got));
            check_same(&whole, &got, 2);
            broke = broken.left < 0;
        }
        broken.left = call / 3;
        broken.for_ever = true;
        expect(gradient_variance_measure(p->model, p->data, batches, 2, 2, 2, budget, NULL, NULL, &got), ways[way % 2],
               "broken", "purpose");
        broken.for_ever = false;
        broken.left = -1;
        ck_assert_uint_le(device->used_bytes, used); /* the model's own; none once it is the host's alone */
        ck_assert_int_gt(call, 100);
    }
    device->driver = broken.driver;
    memcpy(device->launch, broken.launch, sizeof broken.launch);
    close_problem(p);
}
END_TEST

/* What is refused, and stopping ------------------------------------------------------------------------------------ */

static int calls;
static double last_share;
static int stop_at_once(void *user, double share)
{
    calls++;
    last_share = share;
    return *(int *)user;
}

/* Takes its time, so that progress is reported. */
static int slow_fill(void *user, const uint64_t *index, size_t n, void *in, void *targets)
{
    const many *m = user;
    for (const double until = now_seconds() + 0.03; now_seconds() < until;) continue;
    for (size_t k = 0; k < n; k++) {
        memcpy((float *)in + k * INPUTS, m->inputs + index[k] * INPUTS, sizeof(float) * INPUTS);
        ((uint32_t *)targets)[k] = m->labels[index[k]];
    }
    return 0;
}

START_TEST(it_can_be_stopped)
{
    static const uint32_t batches[] = {1};
    many *m = open_many(53, INPUTS);
    tas_model *model = model_of_text(sample_net, 3);
    frozen_point point;
    tas_data *slow = NULL;
    tas_data_options options;
    tas_data_options_init(&options);
    options.count = 53;
    options.input_size = INPUTS;
    options.input_type = TAS_INPUT_F32;
    options.classes = CLASSES;
    options.fill = slow_fill;
    options.user = m;
    expect_ok(tas_data_open(context, &options, &slow));
    const uint64_t least = least_budget(model, slow);
    int stop = 1;
    expect(gradient_variance_measure(model, slow, batches, 1, 45, 1, least, stop_at_once, &stop, &point), TAS_STOPPED,
           "stopped", "");
    ck_assert_int_eq(calls, 1);
    ck_assert(last_share > 0 && last_share < 1);
    ck_assert_int_eq(point.batch[0].draws, 0);
    stop = 0;
    expect_ok(gradient_variance_measure(model, slow, batches, 1, 45, 1, least, stop_at_once, &stop, &point));
    ck_assert_int_gt(calls, 1);
    ck_assert(last_share > 0 && last_share <= 1);

    tas_cancel(model);
    expect(gradient_variance_measure(model, m->data, batches, 1, 2, 1, 0, NULL, NULL, &point), TAS_STOPPED, "stopped",
           "");
    expect_ok(gradient_variance_measure(model, m->data, batches, 1, 2, 1, 0, NULL, NULL, &point)); /* once is enough */
    tas_data_close(&slow);
    tas_model_close(&model);
    close_many(m);
}
END_TEST

START_TEST(what_is_refused)
{
    static const uint32_t zero[] = {0}, large[] = {5, 54}, good[] = {5, 53};
    many *m = open_many(53, INPUTS), *one = open_many(1, INPUTS), *other = open_many(53, PIXELS);
    tas_model *model = model_of_text(sample_net, 3);
    frozen_point point;
    const tas_status bad = TAS_BAD_ARGUMENT;
    expect(gradient_variance_measure(model, m->data, zero, 1, 3, 1, 0, NULL, NULL, &point), bad, "batch 0", "1 to 53");
    expect(gradient_variance_measure(model, m->data, large, 2, 3, 1, 0, NULL, NULL, &point), bad, "batch 54",
           "1 to 53");
    expect(gradient_variance_measure(model, m->data, good, 2, 1, 1, 0, NULL, NULL, &point), bad, "at least 2", "");
    expect(gradient_variance_measure(model, m->data, good, SWEEP_BATCHES + 1, 3, 1, 0, NULL, NULL, &point), bad,
           "at most", "");
    expect(gradient_variance_measure(model, one->data, good, 0, 3, 1, 0, NULL, NULL, &point), bad,
           "expected at least 2 examples", "");
    expect(gradient_variance_measure(model, other->data, good, 2, 3, 1, 0, NULL, NULL, &point), TAS_BAD_NETWORK,
           "takes 6", "");
    float *values = model_get(model);
    for (size_t k = 0; k < model_elements(model); k++) values[k] = k % 2 ? 3e38f : -3e38f;
    model_set(model, values);
    expect(gradient_variance_measure(model, m->data, good, 2, 3, 1, 0, NULL, NULL, &point), TAS_NOT_FINITE,
           "not finite", "");
    free(values);
    tas_model_close(&model);
    close_many(m), close_many(one), close_many(other);
}
END_TEST

/* All the same: there is no variance, and rounding makes no negative one. */
START_TEST(examples_that_are_all_the_same)
{
    static const uint32_t batches[] = {1, 4};
    many *m = open_many(2, INPUTS);
    for (uint32_t e = 1; e < MANY; e++) memcpy(m->inputs + e * INPUTS, m->inputs, INPUTS * sizeof(float));
    memset(m->labels, 0, sizeof m->labels);
    tas_data *same = data_of(53, INPUTS, m->inputs, m->labels, CLASSES, 0);
    tas_model *model = model_of_text(sample_net, 3);
    frozen_point point;
    measure(model, same, batches, 2, 5, 1, 0, &point);
    ck_assert(point.trace >= 0 && point.trace <= 1e-5 * point.square);
    for (int k = 0; k < 2; k++) {
        const frozen_figures *f = &point.batch[k];
        ck_assert(f->variance <= 1e-10 * point.square && f->cosine >= 1 - 1e-6 && f->cosine_expected >= 1 - 1e-5);
        ck_assert(f->loss_spread <= 1e-6 * point.loss && f->loss_expected <= 1e-6 * point.loss);
    }
    tas_data_close(&same);
    tas_model_close(&model);
    close_many(m);
}
END_TEST

/* Draws ------------------------------------------------------------------------------------------------------------ */

START_TEST(each_batch_is_as_likely)
{
    enum { DRAWS = 9000 };
    uint32_t order[SET], counts[SET][SET] = {{0}};
    for (uint32_t d = 0; d < DRAWS; d++) {
        uint32_t seen_of = 0;
        shuffle_draw(3, d, order, SET, 2);
        for (uint32_t k = 0; k < SET; k++) seen_of |= 1u << order[k];
        ck_assert_uint_eq(seen_of, (1u << SET) - 1);
        counts[order[0]][order[1]]++;
    }
    double chi = 0;
    const double wanted = (double)DRAWS / (SET * (SET - 1));
    for (uint32_t a = 0; a < SET; a++)
        for (uint32_t b = 0; b < SET; b++)
            if (a != b) chi += (counts[a][b] - wanted) * (counts[a][b] - wanted) / wanted;
    ck_assert_msg(chi < 58.3, "chi^2 of 29 degrees is %g", chi); /* 0.1 % */
}
END_TEST

/* Weights that fluctuate ------------------------------------------------------------------------------------------- */

/* The weights after so many steps from where the model is; it is put back. */
static float *train_to(tas_model *model, const tas_data *data, tas_train_options options, uint64_t steps)
{
    float *before = model_get(model);
    options.steps = steps;
    expect_ok(tas_train(model, data, &options, NULL));
    float *after = model_get(model);
    model_set(model, before);
    free(before);
    return after;
}

/* The mean of |w - mean w|^2 over `count` lists of weights, by |mean w|^2, times count / divisor. */
static double spread_of(float **weights, int count, double divisor, size_t elements)
{
    double spread = 0, all = 0;
    for (size_t k = 0; k < elements; k++) {
        double mean = 0;
        for (int i = 0; i < count; i++) mean += (double)weights[i][k] / count;
        for (int i = 0; i < count; i++) spread += (weights[i][k] - mean) * (weights[i][k] - mean);
        all += mean * mean;
    }
    return spread / divisor / all;
}

START_TEST(fluctuations_by_brute_force)
{
    enum { STRETCHES = 3, LATE = 8 };
    many *m = open_many(53, INPUTS);
    tas_model *model = model_of_text(sample_net, 3);
    tas_train_options options = sample_options(4, 1);
    options.warmup = 100; /* not heeded */
    weight_fluctuation found;
    char before[65], after[65];
    expect_ok(tas_model_digest(model, before));
    expect_ok(weight_fluctuation_measure(model, m->data, &options, _i ? 130 : 9, STRETCHES, &found));
    expect_ok(tas_model_digest(model, after));
    ck_assert_str_eq(before, after);
    const uint64_t steps = _i ? 33 : 16, apart = _i ? 2 : 1; /* 130 examples in batches of 4 */
    ck_assert_uint_eq(found.steps, steps);

    float *ends[STRETCHES], *late[LATE];
    double sum = 0;
    const size_t elements = model_elements(model);
    options.warmup = 0;
    for (uint64_t s = 0; s < STRETCHES; s++) {
        options.seed = 1 + ((s + 1) << 32);
        for (uint64_t k = 0; k < LATE; k++) late[k] = train_to(model, m->data, options, steps - (LATE - 1 - k) * apart);
        sum += spread_of(late, LATE, LATE, elements);
        ends[s] = late[LATE - 1];
        for (int k = 0; k < LATE - 1; k++) free(late[k]);
    }
    check_near(found.fluctuation.value, sum / STRETCHES, 1e-9, 0);
    check_near(found.seed_spread.value, spread_of(ends, STRETCHES, STRETCHES - 1, elements), 1e-9, 0);
    ck_assert(found.fluctuation.spread > 0 && found.seed_spread.spread > 0 && found.seed_spread.seeds == STRETCHES);
    for (int s = 0; s < STRETCHES; s++) free(ends[s]);
    tas_model_close(&model);
    close_many(m);
}
END_TEST

static int stop_at_20(void *user, const tas_step *step)
{
    (void)user;
    return step->step == 20;
}

START_TEST(fluctuations_end_well)
{
    many *m = open_many(53, INPUTS);
    tas_model *model = model_of_text(sample_net, 3);
    tas_train_options options = sample_options(4, 1);
    weight_fluctuation found;
    char before[65], after[65];
    expect_ok(tas_model_digest(model, before));
    options.lr = 0;
    expect_ok(weight_fluctuation_measure(model, m->data, &options, 0, 1, &found));
    ck_assert(found.fluctuation.value == 0 && isnan(found.fluctuation.spread) && isnan(found.seed_spread.value));
    expect_ok(weight_fluctuation_measure(model, m->data, &options, 0, 2, &found));
    ck_assert(found.fluctuation.value == 0 && found.fluctuation.spread == 0 && found.seed_spread.value == 0);
    options.lr = 1e6f;
    options.weight_decay = 1e6f;
    expect(weight_fluctuation_measure(model, m->data, &options, 400, 2, &found), TAS_NOT_FINITE, "not finite", "");
    options.lr = 0.01f;
    options.weight_decay = 0;
    options.on_step = stop_at_20;
    expect(weight_fluctuation_measure(model, m->data, &options, 400, 2, &found), TAS_STOPPED, "stopped", "");
    expect(weight_fluctuation_measure(model, m->data, &options, 400, 0, &found), TAS_BAD_ARGUMENT, "at least 1", "");
    options.batch = 54;
    expect(weight_fluctuation_measure(model, m->data, &options, 400, 2, &found), TAS_BAD_ARGUMENT, "54", "");
    options.batch = 0;
    expect(weight_fluctuation_measure(model, m->data, &options, 400, 2, &found), TAS_BAD_ARGUMENT, "batch 0", "");
    expect_ok(tas_model_digest(model, after));
    ck_assert_str_eq(before, after);
    tas_model_close(&model);
    close_many(m);
}
END_TEST

/* The program ------------------------------------------------------------------------------------------------------ */

static Suite *make_suite(const char *id)
{
    Suite *suite = suite_create("frozen");
    TCase *tc = tcase_create(id ? id : "reference");
    device = tested;
    tcase_set_timeout(tc, id ? 0 : 120);
    tcase_add_checked_fixture(tc, seed_anew, NULL);
    tcase_add_loop_test(tc, each_batch_by_brute_force, 0, NETS);
    tcase_add_loop_test(tc, tiles_leave_no_trace, 0, 2);
    tcase_add_loop_test(tc, theory_holds, 0, 2);
    tcase_add_loop_test(tc, the_trace_has_no_bias, 0, 2);
    if (!id) tcase_add_test(tc, refusals_and_failures_are_got_over);
    if (!id) tcase_add_test(tc, it_can_be_stopped);
    if (!id) tcase_add_test(tc, what_is_refused);
    if (!id) tcase_add_test(tc, examples_that_are_all_the_same);
    if (!id) tcase_add_test(tc, each_batch_is_as_likely);
    tcase_add_loop_test(tc, fluctuations_by_brute_force, 0, 2);
    if (!id) tcase_add_test(tc, fluctuations_end_well);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void) { return driver_run(make_suite); }

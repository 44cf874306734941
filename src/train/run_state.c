/* The state of a run as JSON: see run_state.h. */
#include "train/run_state.h"

#include "base/format.h"
#include "base/json_count.h"
#include "base/json_text.h"
#include "base/text.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Settings -------------------------------------------------------------------------------------------------------- */

static const char *optimizer_word(int number) { return tas_optimizer_name((tas_optimizer)number); }
static const char *decay_word(int number) { return tas_decay_on_name((tas_decay_on)number); }
static const char *schedule_word(int number) { return tas_schedule_name((tas_schedule)number); }
static const char *scaling_word(int number) { return tas_lr_scaling_name((tas_lr_scaling)number); }

typedef enum setting_type { SETTING_U32, SETTING_U64, SETTING_FLAG, SETTING_FLOAT, SETTING_WORD } setting_type;

#define OF(number) (1u << (number))
enum {
    ALL = -1,
    MOMENTUM = OF(TAS_SGD) | OF(TAS_RMSPROP) | OF(TAS_LARS),
    BETAS = OF(TAS_ADAM) | OF(TAS_ADAMW) | OF(TAS_LION) | OF(TAS_LAMB),
    EPSILON = OF(TAS_ADAM) | OF(TAS_ADAMW) | OF(TAS_RMSPROP) | OF(TAS_LAMB),
    DECAYS = OF(TAS_SCHEDULE_STEP) | OF(TAS_SCHEDULE_EXPONENTIAL),
    ENDS = OF(TAS_SCHEDULE_COSINE) | OF(TAS_SCHEDULE_POLYNOMIAL),
    SCALES = OF(TAS_SCALING_LINEAR) | OF(TAS_SCALING_SQRT),
};

/* A setting is one row. Of which optimizers, schedules and scalings it decides bits: 0 for none. */
static const struct setting {
    const char *name;
    setting_type type;
    size_t offset;
    const char *(*word)(int number);
    int optimizers, schedules, scalings;
} settings[] = {
#define ROW(name, type, ...)                                                                                           \
    {                                                                                                                  \
#name, type, offsetof(tas_train_options, name), __VA_ARGS__                                                    \
    }
    ROW(batch, SETTING_U32, NULL, ALL, ALL, ALL),
    ROW(batch_most, SETTING_U32, NULL, ALL, OF(TAS_SCHEDULE_SEESAW), ALL),
    ROW(drop_last, SETTING_FLAG, NULL, ALL, ALL, ALL),
    ROW(shards, SETTING_U32, NULL, ALL, ALL, ALL),
    ROW(epochs, SETTING_U64, NULL, 0, 0, 0),
    ROW(steps, SETTING_U64, NULL, 0, 0, 0),
    ROW(optimizer, SETTING_WORD, optimizer_word, ALL, ALL, ALL),
    ROW(lr, SETTING_FLOAT, NULL, ALL, ALL, ALL),
    ROW(momentum, SETTING_FLOAT, NULL, MOMENTUM, ALL, ALL),
    ROW(nesterov, SETTING_FLAG, NULL, OF(TAS_SGD), ALL, ALL),
    ROW(weight_decay, SETTING_FLOAT, NULL, ALL, ALL, ALL),
    ROW(decay_on, SETTING_WORD, decay_word, ALL, ALL, ALL),
    ROW(beta1, SETTING_FLOAT, NULL, BETAS, ALL, ALL),
    ROW(beta2, SETTING_FLOAT, NULL, BETAS, ALL, ALL),
    ROW(epsilon, SETTING_FLOAT, NULL, EPSILON, ALL, ALL),
    ROW(alpha, SETTING_FLOAT, NULL, OF(TAS_RMSPROP), ALL, ALL),
    ROW(trust, SETTING_FLOAT, NULL, OF(TAS_LARS), ALL, ALL),
    ROW(clip, SETTING_FLOAT, NULL, ALL, ALL, ALL),
    ROW(schedule, SETTING_WORD, schedule_word, ALL, ALL, ALL),
    ROW(warmup, SETTING_U64, NULL, ALL, ALL, ALL),
    ROW(decay_steps, SETTING_U64, NULL, ALL, DECAYS | OF(TAS_SCHEDULE_SEESAW), ALL),
    ROW(decay, SETTING_FLOAT, NULL, ALL, DECAYS, ALL),
    ROW(lr_end, SETTING_FLOAT, NULL, ALL, ENDS, ALL),
    ROW(power, SETTING_FLOAT, NULL, ALL, OF(TAS_SCHEDULE_POLYNOMIAL), ALL),
    ROW(rise, SETTING_FLOAT, NULL, ALL, OF(TAS_SCHEDULE_ONE_CYCLE), ALL),
    ROW(lr_scaling, SETTING_WORD, scaling_word, ALL, ALL, ALL),
    ROW(base_batch, SETTING_U32, NULL, ALL, ALL, SCALES),
    ROW(noise, SETTING_FLAG, NULL, 0, 0, 0),
    ROW(preconditioned_noise, SETTING_FLAG, NULL, 0, 0, 0),
    ROW(seed, SETTING_U64, NULL, ALL, ALL, ALL),
#undef ROW
};
enum { SETTINGS = sizeof settings / sizeof *settings };

_Static_assert(sizeof(tas_optimizer) == sizeof(int) && sizeof(tas_schedule) == sizeof(int) &&
                   sizeof(tas_lr_scaling) == sizeof(int) && sizeof(tas_decay_on) == sizeof(int),
               "words are read as int");

static const void *field_of(const struct setting *s, const tas_train_options *options)
{
    return (const char *)options + s->offset;
}

static int int_of(const struct setting *s, const tas_train_options *options)
{
    int value;
    memcpy(&value, field_of(s, options), sizeof value);
    return value;
}

static uint64_t whole_of(const struct setting *s, const tas_train_options *options)
{
    const void *field = field_of(s, options);
    return s->type == SETTING_U32 ? *(const uint32_t *)field : *(const uint64_t *)field;
}

static float float_of(const struct setting *s, const tas_train_options *options)
{
    return *(const float *)field_of(s, options);
}

static bool has_bit(int set, int number) { return set == ALL || ((unsigned)set & OF(number)); }

static bool decides(const struct setting *s, const tas_train_options *options)
{
    return has_bit(s->optimizers, (int)options->optimizer) && has_bit(s->schedules, (int)options->schedule) &&
           has_bit(s->scalings, (int)options->lr_scaling);
}

enum { VALUE_TEXT = 48 };
static const char *print_setting(const struct setting *s, const tas_train_options *options, char text[VALUE_TEXT])
{
    switch (s->type) {
    case SETTING_FLOAT: snprintf(text, VALUE_TEXT, "%s", format_float(float_of(s, options)).text); break;
    case SETTING_WORD: snprintf(text, VALUE_TEXT, "%s", s->word(int_of(s, options))); break;
    case SETTING_FLAG: snprintf(text, VALUE_TEXT, "%s", int_of(s, options) ? "on" : "off"); break;
    case SETTING_U32:
    case SETTING_U64: snprintf(text, VALUE_TEXT, "%" PRIu64, whole_of(s, options)); break;
    }
    return text;
}

static bool differs(const struct setting *s, const tas_train_options *a, const tas_train_options *b)
{
    switch (s->type) {
    case SETTING_FLOAT: return float_of(s, a) != float_of(s, b);
    case SETTING_WORD: return int_of(s, a) != int_of(s, b);
    case SETTING_FLAG: return !int_of(s, a) != !int_of(s, b);
    case SETTING_U32:
    case SETTING_U64: return whole_of(s, a) != whole_of(s, b);
    }
    return true;
}

bool run_state_differences(const run_state *s, const tas_train_options *options, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < SETTINGS && used < bytes; i++) {
        const struct setting *row = &settings[i];
        char there[VALUE_TEXT], here[VALUE_TEXT];
        if (!decides(row, &s->options) || !differs(row, &s->options, options)) continue;
        used += (size_t)snprintf(text + used, bytes - used, "%s%s %s there, %s here", used ? "; " : "", row->name,
                                 print_setting(row, &s->options, there), print_setting(row, options, here));
    }
    return used > 0;
}

bool run_state_follows_length(const tas_train_options *options)
{
    return has_bit(ENDS | OF(TAS_SCHEDULE_ONE_CYCLE), (int)options->schedule);
}

/* Writing --------------------------------------------------------------------------------------------------------- */

/* 17 digits read as the same double, and so as the same float. */
static json_t *encode_setting(const struct setting *s, const tas_train_options *options)
{
    switch (s->type) {
    case SETTING_FLOAT: return json_real((double)float_of(s, options));
    case SETTING_WORD: return json_string(s->word(int_of(s, options)));
    case SETTING_FLAG: return json_boolean(int_of(s, options));
    case SETTING_U32:
    case SETTING_U64: break;
    }
    return json_count(whole_of(s, options));
}

static json_t *encode_settings(const tas_train_options *options)
{
    json_t *out = json_object();
    for (int i = 0; i < SETTINGS; i++)
        json_object_set_new(out, settings[i].name, encode_setting(&settings[i], options));
    return out;
}

static json_t *encode_noise(const noise_scale *n)
{
    const double numbers[] = {n->trace, n->square, n->last_trace, n->last_square, n->traces, n->products, n->squares};
    json_t *out = json_array();
    json_array_append_new(out, json_count(n->steps));
    json_array_append_new(out, json_count(n->skipped));
    json_array_append_new(out, json_count(n->pairs));
    json_array_append_new(out, json_boolean(n->follows));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) json_array_append_new(out, json_real(numbers[i]));
    return out;
}

/* Where the data are when a batch begins follows from the batches before. */
static json_t *encode_batches(const course *c)
{
    json_t *out = json_array();
    for (int i = 0; i < c->segments; i++) {
        json_t *one = json_array();
        json_array_append_new(one, json_count(c->segment[i].step));
        json_array_append_new(one, json_count(c->segment[i].batch));
        json_array_append_new(out, one);
    }
    return out;
}

static json_t *encode_orders(const course *c)
{
    json_t *out = json_array();
    for (int i = 0; i < c->orders; i++) {
        json_t *one = json_array();
        json_array_append_new(one, json_count(c->order[i].epoch));
        json_array_append_new(one, json_count(c->order[i].at));
        json_array_append_new(one, json_count(c->order[i].seed));
        json_array_append_new(out, one);
    }
    return out;
}

char *run_state_encode(const run_state *s)
{
    json_t *o = json_object();
    int failed = json_object_set_new(o, "contract", json_integer(s->contract));
    failed |= json_object_set_new(o, "arithmetic", json_string(s->fast ? "fast" : "exact"));
    failed |= json_object_set_new(o, "step", json_count(s->step));
    failed |= json_object_set_new(o, "steps", json_count(s->steps));
    failed |= json_object_set_new(o, "examples", json_count(s->examples));
    failed |= json_object_set_new(o, "seconds", json_real(s->seconds));
    failed |= json_object_set_new(o, "last_loss", json_real((double)s->last_loss));
    failed |= json_object_set_new(o, "data_examples", json_count(s->count));
    failed |= json_object_set_new(o, "data_sha256", json_string(s->data));
    failed |= json_object_set_new(o, "settings", encode_settings(&s->options));
    failed |= json_object_set_new(o, "batches", encode_batches(&s->course));
    failed |= json_object_set_new(o, "batches_changed", json_boolean(s->changed));
    failed |= json_object_set_new(o, "orders", encode_orders(&s->course));
    failed |= json_object_set_new(o, "noise", encode_noise(&s->noise));
    failed |= json_object_set_new(o, "preconditioned_noise", encode_noise(&s->preconditioned_noise));
    if (s->more) failed |= json_object_set_new(o, "more", json_string(s->more));
    char *text = failed ? NULL : json_text(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

/* Reading --------------------------------------------------------------------------------------------------------- */

/* Keeps the first thing that is wrong. */
typedef struct reader {
    char *why;
    bool failed;
} reader;

static void refuse(reader *r, const char *what, const char *expected)
{
    if (!r->failed) snprintf(r->why, RUN_STATE_WHY, "\"%s\": expected %s", what, expected);
    r->failed = true;
}

static uint64_t read_count(reader *r, const json_t *in, const char *what, uint64_t least, uint64_t most)
{
    uint64_t value;
    if (json_read_count(in, &value) && value >= least && value <= most) return value;
    char expected[80];
    snprintf(expected, sizeof expected, "a whole number from %" PRIu64 " to %" PRIu64, least, most);
    refuse(r, what, expected);
    return least;
}

static double read_real(reader *r, const json_t *in, const char *what, double most)
{
    const double value = json_is_number(in) ? json_number_value(in) : NAN;
    if (value >= -most && value <= most) return value;
    refuse(r, what, "a finite number");
    return 0;
}

static bool read_flag(reader *r, const json_t *in, const char *what)
{
    if (!json_is_boolean(in)) refuse(r, what, "true or false");
    return json_is_true(in);
}

static int read_word(reader *r, const json_t *in, const struct setting *s)
{
    const char *text = json_string_value(in), *word;
    for (int i = 0; text && (word = s->word(i)); i++)
        if (!strcmp(word, text)) return i;
    refuse(r, s->name, "the name of one");
    return 0;
}

static void read_setting(reader *r, const json_t *in, const struct setting *s, tas_train_options *options)
{
    void *field = (char *)options + s->offset;
    int word;
    switch (s->type) {
    case SETTING_FLOAT: *(float *)field = (float)read_real(r, in, s->name, FLT_MAX); break;
    case SETTING_U32: *(uint32_t *)field = (uint32_t)read_count(r, in, s->name, 0, UINT32_MAX); break;
    case SETTING_U64: *(uint64_t *)field = read_count(r, in, s->name, 0, UINT64_MAX); break;
    case SETTING_WORD:
    case SETTING_FLAG:
        word = s->type == SETTING_WORD ? read_word(r, in, s) : read_flag(r, in, s->name);
        memcpy(field, &word, sizeof word);
        break;
    }
}

static void read_settings(reader *r, const json_t *in, tas_train_options *options)
{
    tas_train_options_init(options);
    if (!json_is_object(in)) refuse(r, "settings", "an object");
    for (int i = 0; i < SETTINGS && !r->failed; i++)
        read_setting(r, json_object_get(in, settings[i].name), &settings[i], options);
    if (options->lr_scaling == TAS_SCALING_AUTO) refuse(r, "lr_scaling", "what auto stands for");
}

static noise_scale read_noise(reader *r, const json_t *in, const char *what, uint64_t steps)
{
    noise_scale n = {0};
    double *numbers[] = {&n.trace, &n.square, &n.last_trace, &n.last_square, &n.traces, &n.products, &n.squares};
    enum { FIRST = 4, COUNT = sizeof numbers / sizeof *numbers };
    if (json_array_size(in) != FIRST + COUNT) {
        refuse(r, what, "an array of 11");
        return n;
    }
    n.steps = read_count(r, json_array_get(in, 0), what, 0, steps);
    n.skipped = read_count(r, json_array_get(in, 1), what, 0, steps);
    n.pairs = read_count(r, json_array_get(in, 2), what, 0, n.steps ? n.steps - 1 : 0);
    n.follows = read_flag(r, json_array_get(in, 3), what);
    for (size_t i = 0; i < COUNT; i++) *numbers[i] = read_real(r, json_array_get(in, FIRST + i), what, 1e100);
    return n;
}

/* Each is added as the run did. */
static tas_status read_batches(reader *r, const json_t *in, tas_context *context, run_state *s)
{
    const size_t count = json_array_size(in);
    const uint64_t most = s->count < 1u << 24 ? s->count : 1u << 24;
    uint64_t before = 0;
    tas_status status = TAS_OK;
    if (count < 1 || count > TAS_BATCH_CHANGES + 1) refuse(r, "batches", "an array of 1 to 65");
    if (r->failed) return TAS_OK;
    for (size_t i = 0; i < count && !r->failed && !status; i++) {
        const json_t *one = json_array_get(in, i);
        if (json_array_size(one) != 2) refuse(r, "batches", "pairs of a step and a batch");
        const uint64_t step = read_count(r, json_array_get(one, 0), "batches", i ? before + 1 : 0, i ? s->steps : 0);
        const uint32_t batch = (uint32_t)read_count(r, json_array_get(one, 1), "batches", 1, most);
        tas_train_options first = s->options;
        first.batch = batch;
        if (r->failed) break;
        status = i ? course_change_batch(&s->course, context, step, batch)
                   : course_open(&s->course, context, &first, s->count);
        before = step;
    }
    return status;
}

/* The first is that of the options, and is there already. */
static tas_status read_orders(reader *r, const json_t *in, tas_context *context, run_state *s)
{
    const size_t count = json_array_size(in);
    tas_status status = TAS_OK;
    if (count < 1 || count > RUN_STATE_ORDERS) refuse(r, "orders", "an array of 1 to 1024");
    if (count > 1 && !s->changed) refuse(r, "orders", "one, as nothing was changed");
    for (size_t i = 0; i < count && !r->failed && !status; i++) {
        const json_t *one = json_array_get(in, i);
        const course_order *last = s->course.order ? &s->course.order[s->course.orders - 1] : NULL;
        if (json_array_size(one) != 3) refuse(r, "orders", "triples of an epoch, an entry and a seed");
        const course_order order = {
            .epoch = read_count(r, json_array_get(one, 0), "orders", i && last ? last->epoch : 0, i ? UINT32_MAX : 0),
            .at = (uint32_t)read_count(r, json_array_get(one, 1), "orders", 0, i ? s->count - 1 : 0),
            .seed = read_count(r, json_array_get(one, 2), "orders", 0, UINT64_MAX)};
        if (!r->failed && i && last && order.epoch == last->epoch && order.at <= last->at)
            refuse(r, "orders", "ascending entries");
        if (!r->failed && !i && order.seed != s->options.seed) refuse(r, "orders", "the run's seed first");
        if (!r->failed && i) status = course_add_order(&s->course, context, &order);
    }
    return status;
}

static void read_digest(reader *r, const json_t *in, char out[65])
{
    const char *text = json_string_value(in);
    if (!text || strlen(text) != 64 || strspn(text, "0123456789abcdef") != 64)
        refuse(r, "data_sha256", "64 hexadecimal digits");
    else
        memcpy(out, text, 65);
}

static void read_numbers(reader *r, const json_t *in, run_state *s)
{
    const char *arithmetic = json_string_value(json_object_get(in, "arithmetic"));
    s->contract = (int)read_count(r, json_object_get(in, "contract"), "contract", 0, INT32_MAX);
    s->fast = arithmetic && !strcmp(arithmetic, "fast");
    if (!s->fast && (!arithmetic || strcmp(arithmetic, "exact") != 0)) refuse(r, "arithmetic", "exact or fast");
    s->steps = read_count(r, json_object_get(in, "steps"), "steps", 1, UINT32_MAX - 1);
    s->step = read_count(r, json_object_get(in, "step"), "step", 0, s->steps);
    s->count = read_count(r, json_object_get(in, "data_examples"), "data_examples", 1, UINT32_MAX);
    s->examples = read_count(r, json_object_get(in, "examples"), "examples", s->step, s->step << 24);
    s->seconds = read_real(r, json_object_get(in, "seconds"), "seconds", 1e15);
    if (s->seconds < 0) refuse(r, "seconds", "0 or more");
    s->last_loss = (float)read_real(r, json_object_get(in, "last_loss"), "last_loss", FLT_MAX);
    s->changed = read_flag(r, json_object_get(in, "batches_changed"), "batches_changed");
    read_digest(r, json_object_get(in, "data_sha256"), s->data);
}

static tas_status read_all(reader *r, const json_t *in, tas_context *context, run_state *s)
{
    const json_t *more = json_object_get(in, "more");
    read_numbers(r, in, s);
    read_settings(r, json_object_get(in, "settings"), &s->options);
    s->noise = read_noise(r, json_object_get(in, "noise"), "noise", s->step);
    s->preconditioned_noise =
        read_noise(r, json_object_get(in, "preconditioned_noise"), "preconditioned_noise", s->step);
    tas_status status = read_batches(r, json_object_get(in, "batches"), context, s);
    if (!status && !r->failed) status = read_orders(r, json_object_get(in, "orders"), context, s);
    if (more && !json_is_string(more)) refuse(r, "more", "a text");
    if (status || r->failed || !more) return status;
    s->more = strdup(json_string_value(more));
    return s->more ? TAS_OK : TAS_NO_MEMORY;
}

bool run_state_decode(tas_context *context, const char *text, run_state *out, char why[RUN_STATE_WHY])
{
    json_error_t error;
    reader r = {.why = why};
    *out = (run_state){0};
    why[0] = 0;
    json_t *in = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!in) {
        snprintf(why, RUN_STATE_WHY, "byte %d: %.200s, expected JSON", error.position, error.text);
        return false;
    }
    const tas_status status = read_all(&r, in, context, out);
    if (status) snprintf(why, RUN_STATE_WHY, "no memory to read it");
    json_decref(in);
    if (!status && !r.failed) return true;
    run_state_free(out);
    return false;
}

void run_state_free(run_state *s)
{
    course_close(&s->course);
    free(s->more);
    *s = (run_state){0};
}

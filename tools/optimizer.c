/* The optimizer's options: what goes together, and how they are printed. */
#include "optimizer.h"

#include <stddef.h>

const char *optimizer_word(int number) { return tas_optimizer_name((tas_optimizer)number); }

const char *optimizer_decay_word(int number) { return tas_decay_on_name((tas_decay_on)number); }

#define OF(optimizer) (1u << (optimizer))
enum {
    OF_MOMENTUM = OF(TAS_SGD) | OF(TAS_RMSPROP) | OF(TAS_LARS),
    OF_BETAS = OF(TAS_ADAM) | OF(TAS_ADAMW) | OF(TAS_LION) | OF(TAS_LAMB),
    OF_EPSILON = OF(TAS_ADAM) | OF(TAS_ADAMW) | OF(TAS_RMSPROP) | OF(TAS_LAMB),
};

/* A setting that belongs to some optimizers is one row: its option, its field, whose it is, whether it may be 0. */
static const struct setting {
    const char *option, *key; /* key: in JSON */
    size_t offset;
    unsigned of;
    bool or_none;
    float most; /* the library's bound; 0: as in the table of options */
} settings[] = {
    {"momentum", "momentum", offsetof(tas_train_options, momentum), OF_MOMENTUM, true, 0},
    {"beta1", "beta1", offsetof(tas_train_options, beta1), OF_BETAS, true, 0},
    {"beta2", "beta2", offsetof(tas_train_options, beta2), OF_BETAS, true, 0},
    {"epsilon", "epsilon", offsetof(tas_train_options, epsilon), OF_EPSILON, false, 1e6f},
    {"alpha", "alpha", offsetof(tas_train_options, alpha), OF(TAS_RMSPROP), true, 0},
    {"trust", "trust", offsetof(tas_train_options, trust), OF(TAS_LARS), false, 1e6f},
};
enum { SETTINGS = sizeof settings / sizeof *settings };

static float *field_of(const struct setting *s, tas_train_options *options)
{
    return (float *)(void *)((char *)options + s->offset);
}

static float value_of(const struct setting *s, const tas_train_options *options)
{
    return *(const float *)(const void *)((const char *)options + s->offset);
}

static bool belongs(const struct setting *s, tas_optimizer optimizer) { return s->of & OF((unsigned)optimizer); }

void optimizer_begin(tas_train_options *options)
{
    options->lr = -1;
    for (int i = 0; i < SETTINGS; i++) *field_of(&settings[i], options) = -1;
}

/* "adam, adamw or lamb" */
static void refuse(const cli_command *command, const struct setting *s)
{
    char names[128] = "";
    size_t used = 0;
    unsigned left = s->of;
    for (int k = 0; left; k++) {
        if (!(left & OF(k))) continue;
        left &= ~OF(k);
        const char *comma = !used ? "" : left ? ", " : " or ";
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", comma, optimizer_word(k));
    }
    cli_usage(command, "--%s requires --optimizer %s", s->option, names);
}

/* The library's bounds; checked before anything is printed. */
static void check_bounds(const cli_command *command, const struct setting *s, float value)
{
    if (value < 0x1p-60f && !(s->or_none && value == 0))
        cli_usage(command, "--%s %g: expected %s 1e-18 or more", s->option, (double)value,
                  s->or_none ? "0, or" : "a number of");
    if (s->most > 0 && value > s->most) cli_usage(command, "--%s %g: expected at most 1e6", s->option, (double)value);
}

void optimizer_end(const cli_command *command, const optimizer_words *words, tas_train_options *options)
{
    const bool sgd = words->optimizer == TAS_SGD;
    tas_train_options defaults, usual = {0};
    tas_train_options_init(&defaults);
    tas_train_options_choose(&usual, (tas_optimizer)words->optimizer);
    options->optimizer = (tas_optimizer)words->optimizer;
    options->nesterov = words->nesterov;
    options->decay_on = (tas_decay_on)words->decay_on;
    if (options->lr < 0) options->lr = usual.lr;
    for (int i = 0; i < SETTINGS; i++) {
        const struct setting *s = &settings[i];
        const bool given = value_of(s, options) >= 0, its = belongs(s, options->optimizer);
        if (given && !its) refuse(command, s);
        if (!given) *field_of(s, options) = value_of(s, its ? &usual : &defaults);
        if (its) check_bounds(command, s, value_of(s, options));
    }
    if (options->nesterov && !sgd) cli_usage(command, "--nesterov requires --optimizer sgd");
    if (options->nesterov && options->momentum == 0) cli_usage(command, "--nesterov requires --momentum above 0");
    if (options->decay_on != TAS_DECAY_ON_ALL && options->weight_decay == 0)
        cli_usage(command, "--decay-on requires --weight-decay above 0");
    if (options->clip != 0 && !(options->clip >= 0x1p-60f && options->clip <= 1e6f))
        cli_usage(command, "--clip %g: expected a number from 1e-18 to 1e6", (double)options->clip);
}

void optimizer_print(const tas_train_options *options, FILE *stream)
{
    char text[FLOAT_TEXT], beta1[FLOAT_TEXT], beta2[FLOAT_TEXT];
    const unsigned one = OF((unsigned)options->optimizer);
    fprintf(stream, "  ");
    if (options->optimizer != TAS_SGD) fprintf(stream, "%s, ", tas_optimizer_name(options->optimizer));
    if (one & OF_BETAS)
        fprintf(stream, "betas %s and %s", cli_float(options->beta1, beta1), cli_float(options->beta2, beta2));
    const float scaled = tas_train_beta2(options, options->batch);
    if ((one & OF_BETAS) && scaled != options->beta2)
        fprintf(stream, " (%s: scaled from a batch of %u)", cli_float(scaled, text), options->base_batch);
    if (one & OF(TAS_RMSPROP)) fprintf(stream, "alpha %s, ", cli_float(options->alpha, text));
    if (one & OF_MOMENTUM)
        fprintf(stream, "momentum %s%s", cli_float(options->momentum, text),
                options->optimizer == TAS_SGD && options->nesterov ? " (Nesterov)" : "");
    if (one & OF_EPSILON) fprintf(stream, ", epsilon %s", cli_float(options->epsilon, text));
    if (one & OF(TAS_LARS)) fprintf(stream, ", trust %s", cli_float(options->trust, text));
    fprintf(stream, "  weight decay %s%s", cli_float(options->weight_decay, text),
            options->decay_on == TAS_DECAY_ON_WEIGHTS ? " (weights alone)" : "");
    if (options->clip > 0) fprintf(stream, "  clip %s", cli_float(options->clip, text));
}

void optimizer_describe(const tas_train_options *options, json_t *o)
{
    const bool sgd = options->optimizer == TAS_SGD;
    json_object_set_new(o, "optimizer", json_string(tas_optimizer_name(options->optimizer)));
    for (int i = 0; i < SETTINGS; i++) {
        const struct setting *s = &settings[i];
        json_object_set_new(o, s->key,
                            belongs(s, options->optimizer) ? cli_json_float(value_of(s, options)) : json_null());
    }
    const bool betas = OF_BETAS & OF((unsigned)options->optimizer);
    json_object_set_new(o, "beta2_scaled",
                        betas ? cli_json_float(tas_train_beta2(options, options->batch)) : json_null());
    json_object_set_new(o, "nesterov", sgd ? json_boolean(options->nesterov) : json_null());
    json_object_set_new(o, "weight_decay", cli_json_float(options->weight_decay));
    json_object_set_new(o, "decay_on", json_string(tas_decay_on_name(options->decay_on)));
    json_object_set_new(o, "clip", options->clip > 0 ? cli_json_float(options->clip) : json_null());
}

/* The optimizer's options: what goes together, and how they are printed. */
#include "optimizer.h"

const char *optimizer_word(int number) { return tas_optimizer_name((tas_optimizer)number); }

void optimizer_begin(tas_train_options *options)
{
    options->lr = options->momentum = options->beta1 = options->beta2 = options->epsilon = -1;
}

/* Whether it was given; if not, it gets its default. */
static bool was_given(float *value, float otherwise)
{
    if (*value >= 0) return true;
    *value = otherwise;
    return false;
}

/* The library's bounds; checked before anything is printed. */
static void check_least(const cli_command *command, const char *name, float value, bool or_none)
{
    if (value >= 0x1p-60f || (or_none && value == 0)) return;
    cli_usage(command, "--%s %g: expected %s 1e-18 or more", name, (double)value, or_none ? "0, or" : "a number of");
}

void optimizer_end(const cli_command *command, const optimizer_words *words, tas_train_options *options)
{
    const bool sgd = words->optimizer == TAS_SGD;
    options->optimizer = (tas_optimizer)words->optimizer;
    options->nesterov = words->nesterov;
    tas_train_options defaults;
    tas_train_options_init(&defaults);
    was_given(&options->lr, sgd ? defaults.lr : 0.001f);
    if (was_given(&options->momentum, defaults.momentum) && !sgd)
        cli_usage(command, "--momentum requires --optimizer sgd; %s has betas", tas_optimizer_name(options->optimizer));
    if (options->nesterov && !sgd) cli_usage(command, "--nesterov requires --optimizer sgd");
    if (options->nesterov && options->momentum == 0) cli_usage(command, "--nesterov requires --momentum above 0");
    if (was_given(&options->beta1, defaults.beta1) && sgd)
        cli_usage(command, "--beta1 requires --optimizer adam or adamw");
    if (was_given(&options->beta2, defaults.beta2) && sgd)
        cli_usage(command, "--beta2 requires --optimizer adam or adamw");
    if (was_given(&options->epsilon, defaults.epsilon) && sgd)
        cli_usage(command, "--epsilon requires --optimizer adam or adamw");
    check_least(command, "beta1", options->beta1, true);
    check_least(command, "beta2", options->beta2, true);
    check_least(command, "epsilon", options->epsilon, false);
    if (options->epsilon > 1e6f) cli_usage(command, "--epsilon %g: expected at most 1e6", (double)options->epsilon);
}

void optimizer_print(const tas_train_options *options, FILE *stream)
{
    char text[FLOAT_TEXT], beta1[FLOAT_TEXT], beta2[FLOAT_TEXT], epsilon[FLOAT_TEXT];
    if (options->optimizer == TAS_SGD)
        fprintf(stream, "  momentum %s%s", cli_float(options->momentum, text), options->nesterov ? " (Nesterov)" : "");
    else
        fprintf(stream, "  %s, betas %s and %s, epsilon %s", tas_optimizer_name(options->optimizer),
                cli_float(options->beta1, beta1), cli_float(options->beta2, beta2),
                cli_float(options->epsilon, epsilon));
    fprintf(stream, "  weight decay %s", cli_float(options->weight_decay, text));
}

void optimizer_describe(const tas_train_options *options, json_t *o)
{
    const bool sgd = options->optimizer == TAS_SGD;
    json_object_set_new(o, "optimizer", json_string(tas_optimizer_name(options->optimizer)));
    json_object_set_new(o, "momentum", sgd ? cli_json_float(options->momentum) : json_null());
    json_object_set_new(o, "nesterov", sgd ? json_boolean(options->nesterov) : json_null());
    json_object_set_new(o, "beta1", sgd ? json_null() : cli_json_float(options->beta1));
    json_object_set_new(o, "beta2", sgd ? json_null() : cli_json_float(options->beta2));
    json_object_set_new(o, "epsilon", sgd ? json_null() : cli_json_float(options->epsilon));
    json_object_set_new(o, "weight_decay", cli_json_float(options->weight_decay));
}

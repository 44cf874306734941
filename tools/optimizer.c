/* The optimizer's options: what goes together, and how they are printed. */
#include "optimizer.h"

const char *optimizer_word(int number) { return tas_optimizer_name((tas_optimizer)number); }

void optimizer_begin(tas_train_options *t) { t->lr = t->momentum = t->beta1 = t->beta2 = t->epsilon = -1; }

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

void optimizer_end(const cli_command *command, const optimizer_words *words, tas_train_options *t)
{
    const bool sgd = words->optimizer == TAS_SGD;
    t->optimizer = (tas_optimizer)words->optimizer;
    t->nesterov = words->nesterov;
    tas_train_options defaults;
    tas_train_options_init(&defaults);
    was_given(&t->lr, sgd ? defaults.lr : 0.001f);
    if (was_given(&t->momentum, defaults.momentum) && !sgd)
        cli_usage(command, "--momentum requires --optimizer sgd; %s has betas", tas_optimizer_name(t->optimizer));
    if (t->nesterov && !sgd) cli_usage(command, "--nesterov requires --optimizer sgd");
    if (t->nesterov && t->momentum == 0) cli_usage(command, "--nesterov requires --momentum above 0");
    if (was_given(&t->beta1, defaults.beta1) && sgd) cli_usage(command, "--beta1 requires --optimizer adam or adamw");
    if (was_given(&t->beta2, defaults.beta2) && sgd) cli_usage(command, "--beta2 requires --optimizer adam or adamw");
    if (was_given(&t->epsilon, defaults.epsilon) && sgd)
        cli_usage(command, "--epsilon requires --optimizer adam or adamw");
    check_least(command, "beta1", t->beta1, true);
    check_least(command, "beta2", t->beta2, true);
    check_least(command, "epsilon", t->epsilon, false);
    if (t->epsilon > 1e6f) cli_usage(command, "--epsilon %g: expected at most 1e6", (double)t->epsilon);
}

void optimizer_print(const tas_train_options *t, FILE *stream)
{
    char text[FLOAT_TEXT], beta1[FLOAT_TEXT], beta2[FLOAT_TEXT], epsilon[FLOAT_TEXT];
    if (t->optimizer == TAS_SGD)
        fprintf(stream, "  momentum %s%s", cli_float(t->momentum, text), t->nesterov ? " (Nesterov)" : "");
    else
        fprintf(stream, "  %s, betas %s and %s, epsilon %s", tas_optimizer_name(t->optimizer),
                cli_float(t->beta1, beta1), cli_float(t->beta2, beta2), cli_float(t->epsilon, epsilon));
    fprintf(stream, "  weight decay %s", cli_float(t->weight_decay, text));
}

void optimizer_describe(const tas_train_options *t, json_t *o)
{
    const bool sgd = t->optimizer == TAS_SGD;
    json_object_set_new(o, "optimizer", json_string(tas_optimizer_name(t->optimizer)));
    json_object_set_new(o, "momentum", sgd ? cli_json_float(t->momentum) : json_null());
    json_object_set_new(o, "nesterov", sgd ? json_boolean(t->nesterov) : json_null());
    json_object_set_new(o, "beta1", sgd ? json_null() : cli_json_float(t->beta1));
    json_object_set_new(o, "beta2", sgd ? json_null() : cli_json_float(t->beta2));
    json_object_set_new(o, "epsilon", sgd ? json_null() : cli_json_float(t->epsilon));
    json_object_set_new(o, "weight_decay", cli_json_float(t->weight_decay));
}

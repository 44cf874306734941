/* What is to be verified, by name: an operation of the table, or one of three words. */
#include "verify/selection.h"

#include <string.h>

const char *tas_verify_name(size_t number)
{
    static const char *const words[] = {"training", "clblast", "gradients"};
    if (number < OP_COUNT) return op_get((op_id)number)->name;
    return number < NAMES ? words[number - OP_COUNT] : NULL;
}

const char *tas_verify_suggest(const char *name)
{
    const char *names[NAMES + 1] = {NULL};
    for (size_t i = 0; i < NAMES; i++) names[i] = tas_verify_name(i);
    return tas_suggest(name, names);
}

static size_t find_name(const char *name)
{
    size_t i = 0;
    while (i < NAMES && strcmp(tas_verify_name(i), name) != 0) i++;
    return i;
}

static tas_status select_name(tas_context *context, const char *name, selection *out)
{
    const size_t found = find_name(name);
    if (found == NAMES) {
        const char *meant = tas_verify_suggest(name);
        return fail(context, TAS_BAD_ARGUMENT, "unknown operation %s%s%s%s", name, meant ? "; did you mean " : "",
                    meant ? meant : "", meant ? "?" : "");
    }
    if (found < OP_COUNT)
        out->op[found] = true;
    else if (found == NAME_TRAINING)
        out->training = true;
    else if (found == NAME_CLBLAST)
        out->providers = true;
    else
        out->gradients = true;
    return TAS_OK;
}

static bool is_one_operation(const selection *chosen)
{
    int count = 0;
    for (int op = 0; op < OP_COUNT; op++) count += chosen->op[op];
    return count == 1 && !chosen->training && !chosen->providers && !chosen->gradients;
}

tas_status selection_make(tas_context *context, const tas_verify_options *options, selection *out)
{
    *out = (selection){.gradients = options->gradients != 0};
    for (const char *const *name = options->only; name && *name; name++) {
        const tas_status status = select_name(context, *name, out);
        if (status) return status;
    }
    if (options->only_case && !is_one_operation(out))
        return fail(context, TAS_BAD_ARGUMENT, "options.only_case: expected the name of one operation in options.only");
    if (options->only) return TAS_OK;
    for (int op = 0; op < OP_COUNT; op++) out->op[op] = true;
    out->all = true;
    out->providers = options->providers && !(options->seconds > 0);
    out->training = options->training && !(options->seconds > 0);
    return TAS_OK;
}

#include "lab/sweep/run_key.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const kinds[] = {
    [RUN_SEARCH] = "search", [RUN_DEEP] = "deep", [RUN_TO_TARGET] = "to target", [RUN_FIGURES] = "figures"};

void run_key_name(const run_key *key, char *name, size_t bytes)
{
    snprintf(name, bytes, "B %" PRIu64 " lr %a seed %" PRIu64 " %s target %.17g most %.0f least %.0f look %.0f",
             key->batch, key->lr, key->seed, kinds[key->kind], key->target, key->most, key->least, key->look);
}

/* Written again, the key has to give the same name: this also refuses numbers that do not fit their type. */
bool run_key_parse(const char *name, run_key *key)
{
    char again[RUN_NAME_BYTES];
    for (run_kind kind = RUN_SEARCH; kind <= RUN_FIGURES; kind++) {
        int read = 0;
        *key = (run_key){.kind = kind};
        if (sscanf(name, "B %" SCNu64 " lr %la seed %" SCNu64 " %n", &key->batch, &key->lr, &key->seed, &read) < 3 ||
            !read || strncmp(name + read, kinds[kind], strlen(kinds[kind])) != 0)
            continue;
        if (sscanf(name + read + strlen(kinds[kind]), " target %lg most %lg least %lg look %lg", &key->target,
                   &key->most, &key->least, &key->look) < 4)
            continue;
        run_key_name(key, again, sizeof again);
        if (!strcmp(name, again)) return true;
    }
    return false;
}

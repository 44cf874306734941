/* The data sets of a command: a folder's two splits, and what --examples and --validation make of the training set. */
#ifndef SETS_H
#define SETS_H

#include "cli.h"

typedef struct cli_sets {
    const tas_data *train;       /* what there is to train on: one of those below */
    tas_data *validation;        /* NULL: nothing is held out */
    tas_data *test;              /* NULL: not opened yet */
    tas_data *all, *part, *rest; /* the whole training set; --examples of it; what is left of that; NULL: not wanted */
} cli_sets;

/* clang-format off */
#define OPTION_EXAMPLES(where)                                                                                         \
    {.name = "examples", .metavar = "N", .group = GROUP_DATA, .type = TYPE_U64, .least = 1, .most = UINT32_MAX,        \
     .offset = (where),                                                                                                \
     .help = "Use N of the training examples, drawn at random with --seed (default: all)."}
#define OPTION_VALIDATION(where, text)                                                                                 \
    {.name = "validation", .metavar = "SHARE", .group = GROUP_DATA, .type = TYPE_SHARE, .offset = (where),             \
     .help = "Hold out training examples, drawn at random with --seed: a number, or a share such as 10%. " text}
/* clang-format on */

/* The number of examples that a share of `all` is, at least 1; 0 if no share was given. */
uint64_t sets_share(const cli_size *share, uint64_t all);

/* Opens the sets; examples and validation are 0 if not given. Returns 0, or the exit status after printing an error. */
int sets_open(cli_sets *sets, cli_state *cli, const char *folder, uint64_t examples, const cli_size *validation,
              uint64_t seed);
void sets_close(cli_sets *sets);

#endif

/* A run on examples of classes that are drawn anew, for suites that go on with it in their own way. */
#ifndef SESSION_H
#define SESSION_H

#include "driver.h"

typedef struct session {
    tas_network *network;
    tas_data *data, *judge;
    tas_model *model;
    tas_run *run;
    tas_train_result result;
} session;

/* noise: of an input, which is 1 or 0 by the class without it. judge: the number of its first examples that judge. */
typedef struct session_set {
    const char *net; /* of 8 inputs and 4 outputs */
    uint32_t examples, judge;
    float noise;
} session_set;
enum { SESSION_EXAMPLES = 3000 }; /* at most */

/* One at a time. */
session *session_open(const session_set *set, tas_train_options options);
void session_close(session *s);

#endif

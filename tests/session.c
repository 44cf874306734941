/* A run on examples of classes. */
#include "session.h"

enum { WIDTH = 8, KINDS = 4 };
static float inputs[SESSION_EXAMPLES * WIDTH];
static uint32_t labels[SESSION_EXAMPLES];

session *session_open(const session_set *set, tas_train_options options)
{
    static session s;
    s = (session){0};
    random_seed(11);
    for (uint32_t i = 0; i < set->examples; i++) {
        labels[i] = i % KINDS;
        for (uint32_t k = 0; k < WIDTH; k++)
            inputs[i * WIDTH + k] = (float)(k % KINDS == i % KINDS) + set->noise * random_float(-1, 1);
    }
    s.data = data_of(set->examples, WIDTH, inputs, labels, KINDS, 0);
    expect_ok(tas_data_head(s.data, set->judge, &s.judge));
    expect_ok(tas_network_parse(context, set->net, "net", &s.network));
    expect_ok(tas_model_open(tested, s.network, 3, &s.model));
    expect_ok(tas_run_open(s.model, s.data, &options, &s.run));
    return &s;
}

void session_close(session *s)
{
    tas_run_close(&s->run);
    tas_model_close(&s->model);
    tas_network_close(&s->network);
    tas_data_close(&s->judge);
    tas_data_close(&s->data);
}

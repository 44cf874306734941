/* Messages: see transport.h. */
#include "exchange/transport.h"

bool transport_run(transport *t, transport_op *ops, uint32_t count)
{
    uint32_t left = 0, tries = 0;
    for (int sends = 0; sends <= 1; sends++) /* a message that is awaited is not copied once more */
        for (uint32_t i = 0; i < count; i++) {
            if (ops[i].receives == (sends != 0)) continue;
            ops[i].done = false;
            ops[i].ticket = 0;
            if (!t->kind->post(t->self, &ops[i])) return false;
            t->messages += !ops[i].receives && !ops[i].continues;
            t->bytes += ops[i].receives ? 0 : ops[i].bytes;
            left += !ops[i].done;
        }
    while (left) {
        const uint32_t before = left;
        for (uint32_t i = 0; i < count; i++) {
            if (ops[i].done) continue;
            if (!t->kind->test(t->self, &ops[i])) return false;
            left -= ops[i].done;
        }
        if (!left) break;
        if (!t->kind->good(t->self)) return false;
        tries = left < before ? 0 : tries + 1;
        t->kind->pause(t->self, tries);
    }
    return true;
}

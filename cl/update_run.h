/* The update of a work-item's elements, for the kernels of optimizers. */
#ifndef UPDATE_RUN_H
#define UPDATE_RUN_H

#include "fours.h"
#include "gradient_means.h"

#if RUN == 4
#define FIND_MEANS
#define MEAN(i) one_mean(sum[i], divisor)
#else
#define FIND_MEANS                                                                                                     \
    float mean[RUN];                                                                                                   \
    gradient_means(sum, divisor, from, to, mean);
#define MEAN(i) mean[i - from]
#endif

/* What MOVE(weight, &state, mean, ...) gives replaces the weight, and changes the state: of elements at .. at+count-1
 * of w and of a. Nothing changes once first_bad is set. */
#define UPDATE_RUN(MOVE, a, ...)                                                                                       \
    PLACE_RUN(at, count);                                                                                              \
    if (first_bad[0]) return;                                                                                          \
    if (is_four(from, to, (size_t)w | (size_t)sum | (size_t)a)) {                                                      \
        float x[4], state[4], means[4];                                                                                \
        load_four(means, sum + from);                                                                                  \
        load_four(x, w + from);                                                                                        \
        load_four(state, a + from);                                                                                    \
        make_means(means, divisor, 4);                                                                                 \
        UNROLL for (uint k = 0; k < 4; k++) x[k] = MOVE(x[k], &state[k], means[k], __VA_ARGS__);                       \
        store_four(state, a + from);                                                                                   \
        store_four(x, w + from);                                                                                       \
        return;                                                                                                        \
    }                                                                                                                  \
    FIND_MEANS                                                                                                         \
    for (uint i = from; i < to; i++) {                                                                                 \
        float state = a[i];                                                                                            \
        const float x = MOVE(w[i], &state, MEAN(i), __VA_ARGS__);                                                      \
        a[i] = state;                                                                                                  \
        w[i] = x;                                                                                                      \
    }

/* Likewise with two states, and MOVE(weight, &first, &second, mean, ...), which replaces what is in `out`: w or sum. */
#define UPDATE_RUN_2(MOVE, out, a, b, ...)                                                                             \
    PLACE_RUN(at, count);                                                                                              \
    if (first_bad[0]) return;                                                                                          \
    if (is_four(from, to, (size_t)w | (size_t)sum | (size_t)a | (size_t)b)) {                                          \
        float x[4], first[4], second[4], means[4];                                                                     \
        load_four(means, sum + from);                                                                                  \
        load_four(x, w + from);                                                                                        \
        load_four(first, a + from);                                                                                    \
        load_four(second, b + from);                                                                                   \
        make_means(means, divisor, 4);                                                                                 \
        UNROLL for (uint k = 0; k < 4; k++) x[k] = MOVE(x[k], &first[k], &second[k], means[k], __VA_ARGS__);           \
        store_four(first, a + from);                                                                                   \
        store_four(second, b + from);                                                                                  \
        store_four(x, out + from);                                                                                     \
        return;                                                                                                        \
    }                                                                                                                  \
    FIND_MEANS                                                                                                         \
    for (uint i = from; i < to; i++) {                                                                                 \
        float first = a[i], second = b[i];                                                                             \
        const float x = MOVE(w[i], &first, &second, MEAN(i), __VA_ARGS__);                                             \
        a[i] = first;                                                                                                  \
        b[i] = second;                                                                                                 \
        out[i] = x;                                                                                                    \
    }

#endif

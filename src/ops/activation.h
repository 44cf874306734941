/* Activations. A row here and a pair of functions in cl/activation_functions.h make one. */
#ifndef OPS_ACTIVATION_H
#define OPS_ACTIVATION_H

/* In capitals and as a layer's name; what the gradient is computed from beside dy (x or y); whether it has a slope;
 * what it computes, for the manual. */
#define ACTIVATIONS(ROW)                                                                                               \
    ROW(RELU, relu, y, false, "The greater of x and 0.")                                                               \
    ROW(LEAKY, leaky, x, true, "x above 0, SLOPE x elsewhere.")                                                        \
    ROW(TANH, tanh, y, false, "The hyperbolic tangent of x.")                                                          \
    ROW(SIGMOID, sigmoid, y, false, "1 / (1 + e^-x).")                                                                 \
    ROW(GELU, gelu, x, false, "x P(x), P being the normal distribution function; the exact form, with erf.")           \
    ROW(SILU, silu, x, false, "x / (1 + e^-x), also known as swish.")                                                  \
    ROW(HARD_SWISH, hard_swish, x, false, "x (x + 3) / 6 from -3 to 3, 0 below, x above.")                             \
    ROW(SOFTPLUS, softplus, x, false, "ln(1 + e^x).")

/* Places in args.size[], */
enum { ACTIVATION_ELEMENTS /* per example */ };
/* and in args.scalar[]. */
enum { ACTIVATION_SLOPE };

#endif

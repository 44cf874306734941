/* Losses, one per example. A row here and a pair of functions in cl/loss_functions.h make one of outputs and targets;
 * softmax, whose targets are labels, has a kernel of its own. */
#ifndef OPS_LOSS_H
#define OPS_LOSS_H

/* In capitals and in lower case. */
#define TARGET_LOSSES(ROW)                                                                                             \
    ROW(SQUARED, squared)                                                                                              \
    ROW(ABSOLUTE, absolute)                                                                                            \
    ROW(HUBER, huber)                                                                                                  \
    ROW(LOGISTIC, logistic)

/* Places in args.size[], */
enum { LOSS_OUTPUTS };
/* and in args.scalar[]. */
enum {
    LOSS_SMOOTHING = 0, /* softmax: the share of the target that all classes divide evenly */
    LOSS_DELTA = 0,     /* huber: from where on the loss is linear */
};

#endif

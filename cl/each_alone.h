/* EACH_ALONE before a loop, for kernels: its elements do not depend on each other, even if they are read and written in
 * the same place. */
#ifndef EACH_ALONE_H
#define EACH_ALONE_H

#ifdef __clang__
#pragma clang diagnostic ignored "-Wpass-failed" // loops that are not vectorized
#define EACH_ALONE _Pragma("clang loop vectorize(assume_safety)")
#else
#define EACH_ALONE
#endif

#endif

/* UNROLL before a loop, for kernels: the loop is unrolled, so that the arrays that it indexes stay in registers. A
 * pragma because the attribute opencl_unroll_hint came with OpenCL C 2.0, and kernels are built as 1.2. */
#ifndef UNROLL_H
#define UNROLL_H

#define UNROLL _Pragma("unroll")

#endif

/* Kernels that complement CLBlast's products. */
// lint: -D GROUP=64
#pragma OPENCL FP_CONTRACT OFF

/* Of a product that ends with a relu. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void relu_rows(__global float *y, uint count)
{
    const uint i = get_global_id(0);
    if (i < count && y[i] < 0.0f) y[i] = 0.0f;
}

/* Of a gradient to x that goes through the relu that made x, which begins at `at`. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void mask_rows(__global const float *x, __global float *dx,
                                                                           uint at, uint count)
{
    const uint i = get_global_id(0);
    if (i < count && x[at + i] == 0.0f) dx[i] = 0.0f;
}

/* Keeps an x that the product is going to replace. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void keep_rows(__global const float *x,
                                                                           __global float *kept, uint at, uint count)
{
    const uint i = get_global_id(0);
    if (i < count) kept[at + i] = x[i];
}

/* y (N, O) = b (O) in each row; count = N O. The product is then added to y. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void bias_rows(
    __global const float *restrict b, __global float *restrict y, uint count, uint outputs)
{
    const uint i = get_global_id(0);
    if (i < count) y[i] = b[i % outputs];
}

/* Kernels that complement CLBlast's products. */
// lint: -D GROUP=64
#pragma OPENCL FP_CONTRACT OFF

/* Of a product that ends with a relu. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void relu_rows(__global float *y, uint count)
{
    const uint i = get_global_id(0);
    if (i < count && y[i] < 0.0f) y[i] = 0.0f;
}

/* Of a gradient to x that goes through the relu that made x. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void mask_rows(__global const float *x, __global float *dx,
                                                                           uint count)
{
    const uint i = get_global_id(0);
    if (i < count && x[i] == 0.0f) dx[i] = 0.0f;
}

/* y (N, O) = b (O) in each row; count = N O. The product is then added to y. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void bias_rows(
    __global const float *restrict b, __global float *restrict y, uint count, uint outputs)
{
    const uint i = get_global_id(0);
    if (i < count) y[i] = b[i % outputs];
}

/* Launches that are cut into pieces, on a device that is not there: the calls of OpenCL and the clock below take the
 * place of the real ones (the linker's --wrap). */
#include "device/opencl/pieces.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>

enum { PIECES_KEPT = 1 << 16, GROUP = 4 };

typedef struct kept {
    size_t at[3], groups[3];
    double seconds;
} kept;

/* The device: what it was given since forget(). */
static struct {
    double clock, group_seconds, compiler_seconds; /* the compiler runs at the next launch, for so long */
    int count, waits;
    int refuse; /* the n-th launch from now; 0: none */
    kept piece[PIECES_KEPT];
} seen;

double __wrap_now_seconds(void);
cl_int __wrap_clFinish(cl_command_queue queue);
cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *offset,
                                     const size_t *global, const size_t *local, cl_uint count, const cl_event *list,
                                     cl_event *event);

double __wrap_now_seconds(void) { return seen.clock; }

cl_int __wrap_clFinish(cl_command_queue queue)
{
    (void)queue;
    seen.waits++;
    return CL_SUCCESS;
}

cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t *offset,
                                     const size_t *global, const size_t *local, cl_uint count, const cl_event *list,
                                     cl_event *event)
{
    (void)queue, (void)kernel, (void)list, (void)event;
    if (seen.refuse && !--seen.refuse) return CL_OUT_OF_RESOURCES;
    ck_assert_int_lt(seen.count, PIECES_KEPT);
    ck_assert_uint_eq(count, 0);
    kept *p = &seen.piece[seen.count++];
    *p = (kept){.groups = {1, 1, 1}};
    for (cl_uint k = 0; k < dimensions; k++) {
        ck_assert_uint_eq(offset[k] % local[k], 0);
        ck_assert_uint_eq(global[k] % local[k], 0);
        p->at[k] = offset[k] / local[k];
        p->groups[k] = global[k] / local[k];
    }
    p->seconds = seen.group_seconds * (double)(p->groups[0] * p->groups[1] * p->groups[2]);
    seen.clock += p->seconds + seen.compiler_seconds;
    seen.compiler_seconds = 0;
    return CL_SUCCESS;
}

static opencl_device cl;
static tas_device fake;

static void open_fake(void)
{
    memset(&seen, 0, sizeof seen);
    memset(&cl, 0, sizeof cl);
    fake = (tas_device){.info = {.compute_units = 1}, .cl = &cl};
}

/* Launches x y z groups of the n-th kernel. */
static cl_int launch(uintptr_t n, size_t x, size_t y, size_t z)
{
    const launch_range range = {.global = {x * GROUP, y, z}, .local = {GROUP, 1, 1}};
    seen.count = seen.waits = 0;
    return pieces_enqueue(&fake, (cl_kernel)n, &range, 1000, NULL);
}

static size_t groups_of(int k) { return seen.piece[k].groups[0] * seen.piece[k].groups[1] * seen.piece[k].groups[2]; }

static double longest(void)
{
    double most = 0;
    for (int k = 0; k < seen.count; k++)
        if (seen.piece[k].seconds > most) most = seen.piece[k].seconds;
    return most;
}

/* Each group is in one piece. */
static void expect_all(size_t x, size_t y, size_t z)
{
    uint8_t *times = calloc(x * y * z, 1);
    ck_assert_ptr_nonnull(times);
    for (int n = 0; n < seen.count; n++) {
        const kept *p = &seen.piece[n];
        for (size_t c = p->at[2]; c < p->at[2] + p->groups[2]; c++)
            for (size_t b = p->at[1]; b < p->at[1] + p->groups[1]; b++)
                for (size_t a = p->at[0]; a < p->at[0] + p->groups[0]; a++) times[(c * y + b) * x + a]++;
    }
    size_t wrong = 0;
    for (size_t k = 0; k < x * y * z; k++) wrong += times[k] != 1;
    ck_assert_uint_eq(wrong, 0);
    free(times);
}

/* A launch that no device needs long for is neither cut nor measured. */
START_TEST(short_ones_are_whole)
{
    seen.group_seconds = 1;
    fake.flops = 100 << 20;
    ck_assert_int_eq(launch(1, 65536, 10, 3), CL_SUCCESS);
    expect_all(65536, 10, 3);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_int_eq(seen.waits, 0);
    ck_assert_int_eq(cl.pace_count, 0);
}
END_TEST

/* On a slow device no piece takes longer than 0.1 s, or is much shorter than it need be; once the first launches are
 * measured, there are no more waits. */
START_TEST(slow_device)
{
    seen.group_seconds = 0.0003;
    fake.flops = 10000000000; /* in 4.2 s */
    for (int turn = 0; turn < 6; turn++) {
        ck_assert_int_eq(launch(1, 7, 1000, 2), CL_SUCCESS);
        expect_all(7, 1000, 2);
        ck_assert(longest() < 0.1);
        if (turn) ck_assert(longest() > 0.04);
        if (turn) ck_assert_int_le(seen.count, 4.2 / 0.04);
        ck_assert_int_eq(seen.waits, turn < 3 ? seen.count + 1 : 0);
    }
}
END_TEST

/* A processor may run a command for 2 s, and what no device needs as long for is whole. */
START_TEST(slow_processor)
{
    cl.cpu = true;
    seen.group_seconds = 0.0003;
    fake.flops = 3500000000;
    ck_assert_int_eq(launch(1, 7, 1000, 2), CL_SUCCESS);
    ck_assert_int_eq(seen.count, 1);
    ck_assert_int_eq(seen.waits, 0);
    seen.group_seconds = 0.003;
    fake.flops = 10000000000; /* in 42 s */
    for (int turn = 0; turn < 4; turn++) {
        ck_assert_int_eq(launch(1, 7, 1000, 2), CL_SUCCESS);
        expect_all(7, 1000, 2);
        if (turn) ck_assert(longest() < 2.1 && longest() > 1);
    }
}
END_TEST

/* On a fast device the first launch alone is cut. */
START_TEST(fast_device)
{
    seen.group_seconds = 1e-7;
    fake.flops = 100000000000;
    ck_assert_int_eq(launch(1, 4, 5, 3000), CL_SUCCESS);
    expect_all(4, 5, 3000);
    ck_assert_int_gt(seen.count, 1);
    ck_assert_int_lt(seen.count, 12);
    for (int turn = 0; turn < 5; turn++) {
        ck_assert_int_eq(launch(1, 4, 5, 3000), CL_SUCCESS);
        ck_assert_int_eq(seen.count, 1);
        ck_assert_int_eq(seen.waits, 0);
    }
    fake.flops *= 2; /* another kind */
    ck_assert_int_eq(launch(1, 4, 5, 3000), CL_SUCCESS);
    ck_assert_int_gt(seen.count, 1);
}
END_TEST

/* A compiler that runs at the first launch, and again at the first with an offset, is not taken for slow groups. */
START_TEST(compiler_at_launch)
{
    seen.group_seconds = 1e-5;
    fake.flops = 1000000000;
    for (int turn = 0; turn < 4; turn++) {
        if (turn < 2) seen.compiler_seconds = 5;
        ck_assert_int_eq(launch(1, 2000, 1, 1), CL_SUCCESS);
        expect_all(2000, 1, 1);
    }
    ck_assert_int_eq(seen.count, 1);
    ck_assert_int_eq(seen.waits, 0);
}
END_TEST

/* A device with many units is given no fewer groups at once than it has units, since that would gain nothing. */
START_TEST(wide_device)
{
    fake.info.compute_units = 48;
    seen.group_seconds = 0.2;
    fake.flops = 10000000000;
    for (int turn = 0; turn < 3; turn++) {
        ck_assert_int_eq(launch(1, 960, 1, 1), CL_SUCCESS);
        expect_all(960, 1, 1);
        for (int k = 0; k < seen.count; k++) ck_assert_uint_ge(seen.piece[k].groups[0], 24);
    }
}
END_TEST

/* More groups in dimensions 1 and 2 than NVIDIA's devices accept; dimension 0 takes any number. */
START_TEST(sides)
{
    const size_t sizes[][3] = {{1, 65536, 1}, {2, 1, 70000}, {3, 140000, 5}, {1, 65535, 1}, {200000, 1, 2}};
    const int counts[] = {2, 2, 4, 1, 1};
    for (int n = 0; n < 5; n++) {
        ck_assert_int_eq(launch(1, sizes[n][0], sizes[n][1], sizes[n][2]), CL_SUCCESS);
        expect_all(sizes[n][0], sizes[n][1], sizes[n][2]);
        ck_assert_int_eq(seen.count, counts[n]);
        for (int k = 0; k < seen.count; k++) {
            ck_assert_uint_le(seen.piece[k].groups[1], 65535);
            ck_assert_uint_le(seen.piece[k].groups[2], 65535);
        }
    }
}
END_TEST

/* What verify asks for. */
START_TEST(by_request)
{
    for (uint32_t pieces = 1; pieces < 5; pieces++)
        for (size_t x = 1; x < 6; x++)
            for (size_t y = 1; y < 6; y++) {
                fake.launch_pieces = pieces;
                ck_assert_int_eq(launch(1, x, y, 3), CL_SUCCESS);
                expect_all(x, y, 3);
                for (int k = 0; k < seen.count; k++) ck_assert_uint_le(groups_of(k), (3 * x * y + pieces - 1) / pieces);
                ck_assert_int_le(seen.count, 2 * (int)pieces);
            }
}
END_TEST

/* A launch whose first piece is refused fails, and can be repeated. Once a piece was accepted it must not be: the next
 * wait fails instead. */
START_TEST(refusals)
{
    fake.launch_pieces = 4;
    seen.refuse = 1;
    ck_assert_int_eq(launch(1, 4, 1, 1), CL_OUT_OF_RESOURCES);
    ck_assert_int_eq(cl.late_error, CL_SUCCESS);
    for (int n = 2; n < 5; n++) {
        seen.refuse = n;
        cl.late_error = CL_SUCCESS;
        ck_assert_int_eq(launch(1, 4, 1, 1), CL_SUCCESS);
        ck_assert_int_eq(cl.late_error, CL_OUT_OF_RESOURCES);
        ck_assert_int_eq(seen.count, n - 1);
    }
}
END_TEST

/* More kinds of launches than are remembered: the oldest are measured again. */
START_TEST(many_kinds)
{
    seen.group_seconds = 1e-6;
    fake.flops = 1000000000;
    for (uintptr_t n = 1; n <= OPENCL_PACES + 10; n++) {
        ck_assert_int_eq(launch(n, 100, 1, 1), CL_SUCCESS);
        ck_assert_int_gt(seen.waits, 0);
    }
    ck_assert_int_eq(launch(OPENCL_PACES + 10, 100, 1, 1), CL_SUCCESS);
    ck_assert_int_eq(seen.waits, 0);
    ck_assert_int_eq(launch(11, 100, 1, 1), CL_SUCCESS);
    ck_assert_int_eq(seen.waits, 0);
    ck_assert_int_eq(launch(10, 100, 1, 1), CL_SUCCESS);
    ck_assert_int_gt(seen.waits, 0);
    ck_assert_int_eq(launch(OPENCL_PACES + 10, 100, 1, 1), CL_SUCCESS);
    ck_assert_int_eq(seen.waits, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pieces");
    TCase *tcase = tcase_create("pieces");
    tcase_add_checked_fixture(tcase, open_fake, NULL);
    tcase_add_test(tcase, short_ones_are_whole);
    tcase_add_test(tcase, slow_device);
    tcase_add_test(tcase, slow_processor);
    tcase_add_test(tcase, fast_device);
    tcase_add_test(tcase, compiler_at_launch);
    tcase_add_test(tcase, wide_device);
    tcase_add_test(tcase, sides);
    tcase_add_test(tcase, by_request);
    tcase_add_test(tcase, refusals);
    tcase_add_test(tcase, many_kinds);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}

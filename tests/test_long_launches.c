/* A convolution that takes seconds on one thread of PoCL: if that were a GPU, no command might take much longer than
 * 0.1 s, and the bits are the same however it is cut. The times are the driver's, which profile_time() would get (the
 * linker's --wrap). */
#include "device/device.h"
#include "device/opencl/opencl.h"
#include "device/profile.h"
#include "ops/window.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 256, CHANNELS = 128, SIDE = 28, TURNS = 5, TIMES = 4096 };

static struct {
    int count;
    double seconds[TIMES];
} seen;

void __wrap_profile_time(profile *p, int row, uint64_t start, uint64_t end, bool beside);
void __wrap_profile_time(profile *p, int row, uint64_t start, uint64_t end, bool beside)
{
    (void)beside;
    if (strcmp(p->row[row].name, "conv_forward")) return;
    ck_assert_int_lt(seen.count, TIMES);
    seen.seconds[seen.count++] = 1e-9 * (double)(end - start);
}

static op_args conv_args(void)
{
    op_args a = {.op = OP_CONV_FORWARD_NO_BIAS, .n = EXAMPLES, .batch = EXAMPLES};
    a.size[WINDOW_C] = a.size[WINDOW_O] = CHANNELS;
    a.size[WINDOW_H_IN] = a.size[WINDOW_W_IN] = SIDE;
    a.size[WINDOW_KH] = a.size[WINDOW_KW] = 3;
    a.size[WINDOW_PY] = a.size[WINDOW_PX] = 1;
    a.size[WINDOW_SY] = a.size[WINDOW_SX] = a.size[WINDOW_DY] = a.size[WINDOW_DX] = a.size[WINDOW_GROUPS] = 1;
    ck_assert(window_fit(&a));
    return a;
}

static mem new_mem(tas_device *on, const float *values, uint64_t count)
{
    mem m;
    expect_ok(device_alloc(on, count * sizeof(float), &m));
    if (values) expect_ok(on->driver->write(on, &m, 0, values, count * sizeof(float), true));
    return m;
}

static float *random_values(uint64_t count)
{
    float *values = malloc(count * sizeof *values);
    ck_assert_ptr_nonnull(values);
    for (uint64_t i = 0; i < count; i++) values[i] = random_float(-1, 1);
    return values;
}

/* How the last turn was cut. A machine that does something else as well may stop us in any piece: most of them count.
 */
static void expect_short_pieces(void)
{
    double all = 0, longest = 0;
    int longer = 0;
    for (int k = 0; k < seen.count; k++) {
        all += seen.seconds[k];
        longer += seen.seconds[k] > 0.15;
        if (seen.seconds[k] > longest) longest = seen.seconds[k];
    }
    printf("%d commands in %.3f s; the longest took %.3f s, %d more than 0.15 s\n", seen.count, all, longest, longer);
    if (all > 0.3) ck_assert_int_gt(seen.count, 2);
    ck_assert_int_le(longer, seen.count / 8);
}

START_TEST(convolution)
{
    op_args a = conv_args();
    tas_device *pocl;
    expect_ok(tas_device_open(context, getenv("TASSELLO_TEST_DEVICE"), TAS_ARITH_UNTESTED, &pocl));
    ((opencl_device *)pocl->cl)->cpu = false;
    a.panel_width = device_batch_panel(pocl, a.n);
    const uint64_t inputs = op_padded(&a) * window_in_elements(&a), outputs = op_padded(&a) * window_out_elements(&a);
    float *x = random_values(inputs), *w = random_values(window_weights(&a)), *first = random_values(outputs),
          *y = random_values(outputs);
    mem operand[] = {new_mem(pocl, x, inputs), new_mem(pocl, w, window_weights(&a)), new_mem(pocl, NULL, outputs)};
    mem scratch = new_mem(pocl, NULL, device_scratch(pocl, &a) / sizeof(float) + 1);
    expect_ok(tas_profile_start(pocl));
    for (int turn = 0; turn < TURNS; turn++) {
        seen.count = 0;
        expect_ok(device_run(pocl, &a, operand, &scratch));
        expect_ok(pocl->driver->read(pocl, &operand[2], 0, turn ? y : first, outputs * sizeof(float)));
        expect_ok(profile_pause(pocl)); /* reads the times */
        expect_ok(profile_resume(pocl));
        ck_assert(!turn || !memcmp(first, y, outputs * sizeof(float)));
    }
    expect_short_pieces();
    for (int o = 0; o < 3; o++) device_release(pocl, &operand[o]);
    device_release(pocl, &scratch);
    free(x), free(w), free(first), free(y);
    tas_device_close(&pocl);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("long launches");
    TCase *tcase = tcase_create("long launches");
    tcase_add_checked_fixture(tcase, support_open, support_close);
    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, convolution);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}

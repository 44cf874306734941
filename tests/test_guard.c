/* No kernel reads or writes past the ends of its operands, even what it then drops, which guard bands cannot show: on
 * PoCL each buffer ends, or begins, at a page that may not be touched; Oclgrind looks by itself. */
#include "device/opencl/launchers/launchers.h"
#include "device/opencl/opencl.h"
#include "verify/cases.h"

#include "driver.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

cl_mem __real_clCreateBuffer(cl_context of, cl_mem_flags flags, size_t size, void *host, cl_int *error);
cl_mem __wrap_clCreateBuffer(cl_context of, cl_mem_flags flags, size_t size, void *host, cl_int *error);

enum { PAGE = 4096 };

static enum { NOT_GUARDED, GUARDED_BEGIN, GUARDED_END } guarded;
static char doing[160];

typedef struct pages {
    char *base;
    size_t bytes;
} pages;

static void CL_CALLBACK unmap(cl_mem buffer, void *user)
{
    pages *p = user;
    (void)buffer;
    munmap(p->base, p->bytes);
    free(p);
}

cl_mem __wrap_clCreateBuffer(cl_context of, cl_mem_flags flags, size_t size, void *host, cl_int *error)
{
    if (!guarded || host) return __real_clCreateBuffer(of, flags, size, host, error);
    const size_t room = (size + PAGE - 1) / PAGE * PAGE;
    pages *p = malloc(sizeof *p);
    ck_assert_ptr_nonnull(p);
    p->bytes = room + 2 * PAGE;
    p->base = mmap(NULL, p->bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(p->base != MAP_FAILED && !mprotect(p->base + PAGE, room, PROT_READ | PROT_WRITE));
    char *at = p->base + PAGE + (guarded == GUARDED_END ? room - size : 0);
    cl_mem buffer = __real_clCreateBuffer(of, flags | CL_MEM_USE_HOST_PTR, size, at, error);
    if (buffer) clSetMemObjectDestructorCallback(buffer, unmap, p);
    return buffer;
}

/* Of a thread of the driver. */
static void on_fault(int signal_number)
{
    (void)signal_number;
    static const char text[] = "a kernel left its buffers: ";
    if (write(STDERR_FILENO, text, sizeof text - 1) > 0 && write(STDERR_FILENO, doing, strlen(doing)) > 0)
        _exit(EXIT_FAILURE);
    _exit(EXIT_FAILURE);
}

static void check_operation(op_id op, const char *kernels)
{
    case_results results;
    char text[CASES_TEXT];
    snprintf(doing, sizeof doing, "%s, kernels for %s, past the %s\n", op_get(op)->name, kernels,
             guarded == GUARDED_BEGIN ? "begin" : "end");
    tas_status status =
        cases_verify(device, op, 1, tested_small ? 4 : EDGE_CASES, tested_small ? 1 : 6, NULL, &results);
    ck_assert_msg(!status, "%s: %s", op_get(op)->name, tas_error(context));
    ck_assert_msg(!results.failed, "%s: %s", op_get(op)->name, cases_print(&results, text));
}

/* By the device's own kernels, then by those of the other kind. */
START_TEST(operation)
{
    opencl_device *cl = device->cl;
    const bool cpu = cl->cpu;
    device->bare = true;
    for (int other = 0; other < 2; other++) {
        cl->cpu = other ? !cpu : cpu;
        launchers_install(device);
        guarded = tested_small ? NOT_GUARDED : GUARDED_BEGIN;
        check_operation((op_id)_i, cl->cpu ? "processors" : "GPUs");
        guarded = tested_small ? NOT_GUARDED : GUARDED_END;
        if (guarded) check_operation((op_id)_i, cl->cpu ? "processors" : "GPUs");
    }
    guarded = NOT_GUARDED;
    cl->cpu = cpu;
    device->bare = false;
    launchers_install(device);
}
END_TEST

static Suite *make_suite(const char *id)
{
    Suite *suite = suite_create(id);
    TCase *operations = tcase_create("operations");
    device = tested;
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
    tcase_add_loop_test(operations, operation, 0, OP_COUNT);
    tcase_set_timeout(operations, 0);
    suite_add_tcase(suite, operations);
    return suite;
}

int main(void) { return driver_run(make_suite); }

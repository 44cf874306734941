/* Children of processes that have used drivers. The state is the process's own, as drivers' threads are. */
#include "device/opencl/fork.h"

#include <pthread.h>

static bool is_child;
static pthread_once_t watched = PTHREAD_ONCE_INIT;

static void mark_child(void) { is_child = true; }
static void watch(void) { pthread_atfork(NULL, NULL, mark_child); }

void fork_watch(void) { pthread_once(&watched, watch); }

bool fork_is_child(void) { return is_child; }

tas_status fork_check(tas_context *context)
{
    if (!is_child) return TAS_OK;
    return fail(context, TAS_DEVICE_FAILED,
                "OpenCL cannot be used in a child of a process that has used it: the driver's threads did not survive "
                "fork(); start another program instead (posix_spawn), or use OpenCL only after fork()");
}

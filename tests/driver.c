/* The program of a suite that runs on a driver. */
#include "device/device.h" /* before check.h, which has a macro of the name fail */

#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

tas_device *tested, *reference;
bool tested_small;

void seed_anew(void) { random_seed(test_seed()); }

/* NULL if there is none of that name; *status is then TAS_OK. */
static tas_device *open_tested(const char *id, tas_status *status)
{
    tas_device *out = NULL;
    tas_device_info *list = NULL;
    size_t count = 0, found = 0;
    *status = tas_devices(context, &list, &count);
    while (found < count && strcmp(list[found].id, id)) found++;
    if (!*status && found < count) *status = open_opencl(context, &list[found], TAS_ARITH_EXACT, &out);
    tas_devices_free(list);
    return out;
}

/* Oclgrind exits 0 whatever it finds: its log must be empty. */
static bool log_is_clean(void)
{
    const char *log = getenv("OCLGRIND_LOG");
    struct stat about;
    if (!log || stat(log, &about) || !about.st_size) return true;
    fprintf(stderr, "Oclgrind found something, see %s\n", log);
    return false;
}

static int run_suite(Suite *suite, bool fork)
{
    SRunner *runner = srunner_create(suite);
    if (!fork) srunner_set_fork_status(runner, CK_NOFORK); /* a child that uses its parent's OpenCL context hangs */
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}

int driver_run(Suite *(*make)(const char *id))
{
    const char *id = getenv("TASSELLO_TEST_DEVICE"), *size = getenv("TASSELLO_TEST_SIZE");
    tas_status status = TAS_OK;
    if (tas_context_open(&context) || reference_open(context, &reference)) return 1;
    tested = id ? open_tested(id, &status) : reference;
    if (status) {
        fprintf(stderr, "%s\n", tas_error(context));
        return 1;
    }
    if (!tested) {
        printf("skipped: no device %s\n", id);
        return 77;
    }
    tested_small = size && !strcmp(size, "small");
    test_seed();
    const int failed = run_suite(make(id), !id);
    if (id) tas_device_close(&tested);
    tas_device_close(&reference);
    tas_context_close(&context);
    return failed || !log_is_clean();
}

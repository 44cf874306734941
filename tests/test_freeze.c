#include "driver.h"
static Suite *make(const char *id)
{
    (void)id;
    Suite *s = suite_create("freeze");
    suite_add_tcase(s, tcase_create("freeze"));
    return s;
}
int main(void) { return driver_run(make); }

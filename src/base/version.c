/* What the library was built from and by. */
#include "version.h"

#include <tassello/context.h>

const char *tas_version(void) { return TASSELLO_VERSION; }
const char *tas_build(void) { return "commit " TASSELLO_COMMIT ", built by " TASSELLO_COMPILER; }
int tas_contract(void) { return TASSELLO_CONTRACT; }

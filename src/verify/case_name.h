/* The name of a case: SEED:NUMBER, and behind a third colon the sizes that are not as drawn:
 * "1:70:n=2,batch=2,size3=1".
 */
#ifndef CASE_NAME_H
#define CASE_NAME_H

#include "ops/op.h"

/* The sizes of a case. */
enum { FIELD_N, FIELD_FIRST, FIELD_BATCH, FIELD_AT, FIELD_SIZE, FIELDS = FIELD_SIZE + OP_SIZES };

typedef struct case_name {
    uint64_t seed;
    uint32_t number;
    bool given[FIELDS];
    uint32_t value[FIELDS]; /* of those given */
} case_name;

enum { CASE_NAME_TEXT = 48 + FIELDS * 18 };

const char *case_name_print(const case_name *name, char text[CASE_NAME_TEXT]);
bool case_name_read(const char *text, case_name *out);

/* The place of a size in args. */
uint32_t *case_name_field(op_args *args, int field);

#endif

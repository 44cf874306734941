/* libFuzzer: any bytes as a schema's JSON; what is read is printed, copied and read again as the same. */
#include "data/schema.h"

#include <stdlib.h>
#include <string.h>

static void check_again(tas_context *context, const schema *of)
{
    schema again, copy;
    char **names;
    size_t count;
    char *text = schema_print(of);
    if (!text || schema_parse(context, text, "again", &again)) abort();
    if (schema_copy(context, &again, &copy)) abort();
    char *second = schema_print(&copy);
    if (!second || strcmp(text, second)) abort();
    if (schema_input_names(context, &copy, &names, &count)) abort();
    if (names && count != of->input_size) abort();
    schema_free_names(&names, count);
    schema_free(&again);
    schema_free(&copy);
    free(text);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    tas_context *context = NULL;
    schema out;
    char *text = strndup((const char *)input, size);
    if (!text || tas_context_open(&context)) abort();
    if (!schema_parse(context, text, "fuzz", &out))
        check_again(context, &out);
    else if (!*tas_error(context))
        abort();
    schema_free(&out);
    free(text);
    tas_context_close(&context);
    return 0;
}

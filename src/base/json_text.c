/* JSON as a text. */
#include "base/json_text.h"

#include <stdlib.h>

char *json_text(const json_t *value, size_t flags)
{
    const size_t bytes = value ? json_dumpb(value, NULL, 0, flags) : 0;
    char *text = bytes ? malloc(bytes + 1) : NULL;
    if (!text) return NULL;
    if (json_dumpb(value, text, bytes, flags) == bytes) {
        text[bytes] = 0;
        return text;
    }
    free(text);
    return NULL;
}

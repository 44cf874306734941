/* Memory that is freed at once. */
#include "onnx/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *onnx_alloc(onnx_arena *arena, size_t count, size_t bytes)
{
    if (bytes && count > (SIZE_MAX - sizeof(onnx_block)) / bytes) return NULL;
    if (count * bytes > arena->room) return NULL;
    onnx_block *block = calloc(1, sizeof *block + count * bytes);
    if (!block) return NULL;
    arena->room -= count * bytes;
    block->next = arena->blocks;
    arena->blocks = block;
    return block->bytes;
}

char *onnx_print(onnx_arena *arena, const char *format, ...)
{
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    const int length = vsnprintf(NULL, 0, format, list);
    char *text = length < 0 ? NULL : onnx_alloc(arena, (size_t)length + 1, 1);
    if (text) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(list);
    return text;
}

void onnx_free(onnx_arena *arena)
{
    for (onnx_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    arena->blocks = NULL;
}

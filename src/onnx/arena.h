/* Memory that is freed at once. */
#ifndef ONNX_ARENA_H
#define ONNX_ARENA_H

#include <stddef.h>
#include <stdint.h>

typedef struct onnx_block {
    struct onnx_block *next;
    max_align_t bytes[];
} onnx_block;

typedef struct onnx_arena {
    onnx_block *blocks;
    uint64_t room; /* bytes that may still be taken */
} onnx_arena;

/* count x bytes, all 0; NULL if there is no memory, or no room. */
void *onnx_alloc(onnx_arena *arena, size_t count, size_t bytes);

/* A printed text; NULL if there is no memory. */
char *onnx_print(onnx_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

void onnx_free(onnx_arena *arena);

#endif

#include "memory.h"

#include <stdlib.h>
#include <string.h>

/* malloc(0) may answer NULL, which here means failure. */
static size_t at_least_one(size_t bytes) {
    return bytes == 0 ? 1 : bytes;
}

void *memory_take(size_t bytes) {
    return malloc(at_least_one(bytes));
}

void *memory_take_zeroed(size_t bytes) {
    return calloc(1, at_least_one(bytes));
}

void *memory_resize(void *block, size_t bytes) {
    return realloc(block, at_least_one(bytes));
}

void memory_give(void *block) {
    free(block);
}

char *memory_copy_text(const char *text) {
    size_t bytes = strlen(text) + 1;
    char *copy = memory_take(bytes);
    if (copy != NULL) {
        memcpy(copy, text, bytes);
    }
    return copy;
}

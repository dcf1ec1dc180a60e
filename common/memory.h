/* Every allocation of the engine. common/memory.c is the C library's allocator; the
 * harness links its own implementation of these functions instead, which counts, fails
 * the N-th call and finds leaks (harness/counted_memory.c). So the choice is made when a
 * program is linked, and a release build pays nothing. Any thread may call these.
 *
 * Allocations inside libraries do not pass here: libfiu (harness builds only), the C
 * library's opendir() and stdio, pthread_create(), and from stage 03 on Snappy when it
 * packs and Zstandard (compression.h), in stage 08 libmicrohttpd (metrics_http.h). */
#ifndef STRATA_MEMORY_H
#define STRATA_MEMORY_H

#include <stddef.h>

/* NULL when there is no memory; bytes may be 0 (the result is then not NULL). */
void *memory_take(size_t bytes);
void *memory_take_zeroed(size_t bytes);

/* On failure the old block stays as it was and NULL comes back. */
void *memory_resize(void *block, size_t bytes);

/* NULL is allowed. */
void memory_give(void *block);

/* A copy of a C string, or NULL. */
char *memory_copy_text(const char *text);

#endif

/* What a reader looks at: the write buffers and the version of one moment. A view never
 * changes; whatever changes puts another in its place, with one store of its address.
 *
 * So there is no moment at which an entry is in none of the places where a reader looks:
 * a buffer becomes frozen, and a frozen buffer becomes a table, within that one store.
 *
 * Readers find the view through readers.h and count nothing; it is retired when it is
 * replaced. It holds references to its buffers and its version. */
#ifndef STRATA_VIEW_H
#define STRATA_VIEW_H

#include "retired.h"
#include "version.h"
#include "write_buffer.h"

enum { VIEW_BUFFERS_MAX = 8 };

struct view_buffer {
    struct write_buffer *buffer;
    uint64_t first_log; /* its changes are in logs from this number on */
};

struct view {
    struct retired retired; /* first */
    struct version *version;
    size_t buffer_count;
    struct view_buffer buffers[VIEW_BUFFERS_MAX]; /* newest first; the first is active */
};

/* An empty one, to be filled; NULL when there is no memory. */
struct view *view_open(void);

/* Takes a reference to the buffer, as the oldest. */
void view_add(struct view *view, struct write_buffer *buffer, uint64_t first_log);

/* Takes a reference to the version; the view has none before. */
void view_set_version(struct view *view, struct version *version);

/* Drops what it holds. NULL is allowed. */
void view_close(struct view *view);

/* The same, for retire(). */
void view_end(struct retired *retired);

#endif

/* What the two tenants of append.h share; nobody else includes this. */
#ifndef STRATA_APPEND_TENANT_H
#define STRATA_APPEND_TENANT_H

#include "append.h"
#include "buf.h"

/* A tenant's region, zeroed, with its own fields behind `struct append`, or NULL. */
MUST_CHECK enum status append_write_open(struct append **append, struct error *error);
MUST_CHECK enum status append_mapped_open(struct append **append, struct error *error);

/* Makes the file's allocated space reach over [end, end + bytes), in whole steps. */
MUST_CHECK enum status append_allocate(struct append *append, size_t bytes,
                                       struct error *error);

/* Reserve and commit in a buffer of the tenant's, whose length stays 0: a second reserve
 * keeps what was written into the first, and the commit is one write(2), unless the
 * system cuts it short. */
MUST_CHECK enum status append_buffer_reserve(struct buf *buf, size_t bytes,
                                             unsigned char **space, struct error *error);
MUST_CHECK enum status append_buffer_commit(struct append *append, struct buf *buf,
                                            size_t bytes, struct error *error);

/* Cuts the file at the committed end. */
MUST_CHECK enum status append_cut(struct append *append, struct error *error);

#endif

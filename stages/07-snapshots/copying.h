/* Files brought from one directory to another: by a hard link, by comparison, by copying.
 * One thread at a time. */
#ifndef STRATA_COPYING_H
#define STRATA_COPYING_H

#include "kv_checkpoint.h"
#include "names.h"

struct copying {
    const struct world *world;
    const struct kv_copy_options *options;
    unsigned char *bytes; /* two pieces of files */
    uint64_t done, whole; /* bytes of files */
    uint64_t sequence;    /* of the copy of a store */
};

/* NO_MEMORY. */
MUST_CHECK enum status copying_begin(struct copying *copying, const struct world *world,
                                     const struct kv_copy_options *options,
                                     struct error *error);
void copying_end(struct copying *copying);

/* Gives the sequence to who wants to know. */
void copying_tell(const struct copying *copying);

/* So many bytes need no copying. */
void copying_passed(struct copying *copying, uint64_t bytes);

/* Makes `to`, which is not there, and syncs it; its name is the directory's to sync. */
MUST_CHECK enum status copying_file(struct copying *copying, const char *from,
                                    const char *to, struct error *error);

/* Brings the numbered file from one directory to the other. A table may have its old name
 * there, and has the new one here. */
MUST_CHECK enum status copying_numbered(struct copying *copying, const char *from_dir,
                                        const char *to_dir, struct name name,
                                        struct error *error);

/* The same by a link. UNSUPPORTED: there it cannot have one. NOT_FOUND. */
MUST_CHECK enum status copying_link(struct copying *copying, const char *from_dir,
                                    const char *to_dir, uint64_t number,
                                    struct error *error);

/* Whether both have the table, with the same bytes. What cannot be read of `other` is not
 * the same. */
MUST_CHECK enum status copying_same(struct copying *copying, const char *dir,
                                    const char *other, uint64_t number, bool *same,
                                    struct error *error);

#endif

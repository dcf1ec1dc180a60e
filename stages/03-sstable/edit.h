/* A step from one version to the next: tables that come, tables that go, and what else is
 * to be remembered with it. `struct edit edit = {0}` changes nothing; edit_free returns
 * what it holds. One thread uses it at a time.
 *
 * A table that moves to another level goes from the one and comes to the other: what goes
 * is what was there before the edit. */
#ifndef STRATA_EDIT_H
#define STRATA_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

struct table_file;

struct edit_added {
    unsigned level;
    struct table_file *file;
};

struct edit_removed {
    unsigned level;
    uint64_t number;
};

struct edit {
    struct edit_added *added; /* in level 0, the oldest first */
    size_t added_count;
    size_t added_room;
    struct edit_removed *removed;
    size_t removed_count;
    size_t removed_room;
    uint64_t log_number;    /* logs below it are forgotten; 0: as before */
    uint64_t last_sequence; /* the tables hold all changes up to here; 0: as before */
    uint64_t next_number;   /* files to come have it, or a higher one; 0: as before */
    const void *context;    /* its maker's (upkeep.h) */
};

/* Takes a reference of its own. NO_MEMORY. */
MUST_CHECK enum status edit_add(struct edit *edit, unsigned level,
                                struct table_file *file);

/* NO_MEMORY. */
MUST_CHECK enum status edit_remove(struct edit *edit, unsigned level, uint64_t number);

/* Whether the edit takes the table from some level: if it adds it, too, it moves. */
bool edit_removes(const struct edit *edit, uint64_t number);

void edit_free(struct edit *edit);

#endif

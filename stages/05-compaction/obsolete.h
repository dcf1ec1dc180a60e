/* Tables that no version in force names any more, and that somebody may still read: an
 * old view, or an iterator that holds an old version. Their files go as soon as nobody
 * does. A crash in between leaves files that no manifest names; the next open removes
 * them.
 *
 * One thread at a time uses a list. */
#ifndef STRATA_OBSOLETE_H
#define STRATA_OBSOLETE_H

#include "directory.h"
#include "table_file.h"

struct obsolete {
    struct table_file **files; /* a reference of each */
    size_t count;
    size_t promised; /* reserved, and not yet added */
    size_t room;
};

void obsolete_free(struct obsolete *obsolete);

/* Promises room for so many more, so that adding them cannot fail. NO_MEMORY. */
MUST_CHECK enum status obsolete_reserve(struct obsolete *obsolete, size_t count);

/* Takes back what is left of a promise. */
void obsolete_cancel(struct obsolete *obsolete, size_t count);

/* Once the edit that drops the table is durable, and readers find the version without it.
 * Requires that it was promised. */
void obsolete_add(struct obsolete *obsolete, struct table_file *file);

/* Takes one out that nobody else holds, for obsolete_remove; NULL: there is none. */
struct table_file *obsolete_take_unread(struct obsolete *obsolete);

/* Removes its file, and drops the reference. What cannot be removed, the next open
 * removes. */
void obsolete_remove(struct table_file *file, const struct directory *directory);

#endif

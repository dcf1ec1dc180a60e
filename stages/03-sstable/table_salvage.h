/* What can be read of a table that need not be whole: for a repair. An iterator that
 * shows every entry of every block that can be read, in the order of internal keys, and
 * passes over the others.
 *
 * Where the index cannot be read, blocks are looked for one behind the other, from the
 * file's beginning: a block ends where its checksum is right. Then the first damage ends
 * it, since nobody knows where the next block begins, and what looks like one may be the
 * index. */
#ifndef STRATA_TABLE_SALVAGE_H
#define STRATA_TABLE_SALVAGE_H

#include "file.h"
#include "iter.h"
#include "report.h"

/* It goes forward only: first and next. The file becomes the iterator's when OK comes
 * back. What cannot be read is reported, with file and offset, if there is a report
 * (borrowed); it is no failure. IO and NO_MEMORY are, here and at each move. */
MUST_CHECK enum status table_salvage_open(struct file *file, const struct report *report,
                                          struct iter **iter, struct error *error);

#endif

/* Shows a tree of tables to a person, in a terminal's columns:
 *
 *     memory    ├ active ┤ ├ frozen ┤
 *     level 0   2 tables    8.4 MB   of 4 tables   score 0.50
 *               ├──────── 14 8.2 MB ────────┤
 *                     ├───── 12 ─────┤
 *     level 1   5 tables   12.1 MB   of 16.0 MB   score 0.76
 *       ├── 9 ──┤╠══ 10 ══╣├────── 11 ──────┤3├─ 7 ─┤
 *
 * From left to right are the keys: a table stands where its keys do, and the wider, the
 * more bytes there are between its first and its last. In level 0 each table has a line,
 * the newest first. Tables for which there is no room are a digit, their number in that
 * column; tables that running work reads have double lines. */
#ifndef STRATA_TREE_DRAW_H
#define STRATA_TREE_DRAW_H

#include "tree.h"

/* Appends lines of no more than `columns`, taken for 40 to 400. colour: with a terminal's
 * escape sequences. NO_MEMORY. */
MUST_CHECK enum status tree_draw(const struct tree *tree, unsigned columns, bool colour,
                                 struct buf *out);

#endif

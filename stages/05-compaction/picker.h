/* Chooses what to compact next: a pure function of a version.
 *
 * A level's score says how much it wants to be compacted: of level 0 the number of its
 * tables over options.level0_tables, of a level below its bytes over its target. The
 * highest score of at least 1 wins. Targets: level 1 has level0_tables write buffers,
 * each level below ten times as much as the one above. The layout and the rules are
 * LevelDB's (google/leveldb, doc/impl.md), but for what is said here.
 *
 *   level 0        all of its tables that overlap, older ones always: of two tables that
 *                  hold a key, the older one never stays above the newer one
 *   level 1 to 5   one table, the first behind the one that was compacted last
 *                  (round-robin), and where a user key goes on in the next, that one too
 *   output level   all tables that overlap with these; inputs of the upper level grow
 *                  where that costs no more tables of the output level
 *
 * Threads: none of its own; a compaction is used by one thread at a time. */
#ifndef STRATA_PICKER_H
#define STRATA_PICKER_H

#include "version.h"

struct picker_options {
    unsigned level0_tables;
    uint64_t base_bytes;  /* target of level 1 */
    uint64_t table_bytes; /* of an output table; a limit on overlap is 10 of these, one on
                             widening 25 */
};

/* One compaction, as it was chosen. It holds the version that it was chosen from, which
 * keeps its tables alive; the tables are borrowed from that. */
struct compaction {
    struct version *version; /* a reference */
    unsigned level;          /* from here … */
    unsigned
        output_level; /* … to here: level + 1, or `level` itself: rewritten in place */
    struct table_file **upper; /* tables of `level`; of level 0 newest first */
    size_t upper_count;
    struct table_file **lower; /* tables of output_level; none if that is `level` */
    size_t lower_count;
    struct table_file **grandparents; /* tables of output_level + 1 that overlap */
    size_t grandparent_count;
    bool
        may_move; /* tables of `upper` may be named in output_level as they are: they overlap
                      nothing there, nor each other, and little of the grandparents */
    struct buf
        next_pointer; /* largest internal key of `upper`: where the next one begins */
};

/* Target of a level from 1 on, in bytes. */
uint64_t picker_target(const struct picker_options *options, unsigned level);

/* 0 for the last level, which goes nowhere. */
double picker_score(const struct version *version, const struct picker_options *options,
                    unsigned level);

/* pointers[level] is the next_pointer of the level's last compaction, or empty. A bit in
 * `busy` is a level that another compaction is reading or writing: it is left alone.
 * *compaction is NULL if there is nothing to do. NO_MEMORY. */
MUST_CHECK enum status picker_pick(const struct version *version,
                                   const struct picker_options *options,
                                   const struct buf pointers[LEVELS], unsigned busy,
                                   struct compaction **compaction, struct error *error);

/* For a compaction that a person asks for: all tables of `level` with user keys from
 * `from` on (absent: no bound) and before `to` (absent: none), into output_level: the next one, or
 * `level` itself. The same answers. */
MUST_CHECK enum status
picker_pick_range(const struct version *version, const struct picker_options *options,
                  unsigned level, unsigned output_level, struct slice from,
                  struct slice to, struct compaction **compaction, struct error *error);

void compaction_free(struct compaction *compaction); /* NULL is allowed */

/* Whether a level below output_level has a table whose range holds the user key. */
bool compaction_key_is_deeper(const struct compaction *compaction, struct slice user_key);

#endif

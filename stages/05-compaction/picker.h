/* Chooses what to compact next: a pure function of a version.
 *
 * A level's score says how much it wants to be compacted: of level 0 the number of its
 * tables over options.level0_tables, of a level below its bytes over its target. The
 * highest score of at least 1 wins. Targets: level 1 has level0_tables write buffers,
 * each level below ten times as much as the one above. The layout and the rules are
 * LevelDB's (google/leveldb, doc/impl.md), but for what is said here.
 *
 *   level 0        all of its tables; or, if some of the oldest may move as they are, as
 *                  many of these as may: an older table never stays above a newer one
 *   level 1 to 5   one table, the first behind those that were compacted last
 *                  (round-robin)
 *   output level   all tables that overlap with these; the upper tables grow by what
 *                  costs no more tables of the output level
 *
 * Where another program split the versions of a user key between neighbours of a level,
 * these are chosen together, in both levels. So of a user key that a chosen table spans,
 * no other table of output_level has a version, and one of `level` only newer ones.
 * Overlap is that of user keys, ends included.
 *
 * Threads: none of its own; a compaction is used by one thread at a time. */
#ifndef STRATA_PICKER_H
#define STRATA_PICKER_H

#include "version.h"

struct picker_options {
    unsigned level0_tables; /* at least 1 */
    uint64_t base_bytes;    /* target of level 1; at least 1 */
    uint64_t table_bytes;   /* of an output table; a table that overlaps more than 10 of
                               these does not move, inputs of more than 25 do not grow */
};

/* One compaction, as it was chosen. It holds the version that it was chosen from, which
 * keeps its tables alive; the tables are borrowed from that. */
struct compaction {
    struct version *version; /* a reference */
    unsigned level;          /* from here … */
    unsigned output_level;   /* … to here: level + 1, or `level`: rewritten in place */
    struct table_file **upper; /* tables of `level`, at least 1; of level 0 newest first,
                                  of others ascending */
    size_t upper_count;
    struct table_file **lower; /* tables of output_level; none if that is `level` */
    size_t lower_count;
    struct table_file **grandparents; /* of output_level + 1, that overlap with inputs, or
                                         with what is between them */
    size_t grandparent_count;
    bool may_move; /* tables of `upper` may be named in output_level as they are: they
                      overlap nothing there, nor each other, and each little of what is
                      below; never in place */
    struct buf next_pointer; /* largest internal key of `upper`: where the next begins */
};

/* Target of a level from 1 on, in bytes. */
uint64_t picker_target(const struct picker_options *options, unsigned level);

/* 0 for the last level, which goes nowhere. */
double picker_score(const struct version *version, const struct picker_options *options,
                    unsigned level);

/* pointers[level] is the next_pointer of the level's last compaction, or empty. A bit in
 * `busy` is a level that another compaction is reading or writing: no compaction from it
 * or into it is chosen, but the next best one. *compaction is NULL if there is nothing to
 * do. NO_MEMORY. */
MUST_CHECK enum status picker_pick(struct version *version,
                                   const struct picker_options *options,
                                   const struct buf pointers[LEVELS], unsigned busy,
                                   struct compaction **compaction, struct error *error);

/* For a compaction that a person asks for: all tables of `level` that overlap with the
 * user keys from `from` on (absent: no bound) and before `to` (absent: none), and what
 * must come with them, into output_level: the next one, or from level 1 on `level`
 * itself. Of level 0 all tables come if one does. Whether levels are busy is the caller's
 * business. The same answers. */
MUST_CHECK enum status
picker_pick_range(struct version *version, const struct picker_options *options,
                  unsigned level, unsigned output_level, struct slice from,
                  struct slice to, struct compaction **compaction, struct error *error);

void compaction_free(struct compaction *compaction); /* NULL is allowed */

/* Whether a level below output_level has a table whose range holds the user key: a search
 * in each of these levels. */
bool compaction_key_is_deeper(const struct compaction *compaction, struct slice user_key);

#endif

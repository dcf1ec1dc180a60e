/* A picture of the tree of tables at one moment: of a version, or of what an event log
 * says up to one of its lines (event_log.h). tree_draw.h shows it to a person.
 *
 * A value: `struct tree tree = {0}` has no tables, tree_free ends it. One thread uses it
 * at a time. Lines of an event log are hostile: whatever they say, a tree is a tree. */
#ifndef STRATA_TREE_H
#define STRATA_TREE_H

#include "version.h"

struct tree_table {
    uint64_t number;
    uint64_t bytes;
    struct buf smallest, largest; /* user keys; an event log has the first 40 bytes */
    uint64_t work;                /* takes part in it; 0: in none */
};

struct tree_level {
    struct tree_table *tables; /* level 0: newest first; others: by key */
    size_t count, room;
};

struct tree_work {
    uint64_t number;
    bool flush;                   /* or a compaction: */
    unsigned level, output_level; /* LEVELS or above: not known */
    size_t tables;                /* that it reads */
    double bytes;
};

struct tree {
    struct tree_level levels[LEVELS];
    struct tree_work *works; /* that are under way, oldest first */
    size_t work_count;
    uint64_t frozen;             /* write buffers that wait */
    bool open;                   /* frozen and works are known: a process has it open */
    uint64_t write_buffer_bytes; /* 0: not known */
    uint64_t level0_tables;      /* 0: not known */
};

void tree_free(struct tree *tree); /* leaves it as {0} */

/* *tree is {0}. NO_MEMORY leaves it so. */
MUST_CHECK enum status tree_from_version(struct tree *tree,
                                         const struct version *version);

enum tree_step {
    TREE_PASSED, /* no line of ours, or one that changes no table and no work */
    TREE_TOLD,   /* *words tell what was done, but there is nothing new to be drawn */
    TREE_CHANGED /* they do, and the tree looks different now */
};

/* One line further, without its newline. Replaces the contents of *words, one line for a
 * person. NO_MEMORY: the tree may have the half of it. */
MUST_CHECK enum status tree_apply(struct tree *tree, struct slice line, struct buf *words,
                                  enum tree_step *step);

/* Takes from `log` all that a version does not say: what is under way, and with which
 * tables; buffers that wait; settings. NO_MEMORY. */
MUST_CHECK enum status tree_take_work(struct tree *tree, const struct tree *log);

/* Of all tables of a level. */
double tree_level_bytes(const struct tree_level *level);

/* "24.1 MB" of so many bytes. */
enum { TREE_BYTES_TEXT = 24 };
const char *tree_bytes_print(char text[TREE_BYTES_TEXT], double bytes);

#endif

/* Programs: lists of operations on one store, drawn from a tape. What an operation does
 * and what is then checked stands in run.c.
 *
 * Operations are rows of one table with the first stage that has them, so later stages
 * add rows. Keys are few, so that they collide, and one is empty; values are mostly
 * small, some have sizes that end near the edge of a 32 KiB log block. All slices are
 * borrowed from static tables and live for ever. */
#ifndef STRATA_PROGRAM_H
#define STRATA_PROGRAM_H

#include "disk.h"
#include "kv.h"
#include "tape.h"

/* NAME, function suffix, first stage, weight */
#define OPERATION_TABLE(X)                                                               \
    X(PUT, put, 1, 10)                                                                   \
    X(DELETE, delete, 1, 4)                                                              \
    X(CHANGE, change, 1, 4)                                                              \
    X(SYNC, sync, 1, 3)                                                                  \
    X(GET, get, 1, 2)                                                                    \
    X(SCAN, scan, 1, 2)                                                                  \
    X(ADVANCE, advance, 1, 2)                                                            \
    X(REOPEN, reopen, 1, 2)                                                              \
    X(KILL, kill, 1, 2)                                                                  \
    X(POWER, power, 1, 2)                                                                \
    X(RESUME, resume, 1, 1)                                                              \
    X(FLUSH, flush, 3, 4)                                                                \
    X(COMPACT, compact, 5, 4)                                                            \
    X(SNAPSHOT, snapshot, 7, 3)                                                          \
    X(RELEASE, release, 7, 1)                                                            \
    X(LOOK_BACK, look_back, 7, 4)                                                        \
    X(WALK, walk, 7, 4)                                                                  \
    X(COPY, copy, 7, 2)                                                                  \
    X(NOTIFY, notify, 6, 3)                                                              \
    X(ERASE, erase, 8, 3)

enum operation {
#define OPERATION_MEMBER(name, suffix, first, weight) OPERATION_##name,
    OPERATION_TABLE(OPERATION_MEMBER) OPERATION_COUNT
#undef OPERATION_MEMBER
};

/* A set of operations: the bits 1 << OPERATION_X. */
#define OPERATIONS_ALL ((1u << OPERATION_COUNT) - 1)
#define OPERATION_BIT(name) (1u << OPERATION_##name)

enum {
    PROGRAM_STEPS_MAX = 12,
    CHANGE_OPS_MAX = 4,
    SCAN_MOVES_MAX = 8,
    PROGRAM_SNAPSHOTS_MAX = 3, /* held at once */
    PROGRAM_ITERS_MAX = 2,     /* the same */
    PROGRAM_COPIES_MAX = 4,
    POWER_FATES = 4,
    PROGRAM_VALUE_BYTES_MAX = 3 * 32768,
    PROGRAM_LOG_BYTES_MIN = 200 /* of the log sizes drawn */
};

enum move {
    MOVE_FIRST,
    MOVE_NEXT,
    MOVE_PREV,
    MOVE_LAST,
    MOVE_SEEK,
    MOVE_SEEK_BEFORE,
    MOVE_COUNT
};

enum copy_kind { COPY_CHECKPOINT, COPY_BACKUP, COPY_RESTORE, COPY_KIND_COUNT };

struct step {
    enum operation operation;
    enum durability durability;       /* PUT, DELETE, CHANGE, NOTIFY */
    struct kv_op ops[CHANGE_OPS_MAX]; /* PUT, DELETE: one */
    size_t op_count;
    struct slice key;      /* GET, and the seeks of SCAN, LOOK_BACK and WALK */
    struct slice from, to; /* SCAN, LOOK_BACK, WALK, COMPACT */
    enum move moves[SCAN_MOVES_MAX];
    size_t move_count;
    size_t snapshot; /* RELEASE, LOOK_BACK: of those held, in turn; WALK: that too, from
                        1, or 0: of now */
    size_t iter;     /* WALK: which; one that is not open is opened */
    bool last;       /* WALK: it is closed then */
    enum copy_kind copy;
    size_t source;                    /* COPY_RESTORE: of the copies there are */
    uint64_t micros;                  /* ADVANCE */
    unsigned char fates[POWER_FATES]; /* POWER: of the pending pieces, over and over */
};

struct program {
    struct kv_options options;   /* world is NULL: run.c sets its own */
    uint64_t later_buffer_bytes; /* write_buffer_bytes of every open but the first, which
                                    may find more in the logs than that; 0: the same */
    enum disk_profile profile;   /* of the losses of power inside the program */
    struct step steps[PROGRAM_STEPS_MAX];
    size_t count;
};

/* What may be drawn; 0 in a field: no limit. */
struct program_limits {
    unsigned operations; /* a set of operations */
    size_t steps;
    size_t value_bytes; /* no value longer than this */
    unsigned profiles;  /* of losses of power inside: the bits 1 << DISK_POSIX, … */
};

/* Draws options and steps of stage `number`. Each step is one span of the tape. */
void program_draw(struct program *program, struct tape *tape, int number,
                  const struct program_limits *limits);

/* For counterexamples: the options, then a numbered line for each step. */
void program_print(const struct program *program, FILE *out);

/* The options and the first `count` steps; first_sequences says which sequences the
 * writes of each step took (0, or NULL: not known). */
void program_print_steps(const struct program *program, const uint64_t *first_sequences,
                         size_t count, FILE *out);

/* `put "k" = 20 bytes, always`, without a newline. Ops take the sequences from `first`;
 * 0: not known. */
void step_print(const struct step *step, uint64_t first, FILE *out);

/* A key as C text in quotes, at most 40 characters of it. */
void slice_print(struct slice slice, FILE *out);

/* The `index`-th of the keys that programs use; there are PROGRAM_KEYS. */
enum { PROGRAM_KEYS = 4 };
struct slice program_key(size_t index);

/* `bytes` bytes that differ between ids: the value that the id-th write writes. */
struct slice program_value(uint64_t id, size_t bytes);

/* One of the allowed profiles (the bits 1 << DISK_POSIX, 1 << DISK_EXT4). Always one
 * choice, so that a tape means the same whatever is allowed. */
enum disk_profile profile_draw(struct tape *tape, unsigned allowed);

#endif

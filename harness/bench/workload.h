/* The rows of the table, each with what is measured, and the sessions in which they run.
 *
 * A session is one process of one contender: it opens the database, runs those of its
 * rows that were asked for (all of them where a later session needs the result), in
 * order, and closes it. So what one contender leaves in memory meets no other, and each
 * row's time begins with the database at work already. */
#ifndef STRATA_WORKLOAD_H
#define STRATA_WORKLOAD_H

#include "contender.h"
#include "entries.h"

enum session {
    SESSION_FILL, /* on a fresh database */
    SESSION_LOAD, /* on a fresh database, which the next three go on with */
    SESSION_READ,
    SESSION_REOPEN,
    SESSION_MIX,
    SESSION_BIG,   /* on a fresh database */
    SESSION_BATCH, /* on a fresh database */
    SESSION_SYNC,  /* on a fresh database; each write waits for the disk */
    SESSIONS
};

/* What a row counts for. */
enum row_kind {
    ROW_COUNTED, /* in the geometric mean */
    ROW_NOTED    /* shown, so that nothing is hidden */
};

/* name, as typed, session, kind, one operation for so many entries, the row whose result
 * it needs, what it is */
#define ROW_TABLE(X)                                                                     \
    X(FILLSEQ, "fillseq", FILL, COUNTED, 1, NONE, "new keys in order")                   \
    X(FILLRANDOM, "fillrandom", LOAD, COUNTED, 1, NONE,                                  \
      "new keys in no order, each once")                                                 \
    X(OVERWRITE, "overwrite", LOAD, COUNTED, 1, FILLRANDOM,                              \
      "keys of fillrandom, picked at random")                                            \
    X(DELETERANDOM, "deleterandom", FILL, COUNTED, 1, FILLSEQ,                           \
      "all keys of fillseq in no order, right after it")                                 \
    X(FILLBIG, "fillbig", BIG, COUNTED, 1000, NONE,                                      \
      "values of 100 kB under keys in no order")                                         \
    X(FILLSYNC, "fillsync", SYNC, COUNTED, 1000, NONE,                                   \
      "as fillrandom, each write on disk")                                               \
    X(FILLSYNC4, "fillsync4", SYNC, COUNTED, 500, NONE, "fillsync by 4 threads at once") \
    X(FILLSYNC16, "fillsync16", SYNC, COUNTED, 250, NONE,                                \
      "fillsync by 16 threads at once")                                                  \
    X(FILLBATCH, "fillbatch", BATCH, COUNTED, 1, NONE,                                   \
      "as fillrandom, in batches of 100")                                                \
    X(COMPACT, "compact", LOAD, NOTED, 0, OVERWRITE,                                     \
      "after overwrite: flush and merge of all there is")                                \
    X(COMPACTDELETED, "compactdeleted", FILL, NOTED, 0, DELETERANDOM,                    \
      "the same after deleterandom")                                                     \
    X(READRANDOM, "readrandom", READ, COUNTED, 2, COMPACT, "lookups of any keys")        \
    X(READRANDOM2, "readrandom2", READ, COUNTED, 2, COMPACT,                             \
      "readrandom by 2 threads at once")                                                 \
    X(READMISSING, "readmissing", READ, COUNTED, 2, COMPACT,                             \
      "lookups of keys in between")                                                      \
    X(READHOT, "readhot", READ, COUNTED, 2, COMPACT,                                     \
      "lookups within the first 1 % of the keys")                                        \
    X(READSEQ, "readseq", READ, COUNTED, 1, COMPACT, "all entries with an iterator")     \
    X(READREVERSE, "readreverse", READ, COUNTED, 1, COMPACT,                             \
      "the same from the last to the first")                                             \
    X(SEEKRANDOM, "seekrandom", READ, COUNTED, 8, COMPACT,                               \
      "an iterator of its own, a seek, 10 steps")                                        \
    X(READWHILEWRITING, "readwhilewriting", MIX, COUNTED, 4, COMPACT,                    \
      "readrandom while a second thread overwrites")                                     \
    X(WRITER, "itswriter", MIX, NOTED, 0, READWHILEWRITING,                              \
      "what one write of that thread took")                                              \
    X(REOPEN, "reopen", REOPEN, COUNTED, 0, COMPACT,                                     \
      "close and open, half a write buffer in the log")

enum row {
#define ROW_MEMBER(id, name, session, kind, share, needs, words) ROW_##id,
    ROW_TABLE(ROW_MEMBER)
#undef ROW_MEMBER
        ROWS,
    ROW_NONE = ROWS
};

struct row_about {
    const char *name;
    enum session session;
    enum row_kind kind;
    uint64_t share;
    enum row needs;
    const char *words;
};

extern const struct row_about rows[ROWS];

/* What one run of a row found. */
struct sample {
    uint64_t operations; /* 0: not run */
    uint64_t micros;     /* of all of them */
    double cpu_seconds;  /* of all threads, in that time */
    uint64_t peak_bytes; /* anonymous resident memory */
    uint64_t disk_bytes; /* as the row ended */
};

/* A contender at work on a row. */
struct work {
    const struct contender *contender;
    const char *dir;
    struct kv_options options;
    void *db;
    struct entries entries;
    struct sample *samples; /* ROWS of them */
    enum row row;
    uint64_t begun_micros; /* of the part that is measured */
    double begun_cpu;
    struct error *error;
};

/* Runs work->row on the open database; operations, micros and cpu_seconds of its sample
 * are then known. CORRUPT: something was read that was not written. */
MUST_CHECK enum status workload_run(struct work *work);

/* Looks at some of what work->row wrote or removed; to be called outside of what is
 * measured. CORRUPT: it is not so. */
MUST_CHECK enum status workload_check(struct work *work);

#endif

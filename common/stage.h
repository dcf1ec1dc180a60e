/* What a stage is: its number and name, the store that implements kv.h, and the commands
 * that it adds to the program. Each stage's store.c defines the one symbol `stage`; a
 * program is a stage because it links that object. The harness's checks name the stages
 * that they are for themselves (harness/check.h), so that the engine need not know of
 * them. */
#ifndef STRATA_STAGE_H
#define STRATA_STAGE_H

#include "atomic.h"
#include "kv_async.h"
#include "kv_checkpoint.h"
#include "kv_snapshot.h"

/* A capability, the stage that brings it, words for "stage 01 has no …, it comes with
 * stage 03". */
#define FEATURE_TABLE(X)                                                                 \
    X(SHELL, 2, "interactive shell")                                                     \
    X(FLUSH, 3, "flush to tables")                                                       \
    X(READ_NO_WAIT, 3, "lookups in memory alone")                                        \
    X(COMPACT, 5, "compaction")                                                          \
    X(LEVELS, 5, "levels")                                                               \
    X(SUBMIT, 6, "asynchronous writes")                                                  \
    X(GET_MANY, 6, "lookups of many keys at once")                                       \
    X(BATCH, 6, "batches")                                                               \
    X(SNAPSHOT, 7, "snapshots")                                                          \
    X(CHECKPOINT, 7, "checkpoint")                                                       \
    X(BACKUP, 7, "backup")                                                               \
    X(RESTORE, 7, "restore")                                                             \
    X(ERASE, 8, "erasing of everything")                                                 \
    X(SERVER, 8, "server")

enum feature {
#define FEATURE_MEMBER(name, number, words) FEATURE_##name,
    FEATURE_TABLE(FEATURE_MEMBER)
#undef FEATURE_MEMBER
};

/* What all see of a snapshot; the store that takes it adds what it needs. */
struct kv_snapshot {
    const void *store; /* whose it is; NULL: that was closed */
    uint64_t sequence;
    struct atomic_pointer view; /* what reads at it look at; NULL: what others do */
};

/* As in kv.h; kv.c has validated the arguments and filled in defaults. `store` is what
 * open returned. */
struct store_ops {
    enum status (*open)(const char *dir, const struct kv_options *options, void **store,
                        struct error *error);
    enum status (*close)(void *store, struct error *error);
    /* how->durability is no default; *sequence is written on failure too. */
    enum status (*write)(void *store, const struct kv_op *ops, size_t count,
                         const struct kv_write_options *how, uint64_t *sequence,
                         struct error *error);
    /* As kv_submit; only where stage_has(FEATURE_SUBMIT). */
    enum status (*submit)(void *store, const struct kv_op *ops, size_t count,
                          const struct kv_write_options *how, kv_told *told,
                          void *context, uint64_t *sequence, struct error *error);
    /* As kv_notify, of a durability that is no default; where there is submit. */
    enum status (*notify)(void *store, uint64_t sequence, enum durability durability,
                          kv_told *told, void *context, struct error *error);
    /* options->observed is not NULL, here and below; there is a snapshot only where
     * stage_has(FEATURE_SNAPSHOT), and it is this store's. */
    enum status (*get)(void *store, struct slice key, struct buf *value,
                       const struct kv_read_options *options, struct error *error);
    /* As kv_get_many; only where stage_has(FEATURE_GET_MANY). */
    enum status (*get_many)(void *store, const struct slice *keys, size_t count,
                            struct buf *values, enum status *statuses,
                            const struct kv_read_options *options, struct error *error);
    /* As kv_foresee; where there is get_many. */
    void (*foresee)(void *store, const struct slice *keys, size_t count);
    enum status (*iter)(void *store, const struct kv_iter_options *options,
                        struct iter **iter, struct error *error);
    enum status (*sync)(void *store, struct error *error);
    enum status (*flush)(void *store, struct error *error);
    /* only where stage_has(FEATURE_COMPACT) */
    enum status (*compact)(void *store, struct slice from, struct slice to,
                           struct error *error);
    /* only where stage_has(FEATURE_ERASE) */
    enum status (*erase_all)(void *store, struct error *error);
    /* only where stage_has(FEATURE_SNAPSHOT) */
    enum status (*snapshot_take)(void *store, struct kv_snapshot **snapshot,
                                 struct error *error);
    void (*snapshot_release)(struct kv_snapshot *snapshot);
    /* only where stage_has(FEATURE_CHECKPOINT), as the next */
    enum status (*checkpoint)(void *store, const char *path,
                              const struct kv_copy_options *options, struct error *error);
    enum status (*backup)(void *store, const char *backups,
                          const struct kv_copy_options *options, uint64_t *number,
                          struct error *error);
    enum status (*resume)(void *store, struct error *error);
    void (*progress)(void *store, struct kv_progress *progress);
    void (*stats)(void *store, struct kv_stats *stats);
    enum status (*verify)(const char *dir, const struct kv_options *options,
                          kv_report *report, void *context, struct error *error);
    enum status (*repair)(const char *dir, const struct kv_options *options,
                          kv_report *report, void *context, struct error *error);
    enum status (*dump)(const char *path, const struct kv_options *options,
                        kv_report *report, void *context, struct error *error);
    /* only where stage_has(FEATURE_CHECKPOINT) */
    enum status (*backups)(const char *backups, const struct kv_options *options,
                           kv_backup_visitor *visit, void *context, struct error *error);
    enum status (*restore)(const char *backup, const char *target,
                           const struct kv_options *options,
                           const struct kv_copy_options *copy, struct error *error);
};

struct command; /* common/program/command.h */

struct stage {
    int number;
    const char *name; /* "01-wal" */
    const struct store_ops *store;
    const struct command *const *commands; /* those that the stage adds */
    size_t command_count;
};

extern const struct stage stage;

/* UNSUPPORTED, in words. */
enum status stage_lacks(enum feature feature, struct error *error);

/* Whether this stage has it. */
bool stage_has(enum feature feature);

#endif

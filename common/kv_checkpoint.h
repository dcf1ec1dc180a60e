/* Copies of a database (from stage 07). Each is a database of its own, which any program
 * of this format opens, LevelDB too. While a copy is made writes, flushes and compactions
 * go on; only kv_resume waits.
 *
 *     kv_checkpoint   of an open store, now: shares its tables by hard links, so that it
 *                     costs next to nothing; copied where they cannot be linked
 *     kv_backup       the same, as the next one of a row of backups that share nothing
 *                     with the store, and among themselves the tables that are the same
 *     kv_restore      from a backup, or any database that nobody has open, to a new one
 *
 * A copy holds all changes up to one sequence, and that is at least all that was
 * acknowledged before the call. It is durable once OK is returned. It is built in a
 * directory of its name with ".unfinished" behind it, and renamed when it is whole: there
 * is never half of one. After an error there is none, what was written is removed as well
 * as can be, and the next call for the same name clears away what could not be.
 *
 * The layout of backups: BACKUPS/000001, BACKUPS/000002, …, each a database, which may be
 * opened to look into it, but is then no longer a copy of the past. Any of them may be
 * removed, whole. A table is shared with the backup before by a hard link if it has the
 * same number and the same bytes; they are compared. BACKUPS/LOCK is held while one is
 * made.
 *
 * Any thread. UNSUPPORTED: the stage has none of this. INVALID: the target is there
 * already, or cannot be, or holds other files. BUSY: another copy is being made there.
 * NO_SPACE, IO, NO_MEMORY; CORRUPT: what was copied is damaged. */
#ifndef STRATA_KV_CHECKPOINT_H
#define STRATA_KV_CHECKPOINT_H

#include "kv.h"

/* Told from time to time how far the copying has come, in bytes of tables. context is
 * the caller's. It must not use the store while anybody may call kv_resume: that waits
 * for the copy, and all others wait for that. */
typedef void kv_copied(void *context, uint64_t done_bytes, uint64_t whole_bytes);

/* May be NULL, as may each of its members. */
struct kv_copy_options {
    uint64_t *sequence; /* checkpoint, backup: receives the last one in the copy */
    kv_copied *copied;
    void *context;
};

/* The directory's parent must be there, the directory must not. */
MUST_CHECK enum status kv_checkpoint(struct kv *kv, const char *path,
                                     const struct kv_copy_options *options,
                                     struct error *error);

/* Makes `backups` where missing; its parent must be there. The new backup is verified
 * before it gets its name, *number. */
MUST_CHECK enum status kv_backup(struct kv *kv, const char *backups,
                                 const struct kv_copy_options *options, uint64_t *number,
                                 struct error *error);

struct kv_backup {
    uint64_t number;
    uint64_t sequence; /* the last one that it holds */
    uint64_t tables;
    uint64_t bytes; /* of its tables, those included that others share */
};

typedef void kv_backup_visitor(void *context, const struct kv_backup *backup);

/* The backups by number, oldest first. */
MUST_CHECK enum status kv_backups(const char *backups, const struct kv_options *options,
                                  kv_backup_visitor *visit, void *context,
                                  struct error *error);

/* `backup` is a database, or a directory of backups: then the newest is meant. `target`
 * may be an empty directory, or not be there. Nothing is shared. The copy is verified
 * before it gets its name. NOT_FOUND: there is no backup. */
MUST_CHECK enum status kv_restore(const char *backup, const char *target,
                                  const struct kv_options *options,
                                  const struct kv_copy_options *copy,
                                  struct error *error);

#endif

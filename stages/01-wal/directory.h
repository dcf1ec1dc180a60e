/* A database directory that is held: looked at, locked, its files known.
 *
 * directory_open decides whether a directory is ours to open and touches nothing until it
 * is sure. What it may contain depends on the stage, so the facts stand here and the
 * store judges them. One thread uses a struct directory at a time. */
#ifndef STRATA_DIRECTORY_H
#define STRATA_DIRECTORY_H

#include "atomic.h"
#include "kv.h"
#include "names.h"

/* What a listing found, sorted by number. */
struct listing {
    uint64_t *logs;
    size_t log_count;
    size_t log_room;
    struct name *others; /* numbered files that are no logs, by number */
    size_t other_count;
    size_t other_room;
    size_t tables;
    size_t manifests;
    size_t foreign; /* names that are not ours */
    bool current;
    bool lock;                /* LOCK is there: Strata or LevelDB has opened it before */
    uint64_t repaired;        /* number of a .repaired file; 0: none */
    uint64_t largest;         /* largest file number of any kind; 0: none */
    char example[NAME_BYTES]; /* one of the foreign names, cut to fit */
};

/* NOT_FOUND if there is no such directory. Ends with listing_free also after an error. */
MUST_CHECK enum status listing_read(struct listing *listing, const char *path,
                                    const struct world *world, struct error *error);
void listing_free(struct listing *listing);

/* For stages whose database is logs alone. INVALID: tables under CURRENT, of a later
 * stage or of LevelDB; CORRUPT: tables or a manifest without CURRENT. */
MUST_CHECK enum status listing_must_be_logs(const struct listing *listing,
                                            const char *path, struct error *error);

/* CORRUPT if a repair was cut off. */
MUST_CHECK enum status listing_must_be_whole(const struct listing *listing,
                                             const char *path, struct error *error);

struct directory {
    char *path;
    const struct world *world;
    struct file *lock;
    struct listing listing;        /* as found under the lock */
    struct atomic_u64 next_number; /* of the next file: no number is used twice */
};

/* Locks the directory, making it first if options->create. INVALID: not a database, or
 * one that options->exclusive forbids; NOT_FOUND: none there; BUSY: held. */
MUST_CHECK enum status directory_open(struct directory *directory, const char *path,
                                      const struct kv_options *options,
                                      struct error *error);

/* A number that no file has or had, while the directory is held. Any thread. */
static inline uint64_t directory_number(struct directory *directory) {
    return atomic_u64_add(&directory->next_number, 1, memory_order_relaxed);
}

/* From here on numbers are `number` or above. */
void directory_reserve_numbers(struct directory *directory, uint64_t number);

/* Takes the listing anew. */
MUST_CHECK enum status directory_relist(struct directory *directory, struct error *error);

/* Releases the lock. Zeroed storage is allowed. */
void directory_close(struct directory *directory);

/* Removes a numbered file; its being gone is durable after directory_sync (file.h). */
MUST_CHECK enum status directory_remove(const char *path, const struct world *world,
                                        enum name_kind kind, uint64_t number,
                                        struct error *error);

/* Opens a numbered file. */
MUST_CHECK enum status directory_file(const char *path, const struct world *world,
                                      enum name_kind kind, uint64_t number,
                                      enum file_mode mode, struct file **file,
                                      struct error *error);

/* Opens a table to be read, whichever of its two names it has. NOT_FOUND: neither. */
MUST_CHECK enum status directory_table(const char *path, const struct world *world,
                                       uint64_t number, struct file **file,
                                       struct error *error);

/* How many logs there are now, and their sizes together. A failure to list them leaves
 * zeros; one that cannot be opened is counted without its size. Any thread. */
void directory_count_logs(const struct directory *directory, uint64_t *count,
                          uint64_t *bytes);

/* Moves numbered files into DIR/lost, for a person to look at: durably gone from DIR and
 * durably there when OK comes back; either or both after an error or a crash. */
MUST_CHECK enum status directory_set_aside(const char *path, const struct world *world,
                                           const struct name *names, size_t count,
                                           struct error *error);

#endif

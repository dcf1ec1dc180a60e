/* The simulated disk: a file system in memory (a tenant of common/file.h) that remembers
 * what is durable and what is not, and can show every state that a loss of power may
 * legally leave.
 *
 * It journals every operation that changes state: a write, a mapped store, allocate,
 * truncate, sync, create, rename, link, remove, make, remove and sync directory. Mapped
 * stores are found by comparing each mapping with the file, before every operation;
 * they are pending at once. A crash plan names one such state: the operation before
 * which the power goes, and the fate of each piece that is pending then. What each
 * profile allows is written in notes/crash-model.md with its sources; crash_state.c and
 * crash_image.c transcribe it.
 *
 * A failed sync (see struct fault) leaves its pages clean, unwritten and readable until
 * the power goes: later syncs succeed and do not write them.
 *
 * Entries of a directory that are pending when it is renamed can still be lost whatever
 * is synced later (file.h). "/db/", "./db" and "db" are one path, and "", "." and "/" are
 * the root, which is always there.
 *
 * Not for two threads at once, except under the harness's scheduler. Out of memory ends
 * the program: the harness's own memory is never made to fail.
 *
 * tidy: long because it is the contract of one object, whose parts are used together. */
#ifndef STRATA_DISK_H
#define STRATA_DISK_H

#include <stdio.h>

#include "file.h"

enum disk_profile {
    DISK_POSIX, /* what POSIX lets a file system do, torn at 512 bytes */
    DISK_EXT4   /* ext4, data=ordered, as Linux implements it */
};

struct disk;

struct disk *disk_new(void);
void disk_free(struct disk *disk);

/* The file system; borrowed from the disk. */
const struct file_system *disk_files(struct disk *disk);

/* Operations journalled so far: the next crash point. Reads, opens without creation, and
 * lists are not journalled. */
size_t disk_operations(struct disk *disk);

/* "14 write 000001.log [140, 279)" for the operation at `index`. */
void disk_print_operation(struct disk *disk, size_t index, FILE *out);

/* One line for the operation before which the power goes and one for each piece that is
 * then not kept: "lost: write 000001.log [140, 279)". */
struct crash;
void disk_print_crash(struct disk *disk, const struct crash *crash, FILE *out);

/* Every file with its length, and which ranges are synced, pending or
 * clean-but-unwritten; used in counterexamples. */
void disk_print(struct disk *disk, FILE *out);

/* Open descriptors, mappings and locks: 0 after a clean close (leak check). */
size_t disk_open_handles(struct disk *disk);

/* ---- loss of power --------------------------------------------------------------- */

enum fate {            /* of one pending piece */
            FATE_KEPT, /* new content */
            FATE_LOST, /* old content */
            FATE_ZERO,
            FATE_NOISE, /* DISK_POSIX only, as is the next */
            FATE_STALE, /* valid records from elsewhere: bytes that a removed or older log
                           held */
            FATE_COUNT
};

enum { CRASH_PIECES_MAX = 64 };

/* One state after a crash. Pieces are the pending pieces at `operation`, in the order in
 * which they became pending; pieces beyond CRASH_PIECES_MAX share the last one's fate.
 * All zero is "every operation before the crash point reached the disk". */
struct crash {
    enum disk_profile profile;
    size_t operation;   /* operations [0, operation) happened */
    size_t piece_count; /* as the exploration found it; no fate depends on it */
    unsigned char
        fates[CRASH_PIECES_MAX]; /* enum fate; for a piece that is a name: kept or lost */
    size_t split_piece;          /* the piece torn at a sector: its first */
    size_t split_sectors;        /* `split_sectors` sectors kept, the rest of its fate;
                                    0: none is torn */
};

/* How many pieces are pending before operation `operation` (split into sectors or not is
 * the profile's business). */
size_t disk_pending(struct disk *disk, enum disk_profile profile, size_t operation);

/* The disk as the machine finds it after restart: a new disk whose contents are all
 * durable, with an empty journal, no fault and no limit. The original stays as it is. A
 * fate that the profile forbids is replaced by the nearest legal one. */
struct disk *disk_crash(struct disk *disk, const struct crash *crash);

/* The disk as the next process finds it after the death of this one: nothing pending is
 * lost, nothing becomes durable, handles and locks are gone. It keeps the journal. */
void disk_kill(struct disk *disk);

/* A 64-bit fingerprint of names and contents: equal images, equal fingerprints. */
uint64_t disk_fingerprint(struct disk *disk);

/* The exploration order for one crash point: every prefix of the pending pieces, then
 * omit one, split one, omit two, then random subsets without end (drawn from *random, a
 * seed that is advanced). Begin with disk_explore_begin; false when the systematic part
 * is over and `random` is NULL, or nothing is pending. Every plan is legal; two of them
 * may lead to equal images. */
struct exploration {
    struct crash crash; /* the current one */
    int phase;
    size_t first, second;
};

void disk_explore_begin(struct exploration *exploration, enum disk_profile profile,
                        size_t operation);
bool disk_explore_next(struct disk *disk, struct exploration *exploration,
                       uint64_t *random);

/* Complete enumeration for one crash point: every legal assignment of kept, lost and zero
 * to the pending pieces (names and sizes: kept and lost), each once. Begin with
 * disk_explore_begin; false after the last, or at once if there are more than 12 pieces.
 */
bool disk_enumerate_next(struct disk *disk, struct exploration *exploration);

/* ---- faults ---------------------------------------------------------------------- */

enum fault_effect {
    FAULT_BEFORE, /* the call fails and has done nothing (sync: its pages are lost) */
    FAULT_AFTER,  /* the call has done its work and says that it failed */
    FAULT_SHORT,  /* a transfer does a part and says so; the next one goes on */
    FAULT_SHORT_ERROR, /* a transfer does a part and says so; the next one fails */
    FAULT_EFFECT_COUNT
};

/* A countdown: the `countdown`-th call from now that could fail (1 is the next) does. Of
 * the short effects, only reads and writes of at least 2 bytes count: other calls go
 * through unharmed. A sync that fails with EINTR has not tried any page and loses none.
 */
struct fault {
    size_t countdown; /* 0: no fault */
    enum fault_effect effect;
    int errnum;      /* EIO, ENOSPC, … */
    bool persistent; /* every later call of the same kind fails too */
};

void disk_set_fault(struct disk *disk, const struct fault *fault);

/* Once the fault has struck: the call-th call from then fails too, before its effect, with
 * the same errno; the allocation-th allocation from then fails. 0: none. Until the next
 * disk_set_fault. */
void disk_set_second_fault(struct disk *disk, size_t call, size_t allocation);

/* Whether the fault has struck, and at what: "sync 000001.log"; NULL if not yet. */
const char *disk_fault_struck(struct disk *disk);

/* Calls so far that a fault could strike (reads, opens and lists included). */
size_t disk_calls(struct disk *disk);

/* Room for file contents in bytes, allocated space included; SIZE_MAX (the default): no
 * limit. Beyond it: ENOSPC. */
void disk_set_capacity(struct disk *disk, size_t bytes);

/* ---- corruption, and tests ------------------------------------------------------- */

/* Contents behind the engine's back; false if there is no such file. A slice lives until
 * the file next changes. A flipped bit is durable; pending writes over it stay pending.
 */
bool disk_read_file(struct disk *disk, const char *path, struct slice *contents);
bool disk_flip_bit(struct disk *disk, const char *path, uint64_t bit);

/* Puts a durable file there. */
void disk_put_file(struct disk *disk, const char *path, struct slice contents);

/* The paths of all files, in bytewise order. */
void disk_list_files(struct disk *disk, void (*visit)(void *context, const char *path),
                     void *context);

#endif

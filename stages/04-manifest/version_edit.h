/* One step of the manifest: which tables it adds and removes, and the numbers that go
 * with it. The bytes are those of LevelDB's VersionEdit (google/leveldb,
 * db/version_edit.cc); version_edit.c has them as a grammar.
 *
 * A value: `struct manifest_edit edit = {0}` is an empty one, manifest_edit_free ends it.
 * The arrays are its own; keys and comparator are borrowed, from whoever gave them or
 * from the bytes that were decoded. */
#ifndef STRATA_VERSION_EDIT_H
#define STRATA_VERSION_EDIT_H

#include <stdint.h>

#include "buf.h"

enum { MANIFEST_LEVELS = 7 }; /* LevelDB's kNumLevels: 0 to 6 */

#define MANIFEST_COMPARATOR "leveldb.BytewiseComparator"

/* No file has a higher number, so that there is always a next one. */
#define MANIFEST_NUMBER_MAX (UINT64_MAX >> 1)

struct manifest_pointer {
    unsigned level;
    struct slice key; /* an internal key */
};

struct manifest_removed {
    unsigned level;
    uint64_t number;
};

struct manifest_added {
    unsigned level;
    uint64_t number, bytes;
    struct slice smallest, largest; /* internal keys, both inclusive */
};

struct manifest_edit {
    struct slice comparator; /* absent: not in this edit */
    bool has_log_number;
    bool has_previous_log_number;
    bool has_next_number;
    bool has_last_sequence;
    uint64_t log_number;          /* logs below it are forgotten */
    uint64_t previous_log_number; /* of old LevelDBs: a log that is not; 0: none */
    uint64_t next_number;         /* above every file number that was given out */
    uint64_t last_sequence;       /* the tables hold no later one */

    /* A level's pointer: where LevelDB's next compaction of it begins. */
    struct manifest_pointer *pointers;
    size_t pointer_count, pointer_room;
    /* Removals come first: so a table moves from one level to another in one edit. */
    struct manifest_removed *removed;
    size_t removed_count, removed_room;
    struct manifest_added *added;
    size_t added_count, added_room;
};

void manifest_edit_free(struct manifest_edit *edit);

/* NO_MEMORY leaves the edit as it was. Levels are below MANIFEST_LEVELS. */
MUST_CHECK enum status manifest_edit_point(struct manifest_edit *edit,
                                           struct manifest_pointer pointer);
MUST_CHECK enum status manifest_edit_remove(struct manifest_edit *edit,
                                            struct manifest_removed removed);
MUST_CHECK enum status manifest_edit_add(struct manifest_edit *edit,
                                         struct manifest_added added);

/* Replaces the contents of *bytes. */
MUST_CHECK enum status manifest_edit_encode(const struct manifest_edit *edit,
                                            struct buf *bytes);

/* Fills *edit, which is empty; it stays so on failure. CORRUPT: not the bytes of an edit,
 * *why says it in words; NO_MEMORY. A number that stands there twice has its last value,
 * as in LevelDB. */
MUST_CHECK enum status manifest_edit_decode(struct manifest_edit *edit,
                                            struct slice bytes, const char **why);

#endif

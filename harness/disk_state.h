/* What the parts of the simulated disk share; nobody else includes this.
 *
 * A disk is a set of nodes (files and directories), each with at most one name, and a
 * journal. `cache` is what a running process sees. `base` is what the node held when the
 * journal began; the state after any operation is base plus the journal up to there, and
 * that is all that a crash state is computed from (crash_state.c). */
#ifndef STRATA_DISK_STATE_H
#define STRATA_DISK_STATE_H

#include "disk.h"

enum { DISK_SECTOR_BYTES = 512, DISK_PAGE_BYTES = 4096, DISK_PATH_BYTES = 256 };

/* Growing bytes; those between an old and a new end are zeros. With capacity 0 the bytes
 * are borrowed, and are copied before the first change. */
struct contents {
    unsigned char *data;
    size_t size;
    size_t capacity;
};

void contents_resize(struct contents *contents, size_t size);
void contents_write(struct contents *contents, size_t offset, const void *bytes,
                    size_t count);

/* Makes the bytes its own, with room for `capacity`. */
void contents_reserve(struct contents *contents, size_t capacity);
struct contents contents_borrow(const struct contents *contents);
void contents_free(struct contents *contents);

/* A path that was ever used, known by its index in the disk's table. */
struct name {
    char *text;
    uint64_t hash;
    uint32_t parent; /* the directory's name; NO_NAME: the root */
};

#define NO_NAME UINT32_MAX

/* Nodes live as long as their disk: the journal speaks of them by index. */
struct node {
    bool directory;
    bool locked;
    unsigned handles;
    uint32_t name;         /* NO_NAME: removed */
    uint32_t base_name;    /* when the journal began; NO_NAME: was not there */
    struct contents base;  /* never changes, so that others may borrow it */
    struct contents cache; /* borrowed from base until it is first changed */
};

enum operation_kind {
    OPERATION_WRITE,
    OPERATION_STORE, /* found in a mapping */
    OPERATION_ALLOCATE,
    OPERATION_TRUNCATE,
    OPERATION_SYNC,
    OPERATION_SYNC_FAILED,
    OPERATION_CREATE,
    OPERATION_MAKE_DIRECTORY,
    OPERATION_REMOVE,
    OPERATION_RENAME,
    OPERATION_SYNC_DIRECTORY,
    OPERATION_PUT, /* durable at once, by the harness */
    OPERATION_FLIP
};

struct operation {
    enum operation_kind kind;
    uint32_t node;
    uint32_t name; /* of the file, or of the directory that is synced */
    uint32_t to;   /* RENAME */
    size_t offset; /* FLIP: the bit */
    size_t length; /* TRUNCATE: the new size */
    size_t bytes;  /* WRITE, STORE, PUT: where in the journal's bytes they stand */
};

struct handle {
    struct file file;
    struct disk *disk;
    struct handle *next;
    uint32_t node;
    uint32_t name; /* as opened */
    bool writable;
    bool lock;
};

struct mapping {
    struct mapping *next;
    unsigned char *address;
    size_t bytes;
    size_t offset;
    uint32_t node;
    uint32_t name; /* as opened */
    bool writable;
};

/* The calls that a fault can strike, with their words. */
#define DISK_CALLS(X)                                                                    \
    X(OPEN, "open")                                                                      \
    X(READ, "read")                                                                      \
    X(WRITE, "write")                                                                    \
    X(SYNC, "sync")                                                                      \
    X(TRUNCATE, "truncate")                                                              \
    X(ALLOCATE, "allocate")                                                              \
    X(SIZE, "size")                                                                      \
    X(MAP, "map")                                                                        \
    X(CLOSE, "close")                                                                    \
    X(REMOVE, "remove")                                                                  \
    X(RENAME, "rename")                                                                  \
    X(MAKE_DIRECTORY, "make directory")                                                  \
    X(SYNC_DIRECTORY, "sync directory")                                                  \
    X(LIST, "list")                                                                      \
    X(LOCK, "lock")

enum disk_call {
#define CALL_MEMBER(name, words) CALL_##name,
    DISK_CALLS(CALL_MEMBER)
#undef CALL_MEMBER
};

enum verdict { VERDICT_WORK, VERDICT_BEFORE, VERDICT_AFTER, VERDICT_SHORT };

struct fault_state {
    struct fault fault;
    size_t calls;
    bool struck;
    bool error_follows; /* FAULT_SHORT_ERROR has done its part, the error is due */
    enum disk_call call;
    char words[DISK_PATH_BYTES + 32];
};

/* Counts the call and says what becomes of it. `transfer` is the number of bytes that a
 * read or write asks for, 0 for other calls: only one of at least 2 can be cut short. */
enum verdict fault_call(struct fault_state *state, enum disk_call call, const char *path,
                        size_t transfer);

/* One thing that is pending and has a fate of its own: a name, a change of size, or the
 * part of a write that lies in one page. */
struct piece {
    size_t operation;
    size_t offset;
    size_t length;
};

/* Where a node stands in an image, and up to where its contents may reach. */
struct image_slot {
    size_t node; /* SIZE_MAX: not in it */
    size_t end;
};

/* What is durable and what is pending before one operation, under one profile. Kept from
 * one crash to the next, and moved on operation by operation. */
struct crash_state {
    enum disk_profile profile;
    size_t operation;
    size_t node_count;
    size_t node_capacity;
    struct contents *durable; /* per node; borrowed from its base while unchanged */
    uint32_t *names;          /* per node */
    uint32_t *image_names;    /* per node, while an image is being built; next too */
    struct image_slot *image_slots;
    struct piece *pieces;
    size_t piece_count;
    size_t piece_capacity;
};

struct disk {
    struct file_system files;
    struct name *names;
    size_t name_count, name_capacity;
    struct node *nodes;
    size_t node_count, node_capacity;
    struct operation *operations;
    size_t operation_count, operation_capacity;
    struct contents bytes; /* of the journal */
    struct handle *handles;
    struct mapping *mappings;
    size_t capacity;
    struct crash_state *state; /* NULL until a crash is asked for */
    struct fault_state faults;
};

/* malloc and realloc that end the program when there is no memory. */
void *disk_take(size_t bytes);
void *disk_resize(void *block, size_t bytes);

/* Room for one item more than `count`. */
void *disk_grow(void *items, size_t count, size_t *capacity, size_t item_bytes);

const char *disk_text(const struct disk *disk, uint32_t name);

/* The table's index for a path, added where missing; NO_NAME for the root, which has the
 * paths "", "." and "/". */
uint32_t disk_name(struct disk *disk, const char *path);

#define NO_NODE UINT32_MAX

/* The node that bears the name now. */
uint32_t disk_node_named(const struct disk *disk, uint32_t name);

/* A new node under that name, present from the beginning of the journal. */
struct node *disk_add_base_node(struct disk *disk, uint32_t name, bool directory);

/* A new node that was not there at the beginning; its index. */
uint32_t disk_add_node(struct disk *disk, uint32_t name, bool directory);
bool disk_is_directory(const struct disk *disk, uint32_t name);

/* The only ways in which live contents change: each journals, and shows in mappings. */
void disk_change_bytes(struct disk *disk, enum operation_kind kind, uint32_t node,
                       uint32_t name, size_t offset, struct slice bytes);
void disk_change_size(struct disk *disk, enum operation_kind kind, uint32_t node,
                      uint32_t name, size_t offset, size_t length);
void disk_journal(struct disk *disk, struct operation operation);

/* Makes every mapping of the node show [first, behind) as it now is; zeros behind the
 * end. Only that range: elsewhere a mapping may hold stores not yet absorbed. */
void disk_refresh_mappings(struct disk *disk, uint32_t node, size_t first, size_t behind);

/* disk_files.c */
extern const struct file_system_ops disk_file_system_ops;
void disk_free_handle(struct handle *handle);

/* Turns stores into mappings into journalled operations. Everything that looks at
 * contents or at the journal calls it first. */
void disk_absorb_stores(struct disk *disk);

/* The state before `operation`; valid until the next call. */
struct crash_state *crash_state_at(struct disk *disk, enum disk_profile profile,
                                   size_t operation);
void crash_state_free(struct crash_state *state);

bool operation_is_data(enum operation_kind kind);
bool operation_is_name(enum operation_kind kind);

/* Applied to the names of `count` nodes, and to the contents of the operation's node. */
void operation_apply_name(uint32_t *names, size_t count,
                          const struct operation *operation);
void operation_apply_size(struct contents *contents, const struct operation *operation);

/* The new content of a piece of a write. */
const unsigned char *piece_bytes(const struct disk *disk, const struct piece *piece);

/* Sectors of the file that the piece touches. */
size_t piece_sectors(const struct piece *piece);

/* The fate of the piece at `index`, in a legal crash. */
enum fate crash_fate(const struct crash *crash, size_t index);

/* Replaces each fate that the profile forbids by the nearest legal one, and sets
 * piece_count. `state` is the one that the crash is of. */
void crash_make_legal(const struct disk *disk, const struct crash_state *state,
                      struct crash *crash);

#endif

/* What the parts of the simulated disk share; nobody else includes this.
 *
 * A disk is a set of nodes (files and directories), each with at most one name, and a
 * journal. A further name of a file is a node without contents, which stands for the
 * one that has them, its inode; handles and mappings are of inodes. `cache` is what a
 * running process sees. `base` is what the node held when the journal began; the state
 * after any operation is base plus the journal up to there, and that is all that a
 * crash state is computed from (crash_state.c).
 *
 * tidy: long because the parts of one object share it. */
#ifndef STRATA_DISK_STATE_H
#define STRATA_DISK_STATE_H

#include "disk.h"
#include "disk_contents.h"
#include "disk_fault.h"

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
    bool linked; /* some other node's inode */
    unsigned handles;
    uint32_t inode;        /* the node that has the contents: itself, but for links */
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
    OPERATION_LINK,
    OPERATION_SYNC_DIRECTORY,
    OPERATION_PUT, /* durable at once, by the harness */
    OPERATION_FLIP
};

struct operation {
    enum operation_kind kind;
    uint32_t node;
    uint32_t name; /* of the file, or of the directory that is synced */
    uint32_t to;   /* RENAME; LINK: the older name */
    size_t offset; /* FLIP: the bit */
    size_t length; /* TRUNCATE: the new size; names: nodes that there are */
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

struct crash_state;

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

const char *disk_text(const struct disk *disk, uint32_t name);

/* The table's index for a path, added where missing; NO_NAME for the root, which has the
 * paths "", "." and "/". */
uint32_t disk_name(struct disk *disk, const char *path);

#define NO_NODE UINT32_MAX

/* The node that bears the name now, and the inode of that. */
uint32_t disk_node_named(const struct disk *disk, uint32_t name);
uint32_t disk_inode_named(const struct disk *disk, uint32_t name);

/* Whether the name is in the directory, or deeper. */
bool disk_is_below(const struct disk *disk, uint32_t name, uint32_t directory);

/* What becomes of a name below the directory `from` when that is renamed; NO_NAME if no
 * such name was ever used. */
uint32_t disk_name_moved(const struct disk *disk, uint32_t name, uint32_t from,
                         uint32_t to);

/* Sees to it that all names below `from` can be moved. */
void disk_prepare_move(struct disk *disk, uint32_t from, uint32_t to);

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

extern const struct file_system_ops disk_file_system_ops;
extern const struct file_ops disk_file_ops;

/* How every call begins: the fault's verdict on it. And what a call answers that worked:
 * the fault may deny it. */
enum verdict disk_begin(struct disk *disk, enum disk_call call, uint32_t name,
                        size_t transfer);
int disk_answer(const struct disk *disk, enum verdict verdict);

void disk_free_handle(struct handle *handle);

/* Turns stores into mappings into journalled operations. Everything that looks at
 * contents or at the journal calls it first. */
void disk_absorb_stores(struct disk *disk);

#endif

/* What is durable and what is pending at a point of a disk's journal; from it images are
 * built (crash_image.c) and plans drawn (explore.c). */
#ifndef STRATA_CRASH_STATE_H
#define STRATA_CRASH_STATE_H

#include "disk_state.h"

enum { DISK_SECTOR_BYTES = 512, DISK_PAGE_BYTES = 4096 };

/* One thing that is pending and has a fate of its own: a name, a change of size, or the
 * part of a write that lies in one page. */
struct piece {
    size_t operation;
    size_t offset;
    size_t length;
};

/* Where a node stands in an image, and up to where pieces of it may be written. */
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

/* The state before `operation`; valid until the next call. */
struct crash_state *crash_state_at(struct disk *disk, enum disk_profile profile,
                                   size_t operation);
void crash_state_free(struct crash_state *state);

bool operation_is_data(enum operation_kind kind);
bool operation_is_name(enum operation_kind kind);

/* Applied to the names of `count` nodes, and to the contents of the operation's node. */
void operation_apply_name(const struct disk *disk, uint32_t *names, size_t count,
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

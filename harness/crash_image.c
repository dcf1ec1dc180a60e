/* The image after a crash: the durable part of a crash state with its pending pieces
 * applied in order, each according to its fate.
 *
 * ext4 commits its metadata (names, truncations, allocations) in one journal, in order.
 * So from the first piece of metadata that is lost, all later ones are lost; and bytes of
 * a file that needed metadata to become reachable (behind the durable end, or behind a
 * truncation that is lost) are not seen either if they were written after it. */
#include "crash_state.h"

#include <ctype.h>
#include <stdlib.h>

#include <xxhash.h>

enum fate crash_fate(const struct crash *crash, size_t index) {
    size_t last = CRASH_PIECES_MAX - 1;
    return (enum fate)crash->fates[index < last ? index : last];
}

size_t piece_sectors(const struct piece *piece) {
    if (piece->length == 0) {
        return 0;
    }
    return (piece->offset + piece->length - 1) / DISK_SECTOR_BYTES -
           piece->offset / DISK_SECTOR_BYTES + 1;
}

static const struct operation *operation_of(const struct disk *disk,
                                            const struct piece *piece) {
    return &disk->operations[piece->operation];
}

/* ---- what is legal --------------------------------------------------------------- */

/* DISK_EXT4: the first piece of metadata that is lost; SIZE_MAX: none. */
static size_t first_lost(const struct disk *disk, const struct crash_state *state,
                         const struct crash *crash) {
    for (size_t i = 0; i < state->piece_count; i++) {
        bool data = operation_is_data(operation_of(disk, &state->pieces[i])->kind);
        if (!data && crash_fate(crash, i) != FATE_KEPT) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* DISK_EXT4: how far the file of the piece at `index` reaches when that piece is applied:
 * its size, and if metadata was lost before the piece, no further than what was written
 * in place can be seen. The fates before `index` are legal. */
static size_t reach(const struct disk *disk, const struct crash_state *state,
                    const struct crash *crash, size_t lost, size_t index) {
    uint32_t node = operation_of(disk, &state->pieces[index])->node;
    size_t size = state->durable[node].size;
    for (size_t i = 0; i < index; i++) {
        const struct piece *piece = &state->pieces[i];
        const struct operation *operation = operation_of(disk, piece);
        if (operation->node != node || operation_is_name(operation->kind)) {
            continue;
        }
        bool data = operation_is_data(operation->kind);
        size_t end =
            data ? piece->offset + piece->length : operation->offset + operation->length;
        if (operation->kind == OPERATION_TRUNCATE) {
            size = i < lost || end < size ? end : size;
        } else if (i < lost && crash_fate(crash, i) != FATE_LOST) {
            size = end > size ? end : size;
        }
    }
    return size;
}

static enum fate legal_ext4(const struct disk *disk, const struct crash_state *state,
                            const struct crash *crash, size_t lost, size_t index) {
    const struct piece *piece = &state->pieces[index];
    enum fate fate = crash_fate(crash, index);
    if (!operation_is_data(operation_of(disk, piece)->kind)) {
        return index >= lost ? FATE_LOST : FATE_KEPT;
    }
    size_t end = reach(disk, state, crash, lost, index);
    if (index >= lost && piece->offset >= end) {
        return FATE_LOST;
    }
    bool extends = index < lost && piece->offset + piece->length > end;
    return fate == FATE_KEPT || fate == FATE_LOST ? fate
           : extends                              ? FATE_ZERO
                                                  : FATE_LOST;
}

void crash_make_legal(const struct disk *disk, const struct crash_state *state,
                      struct crash *crash) {
    size_t count =
        state->piece_count < CRASH_PIECES_MAX ? state->piece_count : CRASH_PIECES_MAX;
    size_t lost = crash->profile == DISK_EXT4 ? first_lost(disk, state, crash) : SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        bool data = operation_is_data(operation_of(disk, &state->pieces[i])->kind);
        if (crash->fates[i] >= FATE_COUNT || (!data && crash->fates[i] != FATE_KEPT)) {
            crash->fates[i] = FATE_LOST;
        }
        if (crash->profile == DISK_EXT4) {
            crash->fates[i] = (unsigned char)legal_ext4(disk, state, crash, lost, i);
        }
    }
    crash->piece_count = count;
    size_t split = crash->split_piece;
    if (split >= count || crash_fate(crash, split) == FATE_KEPT ||
        !operation_is_data(operation_of(disk, &state->pieces[split])->kind) ||
        crash->split_sectors >= piece_sectors(&state->pieces[split])) {
        crash->split_piece = 0;
        crash->split_sectors = 0;
    }
}

/* ---- content that nobody wrote there --------------------------------------------- */

static void fill_noise(struct contents *contents, size_t operation, size_t first,
                       size_t behind) {
    for (size_t at = first; at < behind;) {
        uint64_t key[2] = {operation, at};
        uint64_t noise = XXH3_64bits(key, sizeof key);
        size_t count = behind - at < sizeof noise ? behind - at : sizeof noise;
        contents_write(contents, at, &noise, count);
        at += count;
    }
}

/* "db/000003.log" and "db/000012.log" are: digits apart, the same. */
static bool names_alike(const char *a, const char *b) {
    for (;;) {
        while (isdigit((unsigned char)*a)) {
            a++;
        }
        while (isdigit((unsigned char)*b)) {
            b++;
        }
        if (*a != *b) {
            return false;
        }
        if (*a == '\0') {
            return true;
        }
        a++;
        b++;
    }
}

/* Valid records for a piece, as old blocks of the device may hold them: the last write to
 * another file of its kind before the power went; else what such a file held from the
 * beginning; else the first write to this very file. Whatever is chosen was written as a
 * whole and starts where a record starts. */
static struct slice stale_bytes(const struct disk *disk, const struct crash_state *state,
                                const struct piece *piece) {
    const struct operation *self = operation_of(disk, piece);
    const char *name = disk_text(disk, self->name);
    for (size_t i = state->operation; i-- > 0;) {
        const struct operation *other = &disk->operations[i];
        if (operation_is_data(other->kind) && other->node != self->node &&
            names_alike(name, disk_text(disk, other->name))) {
            return slice_make(disk->bytes.data + other->bytes, other->length);
        }
    }
    for (size_t i = 0; i < disk->node_count; i++) {
        const struct node *node = &disk->nodes[i];
        if (i != self->node && node->base_name != NO_NAME && node->base.size > 0 &&
            names_alike(name, disk_text(disk, node->base_name))) {
            return slice_make(node->base.data, node->base.stored);
        }
    }
    for (size_t i = 0; i < piece->operation; i++) {
        const struct operation *own = &disk->operations[i];
        if (operation_is_data(own->kind) && own->node == self->node) {
            return slice_make(disk->bytes.data + own->bytes, own->length);
        }
    }
    return slice_of("");
}

/* Zeros, then the stale bytes over them from where the piece starts. */
static void fill_stale(const struct disk *disk, const struct crash_state *state,
                       const struct piece *piece, struct contents *contents, size_t first,
                       size_t behind) {
    struct slice stale = stale_bytes(disk, state, piece);
    size_t skipped = first - piece->offset;
    size_t end = piece->offset + stale.length;
    end = end < behind ? end : behind;
    if (end > first) {
        contents_write(contents, first, stale.data + skipped, end - first);
    }
    contents_zero(contents, end > first ? end : first, behind);
}

/* ---- the image ------------------------------------------------------------------- */

static void fill(const struct disk *disk, const struct crash_state *state,
                 const struct piece *piece, enum fate fate, struct contents *contents,
                 size_t first, size_t behind) {
    switch (fate) {
    case FATE_KEPT:
        contents_write(contents, first,
                       piece_bytes(disk, piece) + (first - piece->offset),
                       behind - first);
        break;
    case FATE_ZERO:
        if (state->profile == DISK_POSIX) {
            contents_zero(contents, first, behind);
        } else if (behind > contents->size) {
            contents_resize(contents, behind);
        } /* ext4: what was there is old or new, and only the extension is unwritten */
        break;
    case FATE_NOISE:
        fill_noise(contents, piece->operation, first, behind);
        break;
    case FATE_STALE:
        fill_stale(disk, state, piece, contents, first, behind);
        break;
    case FATE_LOST:
    case FATE_COUNT:
        break;
    }
}

static void apply_data(const struct disk *disk, const struct crash_state *state,
                       const struct crash *crash, size_t index, size_t limit,
                       struct contents *contents) {
    const struct piece *piece = &state->pieces[index];
    enum fate fate = crash_fate(crash, index);
    size_t end = piece->offset + piece->length;
    end = end < limit ? end : limit;
    size_t torn = piece->offset;
    if (crash->split_sectors > 0 && index == crash->split_piece) {
        torn += crash->split_sectors * DISK_SECTOR_BYTES - torn % DISK_SECTOR_BYTES;
        torn = torn < end ? torn : end;
    }
    if (torn > piece->offset) {
        fill(disk, state, piece, FATE_KEPT, contents, piece->offset, torn);
    }
    if (torn < end) {
        fill(disk, state, piece, fate, contents, torn, end);
    }
}

static bool reachable(const struct disk *disk, const struct crash_state *state,
                      uint32_t name) {
    uint32_t parent = disk->names[name].parent;
    if (parent == NO_NAME) {
        return true;
    }
    for (size_t i = 0; i < state->node_count; i++) {
        if (state->image_names[i] == parent && disk->nodes[i].directory) {
            return reachable(disk, state, parent);
        }
    }
    return false;
}

/* Names first: only what can be reached is worth its contents. */
static void choose_names(const struct disk *disk, struct crash_state *state,
                         const struct crash *crash, size_t lost) {
    if (state->node_count > 0) {
        memcpy(state->image_names, state->names,
               state->node_count * sizeof *state->image_names);
    }
    for (size_t i = 0; i < state->node_count; i++) {
        state->image_slots[i] = (struct image_slot){SIZE_MAX, 0};
    }
    for (size_t i = 0; i < state->piece_count; i++) {
        const struct piece *piece = &state->pieces[i];
        const struct operation *operation = operation_of(disk, piece);
        if (operation_is_name(operation->kind)) {
            if (i < lost && crash_fate(crash, i) == FATE_KEPT) {
                operation_apply_name(disk, state->image_names, state->node_count,
                                     operation);
            }
            continue;
        }
        size_t end = piece->offset + piece->length; /* of a change of size: 0 */
        struct image_slot *slot = &state->image_slots[operation->node];
        slot->end = end > slot->end ? end : slot->end;
    }
}

static void copy_durable(const struct disk *disk, struct crash_state *state,
                         struct disk *image) {
    image->nodes =
        disk_grow(NULL, state->node_count, &image->node_capacity, sizeof *image->nodes);
    image->names =
        disk_grow(NULL, disk->name_count, &image->name_capacity, sizeof *image->names);
    for (size_t i = 0; i < state->node_count; i++) {
        uint32_t name = state->image_names[i];
        if (name == NO_NAME || !reachable(disk, state, name)) {
            continue;
        }
        uint32_t inode = disk->nodes[i].inode;
        struct image_slot *slot = &state->image_slots[inode];
        struct node *node = disk_add_base_node(
            image, disk_name(image, disk->names[name].text), disk->nodes[i].directory);
        if (slot->node == SIZE_MAX) {
            slot->node = image->node_count - 1;
            node->base = contents_copy(&state->durable[inode], slot->end);
        } else {
            node->inode = (uint32_t)slot->node;
            image->nodes[slot->node].linked = true;
        }
    }
}

struct disk *disk_crash(struct disk *disk, const struct crash *plan) {
    struct crash_state *state = crash_state_at(disk, plan->profile, plan->operation);
    struct crash crash = *plan;
    crash_make_legal(disk, state, &crash);
    size_t lost = crash.profile == DISK_EXT4 ? first_lost(disk, state, &crash) : SIZE_MAX;
    choose_names(disk, state, &crash, lost);
    struct disk *image = disk_new();
    copy_durable(disk, state, image);
    for (size_t i = 0; i < state->piece_count; i++) {
        const struct operation *operation = operation_of(disk, &state->pieces[i]);
        if (operation_is_name(operation->kind) ||
            state->image_slots[operation->node].node == SIZE_MAX) {
            continue;
        }
        struct contents *contents =
            &image->nodes[state->image_slots[operation->node].node].base;
        if (operation_is_data(operation->kind)) {
            size_t limit = i < lost ? SIZE_MAX : reach(disk, state, &crash, lost, i);
            apply_data(disk, state, &crash, i, limit, contents);
        } else if (i < lost && crash_fate(&crash, i) == FATE_KEPT) {
            operation_apply_size(contents, operation);
        }
    }
    for (size_t i = 0; i < image->node_count; i++) {
        image->nodes[i].cache = contents_borrow(&image->nodes[i].base);
    }
    return image;
}

/* What a loss of power leaves: notes/crash-model.md, transcribed.
 *
 * The journal is replayed into two parts: what is durable (contents per node, a name per
 * node) and a list of pending pieces in the order in which they became pending. A sync
 * moves pieces from the second into the first; a failed one drops them. An image is the
 * durable part with the pending pieces applied in order, each according to its fate.
 *
 * A piece never touches a byte outside its own range, except that a kept one behind the
 * end of its file leaves zeros in between. */
#include "crash_state.h"

#include <stdlib.h>

bool operation_is_data(enum operation_kind kind) {
    return kind == OPERATION_WRITE || kind == OPERATION_STORE;
}

bool operation_is_name(enum operation_kind kind) {
    return kind == OPERATION_CREATE || kind == OPERATION_MAKE_DIRECTORY ||
           kind == OPERATION_REMOVE || kind == OPERATION_RENAME || kind == OPERATION_LINK;
}

/* ---- the durable part ------------------------------------------------------------ */

static void forget_name(uint32_t *names, size_t count, uint32_t name) {
    for (size_t i = 0; i < count; i++) {
        names[i] = names[i] == name ? NO_NAME : names[i];
    }
}

/* What is in a directory goes with it, and when it is replaced: of the nodes that were
 * there. A later directory of that name may have entries that are durable before this. */
static void forget_below(const struct disk *disk, uint32_t *names,
                         const struct operation *operation, uint32_t directory) {
    for (size_t i = 0; i < operation->length; i++) {
        if (names[i] != NO_NAME && disk_is_below(disk, names[i], directory)) {
            names[i] = NO_NAME;
        }
    }
}

static void move_below(const struct disk *disk, uint32_t *names,
                       const struct operation *operation) {
    for (size_t i = 0; i < operation->length; i++) {
        if (names[i] != NO_NAME && disk_is_below(disk, names[i], operation->name)) {
            names[i] = disk_name_moved(disk, names[i], operation->name, operation->to);
        }
    }
}

/* Entries are lost and kept one by one, so an entry may be replaced or removed that the
 * process never saw there: what counts is the name, not the node. */
void operation_apply_name(const struct disk *disk, uint32_t *names, size_t count,
                          const struct operation *operation) {
    bool directory = disk->nodes[operation->node].directory;
    forget_name(names, count, operation->name);
    if (directory && operation->kind == OPERATION_RENAME) {
        forget_below(disk, names, operation, operation->to);
        move_below(disk, names, operation);
    } else if (directory && operation->kind != OPERATION_PUT) {
        forget_below(disk, names, operation, operation->name);
    }
    if (operation->kind == OPERATION_RENAME) {
        forget_name(names, count, operation->to);
        names[operation->node] = operation->to;
    } else if (operation->kind != OPERATION_REMOVE) {
        names[operation->node] = operation->name;
    }
}

void operation_apply_size(struct contents *contents, const struct operation *operation) {
    size_t end = operation->offset + operation->length;
    if (operation->kind == OPERATION_TRUNCATE || end > contents->size) {
        contents_resize(contents, end);
    }
}

const unsigned char *piece_bytes(const struct disk *disk, const struct piece *piece) {
    const struct operation *operation = &disk->operations[piece->operation];
    return disk->bytes.data + operation->bytes + (piece->offset - operation->offset);
}

static void make_durable(const struct disk *disk, struct crash_state *state,
                         const struct piece *piece) {
    const struct operation *operation = &disk->operations[piece->operation];
    if (operation_is_name(operation->kind)) {
        operation_apply_name(disk, state->names, state->node_count, operation);
    } else if (operation_is_data(operation->kind)) {
        contents_write(&state->durable[operation->node], piece->offset,
                       piece_bytes(disk, piece), piece->length);
    } else {
        operation_apply_size(&state->durable[operation->node], operation);
    }
}

/* A truncation drops the pages behind it, also those written before it: where it becomes
 * durable ahead of them, they are no longer pending. */
static void cut_pieces(const struct disk *disk, struct crash_state *state, size_t before,
                       const struct operation *truncation) {
    for (size_t i = 0; i < before; i++) {
        struct piece *piece = &state->pieces[i];
        const struct operation *operation = &disk->operations[piece->operation];
        if (operation_is_data(operation->kind) && operation->node == truncation->node &&
            piece->offset + piece->length > truncation->length) {
            piece->length = truncation->length > piece->offset
                                ? truncation->length - piece->offset
                                : 0;
        }
    }
}

/* Whether this sync makes the piece durable. */
static bool covers(const struct disk *disk, enum disk_profile profile,
                   const struct operation *sync, const struct operation *pending) {
    bool metadata = !operation_is_data(pending->kind);
    if (profile == DISK_EXT4 && metadata) {
        return true;
    }
    if (sync->kind == OPERATION_SYNC) {
        return !operation_is_name(pending->kind) && pending->node == sync->node;
    }
    uint32_t entry = pending->kind == OPERATION_RENAME ? pending->to : pending->name;
    return operation_is_name(pending->kind) && disk->names[entry].parent == sync->name;
}

/* Whether no crash can show this name of a file: it durably is none, and not pending. */
static bool entry_gone(const struct disk *disk, const struct crash_state *state,
                       uint32_t node) {
    for (size_t i = 0; i < state->piece_count; i++) {
        const struct operation *pending = &disk->operations[state->pieces[i].operation];
        if (operation_is_name(pending->kind) && pending->node == node) {
            return false;
        }
    }
    return state->names[node] == NO_NAME;
}

/* Whether no crash can show the inode. */
static bool gone(const struct disk *disk, const struct crash_state *state,
                 uint32_t inode) {
    bool all = entry_gone(disk, state, inode);
    for (size_t i = 0; all && disk->nodes[inode].linked && i < state->node_count; i++) {
        all = disk->nodes[i].inode != inode || entry_gone(disk, state, (uint32_t)i);
    }
    return all;
}

/* Pieces without effect would only make the exploration longer. */
static void drop_moot_pieces(const struct disk *disk, struct crash_state *state) {
    size_t left = 0;
    size_t count = state->piece_count;
    for (size_t i = 0; i < count; i++) {
        struct piece piece = state->pieces[i];
        const struct operation *pending = &disk->operations[piece.operation];
        bool cut = operation_is_data(pending->kind) && piece.length == 0;
        bool name = operation_is_name(pending->kind);
        if (name || (!cut && !gone(disk, state, pending->node))) {
            state->pieces[left++] = piece;
        }
    }
    state->piece_count = left;
}

static void apply_sync(const struct disk *disk, struct crash_state *state,
                       const struct operation *sync) {
    size_t left = 0;
    for (size_t i = 0; i < state->piece_count; i++) {
        struct piece piece = state->pieces[i];
        const struct operation *pending = &disk->operations[piece.operation];
        if (!covers(disk, state->profile, sync, pending)) {
            state->pieces[left++] = piece;
            continue;
        }
        if (pending->kind == OPERATION_TRUNCATE) {
            cut_pieces(disk, state, left, pending);
        }
        make_durable(disk, state, &piece);
    }
    state->piece_count = left;
    drop_moot_pieces(disk, state);
}

/* The kernel marks the pages clean without having written them, and forgets. */
static void apply_failed_sync(const struct disk *disk, struct crash_state *state,
                              const struct operation *sync) {
    size_t left = 0;
    for (size_t i = 0; i < state->piece_count; i++) {
        const struct piece *piece = &state->pieces[i];
        const struct operation *pending = &disk->operations[piece->operation];
        if (!operation_is_data(pending->kind) || pending->node != sync->node) {
            state->pieces[left++] = *piece;
        }
    }
    state->piece_count = left;
}

/* ---- replay ---------------------------------------------------------------------- */

static void add_piece(struct crash_state *state, size_t operation, size_t offset,
                      size_t length) {
    state->pieces = disk_grow(state->pieces, state->piece_count, &state->piece_capacity,
                              sizeof *state->pieces);
    state->pieces[state->piece_count++] = (struct piece){operation, offset, length};
}

/* Pages are written back each on its own. */
static void add_data_pieces(struct crash_state *state, size_t index,
                            const struct operation *operation) {
    size_t end = operation->offset + operation->length;
    for (size_t at = operation->offset; at < end;) {
        size_t next = at - at % DISK_PAGE_BYTES + DISK_PAGE_BYTES;
        next = next < end ? next : end;
        add_piece(state, index, at, next - at);
        at = next;
    }
}

static void apply_put(const struct disk *disk, struct crash_state *state,
                      const struct operation *put) {
    size_t left = 0;
    for (size_t i = 0; i < state->piece_count; i++) {
        const struct operation *pending = &disk->operations[state->pieces[i].operation];
        bool same = pending->name == put->name ||
                    (pending->kind == OPERATION_RENAME && pending->to == put->name);
        if (!operation_is_name(pending->kind) || !same) {
            state->pieces[left++] = state->pieces[i];
        }
    }
    state->piece_count = left;
    operation_apply_name(disk, state->names, state->node_count, put);
    if (put->length > 0) {
        contents_write(&state->durable[put->node], 0, disk->bytes.data + put->bytes,
                       put->length);
    }
}

static void apply_flip(struct contents *durable, const struct operation *flip) {
    size_t at = flip->offset / 8;
    if (at < durable->size) {
        unsigned char byte;
        contents_read(durable, at, &byte, 1);
        byte = (unsigned char)(byte ^ (1U << (flip->offset % 8)));
        contents_write(durable, at, &byte, 1);
    }
}

static void apply_operation(const struct disk *disk, struct crash_state *state,
                            size_t index) {
    const struct operation *operation = &disk->operations[index];
    switch (operation->kind) {
    case OPERATION_WRITE:
    case OPERATION_STORE:
        if (!gone(disk, state, operation->node)) {
            add_data_pieces(state, index, operation);
        }
        break;
    case OPERATION_ALLOCATE:
    case OPERATION_TRUNCATE:
        if (!gone(disk, state, operation->node)) {
            add_piece(state, index, 0, 0);
        }
        break;
    case OPERATION_CREATE:
    case OPERATION_MAKE_DIRECTORY:
    case OPERATION_REMOVE:
    case OPERATION_RENAME:
    case OPERATION_LINK:
        add_piece(state, index, 0, 0);
        break;
    case OPERATION_SYNC:
    case OPERATION_SYNC_DIRECTORY:
        apply_sync(disk, state, operation);
        break;
    case OPERATION_SYNC_FAILED:
        apply_failed_sync(disk, state, operation);
        break;
    case OPERATION_PUT:
        apply_put(disk, state, operation);
        break;
    case OPERATION_FLIP:
        apply_flip(&state->durable[operation->node], operation);
        break;
    }
}

static void forget_contents(struct crash_state *state) {
    for (size_t i = 0; i < state->node_count; i++) {
        contents_free(&state->durable[i]);
    }
    state->node_count = 0;
    state->piece_count = 0;
    state->operation = 0;
}

/* Nodes made since the last call start as they were when the journal began. */
static void add_nodes(const struct disk *disk, struct crash_state *state) {
    if (disk->node_count > state->node_capacity) {
        size_t capacity = disk->node_count;
        state->node_capacity = capacity;
        state->durable = disk_resize(state->durable, capacity * sizeof *state->durable);
        state->names = disk_resize(state->names, capacity * sizeof *state->names);
        state->image_names =
            disk_resize(state->image_names, capacity * sizeof *state->image_names);
        state->image_slots =
            disk_resize(state->image_slots, capacity * sizeof *state->image_slots);
    }
    for (; state->node_count < disk->node_count; state->node_count++) {
        const struct node *node = &disk->nodes[state->node_count];
        state->durable[state->node_count] = contents_borrow(&node->base);
        state->names[state->node_count] = node->base_name;
    }
}

struct crash_state *crash_state_at(struct disk *disk, enum disk_profile profile,
                                   size_t operation) {
    disk_absorb_stores(disk);
    struct crash_state *state = disk->state;
    if (state == NULL) {
        state = disk_take(sizeof *state);
        *state = (struct crash_state){.profile = profile};
        disk->state = state;
    }
    if (state->profile != profile || state->operation > operation) {
        forget_contents(state);
        state->profile = profile;
    }
    add_nodes(disk, state);
    while (state->operation < operation && state->operation < disk->operation_count) {
        apply_operation(disk, state, state->operation);
        state->operation++;
    }
    return state;
}

void crash_state_free(struct crash_state *state) {
    if (state == NULL) {
        return;
    }
    forget_contents(state);
    free(state->durable);
    free(state->names);
    free(state->image_names);
    free(state->image_slots);
    free(state->pieces);
    free(state);
}

size_t disk_pending(struct disk *disk, enum disk_profile profile, size_t operation) {
    return crash_state_at(disk, profile, operation)->piece_count;
}

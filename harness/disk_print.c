/* The simulated disk in words, for counterexamples. */
#include "crash_state.h"

#include <stdlib.h>

static const char *const operation_words[] = {
    [OPERATION_WRITE] = "write",       [OPERATION_STORE] = "store",
    [OPERATION_ALLOCATE] = "allocate", [OPERATION_TRUNCATE] = "truncate",
    [OPERATION_SYNC] = "sync",         [OPERATION_SYNC_FAILED] = "failed sync",
    [OPERATION_CREATE] = "create",     [OPERATION_MAKE_DIRECTORY] = "make directory",
    [OPERATION_REMOVE] = "remove",     [OPERATION_RENAME] = "rename",
    [OPERATION_LINK] = "link",         [OPERATION_SYNC_DIRECTORY] = "sync directory",
    [OPERATION_PUT] = "put",           [OPERATION_FLIP] = "flip",
};

static const char *const fate_words[] = {
    [FATE_KEPT] = "kept",   [FATE_LOST] = "lost",           [FATE_ZERO] = "zeros",
    [FATE_NOISE] = "noise", [FATE_STALE] = "stale records",
};

/* The operation, or the part of it in [offset, offset + length). */
static void print_part(const struct disk *disk, const struct operation *operation,
                       size_t offset, size_t length, FILE *out) {
    fprintf(out, "%s %s", operation_words[operation->kind],
            disk_text(disk, operation->name));
    if (operation_is_data(operation->kind) || operation->kind == OPERATION_ALLOCATE) {
        fprintf(out, " [%zu, %zu)", offset, offset + length);
    } else if (operation->kind == OPERATION_TRUNCATE) {
        fprintf(out, " to %zu", length);
    } else if (operation->kind == OPERATION_RENAME) {
        fprintf(out, " to %s", disk_text(disk, operation->to));
    } else if (operation->kind == OPERATION_LINK) {
        fprintf(out, " of %s", disk_text(disk, operation->to));
    } else if (operation->kind == OPERATION_FLIP) {
        fprintf(out, " bit %zu", offset);
    }
}

void disk_print_operation(struct disk *disk, size_t index, FILE *out) {
    disk_absorb_stores(disk);
    if (index >= disk->operation_count) {
        fprintf(out, "%zu (the end)", index);
        return;
    }
    const struct operation *operation = &disk->operations[index];
    fprintf(out, "%zu ", index);
    print_part(disk, operation, operation->offset, operation->length, out);
}

static void print_piece(const struct disk *disk, const struct crash_state *state,
                        const struct crash *crash, size_t index, FILE *out) {
    const struct piece *piece = &state->pieces[index];
    const struct operation *operation = &disk->operations[piece->operation];
    bool data = operation_is_data(operation->kind);
    size_t offset = data ? piece->offset : operation->offset;
    size_t length = data ? piece->length : operation->length;
    const char *fate = fate_words[crash_fate(crash, index)];
    if (crash->split_sectors > 0 && crash->split_piece == index) {
        size_t torn = offset - offset % DISK_SECTOR_BYTES +
                      crash->split_sectors * DISK_SECTOR_BYTES;
        fprintf(out, "  torn at %zu, the rest %s: ", torn, fate);
    } else {
        fprintf(out, "  %s: ", fate);
    }
    print_part(disk, operation, offset, length, out);
    fputc('\n', out);
}

void disk_print_crash(struct disk *disk, const struct crash *plan, FILE *out) {
    struct crash crash = *plan;
    const struct crash_state *state =
        crash_state_at(disk, crash.profile, crash.operation);
    crash_make_legal(disk, state, &crash);
    fprintf(out, "power lost (%s) before operation ",
            crash.profile == DISK_POSIX ? "posix" : "ext4");
    disk_print_operation(disk, crash.operation, out);
    fprintf(out, "; pending: %zu\n", state->piece_count);
    for (size_t i = 0; i < state->piece_count; i++) {
        if (crash_fate(&crash, i) != FATE_KEPT) {
            print_piece(disk, state, &crash, i, out);
        }
    }
}

/* ---- what each file holds -------------------------------------------------------- */

enum mark { MARK_SYNCED, MARK_PENDING, MARK_ROOM, MARK_UNWRITTEN };

static const char *const mark_words[] = {
    [MARK_SYNCED] = "synced",
    [MARK_PENDING] = "pending",
    [MARK_ROOM] = "pending room",
    [MARK_UNWRITTEN] = "clean but unwritten",
};

static void mark_sync(struct contents *marks, bool failed) {
    for (size_t i = 0; i < marks->size; i++) {
        if (failed && marks->data[i] == MARK_PENDING) {
            marks->data[i] = MARK_UNWRITTEN;
        } else if (!failed && marks->data[i] != MARK_UNWRITTEN) {
            marks->data[i] = MARK_SYNCED;
        }
    }
}

static void mark_size(struct contents *marks, size_t size) {
    size_t before = marks->size;
    contents_resize(marks, size);
    contents_store(marks);
    if (size > before) {
        memset(marks->data + before, MARK_ROOM, size - before);
    }
}

/* One mark per byte of the node: the journal once more, as it concerns this file. */
static void mark_node(const struct disk *disk, uint32_t node, struct contents *marks) {
    contents_resize(marks, disk->nodes[node].base.size);
    contents_store(marks);
    for (size_t i = 0; i < disk->operation_count; i++) {
        const struct operation *operation = &disk->operations[i];
        size_t end = operation->offset + operation->length;
        if (operation->node != node) {
            continue;
        }
        if (operation_is_data(operation->kind)) {
            mark_size(marks, end > marks->size ? end : marks->size);
            memset(marks->data + operation->offset, MARK_PENDING, operation->length);
        } else if (operation->kind == OPERATION_PUT) {
            contents_resize(marks, operation->length);
            contents_store(marks);
        } else if (operation->kind == OPERATION_ALLOCATE ||
                   operation->kind == OPERATION_TRUNCATE) {
            mark_size(marks, end);
        } else if (operation->kind == OPERATION_SYNC ||
                   operation->kind == OPERATION_SYNC_FAILED) {
            mark_sync(marks, operation->kind == OPERATION_SYNC_FAILED);
        }
    }
}

void disk_print(struct disk *disk, FILE *out) {
    const struct crash_state *state =
        crash_state_at(disk, DISK_POSIX, disk_operations(disk));
    for (size_t i = 0; i < disk->node_count; i++) {
        const struct node *node = &disk->nodes[i];
        if (node->name == NO_NAME || node->directory) {
            continue;
        }
        fprintf(out, "%s: %zu bytes%s", disk_text(disk, node->name),
                disk->nodes[node->inode].cache.size,
                state->names[i] == node->name ? "" : ", name pending");
        struct contents marks = {0};
        mark_node(disk, node->inode, &marks);
        for (size_t first = 0; first < marks.size;) {
            size_t behind = first;
            while (behind < marks.size && marks.data[behind] == marks.data[first]) {
                behind++;
            }
            fprintf(out, "; [%zu, %zu) %s", first, behind, mark_words[marks.data[first]]);
            first = behind;
        }
        fputc('\n', out);
        contents_free(&marks);
    }
}

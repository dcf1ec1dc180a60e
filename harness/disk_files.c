/* Files of the simulated disk, as a tenant of common/file.h: contents, mappings, handles.
 * Each call first takes up what was stored into mappings, then asks what the fault makes
 * of it, then works. Names are in disk_names.c. */
#include "disk_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Whether some name leads to the contents of the node. */
static bool has_name(const struct disk *disk, size_t inode) {
    const struct node *nodes = disk->nodes;
    bool has = nodes[inode].name != NO_NAME;
    for (size_t i = 0; !has && nodes[inode].linked && i < disk->node_count; i++) {
        has = nodes[i].inode == inode && nodes[i].name != NO_NAME;
    }
    return has;
}

/* How many of `growth` further bytes there is room for. */
static size_t room(const struct disk *disk, size_t growth) {
    if (disk->capacity == SIZE_MAX) {
        return growth;
    }
    size_t used = 0;
    for (size_t i = 0; i < disk->node_count; i++) {
        const struct node *node = &disk->nodes[i];
        used += node->handles > 0 || has_name(disk, i) ? node->cache.size : 0;
    }
    size_t left = disk->capacity > used ? disk->capacity - used : 0;
    return left < growth ? left : growth;
}

/* ---- files ----------------------------------------------------------------------- */

int disk_answer(const struct disk *disk, enum verdict verdict) {
    return verdict == VERDICT_AFTER ? disk->faults.fault.errnum : 0;
}

enum verdict disk_begin(struct disk *disk, enum disk_call call, uint32_t name,
                        size_t transfer) {
    disk_absorb_stores(disk);
    return fault_call(&disk->faults, call, disk_text(disk, name), transfer);
}

static int disk_read_at(struct file *file, uint64_t offset, void *bytes, size_t count,
                        size_t *done) {
    struct handle *handle = (struct handle *)file;
    struct disk *disk = handle->disk;
    enum verdict verdict = disk_begin(disk, CALL_READ, handle->name, count);
    if (verdict == VERDICT_BEFORE) {
        return disk->faults.fault.errnum;
    }
    const struct contents *cache = &disk->nodes[handle->node].cache;
    size_t there = offset < cache->size ? cache->size - (size_t)offset : 0;
    count = verdict == VERDICT_SHORT ? count / 2 : count;
    *done = count < there ? count : there;
    if (*done > 0) {
        contents_read(cache, (size_t)offset, bytes, *done);
    }
    return disk_answer(disk, verdict);
}

static int disk_write_at(struct file *file, uint64_t offset, const void *bytes,
                         size_t count, size_t *done) {
    struct handle *handle = (struct handle *)file;
    struct disk *disk = handle->disk;
    enum verdict verdict = disk_begin(disk, CALL_WRITE, handle->name, count);
    if (verdict == VERDICT_BEFORE) {
        return disk->faults.fault.errnum;
    }
    if (!handle->writable) {
        return EBADF;
    }
    count = verdict == VERDICT_SHORT ? count / 2 : count;
    size_t size = disk->nodes[handle->node].cache.size;
    size_t end = (size_t)offset + count;
    size_t missing = end > size ? end - size : 0;
    size_t granted = room(disk, missing);
    if (granted < missing) {
        end = size + granted;
        if (end <= offset) {
            return ENOSPC;
        }
        count = end - (size_t)offset;
    }
    if (count > 0) {
        disk_change_bytes(disk, OPERATION_WRITE, handle->node, handle->name,
                          (size_t)offset, slice_make(bytes, count));
    }
    *done = count;
    return disk_answer(disk, verdict);
}

static int disk_sync(struct file *file) {
    struct handle *handle = (struct handle *)file;
    struct disk *disk = handle->disk;
    enum verdict verdict = disk_begin(disk, CALL_SYNC, handle->name, 0);
    int errnum = disk->faults.fault.errnum;
    if (verdict == VERDICT_BEFORE && errnum == EINTR) {
        return EINTR; /* a signal came before any page was tried */
    }
    enum operation_kind kind =
        verdict == VERDICT_BEFORE ? OPERATION_SYNC_FAILED : OPERATION_SYNC;
    disk_journal(disk, (struct operation){
                           .kind = kind, .node = handle->node, .name = handle->name});
    return verdict == VERDICT_BEFORE ? errnum : disk_answer(disk, verdict);
}

static int disk_truncate(struct file *file, uint64_t bytes) {
    struct handle *handle = (struct handle *)file;
    struct disk *disk = handle->disk;
    enum verdict verdict = disk_begin(disk, CALL_TRUNCATE, handle->name, 0);
    if (verdict == VERDICT_BEFORE) {
        return disk->faults.fault.errnum;
    }
    if (!handle->writable) {
        return EBADF;
    }
    if (bytes != disk->nodes[handle->node].cache.size) {
        disk_change_size(disk, OPERATION_TRUNCATE, handle->node, handle->name, 0,
                         (size_t)bytes);
    }
    return disk_answer(disk, verdict);
}

static int disk_allocate(struct file *file, uint64_t offset, uint64_t bytes) {
    struct handle *handle = (struct handle *)file;
    struct disk *disk = handle->disk;
    enum verdict verdict = disk_begin(disk, CALL_ALLOCATE, handle->name, 0);
    if (verdict == VERDICT_BEFORE) {
        return disk->faults.fault.errnum;
    }
    if (!handle->writable) {
        return EBADF;
    }
    size_t size = disk->nodes[handle->node].cache.size;
    size_t end = (size_t)(offset + bytes);
    if (end > size) {
        if (room(disk, end - size) < end - size) {
            return ENOSPC;
        }
        disk_change_size(disk, OPERATION_ALLOCATE, handle->node, handle->name,
                         (size_t)offset, (size_t)bytes);
    }
    return disk_answer(disk, verdict);
}

static int disk_size(struct file *file, uint64_t *bytes) {
    struct handle *handle = (struct handle *)file;
    enum verdict verdict = disk_begin(handle->disk, CALL_SIZE, handle->name, 0);
    if (verdict != VERDICT_WORK) {
        return handle->disk->faults.fault.errnum;
    }
    *bytes = handle->disk->nodes[handle->node].cache.size;
    return 0;
}

static int disk_map(struct file *file, uint64_t offset, size_t bytes, bool writable,
                    void **address) {
    struct handle *handle = (struct handle *)file;
    struct disk *disk = handle->disk;
    /* A mapping that was made and denied is one that nobody can use. */
    if (disk_begin(disk, CALL_MAP, handle->name, 0) != VERDICT_WORK) {
        return disk->faults.fault.errnum;
    }
    if (offset % FILE_MAP_BYTES != 0 || bytes == 0) {
        return EINVAL;
    }
    if (writable && !handle->writable) {
        return EACCES;
    }
    struct mapping *map = disk_take(sizeof *map);
    size_t whole = (bytes + FILE_MAP_BYTES - 1) / FILE_MAP_BYTES * FILE_MAP_BYTES;
    *map = (struct mapping){.next = disk->mappings,
                            .address = aligned_alloc(FILE_MAP_BYTES, whole),
                            .bytes = bytes,
                            .offset = (size_t)offset,
                            .node = handle->node,
                            .name = handle->name,
                            .writable = writable};
    if (map->address == NULL) {
        fputs("simulated disk: out of memory\n", stderr);
        abort();
    }
    disk->mappings = map;
    disk_refresh_mappings(disk, handle->node, map->offset, map->offset + bytes);
    *address = map->address;
    return 0;
}

static int disk_unmap(struct file *file, void *address, size_t bytes) {
    struct disk *disk = ((struct handle *)file)->disk;
    disk_absorb_stores(disk);
    struct mapping **link = &disk->mappings;
    while (*link != NULL && (*link)->address != address) {
        link = &(*link)->next;
    }
    struct mapping *map = *link;
    if (map == NULL || map->bytes != bytes) {
        return EINVAL;
    }
    *link = map->next;
    free(map->address);
    free(map);
    return 0;
}

void disk_free_handle(struct handle *handle) {
    struct node *node = &handle->disk->nodes[handle->node];
    node->handles--;
    node->locked = node->locked && !handle->lock;
    struct handle **link = &handle->disk->handles;
    while (*link != handle) {
        link = &(*link)->next;
    }
    *link = handle->next;
    free(handle->file.path);
    free(handle);
}

static int disk_close(struct file *file) {
    struct handle *handle = (struct handle *)file;
    struct disk *disk = handle->disk;
    enum verdict verdict = disk_begin(disk, CALL_CLOSE, handle->name, 0);
    disk_free_handle(handle);
    return verdict != VERDICT_WORK ? disk->faults.fault.errnum : 0;
}

/* It keeps nothing at hand: who will not wait is never answered from it. */
static bool disk_at_hand(struct file *file, uint64_t offset, size_t count) {
    (void)file;
    (void)offset;
    (void)count;
    return false;
}

const struct file_ops disk_file_ops = {
    .read_at = disk_read_at,
    .write_at = disk_write_at,
    .sync = disk_sync,
    .truncate = disk_truncate,
    .allocate = disk_allocate,
    .size = disk_size,
    .map = disk_map,
    .unmap = disk_unmap,
    .close = disk_close,
    .at_hand = disk_at_hand,
};

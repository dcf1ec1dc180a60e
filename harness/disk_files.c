/* The simulated disk's tenant of common/file.h: handles, locks, mappings, and the rules
 * of names. Each call first takes up what was stored into mappings, then asks what the
 * fault makes of it, then works. */
#include "disk_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How many of `growth` further bytes there is room for. */
static size_t room(const struct disk *disk, size_t growth) {
    if (disk->capacity == SIZE_MAX) {
        return growth;
    }
    size_t used = 0;
    for (size_t i = 0; i < disk->node_count; i++) {
        const struct node *node = &disk->nodes[i];
        used += node->name != NO_NAME || node->handles > 0 ? node->cache.size : 0;
    }
    size_t left = disk->capacity > used ? disk->capacity - used : 0;
    return left < growth ? left : growth;
}

/* ---- files ----------------------------------------------------------------------- */

/* What a call answers that worked: the fault may deny it. */
static int answer(const struct disk *disk, enum verdict verdict) {
    return verdict == VERDICT_AFTER ? disk->faults.fault.errnum : 0;
}

static enum verdict begin(struct disk *disk, enum disk_call call, uint32_t name,
                          size_t transfer) {
    disk_absorb_stores(disk);
    return fault_call(&disk->faults, call, disk_text(disk, name), transfer);
}

static int disk_read_at(struct file *file, uint64_t offset, void *bytes, size_t count,
                        size_t *done) {
    struct handle *handle = (struct handle *)file;
    struct disk *disk = handle->disk;
    enum verdict verdict = begin(disk, CALL_READ, handle->name, count);
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
    return answer(disk, verdict);
}

static int disk_write_at(struct file *file, uint64_t offset, const void *bytes,
                         size_t count, size_t *done) {
    struct handle *handle = (struct handle *)file;
    struct disk *disk = handle->disk;
    enum verdict verdict = begin(disk, CALL_WRITE, handle->name, count);
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
    return answer(disk, verdict);
}

static int disk_sync(struct file *file) {
    struct handle *handle = (struct handle *)file;
    struct disk *disk = handle->disk;
    enum verdict verdict = begin(disk, CALL_SYNC, handle->name, 0);
    int errnum = disk->faults.fault.errnum;
    if (verdict == VERDICT_BEFORE && errnum == EINTR) {
        return EINTR; /* a signal came before any page was tried */
    }
    enum operation_kind kind =
        verdict == VERDICT_BEFORE ? OPERATION_SYNC_FAILED : OPERATION_SYNC;
    disk_journal(disk, (struct operation){
                           .kind = kind, .node = handle->node, .name = handle->name});
    return verdict == VERDICT_BEFORE ? errnum : answer(disk, verdict);
}

static int disk_truncate(struct file *file, uint64_t bytes) {
    struct handle *handle = (struct handle *)file;
    struct disk *disk = handle->disk;
    enum verdict verdict = begin(disk, CALL_TRUNCATE, handle->name, 0);
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
    return answer(disk, verdict);
}

static int disk_allocate(struct file *file, uint64_t offset, uint64_t bytes) {
    struct handle *handle = (struct handle *)file;
    struct disk *disk = handle->disk;
    enum verdict verdict = begin(disk, CALL_ALLOCATE, handle->name, 0);
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
    return answer(disk, verdict);
}

static int disk_size(struct file *file, uint64_t *bytes) {
    struct handle *handle = (struct handle *)file;
    enum verdict verdict = begin(handle->disk, CALL_SIZE, handle->name, 0);
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
    if (begin(disk, CALL_MAP, handle->name, 0) != VERDICT_WORK) {
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
    enum verdict verdict = begin(disk, CALL_CLOSE, handle->name, 0);
    disk_free_handle(handle);
    return verdict != VERDICT_WORK ? disk->faults.fault.errnum : 0;
}

static const struct file_ops file_ops = {
    .read_at = disk_read_at,
    .write_at = disk_write_at,
    .sync = disk_sync,
    .truncate = disk_truncate,
    .allocate = disk_allocate,
    .size = disk_size,
    .map = disk_map,
    .unmap = disk_unmap,
    .close = disk_close,
};

/* ---- names, as operations -------------------------------------------------------- */

static struct file *new_handle(struct disk *disk, const char *path, uint32_t name,
                               uint32_t node, bool writable) {
    struct handle *handle = disk_take(sizeof *handle);
    size_t length = strlen(path) + 1;
    *handle = (struct handle){.file = {&file_ops, disk_take(length)},
                              .disk = disk,
                              .next = disk->handles,
                              .node = node,
                              .name = name,
                              .writable = writable};
    memcpy(handle->file.path, path, length);
    disk->handles = handle;
    disk->nodes[node].handles++;
    return &handle->file;
}

static uint32_t create(struct disk *disk, uint32_t name, bool directory) {
    uint32_t node = disk_add_node(disk, name, directory);
    disk_journal(disk, (struct operation){.kind = directory ? OPERATION_MAKE_DIRECTORY
                                                            : OPERATION_CREATE,
                                          .node = node,
                                          .name = name});
    return node;
}

/* Finds or makes what `mode` asks for; the node, or an errno. */
static int open_node(struct disk *disk, uint32_t name, enum file_mode mode,
                     uint32_t *node) {
    if (disk_is_directory(disk, name)) {
        return EISDIR;
    }
    *node = disk_node_named(disk, name);
    if (*node != NO_NODE && mode == FILE_CREATE) {
        return EEXIST;
    }
    if (*node == NO_NODE && (mode == FILE_READ || mode == FILE_WRITE)) {
        return ENOENT;
    }
    if (*node == NO_NODE) {
        if (!disk_is_directory(disk, disk->names[name].parent)) {
            return ENOENT;
        }
        *node = create(disk, name, false);
    } else if (mode == FILE_OVERWRITE && disk->nodes[*node].cache.size > 0) {
        disk_change_size(disk, OPERATION_TRUNCATE, *node, name, 0, 0);
    }
    return 0;
}

/* Every operation on a path begins here. */
static int begin_path(struct disk *disk, enum disk_call call, const char *path,
                      enum verdict *verdict, uint32_t *name) {
    if (strlen(path) >= DISK_PATH_BYTES) {
        return ENAMETOOLONG;
    }
    *name = disk_name(disk, path);
    *verdict = begin(disk, call, *name, 0);
    return *verdict == VERDICT_BEFORE ? disk->faults.fault.errnum : 0;
}

static int disk_open(void *state, const char *path, enum file_mode mode,
                     struct file **file) {
    struct disk *disk = state;
    enum verdict verdict;
    uint32_t name;
    uint32_t node = NO_NODE;
    int errnum = begin_path(disk, CALL_OPEN, path, &verdict, &name);
    errnum = errnum == 0 ? open_node(disk, name, mode, &node) : errnum;
    errnum = errnum == 0 ? answer(disk, verdict) : errnum;
    if (errnum == 0) {
        *file = new_handle(disk, path, name, node, mode != FILE_READ);
    }
    return errnum;
}

static int disk_lock(void *state, const char *path, struct file **file) {
    struct disk *disk = state;
    enum verdict verdict;
    uint32_t name;
    uint32_t node = NO_NODE;
    int errnum = begin_path(disk, CALL_LOCK, path, &verdict, &name);
    if (errnum != 0) {
        return errnum;
    }
    node = disk_node_named(disk, name);
    if (node == NO_NODE) {
        errnum = open_node(disk, name, FILE_CREATE, &node);
    } else if (disk->nodes[node].directory) {
        errnum = EISDIR;
    } else if (disk->nodes[node].locked) {
        errnum = EAGAIN;
    }
    errnum = errnum == 0 ? answer(disk, verdict) : errnum;
    if (errnum == 0) {
        *file = new_handle(disk, path, name, node, true);
        ((struct handle *)*file)->lock = true;
        disk->nodes[node].locked = true;
    }
    return errnum;
}

static int disk_remove(void *state, const char *path) {
    struct disk *disk = state;
    enum verdict verdict;
    uint32_t name;
    int errnum = begin_path(disk, CALL_REMOVE, path, &verdict, &name);
    if (errnum != 0) {
        return errnum;
    }
    if (disk_is_directory(disk, name)) {
        return EISDIR;
    }
    uint32_t node = disk_node_named(disk, name);
    if (node == NO_NODE) {
        return ENOENT;
    }
    disk->nodes[node].name = NO_NAME;
    disk_journal(
        disk, (struct operation){.kind = OPERATION_REMOVE, .node = node, .name = name});
    return answer(disk, verdict);
}

static int disk_rename(void *state, const char *from, const char *to) {
    struct disk *disk = state;
    enum verdict verdict;
    uint32_t name;
    int errnum = begin_path(disk, CALL_RENAME, from, &verdict, &name);
    if (errnum != 0 || strlen(to) >= DISK_PATH_BYTES) {
        return errnum != 0 ? errnum : ENAMETOOLONG;
    }
    uint32_t to_name = disk_name(disk, to);
    if (disk_is_directory(disk, name) || disk_is_directory(disk, to_name)) {
        return EISDIR;
    }
    uint32_t node = disk_node_named(disk, name);
    if (node == NO_NODE || !disk_is_directory(disk, disk->names[to_name].parent)) {
        return ENOENT;
    }
    if (to_name != name) {
        uint32_t replaced = disk_node_named(disk, to_name);
        if (replaced != NO_NODE) {
            disk->nodes[replaced].name = NO_NAME;
        }
        disk->nodes[node].name = to_name;
        disk_journal(disk, (struct operation){.kind = OPERATION_RENAME,
                                              .node = node,
                                              .name = name,
                                              .to = to_name});
    }
    return answer(disk, verdict);
}

static int disk_make_directory(void *state, const char *path) {
    struct disk *disk = state;
    enum verdict verdict;
    uint32_t name;
    int errnum = begin_path(disk, CALL_MAKE_DIRECTORY, path, &verdict, &name);
    if (errnum != 0) {
        return errnum;
    }
    if (name == NO_NAME || disk_node_named(disk, name) != NO_NODE) {
        return EEXIST;
    }
    if (!disk_is_directory(disk, disk->names[name].parent)) {
        return ENOENT;
    }
    create(disk, name, true);
    return answer(disk, verdict);
}

static int disk_sync_directory(void *state, const char *path) {
    struct disk *disk = state;
    enum verdict verdict;
    uint32_t name;
    int errnum = begin_path(disk, CALL_SYNC_DIRECTORY, path, &verdict, &name);
    if (errnum != 0) {
        return errnum;
    }
    if (!disk_is_directory(disk, name)) {
        return disk_node_named(disk, name) == NO_NODE ? ENOENT : ENOTDIR;
    }
    disk_journal(disk, (struct operation){.kind = OPERATION_SYNC_DIRECTORY,
                                          .node = NO_NODE,
                                          .name = name});
    return answer(disk, verdict);
}

static int disk_list(void *state, const char *path, file_visitor *visit, void *context) {
    struct disk *disk = state;
    enum verdict verdict;
    uint32_t name;
    int errnum = begin_path(disk, CALL_LIST, path, &verdict, &name);
    if (errnum != 0) {
        return errnum;
    }
    if (!disk_is_directory(disk, name)) {
        return disk_node_named(disk, name) == NO_NODE ? ENOENT : ENOTDIR;
    }
    /* An order that is no order: neither by age nor by name. 5i + 3 runs through all
     * residues of a power of two. */
    size_t count = disk->node_count;
    size_t power = 1;
    while (power < count) {
        power *= 2;
    }
    for (size_t i = 0; i < power; i++) {
        size_t node = (5 * i + 3) & (power - 1);
        uint32_t entry = node < count ? disk->nodes[node].name : NO_NAME;
        if (entry != NO_NAME && disk->names[entry].parent == name) {
            const char *text = disk->names[entry].text;
            visit(context,
                  name == NO_NAME ? text : text + strlen(disk_text(disk, name)) + 1);
        }
    }
    return answer(disk, verdict);
}

const struct file_system_ops disk_file_system_ops = {
    .open = disk_open,
    .remove = disk_remove,
    .rename = disk_rename,
    .make_directory = disk_make_directory,
    .sync_directory = disk_sync_directory,
    .list = disk_list,
    .lock = disk_lock,
};

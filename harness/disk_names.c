/* Names of the simulated disk, as a tenant of common/file.h: files, directories, links,
 * locks. */
#include "disk_state.h"

#include <errno.h>
#include <string.h>

static struct file *new_handle(struct disk *disk, const char *path, uint32_t name,
                               uint32_t node, bool writable) {
    struct handle *handle = disk_take(sizeof *handle);
    size_t length = strlen(path) + 1;
    *handle = (struct handle){.file = {&disk_file_ops, disk_take(length)},
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
                                          .name = name,
                                          .length = disk->node_count - 1});
    return node;
}

static bool is_empty(const struct disk *disk, uint32_t directory) {
    for (size_t i = 0; i < disk->node_count; i++) {
        uint32_t name = disk->nodes[i].name;
        if (name != NO_NAME && disk->names[name].parent == directory) {
            return false;
        }
    }
    return true;
}

/* Finds or makes what `mode` asks for; the node, or an errno. */
static int open_node(struct disk *disk, uint32_t name, enum file_mode mode,
                     uint32_t *node) {
    if (disk_is_directory(disk, name)) {
        return EISDIR;
    }
    *node = disk_inode_named(disk, name);
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
    *verdict = disk_begin(disk, call, *name, 0);
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
    errnum = errnum == 0 ? disk_answer(disk, verdict) : errnum;
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
    node = disk_inode_named(disk, name);
    if (node == NO_NODE) {
        errnum = open_node(disk, name, FILE_CREATE, &node);
    } else if (disk->nodes[node].directory) {
        errnum = EISDIR;
    } else if (disk->nodes[node].locked) {
        errnum = EAGAIN;
    }
    errnum = errnum == 0 ? disk_answer(disk, verdict) : errnum;
    if (errnum == 0) {
        *file = new_handle(disk, path, name, node, true);
        ((struct handle *)*file)->lock = true;
        disk->nodes[node].locked = true;
    }
    return errnum;
}

/* Errnos of rename(2). Live names move as they do in a crash state. */
static int rename_directory(struct disk *disk, uint32_t name, uint32_t to) {
    uint32_t node = disk_node_named(disk, name);
    uint32_t replaced = disk_node_named(disk, to);
    if (name == NO_NAME || to == NO_NAME) {
        return EBUSY;
    }
    if (disk_is_below(disk, to, name)) {
        return EINVAL;
    }
    if (replaced != NO_NODE && !disk->nodes[replaced].directory) {
        return ENOTDIR;
    }
    if (to == name) {
        return 0;
    }
    if (!is_empty(disk, to)) {
        return ENOTEMPTY;
    }
    if (!disk_is_directory(disk, disk->names[to].parent)) {
        return ENOENT;
    }
    disk_prepare_move(disk, name, to);
    for (size_t i = 0; i < disk->node_count; i++) {
        struct node *below = &disk->nodes[i];
        if (below->name != NO_NAME && disk_is_below(disk, below->name, name)) {
            below->name = disk_name_moved(disk, below->name, name, to);
        }
    }
    if (replaced != NO_NODE) {
        disk->nodes[replaced].name = NO_NAME;
    }
    disk->nodes[node].name = to;
    disk_journal(disk, (struct operation){.kind = OPERATION_RENAME,
                                          .node = node,
                                          .name = name,
                                          .to = to,
                                          .length = disk->node_count});
    return 0;
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
    return disk_answer(disk, verdict);
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
    if (disk_is_directory(disk, name)) {
        errnum = rename_directory(disk, name, to_name);
        return errnum != 0 ? errnum : disk_answer(disk, verdict);
    }
    if (disk_is_directory(disk, to_name)) {
        return EISDIR;
    }
    uint32_t node = disk_node_named(disk, name);
    if (node == NO_NODE || !disk_is_directory(disk, disk->names[to_name].parent)) {
        return ENOENT;
    }
    uint32_t replaced = disk_node_named(disk, to_name);
    bool same =
        replaced != NO_NODE && disk->nodes[replaced].inode == disk->nodes[node].inode;
    if (!same) { /* rename(2): of two names of one file, both stay */
        if (replaced != NO_NODE) {
            disk->nodes[replaced].name = NO_NAME;
        }
        disk->nodes[node].name = to_name;
        disk_journal(disk, (struct operation){.kind = OPERATION_RENAME,
                                              .node = node,
                                              .name = name,
                                              .to = to_name});
    }
    return disk_answer(disk, verdict);
}

static int disk_link(void *state, const char *from, const char *to) {
    struct disk *disk = state;
    enum verdict verdict;
    uint32_t name;
    int errnum = begin_path(disk, CALL_LINK, to, &verdict, &name);
    if (errnum != 0) {
        return errnum;
    }
    uint32_t from_name = disk_name(disk, from);
    uint32_t inode = disk_inode_named(disk, from_name);
    if (disk_is_directory(disk, from_name)) {
        return EPERM;
    }
    if (name == NO_NAME || disk_node_named(disk, name) != NO_NODE) {
        return EEXIST;
    }
    if (inode == NO_NODE || !disk_is_directory(disk, disk->names[name].parent)) {
        return ENOENT;
    }
    uint32_t node = disk_add_node(disk, name, false);
    disk->nodes[node].inode = inode;
    disk->nodes[inode].linked = true;
    disk_journal(
        disk, (struct operation){
                  .kind = OPERATION_LINK, .node = node, .name = name, .to = from_name});
    return disk_answer(disk, verdict);
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
    return disk_answer(disk, verdict);
}

static int disk_remove_directory(void *state, const char *path) {
    struct disk *disk = state;
    enum verdict verdict;
    uint32_t name;
    int errnum = begin_path(disk, CALL_REMOVE_DIRECTORY, path, &verdict, &name);
    if (errnum != 0) {
        return errnum;
    }
    uint32_t node = disk_node_named(disk, name);
    if (name == NO_NAME || node == NO_NODE || !disk->nodes[node].directory) {
        return name == NO_NAME ? EBUSY : node == NO_NODE ? ENOENT : ENOTDIR;
    }
    if (!is_empty(disk, name)) {
        return ENOTEMPTY;
    }
    disk->nodes[node].name = NO_NAME;
    disk_journal(disk, (struct operation){.kind = OPERATION_REMOVE,
                                          .node = node,
                                          .name = name,
                                          .length = disk->node_count});
    return disk_answer(disk, verdict);
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
    return disk_answer(disk, verdict);
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
    return disk_answer(disk, verdict);
}

/* Everything is everybody's here. */
static int disk_copy_access(void *state, const char *from, const char *to) {
    (void)state, (void)from, (void)to;
    return 0;
}

const struct file_system_ops disk_file_system_ops = {
    .open = disk_open,
    .remove = disk_remove,
    .rename = disk_rename,
    .link = disk_link,
    .copy_access = disk_copy_access,
    .make_directory = disk_make_directory,
    .remove_directory = disk_remove_directory,
    .sync_directory = disk_sync_directory,
    .list = disk_list,
    .lock = disk_lock,
};

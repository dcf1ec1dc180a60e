/* The simulated disk as a running process sees it: names, contents, handles, mappings,
 * and the journal of all that changes them. What of it survives a loss of power is
 * computed from the journal alone, in crash_state.c. */
#include "disk.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "crash_state.h"
#include "disk_state.h"

enum {
    /* Stores closer together than this are one: a record's zero bytes, stored over zeros,
     * do not show, and must not cut it in pieces. */
    STORE_GAP_BYTES = 64
};

/* ---- names and nodes ------------------------------------------------------------- */

/* "/db/", "./db" and "db" are one path; the root is "". */
static struct slice path_trim(const char *path) {
    while (path[0] == '/' || (path[0] == '.' && (path[1] == '/' || path[1] == '\0'))) {
        path++;
    }
    struct slice trimmed = slice_of(path);
    while (trimmed.length > 0 && trimmed.data[trimmed.length - 1] == '/') {
        trimmed.length--;
    }
    return trimmed;
}

static uint32_t look_up(const struct disk *disk, struct slice path, uint64_t hash) {
    for (size_t i = 0; i < disk->name_count; i++) {
        if (disk->names[i].hash == hash &&
            slice_equal(slice_of(disk->names[i].text), path)) {
            return (uint32_t)i;
        }
    }
    return NO_NAME;
}

static uint32_t intern(struct disk *disk, struct slice path) {
    if (path.length == 0) {
        return NO_NAME;
    }
    uint64_t hash = XXH3_64bits(path.data, path.length);
    uint32_t known = look_up(disk, path, hash);
    if (known != NO_NAME) {
        return known;
    }
    struct slice parent = path;
    while (parent.length > 0 && parent.data[parent.length - 1] != '/') {
        parent.length--;
    }
    parent.length -= parent.length > 0;
    uint32_t parent_name = intern(disk, parent);
    char *text = disk_take(path.length + 1);
    memcpy(text, path.data, path.length);
    text[path.length] = '\0';
    disk->names = disk_grow(disk->names, disk->name_count, &disk->name_capacity,
                            sizeof *disk->names);
    disk->names[disk->name_count] = (struct name){text, hash, parent_name};
    return (uint32_t)disk->name_count++;
}

uint32_t disk_name(struct disk *disk, const char *path) {
    return intern(disk, path_trim(path));
}

const char *disk_text(const struct disk *disk, uint32_t name) {
    return name == NO_NAME ? "." : disk->names[name].text;
}

uint32_t disk_node_named(const struct disk *disk, uint32_t name) {
    for (size_t i = 0; i < disk->node_count; i++) {
        if (disk->nodes[i].name == name && name != NO_NAME) {
            return (uint32_t)i;
        }
    }
    return NO_NODE;
}

uint32_t disk_inode_named(const struct disk *disk, uint32_t name) {
    uint32_t node = disk_node_named(disk, name);
    return node == NO_NODE ? NO_NODE : disk->nodes[node].inode;
}

bool disk_is_below(const struct disk *disk, uint32_t name, uint32_t directory) {
    while (name != NO_NAME && disk->names[name].parent != directory) {
        name = disk->names[name].parent;
    }
    return name != NO_NAME;
}

/* On the heap (free). */
static char *moved_text(const struct disk *disk, uint32_t name, uint32_t from,
                        uint32_t to) {
    const char *rest = disk->names[name].text + strlen(disk->names[from].text);
    size_t length = strlen(disk->names[to].text);
    char *text = disk_take(length + strlen(rest) + 1);
    memcpy(text, disk->names[to].text, length);
    strcpy(text + length, rest);
    return text;
}

uint32_t disk_name_moved(const struct disk *disk, uint32_t name, uint32_t from,
                         uint32_t to) {
    char *text = moved_text(disk, name, from, to);
    size_t length = strlen(text);
    uint32_t moved = look_up(disk, slice_make(text, length), XXH3_64bits(text, length));
    free(text);
    return moved;
}

void disk_prepare_move(struct disk *disk, uint32_t from, uint32_t to) {
    size_t count = disk->name_count;
    for (size_t i = 0; i < count; i++) {
        if (disk_is_below(disk, (uint32_t)i, from)) {
            char *text = moved_text(disk, (uint32_t)i, from, to);
            (void)intern(disk, slice_of(text));
            free(text);
        }
    }
}

bool disk_is_directory(const struct disk *disk, uint32_t name) {
    uint32_t node = disk_node_named(disk, name);
    return name == NO_NAME || (node != NO_NODE && disk->nodes[node].directory);
}

uint32_t disk_add_node(struct disk *disk, uint32_t name, bool directory) {
    disk->nodes = disk_grow(disk->nodes, disk->node_count, &disk->node_capacity,
                            sizeof *disk->nodes);
    disk->nodes[disk->node_count] = (struct node){.directory = directory,
                                                  .inode = (uint32_t)disk->node_count,
                                                  .name = name,
                                                  .base_name = NO_NAME};
    return (uint32_t)disk->node_count++;
}

struct node *disk_add_base_node(struct disk *disk, uint32_t name, bool directory) {
    struct node *node = &disk->nodes[disk_add_node(disk, name, directory)];
    node->base_name = name;
    return node;
}

/* ---- the journal, and what it does to the live state ----------------------------- */

void disk_journal(struct disk *disk, struct operation operation) {
    disk->operations = disk_grow(disk->operations, disk->operation_count,
                                 &disk->operation_capacity, sizeof *disk->operations);
    disk->operations[disk->operation_count++] = operation;
}

void disk_refresh_mappings(struct disk *disk, uint32_t node, size_t first,
                           size_t behind) {
    const struct contents *cache = &disk->nodes[node].cache;
    for (struct mapping *map = disk->mappings; map != NULL; map = map->next) {
        size_t from = first > map->offset ? first : map->offset;
        size_t to = behind < map->offset + map->bytes ? behind : map->offset + map->bytes;
        if (map->node != node || from >= to) {
            continue;
        }
        contents_read(cache, from, map->address + (from - map->offset), to - from);
    }
}

void disk_change_bytes(struct disk *disk, enum operation_kind kind, uint32_t node,
                       uint32_t name, size_t offset, struct slice bytes) {
    size_t at = disk->bytes.size;
    struct contents *cache = &disk->nodes[node].cache;
    size_t first = offset < cache->size ? offset : cache->size;
    contents_write(&disk->bytes, at, bytes.data, bytes.length);
    disk_journal(disk, (struct operation){.kind = kind,
                                          .node = node,
                                          .name = name,
                                          .offset = offset,
                                          .length = bytes.length,
                                          .bytes = at});
    contents_write(cache, offset, disk->bytes.data + at, bytes.length);
    disk_refresh_mappings(disk, node, first, offset + bytes.length);
}

void disk_change_size(struct disk *disk, enum operation_kind kind, uint32_t node,
                      uint32_t name, size_t offset, size_t length) {
    struct contents *cache = &disk->nodes[node].cache;
    size_t end = offset + length;
    size_t first = end < cache->size ? end : cache->size;
    size_t behind = end < cache->size ? cache->size : end;
    disk_journal(disk, (struct operation){.kind = kind,
                                          .node = node,
                                          .name = name,
                                          .offset = offset,
                                          .length = length});
    contents_resize(cache, end);
    disk_refresh_mappings(disk, node, first, behind);
}

/* The first place from `at` on where the two differ, or `end`; eight at a time while it
 * can. */
static size_t first_difference(const unsigned char *a, const unsigned char *b, size_t at,
                               size_t end) {
    while (at + 8 <= end && memcmp(a + at, b + at, 8) == 0) {
        at += 8;
    }
    while (at < end && a[at] == b[at]) {
        at++;
    }
    return at;
}

/* Behind the last place of [at, end) where the two differ, or `at`. */
static size_t last_difference(const unsigned char *a, const unsigned char *b, size_t at,
                              size_t end) {
    while (end >= at + 8 && memcmp(a + end - 8, b + end - 8, 8) == 0) {
        end -= 8;
    }
    while (end > at && a[end - 1] == b[end - 1]) {
        end--;
    }
    return end;
}

/* A run of changed bytes, that nothing follows within STORE_GAP_BYTES. */
struct store {
    size_t first;
    size_t behind; /* `first`: there is none yet */
};

static void journal_store(struct disk *disk, const struct mapping *map,
                          const struct store *store) {
    if (store->behind > store->first) {
        disk_change_bytes(
            disk, OPERATION_STORE, map->node, map->name, map->offset + store->first,
            slice_make(map->address + store->first, store->behind - store->first));
    }
}

/* Takes up [page, end) of the mapping, in whose place the file has `was`. The store goes
 * on in the next page, or is journalled when the next one begins. */
static void absorb_page(struct disk *disk, const struct mapping *map, size_t page,
                        size_t end, const unsigned char *was, struct store *store) {
    const unsigned char *is = map->address + page;
    size_t count = end - page;
    for (size_t at = first_difference(is, was, 0, count); at < count;
         at = first_difference(is, was, at, count)) {
        if (store->behind == store->first ||
            page + at >= store->behind + STORE_GAP_BYTES) {
            journal_store(disk, map, store);
            store->first = page + at;
        }
        size_t near = at + STORE_GAP_BYTES < count ? at + STORE_GAP_BYTES : count;
        at = last_difference(is, was, at, near);
        store->behind = page + at;
    }
}

static void absorb_mapping(struct disk *disk, const struct mapping *map) {
    const struct contents *cache = &disk->nodes[map->node].cache;
    size_t end = cache->size > map->offset ? cache->size - map->offset : 0;
    end = end < map->bytes ? end : map->bytes;
    struct store store = {0};
    for (size_t page = 0; page < end; page += FILE_MAP_BYTES) {
        size_t page_end = page + FILE_MAP_BYTES < end ? page + FILE_MAP_BYTES : end;
        if (!contents_equal(cache, map->offset + page, map->address + page,
                            page_end - page)) {
            unsigned char was[FILE_MAP_BYTES];
            contents_read(cache, map->offset + page, was, page_end - page);
            absorb_page(disk, map, page, page_end, was, &store);
        }
    }
    journal_store(disk, map, &store);
}

void disk_absorb_stores(struct disk *disk) {
    for (const struct mapping *map = disk->mappings; map != NULL; map = map->next) {
        if (map->writable) {
            absorb_mapping(disk, map);
        }
    }
}

/* ---- the disk -------------------------------------------------------------------- */

struct disk *disk_new(void) {
    struct disk *disk = disk_take(sizeof *disk);
    *disk = (struct disk){.files = {&disk_file_system_ops, disk}, .capacity = SIZE_MAX};
    return disk;
}

void disk_kill(struct disk *disk) {
    disk_absorb_stores(disk);
    while (disk->handles != NULL) {
        disk_free_handle(disk->handles);
    }
    while (disk->mappings != NULL) {
        struct mapping *map = disk->mappings;
        disk->mappings = map->next;
        free(map->address);
        free(map);
    }
}

void disk_free(struct disk *disk) {
    if (disk == NULL) {
        return;
    }
    disk_kill(disk);
    crash_state_free(disk->state);
    for (size_t i = 0; i < disk->node_count; i++) {
        contents_free(&disk->nodes[i].base);
        contents_free(&disk->nodes[i].cache);
    }
    for (size_t i = 0; i < disk->name_count; i++) {
        free(disk->names[i].text);
    }
    contents_free(&disk->bytes);
    free(disk->operations);
    free(disk->nodes);
    free(disk->names);
    free(disk);
}

const struct file_system *disk_files(struct disk *disk) {
    return &disk->files;
}

size_t disk_operations(struct disk *disk) {
    disk_absorb_stores(disk);
    return disk->operation_count;
}

size_t disk_open_handles(struct disk *disk) {
    size_t count = 0;
    for (const struct handle *handle = disk->handles; handle != NULL;
         handle = handle->next) {
        count += 1 + handle->lock;
    }
    for (const struct mapping *map = disk->mappings; map != NULL; map = map->next) {
        count++;
    }
    return count;
}

void disk_set_capacity(struct disk *disk, size_t bytes) {
    disk->capacity = bytes;
}

/* A sum, so that the order of the nodes does not matter. */
uint64_t disk_fingerprint(struct disk *disk) {
    disk_absorb_stores(disk);
    uint64_t sum = 0;
    for (size_t i = 0; i < disk->node_count; i++) {
        const struct node *node = &disk->nodes[i];
        if (node->name != NO_NAME) {
            uint64_t seed = disk->names[node->name].hash + node->directory;
            sum += contents_hash(&disk->nodes[node->inode].cache, seed);
        }
    }
    return sum;
}

/* ---- behind the engine's back ---------------------------------------------------- */

bool disk_read_file(struct disk *disk, const char *path, struct slice *contents) {
    disk_absorb_stores(disk);
    uint32_t node = disk_inode_named(disk, disk_name(disk, path));
    if (node == NO_NODE || disk->nodes[node].directory) {
        return false;
    }
    struct contents *cache = &disk->nodes[node].cache;
    contents_store(cache);
    *contents = slice_make(cache->size > 0 ? (const void *)cache->data : "", cache->size);
    return true;
}

bool disk_flip_bit(struct disk *disk, const char *path, uint64_t bit) {
    disk_absorb_stores(disk);
    uint32_t name = disk_name(disk, path);
    uint32_t node = disk_inode_named(disk, name);
    if (node == NO_NODE || bit / 8 >= disk->nodes[node].cache.size) {
        return false;
    }
    size_t at = (size_t)(bit / 8);
    unsigned char byte;
    contents_read(&disk->nodes[node].cache, at, &byte, 1);
    byte = (unsigned char)(byte ^ (1U << (bit % 8)));
    disk_journal(disk, (struct operation){.kind = OPERATION_FLIP,
                                          .node = node,
                                          .name = name,
                                          .offset = (size_t)bit});
    contents_write(&disk->nodes[node].cache, at, &byte, 1);
    disk_refresh_mappings(disk, node, at, at + 1);
    return true;
}

static uint32_t put_node(struct disk *disk, uint32_t name, bool directory) {
    uint32_t parent = disk->names[name].parent;
    if (!disk_is_directory(disk, parent)) {
        put_node(disk, parent, true);
    }
    uint32_t old = disk_node_named(disk, name);
    if (old != NO_NODE) {
        disk->nodes[old].name = NO_NAME;
    }
    uint32_t node = disk_add_node(disk, name, directory);
    disk_journal(disk, (struct operation){.kind = OPERATION_PUT,
                                          .node = node,
                                          .name = name,
                                          .bytes = disk->bytes.size});
    return node;
}

void disk_put_file(struct disk *disk, const char *path, struct slice contents) {
    disk_absorb_stores(disk);
    uint32_t node = put_node(disk, disk_name(disk, path), false);
    if (contents.length > 0) {
        struct operation *put = &disk->operations[disk->operation_count - 1];
        put->length = contents.length;
        contents_write(&disk->bytes, put->bytes, contents.data, contents.length);
        contents_write(&disk->nodes[node].cache, 0, contents.data, contents.length);
    }
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void disk_list_files(struct disk *disk, void (*visit)(void *context, const char *path),
                     void *context) {
    const char **paths = disk_take(disk->node_count * sizeof *paths);
    size_t count = 0;
    for (size_t i = 0; i < disk->node_count; i++) {
        const struct node *node = &disk->nodes[i];
        if (node->name != NO_NAME && !node->directory) {
            paths[count++] = disk_text(disk, node->name);
        }
    }
    qsort(paths, count, sizeof *paths, compare_texts);
    for (size_t i = 0; i < count; i++) {
        visit(context, paths[i]);
    }
    free(paths);
}

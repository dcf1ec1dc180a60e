/* To put a table in force is to rename it. Tables come one after the other, each with the
 * changes that follow those of the one before, and each is named durably before the next
 * is named. So after any crash the tables that are there go from the first change to
 * some other, without a gap; a gap means that a table was lost by other means. */
#include "catalog_listing.h"

#include <inttypes.h>
#include <stdlib.h>

#include "current.h"
#include "failpoint.h"
#include "memory.h"
#include "table.h"
#include "table_file.h"

struct catalog_of_listing {
    struct directory *directory;
    bool current; /* CURRENT is written */
};

/* ---- what the directory holds ---------------------------------------------------- */

/* First and last key, and what the properties say. */
static enum status read_meta(struct table *table, const char *path,
                             struct table_meta *meta, struct error *error) {
    const struct properties *properties = table_properties(table);
    struct iter *iter = NULL;
    if (properties == NULL || properties->smallest_sequence == 0) {
        return error_set(error, STATUS_CORRUPT,
                         "%s: the table does not say which changes it holds", path);
    }
    meta->smallest_sequence = properties->smallest_sequence;
    meta->largest_sequence = properties->largest_sequence;
    meta->entries = properties->entries;
    enum status status = table_iter(table, &iter, error);
    if (status != STATUS_OK) {
        return status;
    }
    iter_first(iter);
    if (iter->valid) {
        status = buf_assign(&meta->smallest, iter->key);
        iter_last(iter);
    }
    if (status == STATUS_OK && iter->valid) {
        status = buf_assign(&meta->largest, iter->key);
    }
    if (status != STATUS_OK) {
        status = error_no_memory(error, "a table's keys", iter->key.length);
    } else if (!iter->valid) {
        status = iter->error.status == STATUS_OK
                     ? error_set(error, STATUS_CORRUPT, "%s: the table is empty", path)
                     : error_set(error, iter->error.status, "%s", iter->error.message);
    }
    iter_close(iter);
    return status;
}

static enum status scan_table(const struct directory *directory,
                              struct block_cache *blocks, uint64_t number,
                              struct edit *edit, struct error *error) {
    struct table_meta meta = {.number = number};
    struct table *table = NULL;
    struct file *file = NULL;
    enum status status = directory_file(directory->path, directory->world, NAME_TABLE,
                                        number, FILE_READ, &file, error);
    if (status == STATUS_OK) {
        status = file_size(file, &meta.bytes, error);
    }
    if (status == STATUS_OK) {
        status = table_open(file, number, blocks, &table, error);
    }
    if (status != STATUS_OK) {
        file_release(file);
        return status;
    }
    status = read_meta(table, file->path, &meta, error);
    if (status == STATUS_OK) {
        struct table_file *added = table_file_open(&meta);
        status = added == NULL ? STATUS_NO_MEMORY : edit_add(edit, 0, added);
        table_file_unref(added);
        if (status == STATUS_NO_MEMORY) {
            error_no_memory(error, "a table's description", sizeof meta);
        }
    }
    table_meta_free(&meta);
    table_unref(table);
    return status;
}

static int compare_sequences(const void *a, const void *b) {
    uint64_t left = ((const struct edit_added *)a)->file->meta.smallest_sequence;
    uint64_t right = ((const struct edit_added *)b)->file->meta.smallest_sequence;
    return (left > right) - (left < right);
}

static enum status join(const struct directory *directory, struct edit *edit,
                        uint64_t *flushed, struct error *error) {
    uint64_t last = 0;
    if (edit->added_count > 0) {
        qsort(edit->added, edit->added_count, sizeof *edit->added, compare_sequences);
    }
    for (size_t i = 0; i < edit->added_count; i++) {
        const struct table_meta *meta = &edit->added[i].file->meta;
        if (meta->smallest_sequence != last + 1 ||
            meta->largest_sequence < meta->smallest_sequence) {
            return error_set(error, STATUS_CORRUPT,
                             "%s/%06" PRIu64 ".ldb: it holds changes %" PRIu64
                             " to %" PRIu64 ", the tables before it end with %" PRIu64
                             ": a table is missing, or does not belong here",
                             directory->path, meta->number, meta->smallest_sequence,
                             meta->largest_sequence, last);
        }
        last = meta->largest_sequence;
    }
    *flushed = last;
    return STATUS_OK;
}

enum status catalog_listing_scan(const struct directory *directory, struct edit *edit,
                                 uint64_t *flushed, struct error *error) {
    const struct listing *listing = &directory->listing;
    struct block_cache *blocks = NULL;
    *edit = (struct edit){0};
    enum status status = block_cache_open(0, directory->world->threads, &blocks, error);
    for (size_t i = 0; i < listing->other_count && status == STATUS_OK; i++) {
        if (listing->others[i].kind == NAME_TABLE) {
            status =
                scan_table(directory, blocks, listing->others[i].number, edit, error);
        }
    }
    block_cache_close(blocks);
    return status == STATUS_OK ? join(directory, edit, flushed, error) : status;
}

/* ---- the catalog ----------------------------------------------------------------- */

static enum status judge(const struct directory *directory, const struct current *current,
                         struct error *error) {
    const struct listing *listing = &directory->listing;
    if (current->kind == CURRENT_MANIFEST) {
        return error_set(error, STATUS_INVALID,
                         "%s: this database has a manifest (its file CURRENT names it); "
                         "it was written by stage 04 or later, or by LevelDB",
                         directory->path);
    }
    if (current->kind == CURRENT_NONE && listing->tables + listing->manifests > 0) {
        return error_set(error, STATUS_CORRUPT,
                         "%s: tables or a manifest, but no file CURRENT",
                         directory->path);
    }
    return STATUS_OK;
}

static enum status find(struct directory *directory, struct current *current,
                        struct catalog_found *found, struct error *error) {
    struct edit edit = {0};
    struct version *empty = NULL;
    enum status status = current_read(directory->path, directory->world, current, error);
    if (status == STATUS_OK) {
        status = judge(directory, current, error);
    }
    if (status == STATUS_OK) {
        status = catalog_listing_scan(directory, &edit, &found->flushed, error);
    }
    if (status == STATUS_OK) {
        status = version_empty(&empty, error);
    }
    if (status == STATUS_OK) {
        status = version_apply(empty, &edit, &found->version, error);
    }
    version_unref(empty);
    edit_free(&edit);
    return status;
}

static enum status listing_open(struct directory *directory,
                                const struct kv_options *options, void **out,
                                struct catalog_found *found, struct error *error) {
    (void)options;
    struct catalog_of_listing *catalog = memory_take_zeroed(sizeof *catalog);
    struct current current;
    if (catalog == NULL) {
        return error_no_memory(error, "the catalog", sizeof *catalog);
    }
    enum status status = find(directory, &current, found, error);
    if (status == STATUS_OK) {
        status = catalog_remove_temporaries(directory, error);
    }
    if (status == STATUS_OK && directory->listing.tables > 0) {
        /* The process may have died, or failed, between a rename and its sync. Recovery
         * does not look at logs for what is in tables, so their names must last. */
        status = directory_sync(directory->world->files, directory->path, error);
    }
    if (status != STATUS_OK) {
        version_unref(found->version);
        found->version = NULL;
        memory_give(catalog);
        return status;
    }
    catalog->directory = directory;
    catalog->current = current.kind == CURRENT_LISTING;
    *out = catalog;
    return STATUS_OK;
}

static enum status write_current(struct catalog_of_listing *catalog, bool *begun,
                                 struct error *error) {
    const struct current current = {.kind = CURRENT_LISTING};
    struct directory *directory = catalog->directory;
    return current_write(directory->path, directory->world, &current,
                         directory_number(directory), begun, error);
}

/* One after the other: names that wait for the same sync may become durable in any
 * order, and a table without the one before it is a gap. What an edit that was cut off
 * has named is in force, and its logs are still there. */
static enum status name_in_order(struct directory *directory, const struct edit *edit,
                                 bool *begun, struct error *error) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < edit->added_count && status == STATUS_OK; i++) {
        const struct edit one = {.added = &edit->added[i], .added_count = 1};
        bool named;
        /* COMMIT POINT: the last sync of the directory */
        status = catalog_name_tables(directory, &one, &named, error);
        *begun = *begun || named;
    }
    return status;
}

static enum status listing_apply(void *opened, const struct edit *edit,
                                 const struct version *after, bool *begun,
                                 struct error *error) {
    struct catalog_of_listing *catalog = opened;
    enum status status = STATUS_OK;
    (void)after;
    *begun = false;
    if (!catalog->current) {
        status = write_current(catalog, begun, error);
        catalog->current = status == STATUS_OK;
    }
    if (status == STATUS_OK) {
        *begun = false; /* CURRENT alone changes nothing */
        status = name_in_order(catalog->directory, edit, begun, error);
    }
    return status;
}

static enum status listing_inspect(struct directory *directory,
                                   struct catalog_found *found, struct error *error) {
    struct current current;
    return find(directory, &current, found, error);
}

static void listing_close(void *catalog) {
    memory_give(catalog);
}

const struct catalog_ops catalog_listing = {listing_open, listing_inspect, listing_apply,
                                            listing_close};

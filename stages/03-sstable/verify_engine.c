#include "verify_engine.h"

#include <inttypes.h>

#include "internal_key.h"
#include "recover.h"
#include "table.h"
#include "table_file.h"
#include "verify.h"

struct verifying {
    struct directory *directory;
    struct block_cache *blocks;
    struct catalog_found found;
    struct report report;
    struct error first; /* the first fault; status OK: none yet */
};

static void fault(struct verifying *v, const struct error *error) {
    if (v->first.status == STATUS_OK) {
        v->first = *error;
    }
}

/* ---- tables ---------------------------------------------------------------------- */

static void pass_line(void *context, const char *line) {
    const struct verifying *v = context;
    report_line(&v->report, "%s", line);
}

/* What the catalog says of the table must be what it holds. */
static enum status compare_keys(struct table *table, const struct table_meta *meta,
                                const char *path, struct error *error) {
    struct iter *iter = NULL;
    enum status status = table_iter(table, &iter, error);
    if (status != STATUS_OK) {
        return status;
    }
    iter_first(iter);
    bool same = iter->valid && slice_equal(iter->key, buf_slice(&meta->smallest));
    if (same) {
        iter_last(iter);
        same = iter->valid && slice_equal(iter->key, buf_slice(&meta->largest));
    }
    if (iter->error.status != STATUS_OK) {
        status = error_set(error, iter->error.status, "%s", iter->error.message);
    } else if (!same) {
        status = error_set(error, STATUS_CORRUPT,
                           "%s: its first or last key is not the one that the catalog "
                           "has",
                           path);
    }
    iter_close(iter);
    return status;
}

static enum status open_table(struct verifying *v, const struct table_meta *meta,
                              struct table **table, const char **path,
                              struct error *error) {
    struct file *file = NULL;
    uint64_t bytes = 0;
    enum status status = directory_table(v->directory->path, v->directory->world,
                                         meta->number, &file, error);
    if (status == STATUS_OK) {
        *path = file->path;
        status = file_size(file, &bytes, error);
    }
    if (status == STATUS_OK && bytes != meta->bytes) {
        status =
            error_set(error, STATUS_CORRUPT, "%s: %" PRIu64 " bytes long, not %" PRIu64,
                      file->path, bytes, meta->bytes);
    }
    if (status == STATUS_OK) {
        status = table_open(file, meta->number, v->blocks, table, error);
    }
    if (status != STATUS_OK) {
        file_release(file);
    }
    return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
}

/* `meta` is what the catalog says of the table. */
static enum status verify_table(struct verifying *v, unsigned level,
                                const struct table_meta *meta) {
    struct table *table = NULL;
    struct error error = {0};
    const char *path = NULL;
    enum status status = open_table(v, meta, &table, &path, &error);
    if (status != STATUS_OK) {
        report_line(&v->report, "%s", error.message);
    } else {
        status = table_verify(table, pass_line, v, &error);
    }
    if (status == STATUS_OK) {
        status = compare_keys(table, meta, path, &error);
        if (status == STATUS_OK) {
            report_line(&v->report, "%06" PRIu64 ".ldb: level %u, %" PRIu64 " bytes",
                        meta->number, level, meta->bytes);
        } else {
            report_line(&v->report, "%s", error.message);
        }
    }
    table_unref(table);
    if (status == STATUS_CORRUPT || status == STATUS_IO) {
        error.status = status;
        fault(v, &error);
        return STATUS_OK; /* the others are looked at, too */
    }
    return status;
}

/* LevelDB may end a table between the versions of a key; Strata never does. Either way
 * the newer ones must come first, which the version has checked. */
static void tell_shared_keys(struct verifying *v, const struct sorted_run *run) {
    for (size_t i = 0; i + 1 < run->count; i++) {
        const struct table_meta *meta = &run->files[i]->meta;
        const struct table_meta *next = &run->files[i + 1]->meta;
        if (slice_equal(internal_key_user(buf_slice(&meta->largest)),
                        internal_key_user(buf_slice(&next->smallest)))) {
            report_line(&v->report,
                        "%06" PRIu64 ".ldb: its last key goes on in %06" PRIu64 ".ldb",
                        meta->number, next->number);
        }
    }
}

static enum status verify_tables(struct verifying *v) {
    const struct version *version = v->found.version;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < version->run_count && status == STATUS_OK; i++) {
        const struct sorted_run *run = &version->runs[i];
        for (size_t j = 0; j < run->count && status == STATUS_OK; j++) {
            status = verify_table(v, run->level, &run->files[j]->meta);
        }
        tell_shared_keys(v, run);
    }
    return status;
}

/* Where there is no catalog to go by: each table that is there, for itself. */
static enum status verify_listed(struct verifying *v) {
    const struct listing *listing = &v->directory->listing;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < listing->other_count && status != STATUS_NO_MEMORY; i++) {
        struct error error = {0};
        struct file *file = NULL;
        struct table *table = NULL;
        enum name_kind kind = listing->others[i].kind;
        if (kind != NAME_TABLE && kind != NAME_OLD_TABLE) {
            continue;
        }
        status = directory_table(v->directory->path, v->directory->world,
                                 listing->others[i].number, &file, &error);
        if (status == STATUS_OK) {
            status =
                table_open(file, listing->others[i].number, v->blocks, &table, &error);
        }
        if (status == STATUS_OK) {
            status = table_verify(table, pass_line, v, &error);
            table_unref(table);
        } else {
            report_line(&v->report, "%s", error.message);
            file_release(file);
        }
    }
    return status == STATUS_NO_MEMORY ? status : STATUS_OK;
}

/* ---------------------------------------------------------------------------------- */

static enum status verify_log_files(struct verifying *v, struct error *error) {
    struct replay_options which = replay_everything;
    which.first_log = v->found.first_log;
    which.behind = v->found.flushed;
    which.begins_before = v->found.begins_before;
    return verify_logs(v->directory, &which, &v->report, error);
}

static enum status verify_all(struct verifying *v, const struct catalog_ops *catalog,
                              struct error *error) {
    struct error words = {0};
    enum status status = catalog->inspect(v->directory, &v->found, &words);
    if (status == STATUS_OK) {
        status = verify_tables(v);
    } else if (status == STATUS_CORRUPT) {
        report_line(&v->report, "%s", words.message);
        fault(v, &words);
        status = verify_listed(v);
    } else {
        return error_set(error, status, "%s", words.message);
    }
    if (status != STATUS_OK) {
        return error_no_memory(error, "the verification of a table", 0);
    }
    if (v->found.version != NULL) {
        if (v->found.dropped.status != STATUS_OK) {
            report_line(&v->report, "%s", v->found.dropped.message);
        }
        status = verify_log_files(v, &words);
        status = catalog_blame(&v->found, status, &words);
        if (status != STATUS_OK) {
            fault(v, &words);
        }
    }
    if (v->first.status != STATUS_OK && error != NULL) {
        *error = v->first;
    }
    return v->first.status;
}

enum status engine_verify_held(struct directory *directory,
                               const struct catalog_ops *catalog, kv_report *line,
                               void *context, struct error *error) {
    struct verifying v = {.directory = directory, .report = {line, context}};
    enum status status = block_cache_open(0, directory->world->threads, &v.blocks, error);
    if (status == STATUS_OK) {
        status = verify_all(&v, catalog, error);
    }
    version_unref(v.found.version);
    block_cache_close(v.blocks);
    return status;
}

enum status engine_verify(const char *dir, const struct kv_options *options,
                          const struct catalog_ops *catalog, kv_report *report,
                          void *context, struct error *error) {
    struct directory directory = {0};
    struct kv_options existing = *options;
    existing.create = false;
    existing.exclusive = false;
    enum status status = recover_may_adopt(dir, options->world, error);
    if (status == STATUS_OK) {
        status = directory_open(&directory, dir, &existing, error);
    }
    if (status == STATUS_OK) {
        status = listing_must_be_whole(&directory.listing, dir, error);
    }
    if (status == STATUS_OK) {
        status = engine_verify_held(&directory, catalog, report, context, error);
    }
    directory_close(&directory);
    return status;
}

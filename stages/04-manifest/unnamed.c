/* Where may a table come from that no edit names?
 *
 *     a flush, cut off before its edit        its changes are behind last_sequence, and
 *                                             in the logs
 *     a flush whose edit was acted on,        its changes are behind last_sequence, and
 *     and is damaged or gone                  nowhere else
 *     a merge of tables, cut off, or with     its changes are not behind last_sequence,
 *     its edit gone; or what was to be        and in the tables that are named; if one
 *     removed, and was not                    of those is missing, the edit is gone
 *
 * What a table stands for it says in its properties. So:
 *
 *   1. Behind last_sequence, and no log is left: CORRUPT. A flush removes the logs of
 *      what it wrote when its edit is durable, not before; so there was one. If there is
 *      no such table, no flush's edit is missing, and no log is needed: logs are made by
 *      their first change, and after a flush there may be none.
 *   2. Behind last_sequence, and logs are there: they are tried before anything is
 *      written (catalog_manifest.c), and the table is set aside, for a person: what a log
 *      lost that was not promised may be in it.
 *   3. Not behind last_sequence, and no table that is named is missing: it holds nothing
 *      that those do not hold, and is removed when they are durably in force.
 *
 * The properties are hints: a table may say nothing, as LevelDB's, or be unreadable. It
 * is taken for one of a flush if it is younger than the last edit, whose number that edit
 * did not know yet, or if an edit was dropped. The same goes for all tables under a
 * manifest of LevelDB, where last_sequence does not tell how far the tables go. */
#include "unnamed.h"

#include <inttypes.h>

#include "table.h"
#include "table_file.h"

static bool is_table(const struct name *name) {
    return name->kind == NAME_TABLE || name->kind == NAME_OLD_TABLE;
}

bool unnamed_is(const struct name *name, const struct version *version) {
    for (size_t i = 0; i < version->run_count; i++) {
        for (size_t j = 0; j < version->runs[i].count; j++) {
            if (version->runs[i].files[j]->meta.number == name->number) {
                return false;
            }
        }
    }
    return is_table(name);
}

static bool is_there(const struct listing *listing, uint64_t number) {
    for (size_t i = 0; i < listing->other_count; i++) {
        if (is_table(&listing->others[i]) && listing->others[i].number == number) {
            return true;
        }
    }
    return false;
}

enum status unnamed_none_missing(const struct directory *directory,
                                 const struct version *version, struct error *error) {
    for (size_t i = 0; i < version->run_count; i++) {
        for (size_t j = 0; j < version->runs[i].count; j++) {
            uint64_t number = version->runs[i].files[j]->meta.number;
            if (!is_there(&directory->listing, number)) {
                return error_set(error, STATUS_CORRUPT,
                                 "%s/%06" PRIu64 ".ldb: a table is missing",
                                 directory->path, number);
            }
        }
    }
    return STATUS_OK;
}

/* The last change that the table says to stand for; 0: it does not say, or cannot. */
static enum status read_claim(const struct directory *directory, uint64_t number,
                              uint64_t *last, struct error *error) {
    struct block_cache *blocks = NULL;
    struct table *table = NULL;
    struct file *file = NULL;
    enum status status = block_cache_open(0, directory->world->threads, &blocks, error);
    if (status == STATUS_OK) {
        status = directory_table(directory->path, directory->world, number, &file, error);
    }
    if (status == STATUS_OK) {
        status = table_open(file, number, blocks, &table, error);
    }
    *last = 0;
    if (status == STATUS_OK) {
        const struct properties *properties = table_properties(table);
        *last = properties == NULL ? 0 : properties->largest_sequence;
        table_unref(table);
    } else {
        file_release(file);
    }
    block_cache_close(blocks);
    return status == STATUS_CORRUPT ? STATUS_OK : status;
}

/* Whether it has to be taken for one of a flush whose edit is not there. */
static enum status is_of_flush(const struct unnamed *unnamed, uint64_t flushed,
                               uint64_t number, bool *is, struct error *error) {
    bool in_time = unnamed->torn || number >= unnamed->next_number;
    uint64_t claim;
    enum status status = read_claim(unnamed->directory, number, &claim, error);
    if (status == STATUS_OK) {
        bool silent = claim == 0 || unnamed->foreign;
        *is = claim > flushed || (silent && in_time);
    }
    return status;
}

/* One table of rule 1 or 2, or of an edit that removed what is missing. */
static enum status suspect(const struct unnamed *unnamed, uint64_t number,
                           struct catalog_found *found, struct error *error) {
    const struct directory *directory = unnamed->directory;
    const struct listing *listing = &directory->listing;
    bool logs = listing->log_count > 0 &&
                listing->logs[listing->log_count - 1] >= found->first_log;
    enum status status = STATUS_OK;
    if (!logs) {
        error_set(error, STATUS_CORRUPT,
                  "%s/%06" PRIu64 ".ldb: no edit of MANIFEST-%06" PRIu64
                  " names it, and the logs of its changes are gone: the manifest lacks "
                  "its end",
                  directory->path, number, unnamed->manifest);
        status = catalog_blame(found, STATUS_CORRUPT, error);
    } else if (found->dropped.status == STATUS_OK) {
        error_set(&found->dropped, STATUS_CORRUPT,
                  "%s/%06" PRIu64 ".ldb: no edit of MANIFEST-%06" PRIu64
                  " names it, though it holds what is in no other table",
                  directory->path, number, unnamed->manifest);
    }
    return status;
}

enum status unnamed_judge(const struct unnamed *unnamed, struct catalog_found *found,
                          struct error *error) {
    const struct listing *listing = &unnamed->directory->listing;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < listing->other_count && status == STATUS_OK; i++) {
        const struct name *name = &listing->others[i];
        bool of_flush = false;
        if (!unnamed_is(name, found->version)) {
            continue;
        }
        status = is_of_flush(unnamed, found->flushed, name->number, &of_flush, error);
        if (status == STATUS_OK && of_flush) {
            status = suspect(unnamed, name->number, found, error);
        } else if (status == STATUS_OK && found->dropped.status == STATUS_OK) {
            /* For who repairs: what is missing may be in this one. */
            enum status missing =
                unnamed_none_missing(unnamed->directory, found->version, &found->dropped);
            (void)missing; /* is what stands there */
        }
    }
    return status;
}

enum status unnamed_collect(const struct unnamed *unnamed,
                            const struct catalog_found *found, struct error *error) {
    const struct directory *directory = unnamed->directory;
    const struct listing *listing = &directory->listing;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < listing->other_count && status == STATUS_OK; i++) {
        const struct name *name = &listing->others[i];
        bool of_flush = false;
        if (!unnamed_is(name, found->version)) {
            continue;
        }
        status = is_of_flush(unnamed, found->flushed, name->number, &of_flush, error);
        if (status == STATUS_OK && of_flush) {
            status =
                directory_set_aside(directory->path, directory->world, name, 1, error);
        } else if (status == STATUS_OK) {
            enum status removed = directory_remove(directory->path, directory->world,
                                                   name->kind, name->number, NULL);
            (void)removed;
        }
    }
    return status;
}

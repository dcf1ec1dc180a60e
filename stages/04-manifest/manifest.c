/* The order on which everything rests:
 *
 *     create    file made → snapshot written → synced → directory synced
 *               (then, by the caller: CURRENT renamed over → directory synced)
 *     append    edit written → synced → what it removes may be removed
 *
 * Each edit is synced before the next is written, so a loss of power can damage the last
 * one only. That one was not acknowledged: nothing that it removes has been removed, and
 * all that the manifest names without it is there. The other way round, damage to an edit
 * that was acknowledged and acted upon shows in a missing file; damage before the end, in
 * a whole edit behind it. In both cases the database is corrupt.
 *
 * Behind the end there may be zeros, and after a loss of power what some other file once
 * held: perhaps whole records of an older manifest. They are told by their numbers. A
 * manifest's own number was given out by the one before it, so next_number is above it in
 * all its edits and not above it in any older manifest's; and it never goes back. A
 * snapshot is told by its comparator, which only the first edit has. */
#include "manifest.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "directory.h"
#include "failpoint.h"
#include "log_format.h"
#include "log_reader.h"
#include "log_writer.h"
#include "memory.h"

/* Space allocated ahead, so that a full disk is met before a byte of an edit is written.
 * LevelDB's reader passes over the zeros (db/log_reader.cc, kZeroType). */
enum { STEP_BYTES = 16 * 1024 };

/* ---- load ------------------------------------------------------------------------ */

struct loading {
    const char *dir;
    const struct world *world;
    struct file *file;
    struct log_reader reader;
    struct manifest_state *state;
    struct manifest_tail *tail;
    bool has_log_number, has_next_number, has_last_sequence;
};

static enum status corrupt_at(const struct loading *loading, const char *words,
                              struct error *error) {
    return error_set(error, STATUS_CORRUPT, "%s: offset %" PRIu64 ": %s%s",
                     loading->file->path, loading->tail->offset, loading->tail->why,
                     words);
}

/* The first edit has the comparator, ours; no other has one. */
static enum status check_comparator(const struct loading *loading,
                                    const struct manifest_edit *edit, uint64_t offset,
                                    const char **why, struct error *error) {
    struct slice found = edit->comparator;
    if (slice_present(found) != (offset == 0)) {
        *why = offset == 0 ? "the first edit has no comparator"
                           : "a snapshot that is not the first edit";
        return STATUS_CORRUPT;
    }
    if (slice_present(found) && !slice_equal(found, slice_of(MANIFEST_COMPARATOR))) {
        return error_set(error, STATUS_INVALID,
                         "%s: offset %" PRIu64
                         ": the keys are ordered by the comparator \"%.*s\", not by "
                         "\"" MANIFEST_COMPARATOR "\"",
                         loading->file->path, offset,
                         (int)(found.length < 100 ? found.length : 100),
                         (const char *)found.data);
    }
    return STATUS_OK;
}

/* Takes the next edit into the state. CORRUPT with *why: it is none, or does not fit. */
static enum status take_edit(struct loading *loading, const struct log_item *item,
                             const char **why, struct error *error) {
    struct manifest_edit edit = {0};
    enum status status = manifest_edit_decode(&edit, item->payload, why);
    if (status == STATUS_OK) {
        status = check_comparator(loading, &edit, item->offset, why, error);
    }
    if (status == STATUS_OK) {
        status = manifest_state_apply(loading->state, &edit, why);
    }
    if (status == STATUS_OK) {
        loading->has_log_number |= edit.has_log_number;
        loading->has_next_number |= edit.has_next_number;
        loading->has_last_sequence |= edit.has_last_sequence;
    }
    manifest_edit_free(&edit);
    return status == STATUS_NO_MEMORY
               ? error_no_memory(error, "an edit of the manifest", item->payload.length)
               : status;
}

/* Reads up to the end, or to the first thing that is no edit, which becomes the tail. */
static enum status take_edits(struct loading *loading, struct error *error) {
    struct manifest_tail *tail = loading->tail;
    for (;;) {
        struct log_item item;
        const char *why = NULL;
        enum status status = log_reader_next(&loading->reader, &item, error);
        if (status == STATUS_OK && item.kind == LOG_END) {
            return STATUS_OK;
        }
        if (status == STATUS_OK && item.kind == LOG_RECORD) {
            status = take_edit(loading, &item, &why, error);
        } else if (status == STATUS_OK) {
            why = item.kind == LOG_DAMAGE ? item.why : "a mark of a write-ahead log";
            status = STATUS_CORRUPT;
        }
        if (status == STATUS_CORRUPT) {
            *tail = (struct manifest_tail){
                .dropped = true, .offset = item.offset, .why = why};
            return STATUS_OK;
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
}

/* ---- the tail -------------------------------------------------------------------- */

/* Whether a whole edit that could follow the state begins at `offset`. */
static enum status edit_at(struct loading *loading, uint64_t offset, bool *is,
                           struct error *error) {
    struct log_item item;
    struct manifest_edit edit = {0};
    const char *why;
    loading->reader.offset = offset; /* any offset may be read from: it is in a block */
    enum status status = log_reader_next(&loading->reader, &item, error);
    *is = false;
    if (status != STATUS_OK || item.kind != LOG_RECORD) {
        return status;
    }
    status = manifest_edit_decode(&edit, item.payload, &why);
    if (status == STATUS_NO_MEMORY) {
        return error_no_memory(error, "an edit of the manifest", item.payload.length);
    }
    *is = status == STATUS_OK && !slice_present(edit.comparator) &&
          manifest_state_precedes(loading->state, &edit);
    manifest_edit_free(&edit);
    return STATUS_OK;
}

/* Looks for one in a block's bytes, of which `count` stand at `start`. */
static enum status find_edit_in(struct loading *loading, const unsigned char *block,
                                size_t count, uint64_t start, bool *found,
                                struct error *error) {
    enum status status = STATUS_OK;
    *found = false;
    for (size_t i = 0; i + LOG_HEADER_BYTES <= count; i++) {
        unsigned char type = block[i + LOG_HEADER_BYTES - 1];
        bool may_begin = type == LOG_FULL || type == LOG_FIRST;
        if (may_begin && start + i > loading->tail->offset) {
            status = edit_at(loading, start + i, found, error);
        }
        if (status != STATUS_OK || *found) {
            return status;
        }
    }
    return STATUS_OK;
}

/* Looks behind the tail's beginning, at every offset: a damaged length hides where the
 * next record begins. */
static enum status find_edit(struct loading *loading, bool *found, struct error *error) {
    unsigned char *block = memory_take(LOG_BLOCK_BYTES);
    if (block == NULL) {
        return error_no_memory(error, "a block of the manifest", LOG_BLOCK_BYTES);
    }
    uint64_t offset = loading->tail->offset;
    uint64_t start = offset - offset % LOG_BLOCK_BYTES;
    enum status status;
    size_t count;
    do {
        status = file_read(loading->file, start, block, LOG_BLOCK_BYTES, &count, error);
        *found = false;
        if (status == STATUS_OK) {
            status = find_edit_in(loading, block, count, start, found, error);
        }
        start += LOG_BLOCK_BYTES;
    } while (status == STATUS_OK && !*found && count == LOG_BLOCK_BYTES);
    memory_give(block);
    return status;
}

/* Which of the files that the state names are there. */
struct presence {
    const struct manifest_state *state;
    bool *tables; /* one each, as in the state */
    bool log, previous_log;
};

static void note_file(void *context, const char *text) {
    struct presence *presence = context;
    struct name name = name_parse(text);
    if (name.kind == NAME_LOG) {
        presence->log |= name.number >= presence->state->log_number;
        presence->previous_log |= name.number == presence->state->previous_log_number;
    } else if (name.kind == NAME_TABLE || name.kind == NAME_OLD_TABLE) {
        size_t index = manifest_state_find(presence->state, name.number);
        if (index < presence->state->table_count) {
            presence->tables[index] = true;
        }
    }
}

static enum status missing(const struct loading *loading, enum name_kind kind,
                           uint64_t number, struct error *error) {
    char name[NAME_BYTES];
    char words[NAME_BYTES + 100];
    name_print(name, kind, number);
    snprintf(words, sizeof words,
             "; without this edit the manifest needs %s, which is not there",
             number > 0 ? name : "a log");
    return corrupt_at(loading, words, error);
}

/* All tables that the state names must be there: a merge that was cut off leaves them.
 * A flush leaves logs; but there may have been none, which the tables tell (unnamed.h).
 * LevelDB's do not, but it always has a log: the one that is named or later (0: any). */
static enum status check_files(const struct loading *loading, struct error *error) {
    const struct manifest_state *state = loading->state;
    struct presence presence = {.state = state,
                                .previous_log = state->previous_log_number == 0};
    presence.tables = memory_take_zeroed(state->table_count * sizeof *presence.tables);
    if (presence.tables == NULL) {
        return error_no_memory(error, "a list of tables", state->table_count);
    }
    enum status status =
        directory_list(loading->world->files, loading->dir, note_file, &presence, error);
    for (size_t i = 0; i < state->table_count && status == STATUS_OK; i++) {
        if (!presence.tables[i]) {
            status = missing(loading, NAME_TABLE, state->tables[i]->meta.number, error);
        }
    }
    if (status == STATUS_OK && !presence.previous_log) {
        status = missing(loading, NAME_LOG, state->previous_log_number, error);
    }
    if (status == STATUS_OK && state->foreign && !presence.log) {
        status = missing(loading, NAME_LOG, state->log_number, error);
    }
    memory_give(presence.tables);
    return status;
}

static enum status judge_tail(struct loading *loading, struct error *error) {
    bool found = false;
    enum status status = find_edit(loading, &found, error);
    if (status == STATUS_OK && found) {
        status = corrupt_at(loading, "; a whole edit follows it", error);
    }
    if (status == STATUS_OK) {
        status = check_files(loading, error);
    }
    if (status == STATUS_OK) {
        status = file_size(loading->file, &loading->tail->bytes, error);
        loading->tail->bytes -= loading->tail->offset; /* after an error nobody looks */
    }
    return status;
}

/* ---- load, the whole ------------------------------------------------------------- */

static enum status check_state(const struct loading *loading, struct error *error) {
    const char *why = !loading->has_next_number     ? "no edit has a next file number"
                      : !loading->has_log_number    ? "no edit has a log number"
                      : !loading->has_last_sequence ? "no edit has a last sequence"
                                                    : NULL;
    enum status status = STATUS_CORRUPT;
    if (why == NULL) {
        status = manifest_state_check(loading->state, &why);
    }
    if (status == STATUS_NO_MEMORY) {
        return error_no_memory(error, "a list of tables", loading->state->table_count);
    }
    if (status != STATUS_CORRUPT) {
        return status;
    }
    return loading->tail->dropped
               ? error_set(error, status, "%s: %s; damaged at offset %" PRIu64 ": %s",
                           loading->file->path, why, loading->tail->offset,
                           loading->tail->why)
               : error_set(error, status, "%s: %s", loading->file->path, why);
}

static enum status load(struct loading *loading, struct error *error) {
    enum status status =
        log_reader_init(&loading->reader, loading->file, UINT64_MAX, error);
    if (status == STATUS_OK) {
        status = take_edits(loading, error);
    }
    if (status == STATUS_OK) {
        status = check_state(loading, error);
    }
    if (status == STATUS_OK && loading->tail->dropped) {
        status = judge_tail(loading, error);
    }
    log_reader_free(&loading->reader);
    return status;
}

enum status manifest_load(const char *dir, const struct world *world, uint64_t number,
                          struct manifest_state *state, struct manifest_tail *tail,
                          struct error *error) {
    struct manifest_state loaded = {0};
    struct manifest_tail left = {0};
    struct loading loading = {
        .dir = dir, .world = world, .state = &loaded, .tail = &left};
    struct error refusal = {0};
    enum status status = directory_file(dir, world, NAME_MANIFEST, number, FILE_READ,
                                        &loading.file, &refusal);
    if (status == STATUS_NOT_FOUND) {
        return error_set(
            error, STATUS_CORRUPT,
            "%s/CURRENT: offset 0: it names a manifest that is not there: %s", dir,
            refusal.message);
    }
    if (status != STATUS_OK) {
        return error_set(error, status, "%s", refusal.message);
    }
    status = load(&loading, error);
    enum status closed = file_close(loading.file, NULL);
    (void)closed; /* it was only read */
    if (status == STATUS_OK) {
        *state = loaded;
        *tail = left;
    } else {
        manifest_state_free(&loaded);
    }
    return status;
}

/* ---- write ----------------------------------------------------------------------- */

struct manifest {
    struct file *file;
    struct append *append;
    struct buf payload;   /* of the edit that is being written */
    uint64_t next_number; /* of the last edit */
    struct error failure; /* status OK: none */
};

/* One record, from its first byte to its sync. */
static enum status write_record(struct manifest *manifest, struct slice payload,
                                bool *begun, struct error *error) {
    struct log_writer writer = {.append = manifest->append};
    unsigned char *room;
    enum status status = log_writer_begin(&writer, payload.length, 0, &room, error);
    if (status != STATUS_OK) {
        return status;
    }
    memcpy(room, payload.data, payload.length);
    status = log_writer_end(&writer, begun, error);
    if (status != STATUS_OK) {
        return status;
    }
    failpoint_pass(manifest_appended_not_synced);
    if (failpoint(manifest_sync)) {
        return error_set(error, STATUS_IO, "%s: failpoint manifest_sync",
                         manifest->file->path);
    }
    return append_sync(manifest->append, error); /* COMMIT POINT */
}

static enum status write_edit(struct manifest *manifest, const struct manifest_edit *edit,
                              bool *begun, struct error *error) {
    enum status status = manifest_edit_encode(edit, &manifest->payload);
    if (status != STATUS_OK) {
        return error_no_memory(error, "an edit of the manifest", edit->added_count);
    }
    return write_record(manifest, buf_slice(&manifest->payload), begun, error);
}

enum status manifest_append(struct manifest *manifest, const struct manifest_edit *edit,
                            bool *begun, struct error *error) {
    assert(!slice_present(edit->comparator));
    assert(edit->has_next_number && edit->next_number >= manifest->next_number);
    *begun = false;
    if (manifest->failure.status != STATUS_OK) {
        if (error != NULL) {
            *error = manifest->failure;
        }
        return manifest->failure.status;
    }
    if (failpoint(manifest_append)) {
        return error_set(error, STATUS_IO, "%s: failpoint manifest_append",
                         manifest->file->path);
    }
    struct error here = {0};
    enum status status = write_edit(manifest, edit, begun, &here);
    if (status == STATUS_OK) {
        manifest->next_number = edit->next_number;
        return STATUS_OK;
    }
    if (*begun) {
        error_set(&manifest->failure, status,
                  "writes are refused until resume or reopen, since the manifest "
                  "failed: %s",
                  here.message);
    }
    return error_set(error, status, "%s", here.message);
}

uint64_t manifest_bytes(const struct manifest *manifest) {
    return append_end(manifest->append);
}

/* ---- create and close ------------------------------------------------------------ */

/* `cut`: the space that was allocated ahead is given back; else the file is left as it
 * is. */
static enum status release(struct manifest *manifest, bool cut, struct error *error) {
    enum status status = STATUS_OK;
    if (cut) {
        status = append_close(manifest->append, error);
    } else {
        append_abandon(manifest->append);
    }
    enum status closed = file_close(manifest->file, status == STATUS_OK ? error : NULL);
    buf_free(&manifest->payload);
    memory_give(manifest);
    return status != STATUS_OK ? status : closed;
}

static enum status write_snapshot(struct manifest *manifest,
                                  const struct manifest_state *state,
                                  struct error *error) {
    struct manifest_edit snapshot = {0};
    bool begun; /* whether it was is all the same: nothing names this file */
    if (manifest_state_snapshot(state, &snapshot) != STATUS_OK) {
        return error_no_memory(error, "a snapshot of the tables", state->table_count);
    }
    enum status status = write_edit(manifest, &snapshot, &begun, error);
    manifest_edit_free(&snapshot);
    return status;
}

static enum status begin(struct manifest *manifest, const char *dir,
                         const struct world *world, const struct manifest_state *state,
                         struct error *error) {
    enum status status = append_open(manifest->file, 0, APPEND_WRITE, STEP_BYTES,
                                     &manifest->append, error);
    if (status == STATUS_OK) {
        status = write_snapshot(manifest, state, error);
    }
    if (status == STATUS_OK) {
        failpoint_pass(manifest_created_not_named);
        status = directory_sync(world->files, dir, error);
    }
    return status;
}

enum status manifest_create(const char *dir, const struct world *world, uint64_t number,
                            const struct manifest_state *state,
                            struct manifest **manifest, struct error *error) {
    assert(number < state->next_number);
    if (failpoint(manifest_create)) {
        return error_set(error, STATUS_IO, "%s: failpoint manifest_create", dir);
    }
    struct manifest *created = memory_take_zeroed(sizeof *created);
    if (created == NULL) {
        return error_no_memory(error, "a manifest", sizeof *created);
    }
    created->next_number = state->next_number;
    /* Never over one that is there: CURRENT may name it. */
    enum status status = directory_file(dir, world, NAME_MANIFEST, number, FILE_CREATE,
                                        &created->file, error);
    if (status != STATUS_OK) {
        memory_give(created);
        return status;
    }
    status = begin(created, dir, world, state, error);
    if (status == STATUS_OK) {
        *manifest = created;
        return STATUS_OK;
    }
    enum status dropped = release(created, false, NULL);
    (void)dropped; /* the first failure is told */
    dropped = directory_remove(dir, world, NAME_MANIFEST, number, NULL);
    (void)dropped; /* one that stays is named by nobody */
    return status;
}

enum status manifest_close(struct manifest *manifest, struct error *error) {
    if (manifest == NULL) {
        return STATUS_OK;
    }
    enum status failed = manifest->failure.status;
    if (failed != STATUS_OK && error != NULL) {
        *error = manifest->failure;
    }
    bool cut = failed == STATUS_OK;
    enum status released = release(manifest, cut, cut ? error : NULL);
    return cut ? released : failed;
}

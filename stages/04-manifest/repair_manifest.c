#include "repair_manifest.h"

#include "catalog_manifest.h"
#include "manifest.h"
#include "table_file.h"

enum { TABLE_BYTES = 32 << 20 };

static enum status describe(struct repair *repair, uint64_t log_number,
                            struct manifest_state *state, struct error *error) {
    struct manifest_edit edit = {
        .has_log_number = true,
        .has_next_number = true,
        .has_last_sequence = true,
        .log_number = log_number,
        .last_sequence = repair->last,
        .next_number =
            atomic_u64_load(&repair->directory.next_number, memory_order_relaxed)};
    const char *why = "";
    enum status status = STATUS_OK;
    for (size_t i = 0; i < repair->edit.added_count && status == STATUS_OK; i++) {
        const struct table_meta *meta = &repair->edit.added[i].file->meta;
        struct manifest_added added = {repair->edit.added[i].level, meta->number,
                                       meta->bytes, buf_slice(&meta->smallest),
                                       buf_slice(&meta->largest)};
        status = manifest_edit_add(&edit, added);
    }
    if (status == STATUS_OK) {
        status = manifest_state_apply(state, &edit, &why);
    }
    manifest_edit_free(&edit);
    return status == STATUS_CORRUPT ? error_set(error, status, "%s: the new manifest: %s",
                                                repair->directory.path, why)
           : status != STATUS_OK    ? error_no_memory(error, "a manifest", 0)
                                    : status;
}

/* Its name is final at once: nothing names it before CURRENT does, and if that does not
 * come, the next repair sets it aside. The log number is one that no log has, and above
 * those of all old logs: they are forgotten. */
static enum status write_manifest(struct repair *repair, uint64_t number,
                                  struct error *error) {
    struct directory *directory = &repair->directory;
    struct manifest_state state = {0};
    struct manifest *manifest = NULL;
    enum status status = describe(repair, number, &state, error);
    if (status == STATUS_OK) {
        status = manifest_create(directory->path, directory->world, number, &state,
                                 &manifest, error);
    }
    if (status == STATUS_OK) {
        status = manifest_close(manifest, error);
    }
    manifest_state_free(&state);
    return status;
}

static enum status save_manifest(struct repair *repair, struct current *current,
                                 struct error *error) {
    enum status status = STATUS_OK;
    if (repair->count > 0) {
        status = repair_write(repair, 0, repair->count, 0, repair->last,
                              MANIFEST_LEVELS - 1, TABLE_BYTES, error);
    }
    uint64_t number = directory_number(&repair->directory);
    if (status == STATUS_OK) {
        status = write_manifest(repair, number, error);
    }
    *current = (struct current){CURRENT_MANIFEST, number};
    return status;
}

const struct repair_parts repair_manifest = {&catalog_manifest, save_manifest};

/* Manifests: the edits by themselves, load, a snapshot of what was loaded, and an open.
 *
 *     input := flags, bytes of a manifest
 *
 * With FUZZ_EDIT the bytes are those of one edit. Else there are, beside the manifest,
 * the files that its names may lead to; the tables among them are none. */
#include <stddef.h>

#include "directory.h"
#include "manifest.h"
#include "memory.h"
#include "fuzz.h"

#define PATH "db/MANIFEST-000005"

enum { FUZZ_EDIT = 2, MANIFEST_NUMBER = 5, FILES = 24 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t count);

/* ---- one edit -------------------------------------------------------------------- */

/* What was decoded, encoded again, has to be decoded to bytes that are the same. */
static void read_edit(struct slice bytes) {
    struct manifest_edit edit = {0}, again = {0};
    struct buf first = {0}, second = {0};
    const char *why = NULL;
    enum status status = manifest_edit_decode(&edit, bytes, &why);
    DEMAND(status == STATUS_OK || (status == STATUS_CORRUPT && why != NULL), "%s",
           status_words(status));
    if (status == STATUS_OK) {
        DEMAND(manifest_edit_encode(&edit, &first) == STATUS_OK, "memory");
        DEMAND(manifest_edit_decode(&again, buf_slice(&first), &why) == STATUS_OK, "%s",
               why);
        DEMAND(manifest_edit_encode(&again, &second) == STATUS_OK, "memory");
        DEMAND(slice_equal(buf_slice(&first), buf_slice(&second)), "an edit changes");
    }
    manifest_edit_free(&again);
    manifest_edit_free(&edit);
    buf_free(&first);
    buf_free(&second);
}

/* ---- a manifest ------------------------------------------------------------------ */

static void expect_equal(const struct manifest_state *a, const struct manifest_state *b) {
    DEMAND(a->table_count == b->table_count && a->log_number == b->log_number &&
               a->next_number == b->next_number && a->last_sequence == b->last_sequence,
           "the numbers differ");
    for (size_t i = 0; i < a->table_count; i++) {
        const struct manifest_table *one = a->tables[i], *other = b->tables[i];
        DEMAND(one->level == other->level && one->meta.number == other->meta.number &&
                   one->meta.bytes == other->meta.bytes &&
                   slice_equal(buf_slice(&one->meta.smallest),
                               buf_slice(&other->meta.smallest)) &&
                   slice_equal(buf_slice(&one->meta.largest),
                               buf_slice(&other->meta.largest)),
               "table %zu differs", i);
    }
}

/* Written as a new manifest, the state is the one that is read from it. */
static void write_again(struct fuzz_world *fuzz, struct manifest_state *state) {
    struct manifest_state again = {0};
    struct manifest_tail tail = {0};
    struct manifest *manifest = NULL;
    struct error error = {0};
    uint64_t number = state->next_number++;
    if (state->next_number >= MANIFEST_NUMBER_MAX) {
        return;
    }
    DEMAND(manifest_create("db", &fuzz->world, number, state, &manifest, &error) ==
               STATUS_OK,
           "%s", error.message);
    DEMAND(manifest_close(manifest, NULL) == STATUS_OK, "close");
    DEMAND(manifest_load("db", &fuzz->world, number, &again, &tail, &error) == STATUS_OK,
           "what was written from a good one: %s", error.message);
    DEMAND(!tail.dropped, "%s", tail.why);
    expect_equal(state, &again);
    manifest_state_free(&again);
    DEMAND(directory_remove("db", &fuzz->world, NAME_MANIFEST, number, NULL) == STATUS_OK,
           "remove");
}

static void read_manifest(struct fuzz_world *fuzz, size_t count) {
    struct manifest_state state = {0};
    struct manifest_tail tail = {0};
    struct error error = {0};
    enum status status =
        manifest_load("db", &fuzz->world, MANIFEST_NUMBER, &state, &tail, &error);
    if (status != STATUS_OK) {
        DEMAND(status == STATUS_CORRUPT || status == STATUS_INVALID, "%s: %s",
               status_words(status), error.message);
        DEMAND(strstr(error.message, PATH) != NULL, "it names what: %s", error.message);
        return;
    }
    DEMAND(!tail.dropped || (tail.why != NULL && tail.offset + tail.bytes == count),
           "the tail goes to the end");
    write_again(fuzz, &state);
    manifest_state_free(&state);
}

static void put_files(struct fuzz_world *fuzz) {
    for (uint64_t number = 1; number < FILES; number++) {
        char path[NAME_BYTES + 4] = "db/";
        bool log = number % 4 == 3;
        if (number != MANIFEST_NUMBER) {
            name_print(path + 3, log ? NAME_LOG : NAME_TABLE, number);
            fuzz_put(fuzz, path, log ? slice_of("") : slice_of("no table"));
        }
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t count) {
    if (count < 1) {
        return 0;
    }
    struct fuzz_world fuzz;
    unsigned char *bytes = malloc(count); /* of its own: its end is watched */
    DEMAND(bytes != NULL, "memory");
    count--;
    memcpy(bytes, data + 1, count);
    if ((data[0] & FUZZ_EDIT) != 0) {
        read_edit(slice_make(bytes, count));
        free(bytes);
        return 0;
    }
    if ((data[0] & FUZZ_REPAIR) != 0) {
        fuzz_repair_log(bytes, count);
    }
    fuzz_begin(&fuzz);
    put_files(&fuzz);
    fuzz_put(&fuzz, PATH, slice_make(bytes, count));
    fuzz_put(&fuzz, "db/CURRENT", slice_of("MANIFEST-000005\n"));
    read_manifest(&fuzz, count);
    fuzz_open_twice(&fuzz);
    fuzz_end(&fuzz);
    free(bytes);
    return 0;
}

/* Tables: open, get, iterate in both directions, verify.
 *
 *     input := flags, bytes of a table
 *
 * A table with which table_verify finds no fault has to be right in every way that can be
 * asked for; of any other, nothing is demanded but answers. */
#include <stddef.h>

#include "block.h"
#include "checksum.h"
#include "internal_key.h"
#include "memory.h"
#include "table.h"
#include "table_format.h"
#include "fuzz.h"

#define PATH "db/000007.ldb"

enum { TABLE_NUMBER = 7, SEEK_BYTES = 64 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t count);

/* ---- checksums made right -------------------------------------------------------- */

/* The block's contents, if it lies within the file. */
static struct slice repair_block(unsigned char *bytes, size_t count,
                                 struct block_handle handle) {
    if (handle.offset > count || handle.bytes > count - handle.offset ||
        count - handle.offset - handle.bytes < BLOCK_TRAILER_BYTES) {
        return (struct slice){0};
    }
    unsigned char *block = bytes + handle.offset;
    size_t length = (size_t)handle.bytes;
    encode_fixed32(block + length + 1, checksum_mask(checksum(block, length + 1)));
    return slice_make(block, length);
}

/* A block of handles, and those that it leads to. */
static void repair_blocks(unsigned char *bytes, size_t count,
                          struct block_handle handle) {
    struct slice contents = repair_block(bytes, count, handle);
    unsigned char *block = NULL;
    struct block decoded;
    struct block_iter iter;
    const char *why;
    size_t length;
    if (!slice_present(contents) ||
        compression_unpacked_bytes(contents.data[contents.length], contents, &length,
                                   &why) != STATUS_OK ||
        length > 1 << 20) {
        return;
    }
    block = malloc(length + 1);
    DEMAND(block != NULL, "memory");
    if (compression_unpack(contents.data[contents.length], contents, block, length,
                           &why) == STATUS_OK &&
        block_init(&decoded, slice_make(block, length), &why) == STATUS_OK) {
        block_iter_init(&iter, &decoded);
        for (block_iter_first(&iter); iter.iter.valid; block_iter_next(&iter)) {
            struct slice value = iter.iter.value;
            struct block_handle found;
            if (take_block_handle(&value, &found)) {
                (void)repair_block(bytes, count, found);
            }
        }
        block_iter_free(&iter);
    }
    free(block);
}

static void repair(unsigned char *bytes, size_t count) {
    struct footer footer;
    const char *why;
    if (count >= FOOTER_BYTES &&
        footer_decode(bytes + count - FOOTER_BYTES, &footer, &why) == STATUS_OK) {
        repair_blocks(bytes, count, footer.index);
        repair_blocks(bytes, count, footer.metaindex);
    }
}

/* ---- what is asked of a table ---------------------------------------------------- */

static void note_fault(void *context, const char *line) {
    size_t *faults = context;
    DEMAND(line[0] != '\0', "a fault without words");
    ++*faults;
}

static void expect_known(enum status status, const struct error *error) {
    DEMAND(status == STATUS_OK || status == STATUS_CORRUPT, "%s: %s",
           status_words(status), error->message);
    DEMAND(status == STATUS_OK || strstr(error->message, PATH) != NULL, "%s",
           error->message);
}

static void expect_ended(const struct iter *iter, bool whole) {
    expect_known(iter->error.status, &iter->error);
    DEMAND(!whole || iter->error.status == STATUS_OK, "%s", iter->error.message);
}

static void get_entry(struct table *table, struct slice key, struct slice value,
                      bool whole) {
    struct search_key search;
    struct buf found = {0};
    struct error error = {0};
    enum lookup answer = LOOKUP_ABSENT;
    uint64_t tag = internal_key_tag(key);
    DEMAND(search_key_init(&search, internal_key_user(key), tag_sequence(tag), NULL) ==
               STATUS_OK,
           "memory");
    enum status status = table_get(table, &search, &found, &answer, &error);
    expect_known(status, &error);
    if (whole) {
        DEMAND(status == STATUS_OK, "%s", error.message);
        DEMAND(answer == (tag_type(tag) == KV_PUT ? LOOKUP_FOUND : LOOKUP_DELETED),
               "a get of \"%.*s\" at %llu answers %d", (int)(key.length - TAG_BYTES),
               (const char *)key.data, (unsigned long long)tag_sequence(tag),
               (int)answer);
        DEMAND(answer != LOOKUP_FOUND || slice_equal(buf_slice(&found), value),
               "a get finds another value");
    }
    buf_free(&found);
    search_key_free(&search);
}

/* A put and a delete of one sequence are in order, but no get sees the second. */
static bool hides(const struct buf *last, struct slice key) {
    struct slice before = buf_slice(last);
    return before.length > 0 &&
           slice_equal(internal_key_user(before), internal_key_user(key)) &&
           tag_sequence(internal_key_tag(before)) == tag_sequence(internal_key_tag(key));
}

/* All entries forwards, each looked up too; then backwards; then from made-up keys. */
static void walk(struct table *table, struct slice bytes, bool whole) {
    struct iter *iter = NULL;
    struct buf last = {0};
    size_t forwards = 0, backwards = 0;
    DEMAND(table_iter(table, &iter, NULL) == STATUS_OK, "memory");
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        DEMAND(internal_key_legal(iter->key), "key %zu is none", forwards);
        DEMAND(!whole || forwards == 0 ||
                   internal_key_compare(buf_slice(&last), iter->key) < 0,
               "key %zu is not above the one before", forwards);
        get_entry(table, iter->key, iter->value, whole && !hides(&last, iter->key));
        DEMAND(buf_assign(&last, iter->key) == STATUS_OK, "memory");
        forwards++;
    }
    expect_ended(iter, whole);
    for (iter_last(iter); iter->valid; iter_prev(iter)) {
        backwards++;
    }
    expect_ended(iter, whole);
    DEMAND(!whole || forwards == backwards, "%zu forwards, %zu backwards", forwards,
           backwards);
    for (size_t i = 0; i + SEEK_BYTES <= bytes.length; i += SEEK_BYTES) {
        struct buf key = {0};
        DEMAND(internal_key_build(&key, slice_make(bytes.data + i, i % 9), tag_seek(i)) ==
                   STATUS_OK,
               "memory");
        iter_seek(iter, buf_slice(&key));
        DEMAND(!whole || !iter->valid ||
                   internal_key_compare(iter->key, buf_slice(&key)) >= 0,
               "a seek stops before its key");
        if (iter->valid) {
            iter_next(iter);
        }
        iter_seek_before(iter, buf_slice(&key));
        DEMAND(!whole || !iter->valid ||
                   internal_key_compare(iter->key, buf_slice(&key)) < 0,
               "a seek before stops behind its key");
        if (iter->valid) {
            iter_prev(iter);
        }
        buf_free(&key);
    }
    buf_free(&last);
    iter_close(iter);
}

static void read_table(struct fuzz_world *fuzz, struct slice bytes) {
    struct block_cache *cache = NULL;
    struct table *table = NULL;
    struct file *file = NULL;
    struct error error = {0};
    size_t faults = 0;
    DEMAND(block_cache_open(bytes.length % 2 * 65536, fuzz->world.threads, &cache,
                            NULL) == STATUS_OK,
           "memory");
    DEMAND(file_open(fuzz->world.files, PATH, FILE_READ, &file, NULL) == STATUS_OK, PATH);
    enum status status = table_open(file, TABLE_NUMBER, cache, &table, &error);
    expect_known(status, &error);
    if (status != STATUS_OK) {
        file_release(file);
    } else {
        status = table_verify(table, note_fault, &faults, &error);
        expect_known(status, &error);
        DEMAND((status == STATUS_OK) == (faults == 0), "%zu faults", faults);
        walk(table, bytes, status == STATUS_OK);
    }
    table_unref(table);
    block_cache_close(cache);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t count) {
    if (count < 1) {
        return 0;
    }
    struct fuzz_world fuzz;
    unsigned char *bytes = malloc(count); /* of its own: its end is watched */
    DEMAND(bytes != NULL, "memory");
    memcpy(bytes, data + 1, count - 1);
    if ((data[0] & FUZZ_REPAIR) != 0) {
        repair(bytes, count - 1);
    }
    fuzz_begin(&fuzz);
    fuzz_put(&fuzz, PATH, slice_make(bytes, count - 1));
    read_table(&fuzz, slice_make(bytes, count - 1));
    fuzz_end(&fuzz);
    free(bytes);
    return 0;
}

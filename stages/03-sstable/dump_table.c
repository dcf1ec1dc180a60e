#include "dump_table.h"

#include <inttypes.h>
#include <stdio.h>

#include "block.h"
#include "filter.h"
#include "internal_key.h"
#include "leveldb_filter.h"
#include "memory.h"
#include "properties.h"
#include "table_format.h"

struct dumping {
    struct file *file;
    uint64_t file_bytes;
    struct report report;
    struct error first; /* fault; status OK: none yet */
};

const char *dump_key(char text[DUMP_KEY_BYTES], struct slice key) {
    char user[REPORT_TEXT_BYTES];
    if (!internal_key_legal(key)) {
        snprintf(text, DUMP_KEY_BYTES, "%s, no internal key", report_bytes(user, key));
        return text;
    }
    uint64_t tag = internal_key_tag(key);
    snprintf(text, DUMP_KEY_BYTES, "%s @ %" PRIu64 ", %s",
             report_bytes(user, internal_key_user(key)), tag_sequence(tag),
             tag_type(tag) == KV_PUT ? "put" : "delete");
    return text;
}

/* ---- damage ---------------------------------------------------------------------- */

static void damage_at(struct dumping *d, uint64_t offset, const char *why) {
    report_line(&d->report, "%8" PRIu64 "  CORRUPT  %s", offset, why);
    if (d->first.status == STATUS_OK) {
        error_set(&d->first, STATUS_CORRUPT, "%s: offset %" PRIu64 ": %s", d->file->path,
                  offset, why);
    }
}

/* What a call has said: its words without the place, which stands before them. Answers OK
 * where it said CORRUPT. */
static enum status take_damage(struct dumping *d, uint64_t offset, enum status status,
                               const struct error *said, struct error *error) {
    char place[ERROR_MESSAGE_BYTES];
    int length =
        snprintf(place, sizeof place, "%s: offset %" PRIu64 ": ", d->file->path, offset);
    if (status == STATUS_CORRUPT) {
        bool begins = strncmp(said->message, place, (size_t)length) == 0;
        damage_at(d, offset, said->message + (begins ? length : 0));
        return STATUS_OK;
    }
    return status == STATUS_OK ? status : error_set(error, status, "%s", said->message);
}

/* ---- blocks ---------------------------------------------------------------------- */

/* One block in memory. */
struct loaded {
    uint64_t offset;
    unsigned char *data; /* NULL: it is damaged, which was told */
    struct slice contents;
};

/* Loads the block and says where it is, and what it is. */
static enum status load(struct dumping *d, struct block_handle handle, const char *what,
                        struct loaded *loaded, struct error *error) {
    struct error said = {0};
    unsigned char type = 0;
    size_t bytes = 0, done;
    *loaded = (struct loaded){.offset = handle.offset};
    enum status status =
        block_load(d->file, d->file_bytes, handle, &loaded->data, &bytes, &said);
    if (status != STATUS_OK) {
        return take_damage(d, handle.offset, status, &said, error);
    }
    status = file_read(d->file, handle.offset + handle.bytes, &type, 1, &done, error);
    if (status != STATUS_OK) {
        memory_give(loaded->data);
        return status;
    }
    loaded->contents = slice_make(loaded->data, bytes);
    report_line(&d->report, "%8" PRIu64 "  block    %s: %" PRIu64 " bytes, %s",
                handle.offset, what, handle.bytes,
                compression_name((enum compression)type));
    if (type != COMPRESSION_NONE) {
        report_line(&d->report, "            unpacked: %zu bytes", bytes);
    }
    return STATUS_OK;
}

/* Says one entry; false: it cannot be. */
typedef bool entry_words(struct dumping *d, const struct iter *entry);

static enum status dump_entries(struct dumping *d, const struct loaded *loaded,
                                entry_words *words, struct error *error) {
    struct block block;
    struct block_iter iter;
    const char *why;
    bool good = true;
    if (block_init(&block, loaded->contents, &why) != STATUS_OK) {
        damage_at(d, loaded->offset, why);
        return STATUS_OK;
    }
    block_iter_init(&iter, &block);
    for (block_iter_first(&iter); iter.iter.valid; block_iter_next(&iter)) {
        good = words(d, &iter.iter) && good;
    }
    enum status status =
        take_damage(d, loaded->offset, iter.iter.error.status, &iter.iter.error, error);
    if (!good) {
        damage_at(d, loaded->offset, "an entry of this block cannot be");
    }
    block_iter_free(&iter);
    return status;
}

/* A block that consists of entries. */
static enum status dump_block(struct dumping *d, struct block_handle handle,
                              const char *what, entry_words *words, struct error *error) {
    struct loaded loaded;
    enum status status = load(d, handle, what, &loaded, error);
    if (status == STATUS_OK && loaded.data != NULL) {
        status = dump_entries(d, &loaded, words, error);
        memory_give(loaded.data);
    }
    return status;
}

static bool data_words(struct dumping *d, const struct iter *entry) {
    char key[DUMP_KEY_BYTES], value[REPORT_TEXT_BYTES];
    bool legal = internal_key_legal(entry->key);
    bool put = legal && tag_type(internal_key_tag(entry->key)) == KV_PUT;
    if (put || !legal) {
        report_line(&d->report, "            %s = %s", dump_key(key, entry->key),
                    report_bytes(value, entry->value));
    } else {
        report_line(&d->report, "            %s", dump_key(key, entry->key));
    }
    return legal;
}

static bool handle_words(struct dumping *d, const char *name, struct slice value) {
    struct block_handle handle;
    bool good = take_block_handle(&value, &handle) && value.length == 0;
    if (good) {
        report_line(&d->report, "            %s: offset %" PRIu64 ", %" PRIu64 " bytes",
                    name, handle.offset, handle.bytes);
    } else {
        report_line(&d->report, "            %s: no block's place", name);
    }
    return good;
}

static bool index_words(struct dumping *d, const struct iter *entry) {
    char key[DUMP_KEY_BYTES];
    return handle_words(d, dump_key(key, entry->key), entry->value) &&
           internal_key_legal(entry->key);
}

static bool metaindex_words(struct dumping *d, const struct iter *entry) {
    char name[REPORT_TEXT_BYTES];
    return handle_words(d, report_bytes(name, entry->key), entry->value);
}

/* ---- meta blocks ----------------------------------------------------------------- */

static void dump_properties(struct dumping *d, const struct loaded *loaded) {
    struct properties properties;
    const char *why = "no memory for the properties";
    if (properties_read(&properties, loaded->contents, &why) != STATUS_OK) {
        damage_at(d, loaded->offset, why);
        return;
    }
#define PROPERTY_LINE(name, words, unit)                                                 \
    report_line(&d->report, "            %s: %" PRIu64 "%s%s", (words), properties.name, \
                (unit)[0] == '\0' ? "" : " ", (unit));
    PROPERTIES_TABLE(PROPERTY_LINE)
#undef PROPERTY_LINE
}

static void dump_filter(struct dumping *d, const struct loaded *loaded, bool strata) {
    const char *why;
    struct slice bytes = loaded->contents;
    struct filter filter;
    if (strata ? !filter_read(&filter, bytes, &why)
               : !leveldb_filter_check(bytes, &why)) {
        damage_at(d, loaded->offset, why);
    } else if (strata) {
        report_line(&d->report, "            %zu lines of %d bytes, %u probes a key",
                    filter.line_count, FILTER_LINE_BYTES, filter.probes);
    } else {
        report_line(&d->report, "            a filter for each %u bytes of data blocks",
                    1u << (bytes.data[bytes.length - 1] & 31));
    }
}

/* The block that an entry of the metaindex names. */
static enum status dump_named(struct dumping *d, const struct iter *entry,
                              struct error *error) {
    struct loaded loaded;
    struct block_handle handle;
    struct slice value = entry->value;
    char name[REPORT_TEXT_BYTES];
    if (!take_block_handle(&value, &handle)) {
        return STATUS_OK; /* told with the metaindex */
    }
    enum status status = load(d, handle, report_bytes(name, entry->key), &loaded, error);
    if (status != STATUS_OK || loaded.data == NULL) {
        return status;
    }
    if (slice_equal(entry->key, slice_of(TABLE_PROPERTIES))) {
        dump_properties(d, &loaded);
    } else if (slice_equal(entry->key, slice_of(TABLE_FILTER))) {
        dump_filter(d, &loaded, true);
    } else if (slice_equal(entry->key, slice_of(TABLE_LEVELDB_FILTER))) {
        dump_filter(d, &loaded, false);
    }
    memory_give(loaded.data);
    return STATUS_OK;
}

static enum status dump_data(struct dumping *d, const struct iter *entry,
                             struct error *error) {
    struct block_handle handle;
    struct slice value = entry->value;
    return take_block_handle(&value, &handle)
               ? dump_block(d, handle, "data", data_words, error)
               : STATUS_OK; /* told with the index */
}

/* Every block that the block at `handle` lists; whether it can be read is told later. */
static enum status dump_listed(struct dumping *d, struct block_handle handle,
                               enum status (*dump)(struct dumping *d,
                                                   const struct iter *entry,
                                                   struct error *error),
                               struct error *error) {
    struct error said = {0};
    unsigned char *data;
    size_t bytes;
    struct block block;
    const char *why;
    enum status status = block_load(d->file, d->file_bytes, handle, &data, &bytes, &said);
    if (status != STATUS_OK) {
        return status == STATUS_CORRUPT ? STATUS_OK
                                        : error_set(error, status, "%s", said.message);
    }
    if (block_init(&block, slice_make(data, bytes), &why) == STATUS_OK) {
        struct block_iter iter;
        block_iter_init(&iter, &block);
        block_iter_first(&iter);
        while (iter.iter.valid && status == STATUS_OK) {
            status = dump(d, &iter.iter, error);
            block_iter_next(&iter);
        }
        block_iter_free(&iter);
    }
    memory_give(data);
    return status;
}

/* ---- the whole ------------------------------------------------------------------- */

/* Blocks one behind the other, as far as they can be told from what follows. */
static enum status dump_found(struct dumping *d, struct error *error) {
    uint64_t offset = 0;
    bool found = true;
    enum status status = STATUS_OK;
    while (found && status == STATUS_OK) {
        struct block_handle handle;
        status = block_find(d->file, offset, &handle, &found, error);
        if (status == STATUS_OK && found) {
            status = dump_block(d, handle, "found by its checksum", data_words, error);
            offset += handle.bytes + BLOCK_TRAILER_BYTES;
        }
    }
    if (status == STATUS_OK && offset < d->file_bytes) {
        damage_at(d, offset, "no whole block begins here");
    }
    return status;
}

/* Whether the index can be read; if not, its blocks are to be found without it. */
static enum status index_is_whole(struct dumping *d, struct block_handle handle,
                                  bool *whole, struct error *error) {
    struct error said = {0};
    unsigned char *data = NULL;
    size_t bytes;
    enum status status = block_load(d->file, d->file_bytes, handle, &data, &bytes, &said);
    *whole = status == STATUS_OK;
    memory_give(data);
    return status == STATUS_CORRUPT || status == STATUS_OK
               ? STATUS_OK
               : error_set(error, status, "%s", said.message);
}

static enum status dump_whole(struct dumping *d, const struct footer *footer,
                              struct error *error) {
    bool whole;
    enum status status = index_is_whole(d, footer->index, &whole, error);
    if (status == STATUS_OK) {
        status = whole ? dump_listed(d, footer->index, dump_data, error)
                       : dump_found(d, error);
    }
    if (status == STATUS_OK) {
        status = dump_listed(d, footer->metaindex, dump_named, error);
    }
    if (status == STATUS_OK) {
        status = dump_block(d, footer->metaindex, "metaindex", metaindex_words, error);
    }
    if (status == STATUS_OK) {
        status = dump_block(d, footer->index, "index", index_words, error);
    }
    report_line(&d->report,
                "%8" PRIu64 "  footer   metaindex: offset %" PRIu64 ", %" PRIu64
                " bytes; index: offset %" PRIu64 ", %" PRIu64 " bytes",
                d->file_bytes - FOOTER_BYTES, footer->metaindex.offset,
                footer->metaindex.bytes, footer->index.offset, footer->index.bytes);
    return status;
}

static enum status dump_file(struct dumping *d, struct error *error) {
    struct footer footer;
    struct error said = {0};
    uint64_t bytes;
    enum status status = file_size(d->file, &d->file_bytes, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = footer_read(d->file, &bytes, &footer, &said);
    if (status == STATUS_CORRUPT) {
        uint64_t offset = d->file_bytes < FOOTER_BYTES ? 0 : d->file_bytes - FOOTER_BYTES;
        status = dump_found(d, error);
        return status == STATUS_OK ? take_damage(d, offset, STATUS_CORRUPT, &said, error)
                                   : status;
    }
    if (status != STATUS_OK) {
        return error_set(error, status, "%s", said.message);
    }
    return dump_whole(d, &footer, error);
}

enum status table_dump(const char *path, const struct kv_options *options,
                       kv_report *report, void *context, struct error *error) {
    struct dumping d = {.report = {report, context}};
    enum status status =
        file_open(options->world->files, path, FILE_READ, &d.file, error);
    if (status == STATUS_OK) {
        status = dump_file(&d, error);
    }
    if (status == STATUS_OK) {
        report_line(&d.report, "%8" PRIu64 "  end", d.file_bytes);
    }
    if (status == STATUS_OK && d.first.status != STATUS_OK) {
        status = error_set(error, d.first.status, "%s", d.first.message);
    }
    file_release(d.file);
    return status;
}

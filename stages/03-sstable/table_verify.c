/* Footer, index, metaindex, filter and properties were read and checked when the table
 * was opened; here the data blocks are read, and what the others say of them is compared.
 * A block is left at its first fault, the others are still read. */
#include <inttypes.h>

#include "filter.h"
#include "leveldb_filter.h"
#include "memory.h"
#include "report.h"
#include "table_inside.h"

struct verification {
    struct table *table;
    struct report report;
    struct error first;    /* fault */
    struct buf last;       /* key; empty: none yet */
    struct buf last_index; /* key of the index, likewise */
    struct properties seen;
};

static void fault(struct verification *verification, const struct error *found) {
    report_line(&verification->report, "%s", found->message);
    if (verification->first.status == STATUS_OK) {
        verification->first = *found;
    }
}

static void fault_at(struct verification *verification, uint64_t offset,
                     const char *why) {
    struct error found = {0};
    (void)table_corrupt(verification->table, offset, why, &found);
    fault(verification, &found);
}

static bool not_above(struct slice key, const struct buf *before) {
    return before->length > 0 && internal_key_compare(buf_slice(before), key) >= 0;
}

/* What is wrong with an entry; NULL: nothing. */
static const char *judge(const struct verification *verification, uint64_t offset,
                         struct slice key) {
    const struct table *table = verification->table;
    if (!internal_key_legal(key)) {
        return "an entry's key is no internal key";
    }
    if (not_above(key, &verification->last)) {
        return "a key is not above the one before it";
    }
    if (not_above(key, &verification->last_index)) {
        return "a key is not above what the index says of the block before";
    }
    struct slice user = internal_key_user(key);
    if (table->filter_data != NULL &&
        !filter_may_contain(&table->filter, filter_hash(user))) {
        return "the filter denies a key of this block";
    }
    if (table->leveldb_data != NULL &&
        !leveldb_filter_may_contain(table->leveldb_filter, offset, user)) {
        return "LevelDB's filter denies a key of this block";
    }
    return NULL;
}

/* Walks a block's entries. NO_MEMORY. */
static enum status verify_entries(struct verification *verification, uint64_t offset,
                                  struct slice index_key, const struct block *block) {
    struct block_iter iter;
    enum status status = STATUS_OK;
    const char *why = NULL;
    block_iter_init(&iter, block);
    block_iter_first(&iter);
    while (iter.iter.valid && why == NULL && status == STATUS_OK) {
        why = judge(verification, offset, iter.iter.key);
        if (why == NULL) {
            properties_count(&verification->seen, iter.iter.key, iter.iter.value);
            status = buf_assign(&verification->last, iter.iter.key);
            block_iter_next(&iter);
        }
    }
    if (why == NULL && iter.iter.error.status == STATUS_CORRUPT) {
        why = iter.iter.error.message;
    } else if (why == NULL && iter.iter.error.status != STATUS_OK) {
        status = STATUS_NO_MEMORY;
    }
    if (why == NULL && verification->last.length > 0 &&
        internal_key_compare(buf_slice(&verification->last), index_key) > 0) {
        why = "the index says that this block ends before its last key";
    }
    bool bad = why != NULL || block_check_restarts(block, &why) != STATUS_OK;
    if (bad && status == STATUS_OK) {
        fault_at(verification, offset, why);
    }
    block_iter_free(&iter);
    return status;
}

/* Reads the block of an index entry. NO_MEMORY. */
static enum status verify_block(struct verification *verification,
                                const struct iter *entry, struct error *error) {
    struct table *table = verification->table;
    struct block_handle handle;
    struct block block;
    unsigned char *data;
    size_t bytes;
    struct error found = {0};
    if (!internal_key_legal(entry->key) ||
        not_above(entry->key, &verification->last_index)) {
        fault_at(verification, table->index_offset,
                 "a key of the index is not above the one before it");
        return STATUS_OK;
    }
    enum status status = table_handle(table, entry->value, &handle, &found);
    if (status == STATUS_OK) {
        status = table_load(table, handle, &data, &bytes, &block, &found);
    }
    verification->seen.data_blocks++;
    if (status == STATUS_OK) {
        status = verify_entries(verification, handle.offset, entry->key, &block);
        memory_give(data);
    } else if (status != STATUS_NO_MEMORY) {
        fault(verification, &found);
        status = STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = buf_assign(&verification->last_index, entry->key);
    }
    return status == STATUS_OK ? status
                               : error_no_memory(error, "a key", entry->key.length);
}

static void verify_properties(struct verification *verification) {
    const struct properties *said = &verification->table->properties;
    const struct properties *seen = &verification->seen;
    const char *why = NULL;
    if (said->entries != seen->entries || said->tombstones != seen->tombstones ||
        said->data_blocks != seen->data_blocks) {
        why = "the properties count other entries, tombstones or blocks";
    } else if (said->raw_key_bytes != seen->raw_key_bytes ||
               said->raw_value_bytes != seen->raw_value_bytes) {
        why = "the properties count other bytes of keys or values";
    } else if (seen->entries > 0 && (seen->smallest_sequence < said->smallest_sequence ||
                                     seen->largest_sequence > said->largest_sequence)) {
        why = "there are sequences outside of those that the properties say";
    }
    if (why != NULL) {
        fault_at(verification, verification->table->properties_offset, why);
    }
}

enum status table_verify(struct table *table, kv_report *report, void *context,
                         struct error *error) {
    struct verification verification = {.table = table, .report = {report, context}};
    struct block_iter index;
    enum status status = STATUS_OK;
    const char *why;
    block_iter_init(&index, &table->index);
    block_iter_first(&index);
    while (index.iter.valid && status == STATUS_OK) {
        status = verify_block(&verification, &index.iter, error);
        block_iter_next(&index);
    }
    if (status == STATUS_OK && index.iter.error.status == STATUS_CORRUPT) {
        fault_at(&verification, table->index_offset, index.iter.error.message);
    } else if (status == STATUS_OK && index.iter.error.status != STATUS_OK) {
        status =
            error_set(error, index.iter.error.status, "%s", index.iter.error.message);
    } else if (status == STATUS_OK &&
               block_check_restarts(&table->index, &why) != STATUS_OK) {
        fault_at(&verification, table->index_offset, why);
    }
    block_iter_free(&index);
    /* Where a block could not be counted there is nothing to compare with. */
    if (status == STATUS_OK && verification.first.status == STATUS_OK &&
        table->has_properties && table->properties.format_version == PROPERTIES_FORMAT) {
        verify_properties(&verification);
    }
    buf_free(&verification.last);
    buf_free(&verification.last_index);
    if (status == STATUS_OK && verification.first.status != STATUS_OK) {
        status =
            error_set(error, verification.first.status, "%s", verification.first.message);
    }
    return status;
}

#include "write_buffer.h"

#include <assert.h>
#include <inttypes.h>

#include "failpoint.h"
#include "memory.h"

enum status write_buffer_open(uint64_t memory_bytes, uint64_t expected_bytes,
                              uint64_t behind, struct write_buffer **out,
                              struct error *error) {
    struct write_buffer *buffer = memory_take_zeroed(sizeof *buffer);
    struct memtable *memtable = memtable_open(expected_bytes);
    if (buffer == NULL || memtable == NULL) {
        memtable_unref(memtable);
        memory_give(buffer);
        return error_no_memory(error, "a write buffer", sizeof *buffer);
    }
    buffer->memtable = memtable;
    buffer->memory_bytes = memory_bytes;
    buffer->behind = behind;
    write_buffer_publish(buffer, behind);
    atomic_u64_store(&buffer->references, 1, memory_order_relaxed);
    *out = buffer;
    return STATUS_OK;
}

/* ---- taking in ------------------------------------------------------------------- */

/* What the change would take beyond what there is; 0: it fits. */
static uint64_t excess(const struct write_buffer *buffer, uint64_t cost) {
    uint64_t used = memtable_used(buffer->memtable) + cost;
    return used > buffer->memory_bytes ? used - buffer->memory_bytes : 0;
}

static enum status reserve(struct write_buffer *buffer, const struct kv_op *ops,
                           size_t count, struct memtable_room *room,
                           struct error *error) {
    enum status status = failpoint(buffer_room)
                             ? STATUS_NO_MEMORY
                             : memtable_reserve(buffer->memtable, ops, count, room);
    if (status != STATUS_OK) {
        return error_no_memory(error, "the memtable's entries",
                               memtable_cost(buffer->memtable, ops, count));
    }
    return STATUS_OK;
}

enum status write_buffer_reserve(struct write_buffer *buffer, const struct kv_op *ops,
                                 size_t count, struct memtable_room *room,
                                 struct error *error) {
    uint64_t cost = memtable_cost(buffer->memtable, ops, count);
    if (excess(buffer, cost) > 0) {
        return error_set(
            error, STATUS_LIMIT,
            "the change takes %" PRIu64 " bytes of memory, and of memory-bytes, %" PRIu64
            ", %" PRIu64
            " are taken: this stage keeps all versions of all keys in memory. Open the "
            "database again with more memory-bytes, or export it and import it into a "
            "new directory, which leaves old versions behind",
            cost, buffer->memory_bytes, memtable_used(buffer->memtable));
    }
    return reserve(buffer, ops, count, room, error);
}

/* One operation at a time: entries take as much as they do within a change, so a history
 * that was written within memory_bytes is replayed within them. */
enum status write_buffer_replay(struct write_buffer *buffer,
                                const struct change_reader *change, struct error *error) {
    struct change_reader reader = *change;
    struct kv_op op;
    for (uint64_t sequence = change->sequence; change_next(&reader, &op); sequence++) {
        struct memtable_room room;
        if (excess(buffer, memtable_cost(buffer->memtable, &op, 1)) > 0) {
            return error_set(error, STATUS_LIMIT,
                             "the logs hold more than memory-bytes, %" PRIu64
                             ", can take: their changes up to sequence %" PRIu64
                             " already do. Open with more memory-bytes",
                             buffer->memory_bytes, sequence - 1);
        }
        enum status status = reserve(buffer, &op, 1, &room, error);
        if (status != STATUS_OK) {
            return status;
        }
        memtable_insert(buffer->memtable, &room, &op, 1, sequence);
    }
    return STATUS_OK;
}

void write_buffer_start(struct write_buffer *buffer, struct wal *wal, uint64_t last) {
    assert(buffer->wal == NULL);
    buffer->wal = wal;
    write_buffer_publish(buffer, last);
}

/* ---- the steps of a change ------------------------------------------------------- */

enum status write_buffer_append(struct write_buffer *buffer,
                                const struct change_group *group, uint64_t *sequence,
                                struct error *error) {
    enum status status = wal_append_group(buffer->wal, group, sequence, error);
    if (status == STATUS_OK) {
        failpoint_pass(buffer_appended_not_inserted);
    }
    return status;
}

void write_buffer_insert(struct write_buffer *buffer, const struct memtable_room *room,
                         const struct kv_op *ops, size_t count, uint64_t last) {
    memtable_insert(buffer->memtable, room, ops, count, last - count + 1);
    failpoint_pass(buffer_inserted_not_visible);
}

/* The release store that makes a change visible as a whole: a reader that loads the new
 * sequence finds every entry that was inserted before, and one that loads the old one
 * passes over them, since their sequences are above it. */
void write_buffer_publish(struct write_buffer *buffer, uint64_t last) {
    atomic_u64_store(&buffer->visible, last, memory_order_release);
}

enum status write_buffer_sync(struct write_buffer *buffer, uint64_t sequence,
                              struct error *error) {
    return wal_sync(buffer->wal, sequence, error);
}

/* ---- the end --------------------------------------------------------------------- */

enum status write_buffer_stop(struct write_buffer *buffer, struct error *error) {
    enum status status = wal_close(buffer->wal, error);
    buffer->wal = NULL;
    return status;
}

struct wal *write_buffer_freeze(struct write_buffer *buffer) {
    struct wal *wal = buffer->wal;
    buffer->wal = NULL;
    return wal;
}

void write_buffer_ref(struct write_buffer *buffer) {
    atomic_u64_add(&buffer->references, 1, memory_order_relaxed);
}

/* Acquire and release: what any holder did with the buffer comes before its end. */
void write_buffer_unref(struct write_buffer *buffer) {
    if (buffer != NULL &&
        atomic_u64_add(&buffer->references, UINT64_MAX, memory_order_acq_rel) == 1) {
        assert(buffer->wal == NULL);
        memtable_unref(buffer->memtable);
        memory_give(buffer);
    }
}

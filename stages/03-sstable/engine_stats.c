/* What an engine tells of itself. */
#include "engine_state.h"
#include "engine_store.h"

void engine_progress(void *opened, struct kv_progress *progress) {
    struct engine *engine = opened;
    gate_enter(&engine->gate);
    struct wal_progress now = engine->last;
    if (engine->wal != NULL) {
        wal_progress(engine->wal, &now);
    }
    bool stopped = engine_usable(engine, NULL) != STATUS_OK;
    gate_leave(&engine->gate);
    *progress = (struct kv_progress){now.issued, now.written, now.durable, stopped};
}

static void count_log(struct engine *engine, struct kv_stats *stats) {
    struct wal_progress now = engine->last;
    if (engine->wal != NULL) {
        wal_progress(engine->wal, &now);
        stats->write_stalls = syncer_stalls(engine->syncer);
    }
    stats->sequence_issued = now.issued;
    stats->sequence_written = now.written;
    stats->sequence_durable = now.durable;
    stats->syncs = now.syncs;
    stats->sync_micros = now.sync_micros;
    stats->log_rotations = now.rotations;
    stats->recovered_changes = engine->recovery.changes;
    stats->recovered_rewritten = engine->recovery.rewritten;
    stats->recovered_dropped_bytes = engine->recovery.dropped_bytes;
    stats->replayed_bytes = engine->recovery.replayed_bytes;
}

static void count_view(struct engine *engine, struct kv_stats *stats) {
    const struct view *view = engine_place_begin(engine);
    for (size_t i = 0; i < view->buffer_count; i++) {
        const struct memtable *memtable = view->buffers[i].buffer->memtable;
        stats->memtable_entries += memtable_count(memtable);
        stats->memtable_bytes += memtable_used(memtable);
        stats->memtable_charged_bytes += memtable_charged(memtable);
    }
    for (size_t i = 0; i < view->version->run_count; i++) {
        const struct sorted_run *run = &view->version->runs[i];
        struct kv_level_stats *level = &stats->levels[run->level];
        stats->tables += run->count;
        level->tables += run->count;
        for (size_t j = 0; j < run->count; j++) {
            stats->table_bytes += run->files[j]->meta.bytes;
            level->bytes += run->files[j]->meta.bytes;
        }
    }
    mutex_unlock(&engine->placing);
}

/* No lock of writers: some may be stalled, and that is when a person asks. */
static void count_work(const struct engine *engine, struct kv_stats *stats) {
    stats->writes = atomic_u64_load(&engine->writes, memory_order_relaxed);
    stats->write_ops = atomic_u64_load(&engine->write_ops, memory_order_relaxed);
    stats->write_bytes = atomic_u64_load(&engine->write_bytes, memory_order_relaxed);
    stats->flushes = atomic_u64_load(&engine->flushes, memory_order_relaxed);
    stats->flush_bytes = atomic_u64_load(&engine->flush_bytes, memory_order_relaxed);
    stats->flush_micros = atomic_u64_load(&engine->flush_micros, memory_order_relaxed);
}

static void count_searches(struct engine *engine, struct kv_stats *stats) {
    for (size_t i = 0; i < READER_SLOTS; i++) {
        const struct read_counts *counts = &engine->read_counts[i];
        stats->filter_checks +=
            atomic_u64_load(&counts->filters_asked, memory_order_relaxed);
        stats->filter_saves +=
            atomic_u64_load(&counts->filters_denied, memory_order_relaxed);
        stats->blocks_searched +=
            atomic_u64_load(&counts->blocks_searched, memory_order_relaxed);
    }
}

static void count_blocks(struct engine *engine, struct kv_stats *stats) {
    struct block_cache_stats blocks;
    block_cache_stats(engine->blocks, &blocks);
    stats->block_cache_hits = blocks.hits;
    stats->block_cache_misses = blocks.misses;
    stats->block_cache_bytes = blocks.bytes;
}

void engine_stats(void *opened, struct kv_stats *stats) {
    struct engine *engine = opened;
    gate_enter(&engine->gate);
    count_log(engine, stats);
    directory_count_logs(&engine->directory, &stats->log_files, &stats->log_bytes);
    count_view(engine, stats);
    count_work(engine, stats);
    count_blocks(engine, stats);
    count_searches(engine, stats);
    gate_leave(&engine->gate);
    stats->scans = atomic_u64_load(&engine->scans, memory_order_relaxed);
    uint64_t others =
        stats->scans + atomic_u64_load(&engine->foresights, memory_order_relaxed);
    stats->reads = readers_total(&engine->readers) - others;
}

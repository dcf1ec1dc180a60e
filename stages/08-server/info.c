/* Lines are appended without looking at each one's outcome: the first that failed is
 * remembered, and is the answer. Memory is the only thing that can fail. */
#include "info.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "kv.h"
#include "memory.h"

struct lines {
    struct buf *out;
    enum status status;
};

static void add(struct lines *lines, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct lines *lines, const char *format, ...) {
    char line[2 * CONFIG_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (lines->status == STATUS_OK) {
        lines->status = buf_append_text(lines->out, line);
    }
    if (lines->status == STATUS_OK) {
        lines->status = buf_append_text(lines->out, "\r\n");
    }
}

static void add_number(struct lines *lines, const char *name, uint64_t value) {
    add(lines, "%s:%" PRIu64, name, value);
}

/* And the same for people: "used_memory_human:1.57M". */
static void add_bytes(struct lines *lines, const char *name, uint64_t bytes) {
    static const char units[] = "BKMGTPE";
    double scaled = (double)bytes;
    size_t unit = 0;
    while (scaled >= 1024 && unit + 2 < sizeof units) {
        scaled /= 1024;
        unit++;
    }
    add_number(lines, name, bytes);
    if (unit == 0) {
        add(lines, "%s_human:%" PRIu64 "B", name, bytes);
    } else {
        add(lines, "%s_human:%.2f%c", name, scaled, units[unit]);
    }
}

/* A ratio of 0 to 0 is told as 0. */
static void add_ratio(struct lines *lines, const char *name, uint64_t part,
                      uint64_t whole) {
    add(lines, "%s:%.2f", name, whole == 0 ? 0 : (double)part / (double)whole);
}

/* ---- sections -------------------------------------------------------------------- */

static void add_server(struct lines *lines, const struct info_facts *facts) {
    add(lines, "redis_version:%s", STRATA_REDIS_VERSION);
    add(lines, "strata_version:%s", STRATA_VERSION);
    add(lines, "redis_mode:standalone");
    add(lines, "os:%s", facts->process.system);
    add(lines, "arch_bits:%zu", sizeof(void *) * 8);
    add(lines, "multiplexing_api:epoll");
    add_number(lines, "process_id", facts->process.id);
    add(lines, "run_id:%s", facts->run_id);
    add(lines, "tcp_port:%" PRId64, facts->config.port);
    add_number(lines, "server_time_usec", facts->now_micros);
    add_number(lines, "uptime_in_seconds", facts->uptime_micros / 1000000);
    add_number(lines, "uptime_in_days", facts->uptime_micros / 86400000000);
    add(lines, "config_file:%s", facts->config_path != NULL ? facts->config_path : "");
    add(lines, "io_threads_active:%d", facts->config.io_threads > 1);
}

static void add_clients(struct lines *lines, const struct info_facts *facts) {
    add_number(lines, "connected_clients", facts->clients);
    add(lines, "cluster_connections:0");
    add(lines, "maxclients:%" PRId64, facts->config.maxclients);
    add(lines, "blocked_clients:0");
}

static void add_memory(struct lines *lines, const struct info_facts *facts) {
    const struct kv_options *engine = &facts->config.engine;
    add_bytes(lines, "used_memory",
              facts->kv.memtable_charged_bytes + facts->kv.block_cache_bytes);
    add_bytes(lines, "used_memory_rss", facts->process.resident_bytes);
    add_bytes(lines, "used_memory_peak", facts->process.resident_peak_bytes);
    add_bytes(lines, "total_system_memory", facts->process.machine_bytes);
    add_bytes(lines, "maxmemory", (uint64_t)facts->config.maxmemory);
    add(lines, "maxmemory_policy:noeviction");
    add(lines, "mem_allocator:libc");
    add_number(lines, "write_buffers_limit",
               engine->write_buffers * engine->write_buffer_bytes);
    add_number(lines, "write_buffers_bytes", facts->kv.memtable_charged_bytes);
    add_number(lines, "block_cache_limit", engine->block_cache_bytes);
    add_number(lines, "block_cache_bytes", facts->kv.block_cache_bytes);
}

static void add_persistence(struct lines *lines, const struct info_facts *facts) {
    static const char *const modes[] = {
        [APPENDFSYNC_ALWAYS] = "always",
        [APPENDFSYNC_EVERYSEC] = "everysec",
        [APPENDFSYNC_NO] = "no",
    };
    const struct saver_facts *saver = &facts->saver;
    add(lines, "loading:0");
    /* What a loss of power may take: saves have nothing to do with that here. */
    add_number(lines, "rdb_changes_since_last_save",
               facts->kv.sequence_issued - facts->kv.sequence_durable);
    add(lines, "rdb_bgsave_in_progress:%d", saver->running);
    add_number(lines, "rdb_last_save_time", saver->last_seconds);
    add(lines, "rdb_last_bgsave_status:%s", saver->last_failed ? "err" : "ok");
    add(lines, "rdb_last_bgsave_time_sec:%" PRId64,
        saver->saves == 0 ? -1 : (int64_t)(saver->last_micros / 1000000));
    add(lines, "rdb_current_bgsave_time_sec:%" PRId64,
        saver->running ? (int64_t)(saver->running_micros / 1000000) : -1);
    add_number(lines, "rdb_saves", saver->saves);
    add(lines, "aof_enabled:1");
    add(lines, "aof_rewrite_in_progress:0");
    add(lines, "aof_last_bgrewrite_status:ok");
    add(lines, "aof_last_write_status:%s", facts->writes_fail ? "err" : "ok");
    add_number(lines, "aof_current_size", facts->kv.log_bytes);
    add(lines, "appendfsync:%s", modes[facts->config.appendfsync]);
    add_number(lines, "sequence_issued", facts->kv.sequence_issued);
    add_number(lines, "sequence_written", facts->kv.sequence_written);
    add_number(lines, "sequence_durable", facts->kv.sequence_durable);
}

static void add_stats(struct lines *lines, const struct info_facts *facts) {
    uint64_t calls = 0, failed = 0;
    for (size_t i = 0; i < facts->index->count; i++) {
        calls += facts->totals[i].calls;
        failed += facts->totals[i].failed + facts->totals[i].rejected;
    }
    add_number(lines, "total_commands_processed", calls);
    add_number(lines, "instantaneous_ops_per_sec", facts->commands_per_second);
    add_number(lines, "total_error_replies", failed);
#define ADD_COUNT(name, words, help) add_number(lines, words, facts->counts.name);
    SERVER_COUNT_TABLE(ADD_COUNT)
#undef ADD_COUNT
    add(lines, "evicted_keys:0");
    add(lines, "pubsub_channels:0");
    add(lines, "pubsub_patterns:0");
}

static void add_replication(struct lines *lines, const struct info_facts *facts) {
    add(lines, "role:master");
    add(lines, "connected_slaves:0");
    add(lines, "master_failover_state:no-failover");
    add(lines, "master_replid:%s", facts->run_id);
    add(lines, "master_repl_offset:0");
}

static void add_cpu(struct lines *lines, const struct info_facts *facts) {
    const struct process_facts *process = &facts->process;
    add(lines, "used_cpu_sys:%" PRIu64 ".%06" PRIu64, process->system_micros / 1000000,
        process->system_micros % 1000000);
    add(lines, "used_cpu_user:%" PRIu64 ".%06" PRIu64, process->user_micros / 1000000,
        process->user_micros % 1000000);
}

static void add_lsm(struct lines *lines, const struct info_facts *facts) {
    const struct kv_stats *kv = &facts->kv;
    add_ratio(lines, "write_amplification",
              kv->flush_bytes + kv->compaction_written_bytes, kv->write_bytes);
    add_ratio(lines, "block_cache_hit_ratio", kv->block_cache_hits,
              kv->block_cache_hits + kv->block_cache_misses);
    add_ratio(lines, "filter_save_ratio", kv->filter_saves, kv->filter_checks);
#define ADD_STATISTIC(name, words, unit) add_number(lines, #name, kv->name);
    KV_STATS_TABLE(ADD_STATISTIC)
#undef ADD_STATISTIC
    for (size_t i = 0; i < KV_LEVELS; i++) {
        const struct kv_level_stats *level = &kv->levels[i];
        add(lines,
            "level%zu:tables=%" PRIu64 ",bytes=%" PRIu64 ",compactions=%" PRIu64
            ",read_bytes=%" PRIu64 ",written_bytes=%" PRIu64 ",micros=%" PRIu64,
            i, level->tables, level->bytes, level->compactions, level->read_bytes,
            level->written_bytes, level->micros);
    }
}

static void add_commandstats(struct lines *lines, const struct info_facts *facts) {
    for (size_t i = 0; i < facts->index->count; i++) {
        const struct command_totals *totals = &facts->totals[i];
        if (totals->calls == 0 && totals->rejected == 0) {
            continue;
        }
        add(lines,
            "cmdstat_%s:calls=%" PRIu64 ",usec=%" PRIu64
            ",usec_per_call=%.2f,rejected_calls=%" PRIu64 ",failed_calls=%" PRIu64,
            facts->index->by_number[i]->name, totals->calls, totals->micros,
            totals->calls == 0 ? 0 : (double)totals->micros / (double)totals->calls,
            totals->rejected, totals->failed);
    }
}

static void add_latencystats(struct lines *lines, const struct info_facts *facts) {
    for (size_t i = 0; i < facts->index->count; i++) {
        const struct command_totals *totals = &facts->totals[i];
        if (totals->calls == 0) {
            continue;
        }
        add(lines,
            "latency_percentiles_usec_%s:p50=%" PRIu64 ".000,p99=%" PRIu64
            ".000,p99.9=%" PRIu64 ".000",
            facts->index->by_number[i]->name, command_totals_percentile(totals, 50),
            command_totals_percentile(totals, 99),
            command_totals_percentile(totals, 99.9));
    }
}

static void add_cluster(struct lines *lines, const struct info_facts *facts) {
    (void)facts;
    add(lines, "cluster_enabled:0");
}

static void add_keyspace(struct lines *lines, const struct info_facts *facts) {
    if (facts->keys != SERVER_KEYS_UNKNOWN && facts->keys > 0) {
        add(lines, "db0:keys=%" PRIu64 ",expires=0,avg_ttl=0", facts->keys);
    }
}

/* ---- which, and all of them ------------------------------------------------------ */

static const struct {
    const char *name, *title;
    bool shown;
    void (*add)(struct lines *lines, const struct info_facts *facts);
} sections_table[INFO_SECTIONS] = {
#define INFO_ROW(name, title, shown) [INFO_##name] = {#name, title, shown, add_##name},
    INFO_SECTION_TABLE(INFO_ROW)
#undef INFO_ROW
};

static bool is_word(struct slice text, const char *word) {
    return text.length == strlen(word) &&
           strncasecmp((const char *)text.data, word, text.length) == 0;
}

static unsigned sections_of(struct slice word) {
    unsigned sections = 0;
    bool all = is_word(word, "all") || is_word(word, "everything");
    for (unsigned i = 0; i < INFO_SECTIONS; i++) {
        bool asked = is_word(word, sections_table[i].name) ||
                     (sections_table[i].shown && is_word(word, "default"));
        sections |= asked || all ? 1u << i : 0;
    }
    return sections;
}

unsigned info_sections(const struct slice *words, size_t count) {
    unsigned sections = count == 0 ? sections_of(slice_of("default")) : 0;
    for (size_t i = 0; i < count; i++) {
        sections |= sections_of(words[i]);
    }
    return sections;
}

enum status info_print(const struct info_facts *facts, unsigned sections,
                       struct buf *out) {
    struct lines lines = {out, STATUS_OK};
    bool first = true;
    for (size_t i = 0; i < INFO_SECTIONS; i++) {
        if ((sections & 1u << i) != 0) {
            add(&lines, "%s# %s", first ? "" : "\r\n", sections_table[i].title);
            sections_table[i].add(&lines, facts);
            first = false;
        }
    }
    return lines.status;
}

enum status info_gather(struct server *server, struct info_facts *facts) {
    const struct clock *clock = server->parts.world->clock;
    const struct command_index *index = server->parts.index;
    *facts = (struct info_facts){
        .config_path = server->parts.config_path,
        .run_id = server->run_id,
        .now_micros = clock_wall_micros(clock),
        .uptime_micros = clock_monotonic_micros(clock) - server->started_micros,
        .clients = client_list_count(&server->clients),
        .keys = atomic_u64_load(&server->counted_keys, memory_order_relaxed),
        .commands_per_second =
            atomic_u64_load(&server->commands_per_second, memory_order_relaxed),
        .writes_fail = atomic_u64_load(&server->writes_fail, memory_order_relaxed) != 0,
        .index = index,
        .totals = memory_take(index->count * sizeof *facts->totals),
    };
    if (facts->totals == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < index->count; i++) {
        server_totals(server, i, &facts->totals[i]);
    }
    server_config(server, &facts->config);
    server_counts(server, &facts->counts);
    saver_tell(&server->saver, &facts->saver);
    process_facts(&facts->process);
    kv_stats(server->parts.kv, &facts->kv);
    return STATUS_OK;
}

void info_free(struct info_facts *facts) {
    memory_give(facts->totals);
    facts->totals = NULL;
}

/* Once a second: what has happened in the store since, that an operator wants to know of;
 * and, as often as it asks for it, a sign of life for the service manager. It comes from
 * the loop that lets clients in, so a loop that hangs gives none. */
#include <inttypes.h>

#include "host_state.h"
#include "process.h"

enum { SLOW_SYNC_MILLIS = 1000 };

static void watch_syncs(struct host *host, const struct kv_stats *now, uint64_t seconds) {
    uint64_t syncs = now->syncs - host->seen.syncs;
    uint64_t micros = now->sync_micros - host->seen.sync_micros;
    uint64_t millis = syncs > 0 ? micros / syncs / 1000 : 0;
    latency_add(&host->server.latency, LATENCY_SYNC, millis, seconds);
    if (millis >= SLOW_SYNC_MILLIS) {
        server_log(&host->log, LOGLEVEL_WARNING,
                   "a sync of the log took %" PRIu64 " ms: the disk is busy or slow",
                   millis);
    }
}

static void watch_stalls(struct host *host, const struct kv_stats *now,
                         uint64_t seconds) {
    uint64_t stops = now->stall_stops - host->seen.stall_stops;
    uint64_t millis = (now->stall_micros - host->seen.stall_micros) / 1000;
    latency_add(&host->server.latency, LATENCY_STALL, millis, seconds);
    if (stops > 0) {
        server_log(&host->log, LOGLEVEL_NOTICE,
                   "%" PRIu64 " writes waited for flushes or compactions, %" PRIu64
                   " ms in all",
                   stops, millis);
    }
}

static void watch_failures(struct host *host, const struct kv_stats *now) {
    uint64_t failures = now->compaction_failures - host->seen.compaction_failures;
    if (failures > 0) {
        server_log(&host->log, LOGLEVEL_WARNING,
                   "%" PRIu64 " compactions failed, and are tried again: see %s/LOG",
                   failures, host->config.dir);
    }
}

static void watch_checkpoints(struct host *host, uint64_t seconds) {
    struct saver_facts facts;
    saver_tell(&host->server.saver, &facts);
    if (facts.saves > host->seen_saves) {
        latency_add(&host->server.latency, LATENCY_CHECKPOINT, facts.last_micros / 1000,
                    seconds);
    }
    host->seen_saves = facts.saves;
}

void host_watch(struct host *host) {
    uint64_t seconds = clock_wall_micros(host->world->clock) / 1000000;
    struct kv_stats now;
    kv_stats(host->kv, &now);
    watch_syncs(host, &now, seconds);
    watch_stalls(host, &now, seconds);
    watch_failures(host, &now);
    watch_checkpoints(host, seconds);
    host->seen = now;
    server_sample(&host->server);
}

/* ---- the watchdog ---------------------------------------------------------------- */

static void give_sign(void *context) {
    struct host *host = context;
    struct loop *loop = host->ios[0].loop;
    struct error error = {0};
    uint64_t left_out;
    if (process_notify(process_environment(), "WATCHDOG=1", &error) != STATUS_OK &&
        server_log_may(&host->log, &host->watchdog_pause, &left_out)) {
        server_log(&host->log, LOGLEVEL_WARNING, "%s", error.message);
    }
    loop_timer_set(loop, &host->watchdog, loop_now_micros(loop) + host->watchdog_micros);
}

/* Twice in the time, as sd_watchdog_enabled(3) advises. */
enum status host_watch_init(struct host *host) {
    struct loop *loop = host->ios[0].loop;
    kv_stats(host->kv, &host->seen);
    host->watchdog_micros = process_watchdog_micros(process_environment()) / 2;
    host->watchdog = (struct timer){.due = give_sign, .context = host};
    if (loop_timer_add(loop, &host->watchdog) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    host->has_watch = true;
    if (host->watchdog_micros > 0) {
        loop_timer_set(loop, &host->watchdog, loop_now_micros(loop));
    }
    return STATUS_OK;
}

void host_watch_free(struct host *host) {
    loop_timer_remove(host->ios[0].loop, &host->watchdog);
}

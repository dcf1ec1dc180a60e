/* Stage 06: as stage 05, with many writers sharing one write and one sync. */
#include "bench_fillsync.h"
#include "catalog_manifest.h"
#include "commit_group.h"
#include "dump_manifest.h"
#include "engine.h"
#include "engine_store.h"
#include "get_many.h"
#include "levels.h"
#include "program/commands.h"
#include "repair_manifest.h"
#include "upkeep_threads.h"
#include "verify_engine.h"

static const struct engine_parts parts = {&catalog_manifest, &commit_group,
                                          &upkeep_threads, &horizon_newest,
                                          &value_filter_none};

static enum status open_store(const char *dir, const struct kv_options *options,
                              void **store, struct error *error) {
    struct engine *engine;
    enum status status = engine_open(dir, options, &parts, &engine, error);
    if (status == STATUS_OK) {
        *store = engine;
    }
    return status;
}

static enum status verify_store(const char *dir, const struct kv_options *options,
                                kv_report *report, void *context, struct error *error) {
    return engine_verify(dir, options, &catalog_manifest, report, context, error);
}

static enum status repair_store(const char *dir, const struct kv_options *options,
                                kv_report *report, void *context, struct error *error) {
    return engine_repair(dir, options, &repair_manifest, report, context, error);
}

static const struct store_ops store = {
    .open = open_store,
    .close = engine_close,
    .write = engine_write,
    .submit = engine_submit,
    .notify = engine_notify,
    .get = engine_get,
    .get_many = engine_get_many,
    .foresee = engine_foresee,
    .iter = engine_iter,
    .sync = engine_sync,
    .flush = engine_flush,
    .compact = engine_compact,
    .resume = engine_resume,
    .progress = engine_progress,
    .stats = engine_stats_grouped,
    .verify = verify_store,
    .repair = repair_store,
    .dump = manifest_dump,
};

static const struct command *const commands[] = {&command_bench_fillsync, &command_shell,
                                                 &command_flush, &command_compact,
                                                 &command_levels};

const struct stage stage = {
    .number = 6,
    .name = "06-batches",
    .store = &store,
    .commands = commands,
    .command_count = sizeof commands / sizeof commands[0],
};

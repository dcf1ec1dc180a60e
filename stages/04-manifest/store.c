/* Stage 04: as stage 03, but which tables are the database is what a manifest says. */
#include "bench_command.h"
#include "catalog_manifest.h"
#include "dump_manifest.h"
#include "engine.h"
#include "engine_store.h"
#include "program/commands.h"
#include "repair_manifest.h"
#include "verify_engine.h"

static const struct engine_parts parts = {&catalog_manifest, &commit_direct,
                                          &upkeep_inline, &horizon_newest,
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
    .get = engine_get,
    .iter = engine_iter,
    .sync = engine_sync,
    .flush = engine_flush,
    .resume = engine_resume,
    .progress = engine_progress,
    .stats = engine_stats,
    .verify = verify_store,
    .repair = repair_store,
    .dump = manifest_dump,
};

static const struct command *const commands[] = {&command_bench_tables, &command_shell,
                                                 &command_flush};

const struct stage stage = {
    .number = 4,
    .name = "04-manifest",
    .store = &store,
    .commands = commands,
    .command_count = sizeof commands / sizeof commands[0],
};

/* Each writer for itself: it takes the lock, puts its change into the log and the
 * memtable, lets the lock go, and waits for a sync as far as its durability asks. Writers
 * that wait for the disk at the same time share a sync, but each has its own write to the
 * log; stage 06 does better. */
#include "commit.h"

#include "engine.h"

static enum status direct_open(struct engine *engine, const struct world *world,
                               void **commit, struct error *error) {
    (void)world;
    (void)error;
    *commit = engine;
    return STATUS_OK;
}

static enum status direct_write(void *commit, const struct kv_op *ops, size_t count,
                                const struct kv_write_options *how, uint64_t *sequence,
                                struct error *error) {
    struct engine *engine = commit;
    const struct change_group one = {ops, count, &count, 1};
    enum status status = engine_before(engine, how->durability, error);
    if (status == STATUS_OK) {
        engine_lock_writing(engine);
        status = engine_take_in(engine, &one, !how->no_wait, sequence, error);
        engine_unlock_writing(engine);
    }
    return status == STATUS_OK ? engine_await(engine, *sequence, how->durability, error)
                               : status;
}

static void direct_close(void *commit) {
    (void)commit; /* the engine's */
}

const struct commit_ops commit_direct = {direct_open, direct_write, direct_close};

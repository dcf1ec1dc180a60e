/* The writer that finds the buffer full flushes it, and goes on when that is done. Simple
 * and always right; and every now and then a write takes as long as a flush. */
#include "engine.h"

static enum status inline_open(struct engine *engine, struct version *version,
                               void **upkeep, struct error *error) {
    (void)version;
    (void)error;
    *upkeep = engine;
    return STATUS_OK;
}

/* A buffer that could not be flushed is tried again by whoever writes next. */
static enum status inline_flush(void *upkeep, struct error *error) {
    struct engine *engine = upkeep;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && engine_buffers(engine).frozen > 0) {
        struct edit edit = {0};
        status = engine_flush_oldest(engine, &edit, error);
        edit_free(&edit);
    }
    engine_attend(engine, status != STATUS_OK);
    return status;
}

static enum status inline_make_room(void *upkeep, uint64_t bytes, bool may_wait,
                                    struct error *error) {
    struct engine *engine = upkeep;
    (void)bytes;
    (void)may_wait; /* it never waits for others */
    enum status status = inline_flush(engine, error);
    if (status == STATUS_OK && engine_active_full(engine)) {
        status = engine_freeze(engine, error);
        if (status == STATUS_OK) {
            status = inline_flush(engine, error);
        }
    }
    return status;
}

static void inline_close(void *upkeep) {
    (void)upkeep; /* the engine's */
}

const struct upkeep_ops upkeep_inline = {inline_open, inline_make_room, inline_flush,
                                         NULL, inline_close};

/* The writer that finds the buffer full flushes it, and goes on when that is done. Simple
 * and always right; and every now and then a write takes as long as a flush. */
#include "engine.h"

static enum status inline_open(struct engine *engine, void **upkeep,
                               struct error *error) {
    (void)error;
    *upkeep = engine;
    return STATUS_OK;
}

/* A buffer that could not be flushed before is tried again first. */
static enum status inline_buffer_full(void *upkeep, struct error *error) {
    struct engine *engine = upkeep;
    enum status status = engine_flush_frozen(engine, error);
    if (status == STATUS_OK && engine_active_full(engine)) {
        status = engine_freeze(engine, error);
        if (status == STATUS_OK) {
            status = engine_flush_frozen(engine, error);
        }
    }
    return status;
}

static void inline_close(void *upkeep) {
    (void)upkeep; /* the engine's */
}

const struct upkeep_ops upkeep_inline = {inline_open, inline_buffer_full, inline_close};

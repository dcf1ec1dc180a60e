/* Of a key that is overwritten only readers who have already begun can want the old
 * version, and they hold their view. */
#include "engine.h"

static enum status newest_open(struct engine *engine, void **horizon,
                               struct error *error) {
    (void)error;
    *horizon = engine;
    return STATUS_OK;
}

static enum status newest_sequences(void *horizon, uint64_t **sequences, size_t *count,
                                    struct error *error) {
    (void)horizon;
    (void)error;
    *sequences = NULL;
    *count = 0;
    return STATUS_OK;
}

static void newest_let_go(void *horizon) {
    (void)horizon;
}

static void newest_close(void *horizon) {
    (void)horizon; /* the engine's */
}

const struct horizon_ops horizon_newest = {newest_open, newest_sequences, newest_let_go,
                                           newest_close};

/* SAVE and BGSAVE: copies of the database that an open one can make of itself at next to
 * no cost (kv_checkpoint.h), beside its directory:
 *
 *     DIR.checkpoint-MILLIS       Unix time at which it was begun
 *
 * Each is a database that can be opened. Nobody removes them but the operator. Any
 * thread. */
#ifndef STRATA_SAVER_H
#define STRATA_SAVER_H

#include "kv_checkpoint.h"
#include "server_log.h"

struct saver_facts {
    bool running;
    uint64_t running_micros;
    bool last_failed;
    uint64_t last_seconds; /* Unix time of the last good one, or of saver_open */
    uint64_t last_micros;  /* that the last one took */
    uint64_t saves;        /* good ones */
};

struct saver {
    struct kv *kv;
    const struct world *world;
    struct server_log *log;
    char dir[CONFIG_TEXT_BYTES];
    struct mutex mutex;
    /* guarded by mutex */
    struct saver_facts facts;
    uint64_t begun_micros; /* monotonic */
    bool has_thread;       /* that is to be joined */
    struct thread thread;
};

/* In the caller's storage; kv, world and log are borrowed, dir is copied. NO_MEMORY. */
MUST_CHECK enum status saver_open(struct saver *saver, struct kv *kv,
                                  const struct world *world, struct server_log *log,
                                  const char *dir);

/* Waits for the one that is being made. That may be long, as where tables have to be
 * copied; a stop waits with a bound before (host.h), and then does not come here. */
void saver_close(struct saver *saver);

/* Makes one and returns when it is durable. BUSY: one is being made; else as
 * kv_checkpoint. */
MUST_CHECK enum status saver_save(struct saver *saver, struct error *error);

/* Lets a thread of its own make one. BUSY, NO_MEMORY. */
MUST_CHECK enum status saver_begin(struct saver *saver, struct error *error);

void saver_tell(struct saver *saver, struct saver_facts *facts);

#endif

/* What an operator is told, line by line:
 *
 *     2026-11-21T18:06:17.123Z notice ready to accept connections at 127.0.0.1:6380
 *
 * to standard error, or to a file, which is only ever appended to: it may be moved away
 * and made anew, or cut, while the server runs. Lines that cannot be written are counted.
 * Any thread. */
#ifndef STRATA_SERVER_LOG_H
#define STRATA_SERVER_LOG_H

#include "atomic.h"
#include "config.h"

struct server_log {
    const struct world *world;
    char path[CONFIG_TEXT_BYTES]; /* empty: standard error */
    struct atomic_u64 level;      /* the least that is written, enum config_loglevel */
    struct atomic_u64 lost;
    struct mutex mutex; /* a line is written whole */
};

/* In the caller's storage. The world is borrowed. Tries out the file: as file_open has
 * it, or NO_MEMORY. */
MUST_CHECK enum status server_log_open(struct server_log *log, const struct world *world,
                                       const char *path, enum config_loglevel level,
                                       struct error *error);
void server_log_close(struct server_log *log);

static inline void server_log_set_level(struct server_log *log,
                                        enum config_loglevel level) {
    atomic_u64_store(&log->level, level, memory_order_relaxed);
}

/* At most ERROR_MESSAGE_BYTES of it; bytes that are no printable text become '?'. */
void server_log(struct server_log *log, enum config_loglevel level, const char *format,
                ...) __attribute__((format(printf, 3, 4)));

/* Of what a stranger can cause as often as he likes: one line a second. {0} */
struct server_log_pause {
    struct atomic_u64 second;   /* of the last line */
    struct atomic_u64 left_out; /* since then */
};

/* True: a line may be written now; *left_out are those that were not, before it. */
bool server_log_may(struct server_log *log, struct server_log_pause *pause,
                    uint64_t *left_out);

#endif

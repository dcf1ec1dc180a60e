/* The server's settings: a value, and one table of them, from which come the checks of
 * files, of the command line (config_file.h) and of CONFIG SET, what CONFIG GET answers,
 * and the help. Names, units and words for faults are those of Redis 7.0 where it has the
 * setting; the engine's own are taken over from settings.h, with their names and units.
 *
 * maxmemory is the one budget of memory. config_settle divides it:
 *
 *     1/4   the write buffers, in equal parts       write-buffer-bytes * write-buffers
 *     1/2   blocks, filters and indexes of tables   block-cache-bytes
 *     1/4   what is counted nowhere: clients' requests and replies, open tables, stacks
 *
 * and one change may hold as much as all of it (memory-bytes). What was given by name
 * stays as it was given, if it fits. durability follows from appendfsync, and the log is
 * mapped, unless that was given otherwise: so a write is a copy into memory.
 *
 * A struct config is the caller's value, and may be copied; nothing here allocates but
 * what appends to a buf. Any thread. */
#ifndef STRATA_CONFIG_H
#define STRATA_CONFIG_H

#include "settings.h"

enum {
    CONFIG_TEXT_BYTES = 512, /* of a text, with its terminator */
    CONFIG_ROWS_MAX = 96,
};

enum config_kind {
    CONFIG_NUMBER,
    CONFIG_BYTES, /* "100mb": k, m, g are thousands, kb, mb, gb powers of 1024 */
    CONFIG_OCTAL, /* permissions of a file */
    CONFIG_YES_NO,
    CONFIG_CHOICE,
    CONFIG_TEXT,
    CONFIG_WORDS,  /* several words, separated by spaces; in a file each an argument */
    CONFIG_SAVE,   /* as WORDS: pairs of numbers */
    CONFIG_LIMITS, /* as WORDS: "normal", two sizes, seconds */
    CONFIG_ENGINE, /* as settings.h has it */
};

struct config_row {
    const char *name;
    enum config_kind kind;
    size_t offset; /* in struct config */
    int64_t smallest, largest;
    const char *initial; /* as a user would write it */
    const char *choices; /* "always|everysec|no" */
    const char *help;
    bool live; /* CONFIG SET may change it while the server runs */
};

enum config_appendfsync { APPENDFSYNC_ALWAYS, APPENDFSYNC_EVERYSEC, APPENDFSYNC_NO };
enum config_loglevel {
    LOGLEVEL_DEBUG,
    LOGLEVEL_VERBOSE,
    LOGLEVEL_NOTICE,
    LOGLEVEL_WARNING
};

/* What a client's output may come to: closed at hard_bytes, or above soft_bytes for
 * seconds. 0: no such limit. */
struct config_limits {
    int64_t hard_bytes, soft_bytes, seconds;
};

struct config {
    int64_t port, tcp_backlog, unixsocketperm, protected_mode;
    int64_t maxclients, timeout, tcp_keepalive; /* seconds */
    int64_t io_threads, worker_threads, shutdown_timeout;
    int64_t databases, appendonly, appendfsync, maxmemory, maxmemory_policy;
    int64_t query_buffer_bytes, bulk_bytes;
    int64_t loglevel;
    int64_t slowlog_micros; /* -1: none is logged */
    int64_t slowlog_max_len, latency_millis, metrics_port;
    struct config_limits output;
    char bind[CONFIG_TEXT_BYTES], unixsocket[CONFIG_TEXT_BYTES];
    char dir[CONFIG_TEXT_BYTES], logfile[CONFIG_TEXT_BYTES];
    char requirepass[CONFIG_TEXT_BYTES], save[CONFIG_TEXT_BYTES];
    char metrics_bind[CONFIG_TEXT_BYTES];
    struct kv_options engine;
    bool given[CONFIG_ROWS_MAX]; /* by somebody, not by the table */
};

/* Settled, too. */
void config_default(struct config *config);

/* Rows by index, in the order of the help. */
size_t config_count(void);
void config_row(size_t index, struct config_row *row);

/* The row of that name, in any case; config_count() if there is none. */
size_t config_find(struct slice name);

/* For the messages of sources: STATUS_INVALID, what there is not and the nearest that
 * there is. */
enum status config_unknown(struct slice name, struct error *error);

/* Sets one. INVALID, with the reason alone ("argument must be 'yes' or 'no'"); config is
 * then unchanged. To be settled before it is used. */
MUST_CHECK enum status config_set(struct config *config, size_t index, struct slice value,
                                  struct error *error);

/* Derives what was not given, and checks what depends on several settings. INVALID, with
 * what follows from others derived all the same. */
MUST_CHECK enum status config_settle(struct config *config, struct error *error);

/* Appends the value, as CONFIG GET answers it and config_set reads it. NO_MEMORY. */
MUST_CHECK enum status config_print(const struct config *config, size_t index,
                                    struct buf *out);

/* CONFIG SET: `count` names with a value each, all or none. INVALID, with the message
 * that the client is told, its code included. *changed is written only on OK. */
MUST_CHECK enum status config_change(const struct config *config,
                                     const struct slice *pairs, size_t count,
                                     struct config *changed, struct error *error);

/* The text of --help: a line or more for each row. NO_MEMORY. */
MUST_CHECK enum status config_help(struct buf *out);

#endif

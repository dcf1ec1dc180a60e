#include "config_table.h"

#include <stddef.h>

#define MIB ((int64_t)1024 * 1024)
#define GIB (MIB * 1024)

#define NUMBER(name, field, least, most, initial, live, help)                            \
    {                                                                                    \
        name, CONFIG_NUMBER, offsetof(struct config, field), least, most, initial, NULL, \
            help, live                                                                   \
    }
#define BYTES(name, field, least, most, initial, live, help)                             \
    {                                                                                    \
        name, CONFIG_BYTES, offsetof(struct config, field), least, most, initial, NULL,  \
            help, live                                                                   \
    }
#define CHOICE(name, field, choices, initial, live, help)                                \
    {                                                                                    \
        name, CONFIG_CHOICE, offsetof(struct config, field), 0, 0, initial, choices,     \
            help, live                                                                   \
    }
#define OTHER(kind, name, field, initial, live, help)                                    \
    {                                                                                    \
        name, CONFIG_##kind, offsetof(struct config, field), 0, 0, initial, NULL, help,  \
            live                                                                         \
    }

enum { FIXED = 0, LIVE = 1 };

const struct config_row config_rows[] = {
    NUMBER("port", port, 0, 65535, "6380", FIXED, "port of TCP; 0: none"),
    OTHER(WORDS, "bind", bind, "127.0.0.1 -::1", FIXED,
          "addresses to listen at; one behind a - need not be there"),
    OTHER(TEXT, "unixsocket", unixsocket, "", FIXED, "path of a unix socket"),
    OTHER(OCTAL, "unixsocketperm", unixsocketperm, "700", FIXED, "its permissions"),
    NUMBER("tcp-backlog", tcp_backlog, 1, 65535, "511", FIXED,
           "connections that may wait to be accepted"),
    OTHER(YES_NO, "protected-mode", protected_mode, "yes", LIVE,
          "without a password, serve only clients of this machine"),
    OTHER(TEXT, "requirepass", requirepass, "", LIVE, "password that clients give"),
    NUMBER("maxclients", maxclients, 1, 1000000, "10000", LIVE,
           "connections at the same time"),
    NUMBER("timeout", timeout, 0, INT32_MAX, "0", LIVE,
           "seconds after which a silent client is closed; 0: never"),
    NUMBER("tcp-keepalive", tcp_keepalive, 0, INT32_MAX, "300", LIVE,
           "seconds after which a peer is asked whether it is there; 0: never"),
    NUMBER("io-threads", io_threads, 1, 64, "1", FIXED,
           "threads that read, carry out and reply"),
    NUMBER("worker-threads", worker_threads, 0, 64, "4", FIXED,
           "threads for commands that have to wait; 0: those that reply do them, too"),
    OTHER(TEXT, "dir", dir, "data", FIXED, "directory of the database"),
    CHOICE("appendfsync", appendfsync, "always|everysec|no", "everysec", LIVE,
           "a reply waits for the disk (always), or the disk has it a second later "
           "(everysec), or when the system likes (no)"),
    CHOICE("appendonly", appendonly, "yes", "yes", FIXED,
           "there is always a log; for clients that ask"),
    OTHER(SAVE, "save", save, "", LIVE,
          "seconds and changes; for clients that ask: data are saved as they come"),
    NUMBER("databases", databases, 1, 1, "1", FIXED, "there is one"),
    BYTES("maxmemory", maxmemory, 16 * MIB, 1024 * GIB, "256mb", FIXED,
          "memory: a quarter for write buffers, half for the block cache, the rest for "
          "clients"),
    CHOICE("maxmemory-policy", maxmemory_policy, "noeviction", "noeviction", FIXED,
           "no key is ever given up: what memory does not hold, the disk does"),
    OTHER(LIMITS, "client-output-buffer-limit", output, "normal 256mb 128mb 60", LIVE,
          "replies that may wait for a client: never the first size, the second one "
          "not for so many seconds"),
    BYTES("client-query-buffer-limit", query_buffer_bytes, MIB, 1024 * GIB, "1gb", LIVE,
          "size of a request"),
    BYTES("proto-max-bulk-len", bulk_bytes, MIB, 512 * MIB, "512mb", LIVE,
          "size of one argument"),
    NUMBER("shutdown-timeout", shutdown_timeout, 0, INT32_MAX, "10", LIVE,
           "seconds that a shutdown waits for clients to take their replies"),
    CHOICE("loglevel", loglevel, "debug|verbose|notice|warning", "notice", LIVE,
           "what is logged"),
    OTHER(TEXT, "logfile", logfile, "", FIXED, "where to; empty: standard error"),
    NUMBER("slowlog-log-slower-than", slowlog_micros, -1, INT64_MAX, "10000", LIVE,
           "microseconds from which on a command is in the slow log; -1: none is"),
    NUMBER("slowlog-max-len", slowlog_max_len, 0, 1000000, "128", LIVE,
           "entries that the slow log keeps"),
    NUMBER("latency-monitor-threshold", latency_millis, 0, INT32_MAX, "0", LIVE,
           "milliseconds from which on an event is kept by LATENCY; 0: none is"),
    NUMBER("metrics-port", metrics_port, 0, 65535, "0", FIXED,
           "port at which Prometheus finds statistics; 0: none"),
    OTHER(TEXT, "metrics-bind", metrics_bind, "127.0.0.1", FIXED, "its address"),
};

const size_t config_row_count = sizeof config_rows / sizeof config_rows[0];

/* INFO: the server in words for programs, `name:value` lines in sections, as Redis 7.0
 * has them where it has the name; and a section `lsm`, of the tree. */
#ifndef STRATA_INFO_H
#define STRATA_INFO_H

#include "server.h"

#define STRATA_VERSION "0.8"
#define STRATA_REDIS_VERSION "7.0.15" /* whose commands and words these are */

/* name, title, whether it is shown when none is asked for */
#define INFO_SECTION_TABLE(X)                                                            \
    X(server, "Server", true)                                                            \
    X(clients, "Clients", true)                                                          \
    X(memory, "Memory", true)                                                            \
    X(persistence, "Persistence", true)                                                  \
    X(stats, "Stats", true)                                                              \
    X(replication, "Replication", true)                                                  \
    X(cpu, "CPU", true)                                                                  \
    X(lsm, "Lsm", true)                                                                  \
    X(commandstats, "Commandstats", false)                                               \
    X(latencystats, "Latencystats", false)                                               \
    X(cluster, "Cluster", true)                                                          \
    X(keyspace, "Keyspace", true)

enum info_section {
#define INFO_SECTION(name, title, shown) INFO_##name,
    INFO_SECTION_TABLE(INFO_SECTION)
#undef INFO_SECTION
        INFO_SECTIONS
};

/* All that is shown, at one moment. */
struct info_facts {
    struct config config;
    const char *config_path, *run_id;
    uint64_t now_micros; /* Unix time */
    uint64_t uptime_micros;
    uint64_t clients;
    uint64_t keys; /* SERVER_KEYS_UNKNOWN */
    uint64_t commands_per_second;
    bool writes_fail;
    struct process_facts process;
    struct saver_facts saver;
    struct server_counts counts;
    struct kv_stats kv;
    const struct command_index *index;
    struct command_totals *totals; /* by number */
};

/* What the server's numbers are now; to be freed. NO_MEMORY. */
MUST_CHECK enum status info_gather(struct server *server, struct info_facts *facts);
void info_free(struct info_facts *facts);

/* The sections that are asked for, as bits 1 << section, by words in any case: names,
 * `default`, `all`, `everything`; unknown ones ask for nothing. No word: default. */
unsigned info_sections(const struct slice *words, size_t count);

/* Appends them. NO_MEMORY. */
MUST_CHECK enum status info_print(const struct info_facts *facts, unsigned sections,
                                  struct buf *out);

#endif

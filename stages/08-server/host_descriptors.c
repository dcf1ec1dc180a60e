/* Clients and the store draw descriptors from one supply (RLIMIT_NOFILE). A store that
 * cannot open its next log or table refuses all writes; so what it may need is set aside
 * before it is opened, and it is clients who are turned away, one by one.
 *
 *     limit     others     max-open-files          maxclients
 *               logs, compactions, loops …         one each
 *
 * Where the limit cannot be raised to all of that, tables get a quarter of what the
 * others leave, or what clients leave. */
#include <inttypes.h>

#include "host_state.h"
#include "process.h"

/* Of the store, but for the tables that it keeps open: logs, the manifest, directories,
 * what compactions and checkpoints read and write. Of the server: addresses, signals,
 * Prometheus. */
enum { OTHERS = 64, LEAST = 8 };

/* Each loop has an epoll instance and an eventfd. */
static uint64_t others(const struct config *config) {
    return OTHERS + 2 * (uint64_t)config->io_threads;
}

static uint64_t lesser(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

enum status host_descriptors_divide(struct host *host, struct error *error) {
    struct config *config = &host->config;
    uint64_t clients = (uint64_t)config->maxclients;
    uint64_t tables = config->engine.max_open_files, own = others(config);
    uint64_t limit = process_descriptors(own + tables + clients);
    if (limit >= own + tables + clients) {
        return STATUS_OK;
    }
    if (limit < own + LEAST) {
        return error_set(error, STATUS_INVALID,
                         "the system allows %" PRIu64 " descriptors (ulimit -n): at "
                         "least %" PRIu64 " are needed",
                         limit, own + LEAST);
    }
    uint64_t rest = limit - own;
    uint64_t fewer = lesser(clients, rest - lesser(tables, rest / 4));
    tables = lesser(tables, rest - fewer);
    server_log(&host->log, LOGLEVEL_WARNING,
               "the system allows %" PRIu64 " descriptors (ulimit -n), %" PRIu64
               " would do: maxclients is %" PRIu64 ", max-open-files %" PRIu64,
               limit, own + config->engine.max_open_files + clients, fewer, tables);
    config->maxclients = (int64_t)fewer;
    config->engine.max_open_files = (uint32_t)tables;
    return STATUS_OK;
}

enum status host_descriptors_allow(const struct host *host, uint64_t clients,
                                   struct error *error) {
    uint64_t rest = others(&host->config) + host->config.engine.max_open_files;
    uint64_t limit = process_descriptors(rest + clients);
    return limit >= rest + clients
               ? STATUS_OK
               : error_set(error, STATUS_INVALID,
                           "The operating system is not able to handle the specified "
                           "number of clients, try with %" PRIu64,
                           limit - rest);
}

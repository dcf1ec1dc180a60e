#include "host.h"

#include <inttypes.h>

#include "config_value.h"
#include "failpoint.h"
#include "host_state.h"
#include "memory.h"
#include "process.h"

/* ---- parts ----------------------------------------------------------------------- */

static enum status open_store(struct host *host, struct error *error) {
    struct kv_options options = host->config.engine;
    options.world = host->world;
    options.create = true;
    return kv_open(host->config.dir, &options, &host->kv, error);
}

static enum status open_session(struct host *host, struct error *error) {
    enum status status = keyspace_open(host->kv, host->world, &host->keyspace, error);
    if (status == STATUS_OK &&
        (scan_table_open(host->world, &host->scans) != STATUS_OK ||
         password_open(host->world->threads, &host->password) != STATUS_OK ||
         password_set(host->password, slice_of(host->config.requirepass)) != STATUS_OK)) {
        status = error_no_memory(error, "what sessions share", sizeof host->session);
    }
    command_index_init(&host->index);
    host->session = (struct session_commons){.keyspace = host->keyspace,
                                             .scans = host->scans,
                                             .password = host->password,
                                             .index = &host->index,
                                             .server = &host->server};
    return status;
}

static enum status open_server(struct host *host, const char *config_path,
                               struct error *error) {
    const struct server_parts parts = {.world = host->world,
                                       .kv = host->kv,
                                       .index = &host->index,
                                       .log = &host->log,
                                       .config = &host->config,
                                       .config_path = config_path,
                                       .loops = (size_t)host->config.io_threads,
                                       .ops = &host_ops,
                                       .state = host};
    enum status status = server_open(&host->server, &parts, error);
    host->has_server = status == STATUS_OK;
    return status;
}

static enum status open_executor(struct host *host, struct error *error) {
    enum status status = STATUS_OK;
    if (host->config.worker_threads == 0) {
        host->executor = executor_inline();
    } else {
        status = executor_workers(host->world, (size_t)host->config.worker_threads,
                                  &host->executor, error);
    }
    host->has_executor = status == STATUS_OK;
    return status;
}

static void set_commons(struct host *host) {
    const struct config *config = &host->config;
    host->commons = (struct io_commons){
        .world = host->world,
        .kv = host->kv,
        .server = &host->server,
        .session = &host->session,
        .executor = &host->executor,
        .clients.most = {(uint64_t)config->maxclients},
        .rules.appendfsync = {(uint64_t)config->appendfsync},
        .protected_mode = {(uint64_t)config->protected_mode},
    };
    host->shutdown_seconds = (struct atomic_u64){(uint64_t)config->shutdown_timeout};
}

static enum status open_threads(struct host *host, struct error *error) {
    size_t count = (size_t)host->config.io_threads;
    struct connection_limits limits = host_limits(&host->config);
    enum status status = STATUS_OK;
    set_commons(host);
    host->ios = memory_take_zeroed(count * sizeof *host->ios);
    if (host->ios == NULL) {
        return error_no_memory(error, "threads", count * sizeof *host->ios);
    }
    while (host->io_count < count && status == STATUS_OK) {
        struct io_thread *io = &host->ios[host->io_count];
        status = io_thread_open(io, &host->commons, host->io_count, &limits, error);
        host->connections[host->io_count] = &io->connections;
        host->io_count += status == STATUS_OK;
    }
    return status;
}

/* ---- listening ------------------------------------------------------------------- */

static enum status split_addresses(struct host *host, struct error *error) {
    char *to = host->bind;
    struct slice rest = slice_of(host->config.bind), word;
    while (host->config.port != 0 && config_next_word(&rest, &word)) {
        if (host->address_count == HOST_ADDRESSES_MAX) {
            return error_set(error, STATUS_INVALID, "bind: more than %d addresses",
                             HOST_ADDRESSES_MAX);
        }
        memcpy(to, word.data, word.length);
        to[word.length] = '\0';
        host->addresses[host->address_count++] = to;
        to += word.length + 1;
    }
    if (host->address_count == 0 && host->config.unixsocket[0] == '\0') {
        return error_set(error, STATUS_INVALID,
                         "nowhere to listen: port is 0 or bind is empty, and there is no "
                         "unixsocket");
    }
    return STATUS_OK;
}

static void note_refused(void *context, const char *peer, const char *why) {
    struct host *host = context;
    server_sent_away(&host->server, peer, "refused", why);
}

static enum status listen_for_clients(struct host *host, struct error *error) {
    const struct config *config = &host->config;
    enum status status = split_addresses(host, error);
    if (status != STATUS_OK) {
        return status;
    }
    const struct listener_options options = {
        .addresses = host->addresses,
        .address_count = host->address_count,
        .port = (uint16_t)config->port,
        .unix_path = config->unixsocket[0] != '\0' ? config->unixsocket : NULL,
        .unix_permissions = (unsigned)config->unixsocketperm,
        .backlog = (unsigned)config->tcp_backlog,
        .connections = host->connections,
        .connections_count = host->io_count,
        .clients = &host->commons.clients,
        .refused = note_refused,
        .context = host,
    };
    status = listener_open(host->ios[0].loop, &options, &host->listener, error);
    return status == STATUS_BUSY ? STATUS_IO : status; /* BUSY is the database */
}

static enum status open_metrics(struct host *host, struct error *error) {
    uint16_t port = (uint16_t)host->config.metrics_port;
    return port == 0 ? STATUS_OK
                     : metrics_http_open(&host->server, host->config.metrics_bind, &port,
                                         &host->metrics, error);
}

/* ---- open ------------------------------------------------------------------------ */

static enum status open_all(struct host *host, const char *config_path,
                            struct error *error) {
    enum status status =
        server_log_open(&host->log, host->world, host->config.logfile,
                        (enum config_loglevel)host->config.loglevel, error);
    host->has_log = status == STATUS_OK;
    if (status == STATUS_OK) {
        status = mutex_init(&host->mutex, host->world->threads) == STATUS_OK
                     ? STATUS_OK
                     : error_no_memory(error, "a lock", sizeof host->mutex);
        host->has_mutex = status == STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = host_descriptors_divide(host, error);
    }
    if (status == STATUS_OK) {
        status = open_store(host, error);
    }
    if (status == STATUS_OK) {
        status = open_session(host, error);
    }
    if (status == STATUS_OK) {
        status = open_server(host, config_path, error);
    }
    if (status == STATUS_OK) {
        status = open_executor(host, error);
    }
    if (status == STATUS_OK) {
        status = open_threads(host, error);
    }
    if (status == STATUS_OK) {
        status = host_stop_init(host, error);
    }
    if (status == STATUS_OK) {
        status = listen_for_clients(host, error);
    }
    return status == STATUS_OK ? open_metrics(host, error) : status;
}

enum status host_open(const struct world *world, const struct config *config,
                      const char *config_path, struct host **out, struct error *error) {
    struct host *host = memory_take_zeroed(sizeof *host);
    if (host == NULL) {
        return error_no_memory(error, "the server", sizeof *host);
    }
    host->world = world;
    host->config = *config;
    enum status status = open_all(host, config_path, error);
    if (status == STATUS_OK) {
        *out = host;
    } else {
        enum status closed = host_close(host, NULL);
        (void)closed; /* what was refused is told */
    }
    return status;
}

/* ---- run ------------------------------------------------------------------------- */

static void tell_ready(struct host *host) {
    static const char *const modes[] = {
        [APPENDFSYNC_ALWAYS] = "always: a reply waits until the disk has what it tells",
        [APPENDFSYNC_EVERYSEC] =
            "everysec: the disk has a write a second after its reply",
        [APPENDFSYNC_NO] = "no: the disk has a write when the system likes",
    };
    struct server_log *log = &host->log;
    struct error error = {0};
    uint16_t port = listener_port(host->listener);
    server_log(log, LOGLEVEL_NOTICE, "database %s, appendfsync %s", host->config.dir,
               modes[host->config.appendfsync]);
    for (size_t i = 0; i < host->address_count; i++) {
        if (host->addresses[i][0] != '-') { /* one that may not be there is not told of */
            server_log(log, LOGLEVEL_NOTICE, "listening at %s port %u",
                       host->addresses[i], port);
        }
    }
    if (host->config.unixsocket[0] != '\0') {
        server_log(log, LOGLEVEL_NOTICE, "listening at %s", host->config.unixsocket);
    }
    if (host->metrics != NULL) {
        server_log(log, LOGLEVEL_NOTICE, "metrics at http://%s:%d/metrics",
                   host->config.metrics_bind, (int)host->config.metrics_port);
    }
    if (host->address_count > 0) {
        server_log(log, LOGLEVEL_NOTICE, "ready: redis-cli -p %u", port);
    } else {
        server_log(log, LOGLEVEL_NOTICE, "ready: redis-cli -s %s",
                   host->config.unixsocket);
    }
    if (process_notify(process_environment(), "READY=1", &error) != STATUS_OK) {
        server_log(log, LOGLEVEL_WARNING, "%s", error.message);
    }
}

/* Threads that could not be started have loops without one: the stop is then orderly, and
 * for those that run. */
static enum status start_threads(struct host *host, struct error *error) {
    for (size_t i = 1; i < host->io_count; i++) {
        if (io_thread_start(&host->ios[i]) != STATUS_OK) {
            return error_no_memory(error, "a thread", sizeof(struct thread));
        }
    }
    return STATUS_OK;
}

static void join_threads(struct host *host) {
    for (size_t i = 1; i < host->io_count; i++) {
        if (host->ios[i].has_thread) {
            loop_stop(host->ios[i].loop);
            thread_join(&host->ios[i].thread);
            host->ios[i].has_thread = false;
        }
    }
}

enum status host_run(struct host *host, struct error *error) {
    enum status status = start_threads(host, error);
    if (status == STATUS_OK) {
        status = host_resume_init(host) == STATUS_OK && host_watch_init(host) == STATUS_OK
                     ? STATUS_OK
                     : error_no_memory(error, "a timer", sizeof(struct timer *));
    }
    if (status == STATUS_OK) {
        tell_ready(host);
        loop_run(host->ios[0].loop);
    }
    if (!host->cut_short) {
        join_threads(host);
    }
    return status;
}

bool host_stop_is_cut_short(const struct host *host) {
    return host->cut_short;
}

enum status host_sync(struct host *host, struct error *error) {
    return kv_sync(host->kv, error);
}

/* ---- close ----------------------------------------------------------------------- */

/* Nobody posts any more; what was posted last is still to be run. */
static void close_threads(struct host *host) {
    for (size_t i = 0; i < host->io_count; i++) {
        connections_kill(&host->ios[i].connections);
        loop_tick(host->ios[i].loop, false);
    }
    if (host->has_signals) {
        host_stop_free(host);
    }
    if (host->has_resume) {
        host_resume_free(host);
    }
    if (host->has_watch) {
        host_watch_free(host);
    }
    for (size_t i = 0; i < host->io_count; i++) {
        io_thread_close(&host->ios[i]);
    }
    memory_give(host->ios);
}

/* A store that a failure has stopped gets one more try: what it holds in memory was
 * acknowledged, and nobody else writes it to the disk. */
static enum status save(struct host *host, struct error *error) {
    struct kv_progress progress;
    enum status status = kv_sync(host->kv, error);
    kv_progress(host->kv, &progress);
    if (progress.stopped && kv_resume(host->kv, error) == STATUS_OK) {
        status = kv_sync(host->kv, error);
    }
    return status;
}

enum status host_close(struct host *host, struct error *error) {
    if (host == NULL) {
        return STATUS_OK;
    }
    metrics_http_close(host->metrics);
    if (host->listener != NULL) {
        listener_close(host->listener);
    }
    if (host->has_executor) {
        executor_close(&host->executor);
    }
    close_threads(host);
    if (host->has_server) {
        server_close(&host->server);
    }
    password_close(host->password);
    scan_table_close(host->scans);
    keyspace_close(host->keyspace);
    failpoint_pass(clients_gone_not_synced);
    struct error failure = {0};
    enum status synced = host->kv != NULL ? save(host, &failure) : STATUS_OK;
    enum status status = kv_close(host->kv, error);
    if (status == STATUS_OK && synced != STATUS_OK) {
        status = synced;
        if (error != NULL) {
            *error = failure;
        }
    }
    if (host->has_log) {
        if (host->stopping && status == STATUS_OK) {
            server_log(&host->log, LOGLEVEL_NOTICE, "all is saved; good-bye");
        }
        server_log_close(&host->log);
    }
    if (host->has_mutex) {
        mutex_free(&host->mutex);
    }
    memory_give(host);
    return status;
}

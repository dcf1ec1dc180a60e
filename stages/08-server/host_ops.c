/* What commands ask of the host (server.h). */
#include "guest.h"
#include "host_state.h"

struct connection_limits host_limits(const struct config *config) {
    struct connection_limits limits = connection_limits_default();
    const struct config_limits *output = &config->output;
    limits.request.bulk_bytes = (size_t)config->bulk_bytes;
    limits.request.query_bytes = (size_t)config->query_buffer_bytes;
    if ((size_t)config->maxmemory / 4 > limits.all_ahead_bytes) {
        limits.all_ahead_bytes = (size_t)config->maxmemory / 4;
    }
    limits.hard_output_bytes =
        output->hard_bytes > 0 ? (size_t)output->hard_bytes : SIZE_MAX;
    if (limits.soft_output_bytes > limits.hard_output_bytes / 2) {
        limits.soft_output_bytes =
            limits.hard_output_bytes / 2 + 1; /* who reads is kept */
    }
    limits.lasting_output_bytes =
        output->soft_bytes > 0 ? (size_t)output->soft_bytes : SIZE_MAX;
    limits.lasting_micros = (uint64_t)output->seconds * 1000000;
    limits.keepalive_seconds = (unsigned)config->tcp_keepalive;
    limits.idle_micros = (uint64_t)config->timeout * 1000000;
    return limits;
}

/* What can fail comes first. */
static enum status configure(void *state, const struct config *config,
                             struct error *error) {
    struct host *host = state;
    struct connection_limits limits = host_limits(config);
    enum status status =
        host_descriptors_allow(host, (uint64_t)config->maxclients, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (password_set(host->password, slice_of(config->requirepass)) != STATUS_OK) {
        return error_no_memory(error, "the password", strlen(config->requirepass));
    }
    atomic_u64_store(&host->commons.clients.most, (uint64_t)config->maxclients,
                     memory_order_relaxed);
    atomic_u64_store(&host->commons.protected_mode, (uint64_t)config->protected_mode,
                     memory_order_relaxed);
    atomic_u64_store(&host->commons.rules.appendfsync, (uint64_t)config->appendfsync,
                     memory_order_relaxed);
    atomic_u64_store(&host->shutdown_seconds, (uint64_t)config->shutdown_timeout,
                     memory_order_relaxed);
    for (size_t i = 0; i < host->io_count; i++) {
        io_thread_limit(&host->ios[i], &limits);
    }
    return STATUS_OK;
}

static uint64_t get(const struct atomic_u64 *number) {
    return atomic_u64_load(number, memory_order_relaxed);
}

static void count(void *state, struct server_counts *counts) {
    struct host *host = state;
    mutex_lock(&host->mutex);
    counts->connections = host->accepted;
    counts->refused = host->refused;
    if (host->listener != NULL) {
        counts->connections = listener_accepted(host->listener);
        counts->refused = listener_refused(host->listener);
    }
    mutex_unlock(&host->mutex);
    for (size_t i = 0; i < host->io_count; i++) {
        const struct io_thread *io = &host->ios[i];
        counts->input_bytes += get(&io->connections.read_bytes);
        counts->output_bytes += get(&io->connections.written_bytes);
        counts->hits += get(&io->hits);
        counts->misses += get(&io->misses);
        counts->expired += get(&io->expired);
    }
}

static void kill_client(void *state, struct client_entry *entry) {
    (void)state;
    guest_kill(entry);
}

static void monitored(void *state, struct slice line) {
    struct host *host = state;
    for (size_t i = 0; i < host->io_count; i++) {
        io_thread_monitored(&host->ios[i], line);
    }
}

/* Once, however often it is asked for. */
static void stop(void *state) {
    struct host *host = state;
    if (atomic_u64_exchange_if(&host->stop_asked, 0, 1, memory_order_relaxed)) {
        loop_post(host->ios[0].loop, &host->stop_task);
    }
}

const struct server_ops host_ops = {configure, count, kill_client, monitored, stop};

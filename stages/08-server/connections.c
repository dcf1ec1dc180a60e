#include "connections.h"

#include "connection_state.h"

bool clients_enter(struct clients *clients) {
    uint64_t before = atomic_u64_add(&clients->count, 1, memory_order_relaxed);
    if (before < atomic_u64_load(&clients->most, memory_order_relaxed)) {
        return true;
    }
    clients_leave(clients);
    return false;
}

void clients_leave(struct clients *clients) {
    atomic_u64_subtract(&clients->count, 1, memory_order_relaxed);
}

void connections_init(struct connections *connections, struct loop *loop,
                      struct clients *clients, const struct connection_limits *limits,
                      const struct connection_handler *handler, void *context) {
    *connections = (struct connections){.loop = loop,
                                        .clients = clients,
                                        .limits = *limits,
                                        .handler = handler,
                                        .context = context};
    link_init(&connections->all, NULL);
    link_init(&connections->holding, NULL);
}

static void release(struct connections *connections, uint64_t sequence,
                    const char *message) {
    struct link now;
    struct connection *connection;
    link_init(&now, NULL);
    link_move_all(&now, &connections->holding);
    while ((connection = link_take_first(&now)) != NULL) {
        link_add(&connections->holding, &connection->holding);
        connection_release(connection, sequence, message);
    }
}

void connections_release(struct connections *connections, uint64_t sequence) {
    release(connections, sequence, NULL);
}

void connections_fail(struct connections *connections, uint64_t durable,
                      const char *message) {
    release(connections, durable, message);
}

/* One that a visit closes is freed, or stays in the ring, dead: the next one is known
 * before. A visit closes no other. */
void connections_each(struct connections *connections,
                      void (*visit)(void *context, struct connection *connection),
                      void *context) {
    struct link *next;
    for (struct link *at = connections->all.next; at != &connections->all; at = next) {
        struct connection *connection = at->owner;
        next = at->next;
        if (connection->state != CONNECTION_DEAD) {
            visit(context, connection);
        }
    }
}

struct new_limits {
    size_t output_bytes;
    bool keepalive; /* has changed */
};

static void apply_limits(void *context, struct connection *connection) {
    const struct new_limits *limits = context;
    connection->output.most_bytes = limits->output_bytes;
    connection_retime(connection);
    connection_written(connection); /* so that what waits already is judged */
    if (limits->keepalive) {
        socket_keepalive(connection->descriptor,
                         connection->set->limits.keepalive_seconds);
    }
}

void connections_limit(struct connections *connections,
                       const struct connection_limits *limits) {
    struct new_limits new_limits = {limits->hard_output_bytes,
                                    limits->keepalive_seconds !=
                                        connections->limits.keepalive_seconds};
    connections->limits = *limits;
    connections_each(connections, apply_limits, &new_limits);
}

static void finish(void *context, struct connection *connection) {
    (void)context;
    connection->ended = true;
    connection_written(connection);
}

void connections_finish(struct connections *connections) {
    connections->finishing = true;
    connections_each(connections, finish, NULL);
}

static void kill_one(void *context, struct connection *connection) {
    (void)context;
    connection_kill(connection);
}

void connections_kill(struct connections *connections) {
    connections_each(connections, kill_one, NULL);
}

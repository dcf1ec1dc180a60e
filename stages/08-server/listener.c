#include "listener.h"

#include <string.h>

#include "memory.h"
#include "socket_listen.h"

enum {
    ACCEPTS_IN_A_TICK = 64,
    PAUSE_MICROS = 100000,
    PORT_ATTEMPTS = 16,
};

struct entrance {
    struct listener *listener;
    struct loop_watch watch;
};

struct listener {
    struct loop *loop;
    struct listener_options options;
    uint16_t port;
    int reserve; /* a descriptor; -1: none */
    struct timer pause;
    size_t next; /* whose turn it is */
    struct atomic_u64 accepted;
    struct atomic_u64 refused;
    struct entrance *unix_entrance; /* NULL: none */
    size_t count;
    struct entrance entrances[];
};

/* ---- clients --------------------------------------------------------------------- */

/* Tells why, as far as that can be done at once. What the client has said already is
 * read, because to close before that would reset the connection, and lose the words. */
static void refuse(struct listener *listener, int descriptor, const char *told,
                   const char *why) {
    unsigned char said[1024];
    struct slice words = slice_of(told);
    size_t count;
    if (listener->options.refused != NULL) {
        struct socket_peer peer;
        socket_peer(descriptor, &peer);
        listener->options.refused(listener->options.context, peer.name, why);
    }
    enum socket_outcome outcome = socket_write(descriptor, &words, 1, &count);
    if (outcome == SOCKET_DONE) {
        socket_end_writing(descriptor);
        outcome = socket_read(descriptor, said, sizeof said, &count);
    }
    (void)outcome; /* it goes either way */
    socket_close(descriptor);
    atomic_u64_add(&listener->refused, 1, memory_order_relaxed);
}

static void admit(struct listener *listener, int descriptor) {
    const struct listener_options *options = &listener->options;
    struct socket_peer peer;
    if (!clients_enter(options->clients)) {
        refuse(listener, descriptor, "-ERR max number of clients reached\r\n",
               "there are maxclients already");
        return;
    }
    socket_prepare(descriptor);
    socket_peer(descriptor, &peer);
    size_t turn = listener->next++ % options->connections_count;
    if (connections_take(options->connections[turn], descriptor, &peer) != STATUS_OK) {
        clients_leave(options->clients);
        refuse(listener, descriptor, "-ERR out of memory\r\n", "no memory");
        return;
    }
    atomic_u64_add(&listener->accepted, 1, memory_order_relaxed);
}

/* There is no descriptor for who waits: the reserve is one. False: that did not help. */
static bool use_reserve(struct listener *listener, int listening) {
    int descriptor;
    if (listener->reserve < 0) {
        listener->reserve = socket_reserve();
    }
    if (listener->reserve < 0) {
        return false;
    }
    socket_close(listener->reserve);
    bool let_in = socket_accept(listening, &descriptor) == SOCKET_DONE;
    if (let_in) {
        refuse(listener, descriptor, "-ERR max number of clients reached\r\n",
               "the process may have no more descriptors (ulimit -n, LimitNOFILE)");
    }
    listener->reserve = socket_reserve();
    return let_in;
}

static void let_in(void *context, unsigned events) {
    struct entrance *entrance = context;
    struct listener *listener = entrance->listener;
    int descriptor;
    (void)events;
    for (unsigned i = 0; i < ACCEPTS_IN_A_TICK; i++) {
        switch (socket_accept(entrance->watch.descriptor, &descriptor)) {
        case SOCKET_DONE:
            admit(listener, descriptor);
            continue;
        case SOCKET_LATER:
            return;
        case SOCKET_FULL:
            if (use_reserve(listener, entrance->watch.descriptor)) {
                continue;
            }
            break;
        case SOCKET_TIGHT:
        case SOCKET_ENDED:
        case SOCKET_BROKEN:
        default:
            break;
        }
        loop_timer_set(listener->loop, &listener->pause,
                       loop_now_micros(listener->loop) + PAUSE_MICROS);
        return;
    }
    loop_again(listener->loop, &entrance->watch);
}

/* The loop tells of those who wait only once, so all are looked at. */
static void pause_is_over(void *context) {
    struct listener *listener = context;
    for (size_t i = 0; i < listener->count; i++) {
        loop_again(listener->loop, &listener->entrances[i].watch);
    }
}

/* ---- open and close -------------------------------------------------------------- */

static enum status add_entrance(struct listener *listener, int descriptor,
                                struct error *error) {
    struct entrance *entrance = &listener->entrances[listener->count];
    *entrance = (struct entrance){
        .listener = listener,
        .watch = {.ready = let_in, .context = entrance, .descriptor = descriptor}};
    enum status status = loop_watch(listener->loop, &entrance->watch, error);
    listener->count += status == STATUS_OK;
    return status;
}

static enum status listen_at(struct listener *listener, const char *address,
                             struct error *error) {
    bool optional = address[0] == '-';
    int descriptor;
    enum status status = socket_listen_tcp(address + optional, &listener->port,
                                           listener->options.backlog, &descriptor, error);
    if (status == STATUS_NOT_FOUND && optional) {
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = add_entrance(listener, descriptor, error);
        if (status != STATUS_OK) {
            socket_close(descriptor);
        }
    }
    return status;
}

static void close_entrances(struct listener *listener) {
    while (listener->count > 0) {
        struct entrance *entrance = &listener->entrances[--listener->count];
        loop_unwatch(listener->loop, &entrance->watch);
        if (entrance == listener->unix_entrance) {
            socket_unlisten_unix(listener->options.unix_path, entrance->watch.descriptor);
        } else {
            socket_close(entrance->watch.descriptor);
        }
    }
}

static enum status listen_at_all(struct listener *listener, struct error *error) {
    const struct listener_options *options = &listener->options;
    enum status status = STATUS_OK;
    listener->port = options->port;
    for (size_t i = 0; i < options->address_count && status == STATUS_OK; i++) {
        status = listen_at(listener, options->addresses[i], error);
    }
    return status;
}

/* A port that the system found free at the first address may be taken at the next. */
static enum status listen_tcp(struct listener *listener, struct error *error) {
    enum status status = listen_at_all(listener, error);
    for (unsigned i = 0; i < PORT_ATTEMPTS && listener->options.port == 0 &&
                         listener->count > 0 && status == STATUS_BUSY;
         i++) {
        close_entrances(listener);
        status = listen_at_all(listener, error);
    }
    return status;
}

static enum status listen_unix(struct listener *listener, struct error *error) {
    const struct listener_options *options = &listener->options;
    int descriptor;
    enum status status = socket_listen_unix(options->unix_path, options->unix_permissions,
                                            options->backlog, &descriptor, error);
    if (status == STATUS_OK) {
        status = add_entrance(listener, descriptor, error);
        if (status == STATUS_OK) {
            listener->unix_entrance = &listener->entrances[listener->count - 1];
        } else {
            socket_unlisten_unix(options->unix_path, descriptor);
        }
    }
    return status;
}

enum status listener_open(struct loop *loop, const struct listener_options *options,
                          struct listener **out, struct error *error) {
    size_t most = options->address_count + 1;
    struct listener *listener =
        memory_take_zeroed(sizeof *listener + most * sizeof(struct entrance));
    if (listener == NULL) {
        return error_no_memory(error, "a listener", sizeof *listener);
    }
    listener->loop = loop;
    listener->options = *options;
    listener->reserve = -1;
    listener->pause = (struct timer){.due = pause_is_over, .context = listener};
    if (loop_timer_add(loop, &listener->pause) != STATUS_OK) {
        memory_give(listener);
        return error_no_memory(error, "a timer", sizeof(struct timer *));
    }
    enum status status = listen_tcp(listener, error);
    if (status == STATUS_OK && options->unix_path != NULL) {
        status = listen_unix(listener, error);
    }
    if (status != STATUS_OK) {
        listener_close(listener);
        return status;
    }
    listener->reserve = socket_reserve();
    *out = listener;
    return STATUS_OK;
}

void listener_close(struct listener *listener) {
    if (listener == NULL) {
        return;
    }
    close_entrances(listener);
    loop_timer_remove(listener->loop, &listener->pause);
    if (listener->reserve >= 0) {
        socket_close(listener->reserve);
    }
    memory_give(listener);
}

uint16_t listener_port(const struct listener *listener) {
    return listener->port;
}

uint64_t listener_accepted(const struct listener *listener) {
    return atomic_u64_load(&listener->accepted, memory_order_relaxed);
}

uint64_t listener_refused(const struct listener *listener) {
    return atomic_u64_load(&listener->refused, memory_order_relaxed);
}

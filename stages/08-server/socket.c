#include "socket.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "failpoint.h"

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

/* accept(2) also answers with errors of the connection that it would have been, which is
 * then gone; the next one may be there. What is none of these is tried again later. */
static enum socket_outcome outcome_of_accept(int errnum) {
    switch (errnum) {
    case EAGAIN:
        return SOCKET_LATER;
    case EMFILE:
    case ENFILE:
        return SOCKET_FULL;
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
        return SOCKET_BROKEN;
    default:
        return SOCKET_TIGHT;
    }
}

enum socket_outcome socket_accept(int listening, int *descriptor) {
    enum socket_outcome outcome;
    if (failpoint(socket_accept)) {
        return SOCKET_TIGHT;
    }
    do {
        int accepted = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted >= 0) {
            *descriptor = accepted;
            return SOCKET_DONE;
        }
        outcome = outcome_of_accept(errno);
    } while (outcome == SOCKET_BROKEN);
    return outcome;
}

static void name_ip(const union address *address, char name[SOCKET_NAME_BYTES]) {
    char text[INET6_ADDRSTRLEN] = "?";
    bool v4 = address->any.sa_family == AF_INET;
    const void *host =
        v4 ? (const void *)&address->v4.sin_addr : (const void *)&address->v6.sin6_addr;
    (void)inet_ntop(address->any.sa_family, host, text, sizeof text);
    (void)snprintf(name, SOCKET_NAME_BYTES, v4 ? "%s:%u" : "[%s]:%u", text,
                   (unsigned)ntohs(v4 ? address->v4.sin_port : address->v6.sin6_port));
}

static bool is_loopback(const union address *address) {
    return address->any.sa_family == AF_INET
               ? ntohl(address->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
               : IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr) != 0;
}

void socket_peer(int descriptor, struct socket_peer *peer) {
    union address address = {0}, own = {0};
    socklen_t bytes = sizeof address, own_bytes = sizeof own.local - 1;
    *peer = (struct socket_peer){"?", "?", false};
    if (getpeername(descriptor, &address.any, &bytes) != 0 ||
        getsockname(descriptor, &own.any, &own_bytes) != 0) {
        return; /* it is gone already */
    }
    if (own.any.sa_family == AF_UNIX) { /* own_bytes: so that a path ends with a zero */
        (void)snprintf(peer->name, sizeof peer->name, "%s:0", own.local.sun_path);
        (void)snprintf(peer->own, sizeof peer->own, "%s", peer->name);
        peer->local = true;
        return;
    }
    name_ip(&address, peer->name);
    name_ip(&own, peer->own);
    peer->local = is_loopback(&address);
}

static void set_option(int descriptor, int level, int name, int value) {
    (void)setsockopt(descriptor, level, name, &value, sizeof value);
}

void socket_prepare(int descriptor) {
    set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
}

/* The times of TCP are seconds up to 32767 (MAX_TCP_KEEPIDLE of Linux). */
void socket_keepalive(int descriptor, unsigned seconds) {
    enum { PROBES = 3, SECONDS_MOST = 32767 };
    int idle = seconds < SECONDS_MOST ? (int)seconds : SECONDS_MOST;
    set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, idle > 0);
    if (idle > 0) {
        set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, idle);
        set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, (idle + PROBES - 1) / PROBES);
        set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
    }
}

enum socket_outcome socket_read(int descriptor, void *to, size_t bytes, size_t *count) {
    ssize_t got;
    if (failpoint(socket_read)) {
        return SOCKET_BROKEN;
    }
    do {
        got = recv(descriptor, to, bytes, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        *count = (size_t)got;
        return SOCKET_DONE;
    }
    return got == 0 ? SOCKET_ENDED : errno == EAGAIN ? SOCKET_LATER : SOCKET_BROKEN;
}

/* One piece, as most replies are, costs the system less without a list of pieces. */
static ssize_t send_slices(int descriptor, const struct slice *slices, size_t count) {
    struct iovec pieces[SOCKET_SLICES_MAX];
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    if (count == 1) {
        return send(descriptor, slices[0].data, slices[0].length, MSG_NOSIGNAL);
    }
    for (size_t i = 0; i < count; i++) {
        /* iovec is for reading, too, and so its pointer is not to const. */
        union {
            const unsigned char *from;
            void *base;
        } bytes = {slices[i].data};
        pieces[i] = (struct iovec){bytes.base, slices[i].length};
    }
    return sendmsg(descriptor, &message, MSG_NOSIGNAL);
}

enum socket_outcome socket_write(int descriptor, const struct slice *slices,
                                 size_t slice_count, size_t *count) {
    ssize_t put;
    assert(slice_count <= SOCKET_SLICES_MAX);
    if (failpoint(socket_write)) {
        return SOCKET_BROKEN;
    }
    do {
        put = send_slices(descriptor, slices, slice_count);
    } while (put < 0 && errno == EINTR);
    if (put >= 0) {
        *count = (size_t)put;
        return SOCKET_DONE;
    }
    return errno == EAGAIN ? SOCKET_LATER : SOCKET_BROKEN;
}

void socket_end_writing(int descriptor) {
    (void)shutdown(descriptor, SHUT_WR);
}

/* Nothing is lost by an error here: on Linux the descriptor is closed whatever close(2)
 * answers, and the connection has been told all that it will be. */
void socket_close(int descriptor) {
    (void)close(descriptor);
}

int socket_reserve(void) {
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

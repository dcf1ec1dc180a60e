#include "socket_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "failpoint.h"

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

enum { SOCKET_FLAGS = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC };

/* ---- TCP ------------------------------------------------------------------------- */

static enum status parse(const char *text, uint16_t port, union address *address,
                         socklen_t *bytes, struct error *error) {
    const char *digits = strcmp(text, "*") == 0     ? "0.0.0.0"
                         : strcmp(text, "::*") == 0 ? "::"
                                                    : text;
    *address = (union address){0};
    if (inet_pton(AF_INET, digits, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(port);
        *bytes = sizeof address->v4;
        return STATUS_OK;
    }
    if (inet_pton(AF_INET6, digits, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons(port);
        *bytes = sizeof address->v6;
        return STATUS_OK;
    }
    return error_set(error, STATUS_INVALID,
                     "bind %s: not an address; write one in numbers, as 127.0.0.1 or ::1",
                     text);
}

static enum status explain(struct error *error, int errnum, const char *address,
                           uint16_t port) {
    switch (errnum) {
    case EADDRINUSE:
        return error_set(error, STATUS_BUSY,
                         "bind %s port %u: another program listens there", address, port);
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return error_set(error, STATUS_NOT_FOUND,
                         "bind %s port %u: this machine does not have that address",
                         address, port);
    case EACCES:
        return error_set(error, STATUS_IO,
                         "bind %s port %u: not permitted (ports below 1024 are root's)",
                         address, port);
    default:
        return error_set_errno(error, errnum, "bind %s port %u", address, port);
    }
}

/* Answers 0, or the errno that the last call left. */
static int listen_at(int descriptor, const union address *address, socklen_t bytes,
                     unsigned backlog) {
    const int yes = 1;
    bool v6 = address->any.sa_family == AF_INET6;
    /* So that a server that starts again need not wait for connections of the last. */
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        (v6 &&
         setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) != 0) ||
        bind(descriptor, &address->any, bytes) != 0 ||
        listen(descriptor, (int)backlog) != 0) {
        return errno;
    }
    return 0;
}

static int port_of(int descriptor, uint16_t *port) {
    union address address = {0};
    socklen_t bytes = sizeof address;
    if (getsockname(descriptor, &address.any, &bytes) != 0) {
        return errno;
    }
    *port = ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port
                                                    : address.v4.sin_port);
    return 0;
}

enum status socket_listen_tcp(const char *text, uint16_t *port, unsigned backlog,
                              int *out, struct error *error) {
    union address address;
    socklen_t bytes = 0;
    enum status status = parse(text, *port, &address, &bytes, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (failpoint(socket_listen)) {
        return explain(error, EADDRINUSE, text, *port);
    }
    int descriptor = socket(address.any.sa_family, SOCKET_FLAGS, 0);
    if (descriptor < 0) {
        return explain(error, errno, text, *port);
    }
    int errnum = listen_at(descriptor, &address, bytes, backlog);
    if (errnum == 0) {
        errnum = port_of(descriptor, port);
    }
    if (errnum != 0) {
        (void)close(descriptor);
        return explain(error, errnum, text, *port);
    }
    *out = descriptor;
    return STATUS_OK;
}

/* ---- in the file system ---------------------------------------------------------- */

/* Whether somebody listens at the address. A refused connection is the word of the system
 * that nobody does. */
static bool is_stale(const union address *address) {
    int descriptor = socket(AF_UNIX, SOCKET_FLAGS, 0);
    bool refused = descriptor >= 0 &&
                   connect(descriptor, &address->any, sizeof address->local) != 0 &&
                   errno == ECONNREFUSED;
    if (descriptor >= 0) {
        (void)close(descriptor);
    }
    return refused;
}

static enum status remove_stale(const char *path, const union address *address,
                                struct error *error) {
    struct stat found;
    if (lstat(path, &found) != 0) {
        return errno == ENOENT ? STATUS_OK : error_set_errno(error, errno, "%s", path);
    }
    if (!S_ISSOCK(found.st_mode)) {
        return error_set(error, STATUS_INVALID, "%s: there is a file that is no socket",
                         path);
    }
    if (!is_stale(address)) {
        return error_set(error, STATUS_BUSY, "%s: another program listens there", path);
    }
    return unlink(path) == 0 ? STATUS_OK : error_set_errno(error, errno, "%s", path);
}

/* Until the last step nobody but the owner can connect: a socket file gets the
 * permissions of its descriptor, less those that the process's mask takes (unix(7)). */
static enum status bind_and_listen(int descriptor, const union address *address,
                                   unsigned permissions, unsigned backlog,
                                   struct error *error) {
    const char *path = address->local.sun_path;
    if (fchmod(descriptor, 0600) != 0 ||
        bind(descriptor, &address->any, sizeof address->local) != 0) {
        return error_set_errno(error, errno, "%s", path);
    }
    if (listen(descriptor, (int)backlog) != 0 || chmod(path, permissions) != 0) {
        enum status status = error_set_errno(error, errno, "%s", path);
        (void)unlink(path);
        return status;
    }
    return STATUS_OK;
}

enum status socket_listen_unix(const char *path, unsigned permissions, unsigned backlog,
                               int *out, struct error *error) {
    union address address = {.local = {.sun_family = AF_UNIX}};
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof address.local.sun_path) {
        return error_set(error, STATUS_INVALID,
                         "unix socket %s: a path of 1 to %zu bytes is wanted", path,
                         sizeof address.local.sun_path - 1);
    }
    memcpy(address.local.sun_path, path, length);
    enum status status = remove_stale(path, &address, error);
    if (status != STATUS_OK) {
        return status;
    }
    int descriptor = socket(AF_UNIX, SOCKET_FLAGS, 0);
    if (descriptor < 0) {
        return error_set_errno(error, errno, "%s", path);
    }
    status = bind_and_listen(descriptor, &address, permissions, backlog, error);
    if (status != STATUS_OK) {
        (void)close(descriptor);
        return status;
    }
    *out = descriptor;
    return STATUS_OK;
}

void socket_unlisten_unix(const char *path, int descriptor) {
    (void)unlink(path);
    (void)close(descriptor);
}

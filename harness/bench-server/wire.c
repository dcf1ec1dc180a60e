#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024 };

enum status wire_open(struct wire *wire, const char *host, uint16_t port,
                      struct error *error) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1;
    *wire = (struct wire){.descriptor = -1};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        return error_set(error, STATUS_INVALID, "\"%s\" is no address like 127.0.0.1",
                         host);
    }
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        return error_set_errno(error, errno, "a socket");
    }
    if (connect(descriptor, (const struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        enum status status = error_set_errno(error, errno, "%s port %u", host, port);
        (void)close(descriptor);
        return status;
    }
    wire->descriptor = descriptor;
    return STATUS_OK;
}

void wire_close(struct wire *wire) {
    if (wire->descriptor >= 0) {
        (void)close(wire->descriptor);
    }
    buf_free(&wire->unsent);
    wire->descriptor = -1;
}

static bool would_wait(void) {
    return errno == EAGAIN || errno == EINTR;
}

enum status wire_send(struct wire *wire, struct error *error) {
    while (wire->sent < wire->unsent.length) {
        ssize_t count =
            send(wire->descriptor, wire->unsent.data + wire->sent,
                 wire->unsent.length - wire->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0) {
            return would_wait() ? STATUS_OK
                                : error_set_errno(error, errno, "sending requests");
        }
        wire->sent += (size_t)count;
    }
    buf_clear(&wire->unsent);
    wire->sent = 0;
    return STATUS_OK;
}

static enum status take_replies(struct wire *wire, struct slice bytes,
                                wire_answered *answered, void *context,
                                struct error *error) {
    for (;;) {
        enum reply_kind kind = replies_next(&wire->replies, &bytes);
        switch (kind) {
        case REPLY_NONE:
            return STATUS_OK;
        case REPLY_GOOD:
        case REPLY_ERROR:
            answered(context, wire, kind == REPLY_ERROR ? wire->replies.line : NULL);
            wire->answered++;
            break;
        case REPLY_STRANGE:
            return error_set(error, STATUS_IO, "this is no reply to SET or GET: %s",
                             wire->replies.line);
        }
    }
}

enum status wire_receive(struct wire *wire, wire_answered *answered, void *context,
                         struct error *error) {
    unsigned char bytes[READ_BYTES];
    for (;;) {
        ssize_t count = recv(wire->descriptor, bytes, sizeof bytes, MSG_DONTWAIT);
        if (count < 0 && would_wait()) {
            return STATUS_OK;
        }
        if (count <= 0) {
            return count == 0
                       ? error_set(error, STATUS_IO, "the server closed a connection")
                       : error_set_errno(error, errno, "receiving replies");
        }
        enum status status = take_replies(wire, slice_make(bytes, (size_t)count),
                                          answered, context, error);
        if (status != STATUS_OK || (size_t)count < sizeof bytes) {
            return status;
        }
    }
}

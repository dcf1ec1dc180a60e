/* What the server asks of the operating system for its clients' sockets; here, in
 * socket_listen.c and in loop.c are all its calls. Nothing here waits: every socket is
 * non-blocking. No call raises SIGPIPE. Any thread may call. */
#ifndef STRATA_SOCKET_H
#define STRATA_SOCKET_H

#include <stdbool.h>

#include "slice.h"
#include "status.h"

enum socket_outcome {
    SOCKET_DONE,
    SOCKET_LATER,  /* nothing now; the loop says when */
    SOCKET_ENDED,  /* the peer sends no more */
    SOCKET_BROKEN, /* the connection is gone */
    SOCKET_FULL,   /* this process, or the system, can have no more descriptors */
    SOCKET_TIGHT,  /* the system cannot do it at this moment: no memory */
};

enum { SOCKET_NAME_BYTES = 128, SOCKET_SLICES_MAX = 64 };

/* The other side of a connection. */
struct socket_peer {
    char name[SOCKET_NAME_BYTES]; /* "127.0.0.1:40112", "[::1]:40112", "/run/db.sock:0" */
    char own[SOCKET_NAME_BYTES];  /* the name of this side */
    bool local;                   /* on this machine: loopback, or a unix socket */
};

/* Takes one connection that waits. DONE, LATER, FULL, TIGHT. */
enum socket_outcome socket_accept(int listening, int *descriptor);

/* Who is at the other end; of a unix socket, the path that is listened at. */
void socket_peer(int descriptor, struct socket_peer *peer);

/* Small replies go at once (TCP_NODELAY); with keepalive_seconds, a peer that is gone for
 * twice as long is found out. What the socket does not have is passed over. */
void socket_prepare(int descriptor, unsigned keepalive_seconds);

/* At least one byte if DONE. LATER, ENDED, BROKEN. */
enum socket_outcome socket_read(int descriptor, void *to, size_t bytes, size_t *count);

/* One writev of at most SOCKET_SLICES_MAX slices; writes a part of them, one byte at
 * least, if DONE. LATER, BROKEN. */
enum socket_outcome socket_write(int descriptor, const struct slice *slices,
                                 size_t slice_count, size_t *count);

/* The peer finds the end behind what was written. */
void socket_end_writing(int descriptor);

void socket_close(int descriptor);

/* A descriptor that is of no use but to be given up when there are no more: -1 if there
 * are none even now. */
int socket_reserve(void);

#endif

/* Sockets that clients connect to: of TCP, and in the file system. Any thread may
 * call. */
#ifndef STRATA_SOCKET_LISTEN_H
#define STRATA_SOCKET_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"

/* Listens at an address: IPv4 ("127.0.0.1"), IPv6 ("::1"), all of IPv4 ("*", "0.0.0.0")
 * or all of IPv6 ("::*", "::"). An IPv6 socket takes no IPv4 clients. *port 0 is replaced
 * by one that is free.
 *
 * INVALID: this is no address; NOT_FOUND: this machine does not have it; BUSY: somebody
 * listens there; IO: not permitted, and all else. The message names address and port. */
MUST_CHECK enum status socket_listen_tcp(const char *address, uint16_t *port,
                                         unsigned backlog, int *descriptor,
                                         struct error *error);

/* Listens at a path, with these permissions (0700). A socket file that a dead server left
 * there is replaced; one at which somebody listens is BUSY; any other file is left alone:
 * INVALID, as is a path that is too long. NOT_FOUND: its directory is not there. IO. */
MUST_CHECK enum status socket_listen_unix(const char *path, unsigned permissions,
                                          unsigned backlog, int *descriptor,
                                          struct error *error);

/* Stops to listen at the path: closes the descriptor and removes the file. */
void socket_unlisten_unix(const char *path, int descriptor);

#endif

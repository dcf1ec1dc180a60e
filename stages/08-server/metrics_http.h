/* The metrics over HTTP, on a port of their own: GET /metrics, and nothing else. A thread
 * of libmicrohttpd serves it, and allocates what it needs (memory.h). */
#ifndef STRATA_METRICS_HTTP_H
#define STRATA_METRICS_HTTP_H

#include "server.h"

struct metrics_http;

/* Serves until it is closed; the server is borrowed. *port 0 is replaced by one that is
 * free. INVALID: this is no address of IPv4 or IPv6; IO: it cannot listen there. */
MUST_CHECK enum status metrics_http_open(struct server *server, const char *address,
                                         uint16_t *port, struct metrics_http **http,
                                         struct error *error);
void metrics_http_close(struct metrics_http *http); /* NULL is allowed */

#endif

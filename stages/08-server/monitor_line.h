/* What MONITOR shows of a request, as Redis 7.0 prints it (its replication.c):
 *
 *     +1339518083.107412 [0 127.0.0.1:60866] "set" "x" "\x01"
 *
 * as a simple string, with its end. */
#ifndef STRATA_MONITOR_LINE_H
#define STRATA_MONITOR_LINE_H

#include "resp_parser.h"
#include "buf.h"

/* Appends it; `peer` is the client's address, of a unix socket its path. NO_MEMORY: there
 * is half of it. */
MUST_CHECK enum status monitor_line(struct buf *line, uint64_t wall_micros,
                                    struct slice peer, bool unix_socket,
                                    const struct resp_request *request);

#endif

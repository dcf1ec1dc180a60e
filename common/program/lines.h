/* Lines of any length and any bytes from a file descriptor. A line ends at '\n' or, the
 * last one, at the end of the input; '\r' belongs to the line. In the caller's storage.
 */
#ifndef STRATA_LINES_H
#define STRATA_LINES_H

#include "buf.h"

struct lines {
    int fd;           /* borrowed */
    const char *name; /* of the input, for messages; borrowed */
    struct buf buf;
    size_t start;    /* of what was not handed out yet, in buf */
    uint64_t number; /* of the last line handed out, from 1 */
    uint64_t bytes;  /* handed out so far, line ends included */
    bool ended;
};

void lines_init(struct lines *lines, int fd, const char *name);
void lines_free(struct lines *lines);

/* The next line, without its line end; it dies at the next call. *more is false at the
 * end of the input, and when a signal was seen while waiting for it (interrupt.h). IO,
 * NO_MEMORY. */
MUST_CHECK enum status lines_next(struct lines *lines, struct slice *line, bool *more,
                                  struct error *error);

#endif

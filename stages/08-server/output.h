/* The bytes that wait to be sent to a client: a chain of pieces, filled at one end and
 * emptied at the other. Small writes are gathered; large memory is taken over as it is.
 *
 * Every byte has a position, counted from the first that was ever put there: so a reply
 * that has to wait, for its change to be durable, is remembered by the position at its
 * end, and what may be sent is what lies before a position.
 *
 * When memory is missing, `status` becomes NO_MEMORY, nothing more is put there, and the
 * connection can only be closed: replies are not sent in part. So it is with LIMIT: more
 * than most_bytes wait, or are taken up by that, and something more was to be written.
 *
 * One thread at a time. */
#ifndef STRATA_OUTPUT_H
#define STRATA_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

enum {
    OUTPUT_PIECE_LEAST = 960,      /* what is small for the allocator, too */
    OUTPUT_PIECE_MOST = 64 * 1024, /* but for memory that was taken over */
    OUTPUT_TAKE_BYTES = 16 * 1024, /* less is copied: a piece of its own costs more */
};

struct output_piece;

/* In the caller's storage; {0} is an empty one. To be read by the caller: status,
 * appended, sent, memory; most_bytes is the caller's to set. */
struct output {
    enum status status;
    size_t most_bytes; /* that may wait; four times as much memory. 0: any number */
    uint64_t appended; /* the position behind the last byte */
    uint64_t sent;     /* of the first that is still to be sent */
    struct output_piece *first;
    struct output_piece *last;
    size_t skipped; /* bytes of the first piece that are sent */
    size_t memory;  /* that the pieces take */
};

void output_free(struct output *output);

/* Bytes that wait. */
static inline uint64_t output_pending(const struct output *output) {
    return output->appended - output->sent;
}

/* To be called before each part of a reply that may have many; a part may be longer than
 * most_bytes, so it is not looked at when that is appended. What is sent of a long one
 * still takes memory, but is none that who reads has to answer for. */
static inline void output_begin_part(struct output *output) {
    bool full = output_pending(output) > output->most_bytes ||
                (output->memory - output->skipped) / 4 > output->most_bytes;
    if (output->most_bytes > 0 && full && output->status == STATUS_OK) {
        output->status = STATUS_LIMIT;
    }
}

void output_append(struct output *output, const void *bytes, size_t count);

/* As output_append of its contents; takes the memory over if they are many, and leaves
 * an empty buf. */
void output_append_buf(struct output *output, struct buf *buf);

/* Keeps a place, to be filled with up to OUTPUT_LATER_BYTES when it is known what stands
 * there. Until then nothing behind it is sent, and positions behind it are not final. The
 * handle is for output_fill; NULL when there is no memory, which output_fill allows. */
enum { OUTPUT_LATER_BYTES = 32 };
struct output_piece *output_later(struct output *output);
void output_fill(struct output *output, struct output_piece *later, const void *bytes,
                 size_t count);

/* Moves all that waits in `from` behind what waits in `to`, and its status; `from` is
 * then as {0}. */
void output_join(struct output *to, struct output *from);

/* What is to be sent next and lies before the position `until`: as slices, at most
 * `most` of them, for one writev; returns how many. Valid until output changes. */
size_t output_gather(const struct output *output, uint64_t until, struct slice *slices,
                     size_t most);

/* So many bytes have been sent, of those that wait. */
void output_advance(struct output *output, size_t count);

#endif

#include "output.h"

#include <assert.h>

#include "memory.h"

struct output_piece {
    struct output_piece *next;
    unsigned char *data; /* own bytes, or memory that was taken over */
    size_t length;
    size_t capacity; /* as far as more may be put behind it */
    size_t memory;   /* this, and the data */
    bool open;       /* a place that is kept */
    unsigned char own[];
};

static void piece_free(struct output *output, struct output_piece *piece) {
    output->memory -= piece->memory;
    if (piece->data != piece->own) {
        memory_give(piece->data);
    }
    memory_give(piece);
}

void output_free(struct output *output) {
    while (output->first != NULL) {
        struct output_piece *next = output->first->next;
        piece_free(output, output->first);
        output->first = next;
    }
    *output = (struct output){0};
}

static void put_last(struct output *output, struct output_piece *piece) {
    if (output->last == NULL) {
        output->first = piece;
    } else {
        output->last->next = piece;
    }
    output->last = piece;
}

/* A new last piece, which room for so many bytes comes with. NULL: no memory. */
static struct output_piece *add_piece(struct output *output, size_t capacity) {
    if (output->status != STATUS_OK) {
        return NULL;
    }
    struct output_piece *piece = memory_take(sizeof *piece + capacity);
    if (piece == NULL) {
        output->status = STATUS_NO_MEMORY;
        return NULL;
    }
    *piece = (struct output_piece){
        .data = piece->own, .capacity = capacity, .memory = sizeof *piece + capacity};
    output->memory += piece->memory;
    put_last(output, piece);
    return piece;
}

/* Twice what the piece before has taken in: an answer to one command needs little, and so
 * does what stands between long values, or behind a place that was kept. */
static size_t next_capacity(const struct output *output) {
    const struct output_piece *last = output->last;
    size_t twice = last == NULL || last->data != last->own ? 0 : 2 * last->length;
    return twice < OUTPUT_PIECE_LEAST  ? OUTPUT_PIECE_LEAST
           : twice > OUTPUT_PIECE_MOST ? OUTPUT_PIECE_MOST
                                       : twice;
}

void output_append(struct output *output, const void *bytes, size_t count) {
    const unsigned char *from = bytes;
    while (count > 0 && output->status == STATUS_OK) {
        struct output_piece *piece = output->last;
        if (piece == NULL || piece->length == piece->capacity) {
            piece = add_piece(output, next_capacity(output));
            continue;
        }
        size_t room = piece->capacity - piece->length;
        size_t part = count < room ? count : room;
        memcpy(piece->data + piece->length, from, part);
        piece->length += part;
        output->appended += part;
        from += part;
        count -= part;
    }
}

void output_append_buf(struct output *output, struct buf *buf) {
    if (buf->length < OUTPUT_TAKE_BYTES) {
        output_append(output, buf->data, buf->length);
        buf_clear(buf);
        return;
    }
    struct output_piece *piece = add_piece(output, 0);
    if (piece != NULL) {
        piece->data = buf->data;
        piece->length = piece->capacity = buf->length;
        piece->memory += buf->capacity;
        output->memory += buf->capacity;
        output->appended += buf->length;
        *buf = (struct buf){0};
    }
    buf_free(buf);
}

struct output_piece *output_later(struct output *output) {
    struct output_piece *piece = add_piece(output, OUTPUT_LATER_BYTES);
    if (piece != NULL) {
        piece->capacity = 0; /* what follows goes behind it */
        piece->open = true;
    }
    return piece;
}

void output_fill(struct output *output, struct output_piece *later, const void *bytes,
                 size_t count) {
    assert(count <= OUTPUT_LATER_BYTES);
    if (later != NULL) {
        memcpy(later->data, bytes, count);
        later->length = later->capacity = count;
        later->open = false;
        output->appended += count;
    }
}

void output_join(struct output *to, struct output *from) {
    assert(from->skipped == 0);
    if (from->status != STATUS_OK) {
        to->status = from->status;
    }
    if (from->first != NULL) {
        put_last(to, from->first);
        to->last = from->last;
        to->appended += output_pending(from);
        to->memory += from->memory;
    }
    *from = (struct output){0};
}

size_t output_gather(const struct output *output, uint64_t until, struct slice *slices,
                     size_t most) {
    uint64_t left = until > output->sent ? until - output->sent : 0;
    size_t skip = output->skipped, count = 0;
    for (const struct output_piece *piece = output->first;
         piece != NULL && !piece->open && left > 0 && count < most; piece = piece->next) {
        size_t length = piece->length - skip;
        length = length < left ? length : (size_t)left;
        if (length > 0) {
            slices[count++] = slice_make(piece->data + skip, length);
        }
        left -= length;
        skip = 0;
    }
    return count;
}

void output_advance(struct output *output, size_t count) {
    assert(count <= output_pending(output));
    output->sent += count;
    count += output->skipped;
    while (output->first != NULL && !output->first->open &&
           count >= output->first->length) {
        struct output_piece *piece = output->first;
        count -= piece->length;
        output->first = piece->next;
        piece_free(output, piece);
    }
    output->skipped = count;
    if (output->first == NULL) {
        output->last = NULL;
    }
}

/* The bytes held:
 *
 *     0        begin            at                 seen              end     capacity
 *     | handed | parsed, of the | a line: its end  | not looked at   | room    |
 *     | out    | request        | is not in here   |                 |         |
 *
 * Parsing resumes where it stopped, so a byte is looked at once. A request's arguments
 * are slices of the parsed part from the beginning on, and are set right when that moves.
 * It moves when there is little room behind it: to the front if half of the bytes or more
 * have been handed out, else to memory of twice the size. Either way a quarter of the
 * memory has been filled since the last move, at least; so a byte moves a few times.
 *
 * tidy: long because the look ahead reads bulk strings by the same rules. */
#include "resp_parser.h"

#include <assert.h>

#include "inline_line.h"
#include "memory.h"
#include "resp_number.h"

enum {
    CRLF_BYTES = 2,
    ROOM_LEAST = RESP_READ_BYTES / 4,
    KEPT_BYTES = 4 * RESP_READ_BYTES, /* more than that is given back after a request */
    KEPT_ARGUMENTS = 1024,
    FIRST_ARGUMENTS = 8,
};

void resp_parser_init(struct resp_parser *parser, const struct resp_limits *limits,
                      bool trusted) {
    *parser = (struct resp_parser){.limits = limits, .trusted = trusted};
}

/* ---- memory ---------------------------------------------------------------------- */

static void give_blocks(struct resp_parser *parser) {
    for (size_t i = 0; i < parser->block_count; i++) {
        memory_give(parser->blocks[i].data);
    }
    parser->block_count = 0;
    parser->block_bytes = 0;
}

static void give_arguments(struct resp_parser *parser) {
    memory_give(parser->arguments);
    memory_give(parser->blocks);
    parser->arguments = NULL;
    parser->blocks = NULL;
    parser->argument_room = parser->block_room = 0;
}

static void give_bytes(struct resp_parser *parser) {
    memory_give(parser->bytes);
    parser->bytes = NULL;
    parser->capacity = 0;
}

void resp_parser_free(struct resp_parser *parser) {
    give_blocks(parser);
    give_arguments(parser);
    give_bytes(parser);
    *parser = (struct resp_parser){0};
}

/* What begins at `at` is another request. */
static void begin_anew(struct resp_parser *parser) {
    give_blocks(parser);
    if (parser->argument_room > KEPT_ARGUMENTS || parser->block_room > KEPT_ARGUMENTS) {
        give_arguments(parser);
    }
    parser->count = 0;
    parser->handed_out = false;
    parser->begin = parser->at;
    if (parser->begin == parser->end) {
        parser->begin = parser->at = parser->seen = parser->end = 0;
    }
}

size_t resp_parser_held(const struct resp_parser *parser) {
    size_t held = parser->end - parser->begin;
    for (size_t i = 0; i < parser->block_count; i++) {
        held += parser->blocks[i].length;
    }
    return held;
}

size_t resp_parser_memory(const struct resp_parser *parser) {
    size_t memory = parser->capacity + parser->argument_room * sizeof(struct slice) +
                    parser->block_room * sizeof(struct resp_block);
    for (size_t i = 0; i < parser->block_count; i++) {
        memory += parser->blocks[i].capacity;
    }
    return memory;
}

void resp_parser_trim(struct resp_parser *parser) {
    if (parser->handed_out) {
        begin_anew(parser);
    }
    if (parser->begin == parser->end && parser->wanted == 0) {
        give_arguments(parser);
        give_bytes(parser);
    }
}

/* Doubles an array of so many elements when all are in use. */
static enum status grow(void **array, size_t *room, size_t used, size_t element_bytes) {
    if (used < *room) {
        return STATUS_OK;
    }
    size_t more = *room < FIRST_ARGUMENTS ? FIRST_ARGUMENTS : *room * 2;
    void *larger = memory_resize(*array, more * element_bytes);
    if (larger == NULL) {
        return STATUS_NO_MEMORY;
    }
    *array = larger;
    *room = more;
    return STATUS_OK;
}

static enum status add_argument(struct resp_parser *parser, struct slice argument) {
    void *array = parser->arguments;
    enum status status =
        grow(&array, &parser->argument_room, parser->count, sizeof parser->arguments[0]);
    parser->arguments = array;
    if (status == STATUS_OK) {
        parser->arguments[parser->count++] = argument;
    }
    return status;
}

/* ---- the bytes, and where they go ------------------------------------------------ */

/* What is held moves to the front of `to`; arguments in blocks stay where they are. */
static void move_bytes(struct resp_parser *parser, unsigned char *to) {
    size_t block = 0;
    unsigned char *from = parser->bytes + parser->begin;
    for (size_t i = 0; i < parser->count; i++) {
        if (block < parser->block_count && parser->blocks[block].argument == i) {
            block++;
        } else {
            parser->arguments[i].data = to + (parser->arguments[i].data - from);
        }
    }
    memmove(to, from, parser->end - parser->begin);
    parser->work += parser->end - parser->begin + parser->count;
    parser->at -= parser->begin;
    parser->seen -= parser->begin;
    parser->end -= parser->begin;
    parser->begin = 0;
}

static enum status grow_bytes(struct resp_parser *parser) {
    size_t capacity = parser->capacity == 0 ? RESP_READ_BYTES : parser->capacity * 2;
    unsigned char *larger = memory_take(capacity);
    if (larger == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (parser->bytes != NULL) {
        move_bytes(parser, larger);
    }
    memory_give(parser->bytes);
    parser->bytes = larger;
    parser->capacity = capacity;
    return STATUS_OK;
}

static enum status make_room(struct resp_parser *parser) {
    size_t held = parser->end - parser->begin;
    if (held == 0 && parser->capacity > KEPT_BYTES) {
        give_bytes(parser);
    }
    if (parser->capacity - parser->end >= ROOM_LEAST) {
        return STATUS_OK;
    }
    if (parser->capacity > 0 && held <= parser->capacity / 2) {
        move_bytes(parser, parser->bytes);
        return STATUS_OK;
    }
    return grow_bytes(parser);
}

static struct resp_block *last_block(const struct resp_parser *parser) {
    return &parser->blocks[parser->block_count - 1];
}

/* Twice what has arrived, as long as that is not more than will. */
static enum status grow_block(struct resp_parser *parser) {
    struct resp_block *block = last_block(parser);
    size_t whole = parser->bulk_bytes + CRLF_BYTES;
    if (block->length < block->capacity) {
        return STATUS_OK;
    }
    size_t capacity = block->capacity > whole / 2 ? whole : block->capacity * 2;
    unsigned char *larger = memory_resize(block->data, capacity);
    if (larger == NULL) {
        return STATUS_NO_MEMORY;
    }
    block->data = larger;
    block->capacity = capacity;
    return STATUS_OK;
}

enum status resp_parser_room(struct resp_parser *parser, unsigned char **to,
                             size_t *bytes) {
    if (parser->handed_out) {
        begin_anew(parser);
    }
    if (parser->in_block) {
        enum status status = grow_block(parser);
        if (status == STATUS_OK) {
            struct resp_block *block = last_block(parser);
            *to = block->data + block->length;
            *bytes = block->capacity - block->length;
        }
        return status;
    }
    enum status status = make_room(parser);
    if (status == STATUS_OK) {
        *to = parser->bytes + parser->end;
        *bytes = parser->capacity - parser->end;
    }
    return status;
}

void resp_parser_filled(struct resp_parser *parser, size_t count) {
    if (parser->in_block) {
        struct resp_block *block = last_block(parser);
        assert(count <= block->capacity - block->length);
        block->length += count;
    } else {
        assert(count <= parser->capacity - parser->end);
        parser->end += count;
    }
}

/* ---- lines ----------------------------------------------------------------------- */

static enum status broken(struct error *error, const char *what) {
    return error_set(error, STATUS_INVALID, "ERR Protocol error: %s", what);
}

/* The line that begins at `at`, up to the byte that ends it. */
static enum status find_line(struct resp_parser *parser, unsigned char ending,
                             const char *too_long, struct slice *line,
                             struct error *error) {
    size_t held = parser->end - parser->at;
    size_t most = parser->limits->line_bytes + 1;
    size_t window = held < most ? held : most;
    size_t seen = parser->seen - parser->at;
    const unsigned char *begin = parser->bytes + parser->at;
    const unsigned char *end =
        seen < window ? memchr(begin + seen, ending, window - seen) : NULL;
    if (end == NULL) {
        parser->work += window - seen;
        parser->seen = parser->at + window;
        return held >= most ? broken(error, too_long) : STATUS_NOT_FOUND;
    }
    *line = slice_make(begin, (size_t)(end - begin));
    parser->work += line->length + 1 - seen;
    parser->seen = parser->at + line->length;
    return STATUS_OK;
}

static void take_bytes(struct resp_parser *parser, size_t count) {
    parser->at += count;
    parser->seen = parser->at;
}

/* A line with a count. Its second ending byte must be there, and may be any, as the two
 * behind a bulk string may: Redis looks at neither. */
static enum status find_header(struct resp_parser *parser, const char *too_long,
                               struct slice *line, struct error *error) {
    enum status status = find_line(parser, '\r', too_long, line, error);
    if (status == STATUS_OK && parser->end - parser->at < line->length + CRLF_BYTES) {
        return STATUS_NOT_FOUND;
    }
    return status;
}

static bool read_count(struct slice line, int64_t *count) {
    slice_advance(&line, 1);
    return resp_integer_parse(line, count);
}

/* ---- requests -------------------------------------------------------------------- */

static enum status begin_array(struct resp_parser *parser, struct error *error) {
    struct slice line;
    int64_t count;
    enum status status = find_header(parser, "too big mbulk count string", &line, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (!read_count(line, &count) ||
        (count > 0 && (uint64_t)count > parser->limits->arguments)) {
        return broken(error, "invalid multibulk length");
    }
    if (count > RESP_UNTRUSTED_ARGUMENTS && !parser->trusted) {
        return broken(error, "unauthenticated multibulk length");
    }
    take_bytes(parser, line.length + CRLF_BYTES);
    parser->wanted = count > 0 ? (size_t)count : 0;
    return STATUS_OK;
}

static enum status read_inline(struct resp_parser *parser, struct error *error) {
    struct slice text, word;
    enum status status = find_line(parser, '\n', "too big inline request", &text, error);
    if (status != STATUS_OK) {
        return status;
    }
    struct inline_line line = {parser->bytes + parser->at,
                               parser->bytes + parser->at + text.length};
    enum inline_found found;
    parser->work += text.length;
    while ((found = inline_line_next(&line, &word)) == INLINE_WORD) {
        status = add_argument(parser, word);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (found == INLINE_UNBALANCED) {
        return broken(error, "unbalanced quotes in request");
    }
    take_bytes(parser, text.length + 1);
    return STATUS_OK;
}

/* What a client sent in place of '$' must not end the line that tells it. */
static enum status not_a_bulk(struct error *error, unsigned char got) {
    bool ends = got == '\r' || got == '\n' || got == '\0';
    return error_set(error, STATUS_INVALID, "ERR Protocol error: expected '$', got '%c'",
                     ends ? ' ' : got);
}

static enum status begin_bulk(struct resp_parser *parser, struct error *error) {
    struct slice line;
    int64_t bytes;
    enum status status = find_header(parser, "too big bulk count string", &line, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (parser->bytes[parser->at] != '$') {
        return not_a_bulk(error, parser->bytes[parser->at]);
    }
    if (!read_count(line, &bytes) || bytes < 0 ||
        (uint64_t)bytes > parser->limits->bulk_bytes) {
        return broken(error, "invalid bulk length");
    }
    if (bytes > RESP_UNTRUSTED_BULK_BYTES && !parser->trusted) {
        return broken(error, "unauthenticated bulk length");
    }
    take_bytes(parser, line.length + CRLF_BYTES);
    size_t before = parser->at - parser->begin + parser->block_bytes;
    if (before + (size_t)bytes + CRLF_BYTES > parser->limits->query_bytes) {
        return error_set(error, STATUS_LIMIT,
                         "ERR Protocol error: request exceeds the query buffer limit");
    }
    parser->bulk_bytes = (size_t)bytes;
    parser->in_bulk = true;
    return STATUS_OK;
}

/* A long argument of which some is missing gets a block, and what there is goes there. */
static enum status begin_block(struct resp_parser *parser) {
    size_t there = parser->end - parser->at;
    size_t whole = parser->bulk_bytes + CRLF_BYTES;
    size_t capacity = there > RESP_LONG_BYTES ? there * 2 : RESP_LONG_BYTES * 2;
    capacity = capacity < whole ? capacity : whole;
    void *array = parser->blocks;
    enum status status =
        grow(&array, &parser->block_room, parser->block_count, sizeof parser->blocks[0]);
    parser->blocks = array;
    if (status != STATUS_OK) {
        return status;
    }
    unsigned char *data = memory_take(capacity);
    if (data == NULL) {
        return STATUS_NO_MEMORY;
    }
    memcpy(data, parser->bytes + parser->at, there);
    parser->work += there;
    parser->end = parser->at;
    parser->blocks[parser->block_count++] =
        (struct resp_block){data, there, capacity, parser->count};
    parser->block_bytes += whole;
    parser->in_block = true;
    return STATUS_OK;
}

static enum status read_block(struct resp_parser *parser) {
    struct resp_block *block = last_block(parser);
    if (block->length < parser->bulk_bytes + CRLF_BYTES) {
        return STATUS_NOT_FOUND;
    }
    parser->in_block = false;
    return add_argument(parser, slice_make(block->data, parser->bulk_bytes));
}

static enum status read_bulk(struct resp_parser *parser) {
    size_t there = parser->end - parser->at;
    if (parser->in_block) {
        return read_block(parser);
    }
    if (there >= parser->bulk_bytes + CRLF_BYTES) {
        enum status status = add_argument(
            parser, slice_make(parser->bytes + parser->at, parser->bulk_bytes));
        take_bytes(parser, parser->bulk_bytes + CRLF_BYTES);
        return status;
    }
    if (parser->bulk_bytes < RESP_LONG_BYTES) {
        return STATUS_NOT_FOUND;
    }
    enum status status = begin_block(parser);
    return status == STATUS_OK ? STATUS_NOT_FOUND : status;
}

static enum status read_array(struct resp_parser *parser, struct error *error) {
    while (parser->wanted > 0) {
        enum status status = parser->in_bulk ? STATUS_OK : begin_bulk(parser, error);
        if (status == STATUS_OK) {
            status = read_bulk(parser);
        }
        if (status != STATUS_OK) {
            return status;
        }
        parser->in_bulk = false;
        parser->wanted--;
    }
    return STATUS_OK;
}

static enum status read_request(struct resp_parser *parser, struct error *error) {
    if (parser->wanted == 0) {
        if (parser->at == parser->end) {
            return STATUS_NOT_FOUND;
        }
        if (parser->bytes[parser->at] != '*') {
            return read_inline(parser, error);
        }
        enum status status = begin_array(parser, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return read_array(parser, error);
}

enum status resp_parser_next(struct resp_parser *parser, struct resp_request *request,
                             struct error *error) {
    if (parser->handed_out) {
        begin_anew(parser);
    }
    for (;;) {
        enum status status = read_request(parser, error);
        if (status != STATUS_OK) {
            return status;
        }
        if (parser->count > 0) {
            *request = (struct resp_request){parser->arguments, parser->count};
            parser->handed_out = true;
            return STATUS_OK;
        }
        begin_anew(parser); /* it asked for nothing */
    }
}

/* ---- a look ahead ---------------------------------------------------------------- */

/* Takes a bulk string that is whole. False: it is not, or it is none. */
static bool take_bulk(struct slice *from, struct slice *bulk) {
    struct slice line = *from;
    int64_t bytes;
    const unsigned char *end = memchr(line.data, '\r', line.length);
    if (end == NULL || line.data[0] != '$') {
        return false;
    }
    line.length = (size_t)(end - line.data);
    if (!read_count(line, &bytes) || bytes < 0) {
        return false;
    }
    slice_advance(from, line.length);
    if (from->length < (uint64_t)bytes + 2 * CRLF_BYTES) {
        return false;
    }
    *bulk = slice_make(from->data + CRLF_BYTES, (size_t)bytes);
    slice_advance(from, (size_t)bytes + 2 * CRLF_BYTES);
    return true;
}

size_t resp_parser_alike(const struct resp_parser *parser, struct slice *seconds,
                         size_t most) {
    size_t count = 0;
    if (parser->count != 2 || parser->block_count > 0 ||
        parser->bytes[parser->begin] != '*') {
        return 0;
    }
    const unsigned char *begin = parser->bytes + parser->begin;
    const struct slice *first = &parser->arguments[0];
    size_t same = (size_t)(first->data + first->length - begin) + CRLF_BYTES;
    struct slice rest = slice_make(parser->bytes + parser->at, parser->end - parser->at);
    while (count < most && rest.length > same && memcmp(rest.data, begin, same) == 0) {
        slice_advance(&rest, same);
        if (!take_bulk(&rest, &seconds[count])) {
            break;
        }
        count++;
    }
    return count;
}

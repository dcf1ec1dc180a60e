/* A client's bytes: the parser of requests, patterns, and replies.
 *
 *     input := flags, size of a piece less one, bytes
 *
 * Cut into pieces the bytes mean what they mean as a whole; memory and work follow what
 * has arrived; a request that is written anew is read as the same; and its first word, as
 * a pattern, is held against the others in bounded time. */
#include <stddef.h>

#include "counted_memory.h"
#include "glob.h"
#include "resp_parser.h"
#include "resp_writer.h"
#include "fuzz.h"

enum {
    FUZZ_TRUSTED = 1,
    FUZZ_SMALL_LIMITS = 2,
    HEADER_BYTES = 2,
    PIECES_MOST = 500,    /* or long inputs would take their time, */
    PATTERN_BYTES = 1000, /* and patterns that meet long texts */
};

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t count);

/* What the parser made of the bytes: a fingerprint. */
struct reading {
    struct resp_parser parser;
    struct error error;
    enum status status;
    uint64_t hash;
    uint64_t requests;
    size_t memory; /* before anything was read */
};

/* FNV-1a, over lengths too. */
static uint64_t mix(uint64_t hash, struct slice bytes) {
    const uint64_t prime = UINT64_C(0x100000001b3);
    hash = (hash ^ bytes.length) * prime;
    for (size_t i = 0; i < bytes.length; i++) {
        hash = (hash ^ bytes.data[i]) * prime;
    }
    return hash;
}

static void begin(struct reading *reading, const struct resp_limits *limits,
                  bool trusted) {
    *reading =
        (struct reading){.status = STATUS_NOT_FOUND, .memory = counted_memory_bytes()};
    resp_parser_init(&reading->parser, limits, trusted);
}

/* The fingerprint has an end and the words for it. */
static void end(struct reading *reading) {
    DEMAND(reading->status != STATUS_NO_MEMORY, "memory");
    DEMAND((reading->status == STATUS_NOT_FOUND) == (reading->error.message[0] == '\0'),
           "%s", status_words(reading->status));
    reading->hash = mix(reading->hash, slice_of(reading->error.message));
    resp_parser_free(&reading->parser);
}

static void take(struct reading *reading, const struct resp_request *request) {
    DEMAND(request->count > 0, "a request without a word");
    reading->requests++;
    for (size_t i = 0; i < request->count; i++) {
        reading->hash = mix(reading->hash, request->arguments[i]);
    }
}

static void read_bytes(struct reading *reading, struct slice bytes, size_t piece,
                       void (*each)(const struct resp_request *)) {
    struct resp_request request;
    size_t arrived = 0;
    while (arrived < bytes.length && reading->status == STATUS_NOT_FOUND) {
        unsigned char *to;
        size_t room;
        DEMAND(resp_parser_room(&reading->parser, &to, &room) == STATUS_OK, "memory");
        room = room < piece ? room : piece;
        room = room < bytes.length - arrived ? room : bytes.length - arrived;
        DEMAND(room > 0, "no room");
        memcpy(to, bytes.data + arrived, room);
        resp_parser_filled(&reading->parser, room);
        arrived += room;
        while ((reading->status = resp_parser_next(&reading->parser, &request,
                                                   &reading->error)) == STATUS_OK) {
            take(reading, &request);
            if (each != NULL) {
                each(&request);
            }
        }
        DEMAND(counted_memory_bytes() - reading->memory <=
                   6 * RESP_READ_BYTES + 6 * arrived,
               "%zu bytes for %zu", counted_memory_bytes() - reading->memory, arrived);
        DEMAND(reading->parser.work <= 4 * RESP_READ_BYTES + 8 * arrived,
               "%zu bytes looked at for %zu", (size_t)reading->parser.work, arrived);
    }
}

/* ---- what is done with a request ------------------------------------------------- */

static void write_anew(const struct resp_request *request, struct buf *bytes) {
    struct output output = {0};
    struct resp_writer writer = {.output = &output, .protocol = 2};
    struct slice slices[4];
    size_t count;
    struct output_piece *begun = resp_begin_aggregate(&writer);
    for (size_t i = 0; i < request->count; i++) {
        resp_write_bulk(&writer, request->arguments[i]);
    }
    resp_end_aggregate(&writer, begun, RESP_ARRAY, request->count);
    DEMAND(output.status == STATUS_OK, "memory");
    while ((count = output_gather(&output, UINT64_MAX, slices, 4)) > 0) {
        for (size_t i = 0; i < count; i++) {
            DEMAND(buf_append_slice(bytes, slices[i]) == STATUS_OK, "memory");
            output_advance(&output, slices[i].length);
        }
    }
    output_free(&output);
}

static void expect_the_same(const struct resp_request *request) {
    const struct resp_limits limits = resp_limits_default();
    struct reading first = {0}, again;
    struct buf bytes = {0};
    write_anew(request, &bytes);
    take(&first, request);
    begin(&again, &limits, true);
    read_bytes(&again, buf_slice(&bytes), SIZE_MAX, NULL);
    DEMAND(again.requests == 1 && again.hash == first.hash, "a request changes");
    end(&again);
    buf_free(&bytes);
}

static void match(const struct resp_request *request) {
    struct slice pattern = request->arguments[0];
    for (size_t i = 1; i < request->count && i < 4; i++) {
        uint64_t steps = 0;
        struct slice text = request->arguments[i];
        if (pattern.length > PATTERN_BYTES || text.length > PATTERN_BYTES) {
            continue;
        }
        bool same = glob_match(pattern, text, GLOB_CASE, &steps);
        DEMAND(steps <= (uint64_t)(pattern.length + 1) * (text.length + 1), "%zu steps",
               (size_t)steps);
        /* But for the escaped in sets and for ranges, whose rules differ. */
        bool sets = memchr(pattern.data, '[', pattern.length) != NULL;
        DEMAND(sets || !same || glob_match(pattern, text, GLOB_NO_CASE, &steps),
               "a match that is none in any case");
    }
}

static void use(const struct resp_request *request) {
    expect_the_same(request);
    match(request);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t count) {
    static const struct resp_limits small = {300, 600, 40, 12};
    const struct resp_limits wide = resp_limits_default();
    if (count < HEADER_BYTES) {
        return 0;
    }
    const struct resp_limits *limits =
        (data[0] & FUZZ_SMALL_LIMITS) != 0 ? &small : &wide;
    bool trusted = (data[0] & FUZZ_TRUSTED) != 0;
    struct slice bytes = slice_make(data + HEADER_BYTES, count - HEADER_BYTES);
    size_t blocks = counted_memory_blocks();
    struct reading whole, cut;
    begin(&whole, limits, trusted);
    read_bytes(&whole, bytes, SIZE_MAX, use);
    end(&whole);
    begin(&cut, limits, trusted);
    read_bytes(&cut, bytes, 1 + data[1] + bytes.length / PIECES_MOST, NULL);
    end(&cut);
    DEMAND(whole.hash == cut.hash && whole.status == cut.status &&
               whole.requests == cut.requests,
           "cuts change it: %s, %s", whole.error.message, cut.error.message);
    DEMAND(counted_memory_blocks() == blocks, "memory is left");
    return 0;
}

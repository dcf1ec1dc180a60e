#include "agreement.h"

#include "reply.h"
#include "served.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- rules ----------------------------------------------------------------------- */

struct pair {
    struct slice strata, redis;
    uint64_t elapsed_micros;
};

typedef bool rule(const struct pair *pair);

static bool are_equal(const struct pair *pair) {
    return slice_equal(pair->strata, pair->redis);
}

/* The same type, and null or not. */
static bool are_alike(const struct pair *pair) {
    return pair->strata.data[0] == pair->redis.data[0] &&
           (pair->strata.data[1] == '-') == (pair->redis.data[1] == '-');
}

/* Redis may still have the bytes of a key that is over. */
static bool are_sizes(const struct pair *pair) {
    return are_alike(pair) || slice_equal(pair->strata, slice_of("$-1\r\n")) ||
           slice_equal(pair->strata, slice_of("_\r\n"));
}

static bool are_near(const struct pair *pair, uint64_t unit_micros) {
    if (!are_alike(pair) || pair->strata.data[0] != ':') {
        return are_equal(pair);
    }
    long long strata = reply_number(pair->strata), redis = reply_number(pair->redis);
    unsigned long long apart =
        strata > redis ? (unsigned long long)strata - (unsigned long long)redis
                       : (unsigned long long)redis - (unsigned long long)strata;
    /* Each of two moments, the end's and the question's, differs by that at most; and
     * both are rounded. */
    return apart <= 2 * pair->elapsed_micros / unit_micros + 1;
}

static bool are_near_seconds(const struct pair *pair) {
    return are_near(pair, 1000000);
}

static bool are_near_millis(const struct pair *pair) {
    return are_near(pair, 1000);
}

static bool are_same_elements(const struct pair *pair) {
    struct slice strata[ELEMENTS_MAX], redis[ELEMENTS_MAX];
    struct pair rest = *pair;
    size_t strata_count, redis_count;
    if (!reply_take_elements(&rest.strata, strata, &strata_count) ||
        !reply_take_elements(&rest.redis, redis, &redis_count) ||
        strata_count != redis_count) {
        return false;
    }
    for (size_t i = 0; i < strata_count; i++) {
        if (!slice_equal(strata[i], redis[i])) {
            return false;
        }
    }
    return true;
}

/* One call of SCAN that got all that there is, from both. */
static bool are_scanned(const struct pair *pair) {
    struct pair keys = *pair;
    struct slice strata, redis;
    reply_take_line(&keys.strata);
    reply_take_line(&keys.redis);
    return reply_take_string(&keys.strata, &strata) &&
           reply_take_string(&keys.redis, &redis) &&
           (!slice_equal(strata, slice_of("0")) || !slice_equal(redis, slice_of("0")) ||
            are_same_elements(&keys));
}

/* Redis makes a raw string, or an embedded one, of some that it would keep as an integer
 * if they were set. */
static bool are_encodings(const struct pair *pair) {
    struct slice rest = pair->redis, redis;
    return are_equal(pair) || (are_alike(pair) && reply_take_string(&rest, &redis) &&
                               !slice_equal(redis, slice_of("int")));
}

/* A map that has `id` and `version` in it: those may differ. */
static void cut_out(struct slice reply, const char *after, const char *until,
                    struct buf *left) {
    const unsigned char *begin = memmem(reply.data, reply.length, after, strlen(after));
    assert_non_null(begin);
    begin += strlen(after);
    size_t before = (size_t)(begin - reply.data);
    const unsigned char *end = memmem(begin, reply.length - before, until, strlen(until));
    assert_non_null(end);
    assert_ok(buf_assign(left, slice_make(reply.data, before)));
    assert_ok(buf_append(left, end, reply.length - (size_t)(end - reply.data)));
}

static bool are_hellos(const struct pair *pair) {
    struct buf left[2] = {{0}, {0}}, cut[2] = {{0}, {0}};
    const struct slice replies[] = {pair->strata, pair->redis};
    for (size_t i = 0; i < 2; i++) {
        cut_out(replies[i], "version\r\n", "$5\r\nproto", &cut[i]);
        cut_out(buf_slice(&cut[i]), "id\r\n:", "\r\n", &left[i]);
    }
    bool same = slice_equal(buf_slice(&left[0]), buf_slice(&left[1]));
    for (size_t i = 0; i < 2; i++) {
        buf_free(&left[i]);
        buf_free(&cut[i]);
    }
    return same;
}

/* ---- the table ------------------------------------------------------------------- */

struct exception {
    const char *command;
    const char *subcommand; /* NULL: any; "": none */
    rule *rule;
    const char
        *reason; /* a row of the differences in notes/protocol.md, or in brackets */
};

static const struct exception exceptions[] = {
    {"ttl", NULL, are_near_seconds, "(time passes)"},
    {"pttl", NULL, are_near_millis, "(time passes)"},
    {"expiretime", NULL, are_near_seconds, "(time passes)"},
    {"pexpiretime", NULL, are_near_millis, "(time passes)"},
    {"time", NULL, are_alike, "(time passes)"},
    {"lastsave", NULL, are_alike, "(time passes)"},
    {"hello", NULL, are_hellos, "(connections have numbers, and servers versions)"},
    {"client", "id", are_alike, "(connections have numbers)"},
    {"client", "info", are_alike, "CLIENT LIST"},
    {"client", "list", are_alike, "CLIENT LIST"},
    {"keys", NULL, are_same_elements, "order of KEYS and SCAN"},
    {"scan", NULL, are_scanned, "order of KEYS and SCAN"},
    {"randomkey", NULL, are_alike, "RANDOMKEY"},
    {"object", "encoding", are_encodings, "OBJECT ENCODING"},
    {"object", "refcount", are_alike, "OBJECT REFCOUNT, IDLETIME"},
    {"object", "idletime", are_alike, "OBJECT REFCOUNT, IDLETIME"},
    {"memory", "usage", are_sizes, "(other structures take other memory)"},
    {"command", "", are_alike, "types"},
    {"command", "count", are_alike, "types"},
    {"command", "info", are_alike, "COMMAND INFO"},
    {"command", "docs", are_alike, "COMMAND DOCS"},
    {"command", "list", are_alike, "types"},
    {"slowlog", "get", are_alike, "(some are slow)"},
    {"slowlog", "len", are_alike, "(some are slow)"},
    {"latency", "latest", are_alike, "(some are slow)"},
    {"info", NULL, are_alike, "(another server)"},
    {"config", "get", are_alike, "CONFIG SET"},
};

/* Only one that was given out has a meaning to Strata. */
static bool has_lost_cursor(const struct stream *stream, const struct step *step,
                            const struct pair *pair) {
    return stream_is(stream, step, 0, "scan") && pair->redis.data[0] == '*' &&
           slice_starts_with(pair->strata, slice_of("-ERR invalid cursor"));
}

/* What Redis ends at, or is silent about, in a stream of bytes. */
static const struct {
    struct slice bytes;
    const char *reason; /* as above */
} causes[] = {
    {{(const unsigned char *)"\0", 1}, "a byte 0 in a line"},
    {{(const unsigned char *)"CLIENT REPLY", 12},
     "protocol errors after CLIENT REPLY OFF"},
    {{(const unsigned char *)"host:", 5}, "(it forgets what it has not sent yet)"},
    {{(const unsigned char *)"Host:", 5}, "(it forgets what it has not sent yet)"},
    {{(const unsigned char *)"POST", 4}, "(it forgets what it has not sent yet)"},
};

const char *agreement_reason(size_t i) {
    return i < COUNT(exceptions)                   ? exceptions[i].reason
           : i < COUNT(exceptions) + COUNT(causes) ? causes[i - COUNT(exceptions)].reason
                                                   : NULL;
}

bool redis_may_say_less(struct slice raw) {
    for (size_t i = 0; i < COUNT(causes); i++) {
        struct slice bytes = causes[i].bytes;
        if (memmem(raw.data, raw.length, bytes.data, bytes.length) != NULL) {
            return true;
        }
    }
    return false;
}

bool replies_agree(const struct stream *stream, const struct step *step,
                   struct slice strata, struct slice redis, uint64_t elapsed_micros) {
    const struct pair pair = {strata, redis, elapsed_micros};
    if (are_equal(&pair)) {
        return true;
    }
    if (strata.length < 3 || redis.length < 3 || step->kind != STEP_REQUEST) {
        return false;
    }
    if (has_lost_cursor(stream, step, &pair)) {
        return true;
    }
    if (strata.data[0] == '-' || redis.data[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < COUNT(exceptions); i++) {
        const struct exception *exception = &exceptions[i];
        if (stream_is(stream, step, 0, exception->command) &&
            (exception->subcommand == NULL ||
             (exception->subcommand[0] == '\0' && step->count == 1) ||
             stream_is(stream, step, 1, exception->subcommand))) {
            return exception->rule(&pair);
        }
    }
    return false;
}

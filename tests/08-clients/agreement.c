#include "agreement.h"

#include "served.h"

/* ---- what replies are made of ---------------------------------------------------- */

/* The number behind the first byte. */
static long long number_of(struct slice reply) {
    char text[32];
    (void)snprintf(text, sizeof text, "%.*s",
                   (int)(reply.length > 1 ? reply.length - 1 : 0),
                   (const char *)reply.data + 1);
    return strtoll(text, NULL, 10);
}

/* Takes the line off the front, without its end. */
static struct slice take_line(struct slice *rest) {
    const unsigned char *end = memchr(rest->data, '\n', rest->length);
    assert_non_null(end);
    struct slice line = slice_make(rest->data, (size_t)(end - rest->data) - 1);
    slice_advance(rest, line.length + 2);
    return line;
}

/* Takes a string off the front; false: there is none. */
static bool take_string(struct slice *rest, struct slice *string) {
    if (rest->length == 0 || rest->data[0] != '$') {
        return false;
    }
    struct slice line = take_line(rest);
    long long length = number_of(line);
    *string = slice_make(rest->data, length < 0 ? 0 : (size_t)length);
    slice_advance(rest, length < 0 ? 0 : string->length + 2);
    return true;
}

static int compare_slices(const void *a, const void *b) {
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

bool reply_elements(struct slice reply, struct slice elements[ELEMENTS_MAX],
                    size_t *count) {
    if (reply.length == 0 || (reply.data[0] != '*' && reply.data[0] != '~')) {
        return false;
    }
    size_t there = (size_t)number_of(take_line(&reply));
    *count = 0;
    while (*count < there && *count < ELEMENTS_MAX && reply.length > 0) {
        if (reply.data[0] == '+') {
            elements[*count] = take_line(&reply);
        } else if (!take_string(&reply, &elements[*count])) {
            return false;
        }
        ++*count;
    }
    qsort(elements, *count, sizeof elements[0], compare_slices);
    return *count == there;
}

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

static bool are_near(const struct pair *pair, uint64_t unit_micros) {
    if (!are_alike(pair) || pair->strata.data[0] != ':') {
        return are_equal(pair);
    }
    long long strata = number_of(pair->strata), redis = number_of(pair->redis);
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
    size_t strata_count, redis_count;
    if (!reply_elements(pair->strata, strata, &strata_count) ||
        !reply_elements(pair->redis, redis, &redis_count) ||
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
    take_line(&keys.strata);
    take_line(&keys.redis);
    return take_string(&keys.strata, &strata) && take_string(&keys.redis, &redis) &&
           (!slice_equal(strata, slice_of("0")) || !slice_equal(redis, slice_of("0")) ||
            are_same_elements(&keys));
}

/* Redis makes a raw string, or an embedded one, of some that it would keep as an integer
 * if they were set. */
static bool are_encodings(const struct pair *pair) {
    struct slice rest = pair->redis, redis;
    return are_equal(pair) || (are_alike(pair) && take_string(&rest, &redis) &&
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
    {"memory", "usage", are_alike, "(other structures take other memory)"},
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
static bool has_cursor(const struct stream *stream, const struct step *step) {
    return stream_is(stream, step, 0, "scan") && step->count > 1 &&
           stream_get(stream, step, 1).length > 1;
}

bool redis_may_say_less(struct slice raw) {
    static const struct {
        struct slice bytes;
        const char *reason; /* as above */
    } causes[] = {
        {{(const unsigned char *)"\0", 1}, "a byte 0 in a line"},
        {{(const unsigned char *)"CLIENT REPLY", 12}, "protocol errors"},
        {{(const unsigned char *)"host:", 5}, "(it forgets what it has not sent yet)"},
        {{(const unsigned char *)"Host:", 5}, "(it forgets what it has not sent yet)"},
        {{(const unsigned char *)"POST", 4}, "(it forgets what it has not sent yet)"},
    };
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
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
    if (strata.data[0] == '-' && has_cursor(stream, step)) {
        return true;
    }
    if (strata.data[0] == '-' || redis.data[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < sizeof exceptions / sizeof exceptions[0]; i++) {
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

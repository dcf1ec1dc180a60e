#include "request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "served.h"

static const unsigned object_of[KEYS] = {0, 1, 2, 2, 3, 3};
static const unsigned place_of[KEYS] = {0, 0, 0, 1, 0, 1};

enum { FIRST_OF_PAIRS = 2 };

unsigned request_object(const struct request *request) {
    return object_of[request->key];
}

bool request_reads(const struct request *request) {
    return request->kind == REQUEST_GET || request->kind == REQUEST_TTL ||
           request->kind == REQUEST_MGET;
}

static unsigned other_of(unsigned key) {
    return key ^ 1;
}

/* ---- drawing --------------------------------------------------------------------- */

struct request request_draw(uint64_t *seed, uint64_t *serial) {
    static const enum request_kind alone[] = {
        REQUEST_SET,    REQUEST_SETEX,  REQUEST_SETNX,   REQUEST_GETSET, REQUEST_APPEND,
        REQUEST_APPEND, REQUEST_INCR,   REQUEST_INCR,    REQUEST_INCR,   REQUEST_DEL,
        REQUEST_GETDEL, REQUEST_EXPIRE, REQUEST_PERSIST, REQUEST_GET,    REQUEST_GET,
        REQUEST_GET,    REQUEST_TTL};
    static const enum request_kind both[] = {
        REQUEST_MSET, REQUEST_MSET, REQUEST_MSETNX, REQUEST_MGET,
        REQUEST_MGET, REQUEST_MGET, REQUEST_RENAME, REQUEST_DEL_BOTH};
    struct request request = {.key = (unsigned)random_below(seed, KEYS)};
    if (request.key >= FIRST_OF_PAIRS && random_below(seed, 2) == 0) {
        request.kind = both[random_below(seed, sizeof both / sizeof both[0])];
    } else {
        request.kind = alone[random_below(seed, sizeof alone / sizeof alone[0])];
    }
    if (request.kind == REQUEST_APPEND) {
        (void)snprintf(request.value, sizeof request.value, "%d",
                       1 + (int)random_below(seed, 9));
    } else {
        (void)snprintf(request.value, sizeof request.value, "%" PRIu64, *serial += 10);
        (void)snprintf(request.other_value, sizeof request.other_value, "%" PRIu64,
                       *serial += 10);
    }
    return request;
}

/* ---- as text --------------------------------------------------------------------- */

void request_send(const struct request *request, struct buf *out) {
    unsigned key = request->key, other = other_of(key);
    const char *value = request->value, *other_value = request->other_value;
    static const char *const names[] = {
        [REQUEST_SET] = "SET",       [REQUEST_SETNX] = "SETNX",
        [REQUEST_GETSET] = "GETSET", [REQUEST_APPEND] = "APPEND",
        [REQUEST_INCR] = "INCR",     [REQUEST_DEL] = "DEL",
        [REQUEST_GETDEL] = "GETDEL", [REQUEST_PERSIST] = "PERSIST",
        [REQUEST_GET] = "GET",       [REQUEST_TTL] = "TTL",
        [REQUEST_MSET] = "MSET",     [REQUEST_MSETNX] = "MSETNX",
        [REQUEST_MGET] = "MGET",     [REQUEST_RENAME] = "RENAME",
        [REQUEST_DEL_BOTH] = "DEL",
    };
    switch (request->kind) {
    case REQUEST_SET:
    case REQUEST_SETNX:
    case REQUEST_GETSET:
    case REQUEST_APPEND:
        assert_ok(buf_printf(out, "%s K%u %s\r\n", names[request->kind], key, value));
        break;
    case REQUEST_SETEX:
        assert_ok(buf_printf(out, "SET K%u %s EX 100000\r\n", key, value));
        break;
    case REQUEST_EXPIRE:
        assert_ok(buf_printf(out, "EXPIRE K%u 100000\r\n", key));
        break;
    case REQUEST_INCR:
    case REQUEST_DEL:
    case REQUEST_GETDEL:
    case REQUEST_PERSIST:
    case REQUEST_GET:
    case REQUEST_TTL:
        assert_ok(buf_printf(out, "%s K%u\r\n", names[request->kind], key));
        break;
    case REQUEST_MSET:
    case REQUEST_MSETNX:
        assert_ok(buf_printf(out, "%s K%u %s K%u %s\r\n", names[request->kind], key,
                             value, other, other_value));
        break;
    case REQUEST_MGET:
    case REQUEST_RENAME:
    case REQUEST_DEL_BOTH:
        assert_ok(buf_printf(out, "%s K%u K%u\r\n", names[request->kind], key, other));
        break;
    }
}

/* ---- the model ------------------------------------------------------------------- */

static void put(struct key_state *state, const char *value, bool ends) {
    *state = (struct key_state){.there = true, .ends = ends}; /* zeros behind the text */
    (void)snprintf(state->value, sizeof state->value, "%s", value);
}

static void say_value(const struct key_state *state, char *reply) {
    (void)snprintf(reply, REPLY_BYTES, "%s%s", state->there ? "$" : "nil", state->value);
}

static void say_number(long long number, char *reply) {
    (void)snprintf(reply, REPLY_BYTES, ":%lld", number);
}

/* As Redis reads integers: they look as they are printed. */
static void increment(struct key_state *state, char *reply) {
    char canonical[32], *end;
    errno = 0;
    long long number = strtoll(state->there ? state->value : "0", &end, 10);
    (void)snprintf(canonical, sizeof canonical, "%lld", number);
    if (errno != 0 || number == INT64_MAX ||
        (state->there && strcmp(canonical, state->value) != 0)) {
        (void)snprintf(reply, REPLY_BYTES, "%s",
                       number == INT64_MAX && errno == 0
                           ? "-ERR increment or decrement would overflow"
                           : "-ERR value is not an integer or out of range");
        return;
    }
    (void)snprintf(canonical, sizeof canonical, "%lld", number + 1);
    put(state, canonical, state->ends);
    say_number(number + 1, reply);
}

static void append(struct key_state *state, const char *value, char *reply) {
    size_t length = strlen(state->value);
    assert_true(length + strlen(value) < VALUE_BYTES);
    (void)snprintf(state->value + length, VALUE_BYTES - length, "%s", value);
    state->there = true;
    say_number((long long)strlen(state->value), reply);
}

static void apply_to_one(const struct request *request, struct key_state *state,
                         char *reply) {
    bool was = state->there;
    switch ((int)request->kind) { /* those of two keys are not for here */
    case REQUEST_SET:
    case REQUEST_SETEX:
        put(state, request->value, request->kind == REQUEST_SETEX);
        (void)snprintf(reply, REPLY_BYTES, "+OK");
        break;
    case REQUEST_SETNX:
        if (!was) {
            put(state, request->value, false);
        }
        say_number(!was, reply);
        break;
    case REQUEST_GETSET:
        say_value(state, reply);
        put(state, request->value, false);
        break;
    case REQUEST_APPEND:
        append(state, request->value, reply);
        break;
    case REQUEST_INCR:
        increment(state, reply);
        break;
    case REQUEST_DEL:
        *state = (struct key_state){0};
        say_number(was, reply);
        break;
    case REQUEST_GETDEL:
        say_value(state, reply);
        *state = (struct key_state){0};
        break;
    case REQUEST_EXPIRE:
        state->ends = was;
        say_number(was, reply);
        break;
    case REQUEST_PERSIST:
        say_number(state->ends, reply);
        state->ends = false;
        break;
    case REQUEST_GET:
        say_value(state, reply);
        break;
    default: /* TTL; how much is left is not told apart */
        say_number(!was ? -2 : state->ends ? 1 : -1, reply);
        break;
    }
}

static void apply_to_both(const struct request *request, struct key_state *named,
                          struct key_state *other, char *reply) {
    bool any = named->there || other->there;
    char more[REPLY_BYTES / 2];
    switch ((int)request->kind) {
    case REQUEST_MSET:
        put(named, request->value, false);
        put(other, request->other_value, false);
        (void)snprintf(reply, REPLY_BYTES, "+OK");
        break;
    case REQUEST_MSETNX:
        if (!any) {
            put(named, request->value, false);
            put(other, request->other_value, false);
        }
        say_number(!any, reply);
        break;
    case REQUEST_MGET:
        say_value(named, reply);
        (void)snprintf(more, sizeof more, " %s%s", other->there ? "$" : "nil",
                       other->value);
        strcat(reply, more);
        break;
    case REQUEST_RENAME:
        (void)snprintf(reply, REPLY_BYTES, "%s",
                       named->there ? "+OK" : "-ERR no such key");
        if (named->there) {
            *other = *named;
            *named = (struct key_state){0};
        }
        break;
    default: /* DEL of both */
        say_number(named->there + other->there, reply);
        *named = *other = (struct key_state){0};
        break;
    }
}

void request_apply(const struct request *request, struct object_state *state,
                   char reply[REPLY_BYTES]) {
    struct key_state *named = &state->keys[place_of[request->key]];
    if (request->kind < REQUEST_MSET) {
        apply_to_one(request, named, reply);
    } else {
        struct key_state *other = &state->keys[place_of[other_of(request->key)]];
        apply_to_both(request, named, other, reply);
    }
}

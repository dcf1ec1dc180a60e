/* hiredis, the client library in C, as a program uses it. Debian's 0.14 speaks RESP2. */
#include "place.h"

#include <hiredis/hiredis.h>
#include <signal.h>

#include "memory.h"

static redisContext *connect_to(const struct place *place) {
    redisContext *context = redisConnectWithTimeout("127.0.0.1", (int)place->served.port,
                                                    (struct timeval){.tv_sec = 60});
    assert_non_null(context);
    assert_int_equal(context->err, 0);
    assert_int_equal(redisSetTimeout(context, (struct timeval){.tv_sec = 60}), REDIS_OK);
    return context;
}

/* A reply that there is, of that type. */
static redisReply *of_type(redisContext *context, void *reply, int type) {
    redisReply *known = reply;
    if (known == NULL) {
        fail_msg("%s", context->errstr);
    }
    if (known->type != type) {
        fail_msg("a reply of type %d: %s", known->type,
                 known->str != NULL ? known->str : "");
    }
    return known;
}

#define ASK(context, type, ...) of_type(context, redisCommand(context, __VA_ARGS__), type)

static void is_text(redisReply *reply, const char *text) {
    assert_int_equal(reply->len, strlen(text));
    assert_memory_equal(reply->str, text, strlen(text));
    freeReplyObject(reply);
}

static void is_integer(redisReply *reply, long long integer) {
    assert_int_equal(reply->integer, integer);
    freeReplyObject(reply);
}

#define ASK_TEXT(context, type, text, ...) is_text(ASK(context, type, __VA_ARGS__), text)
#define ASK_INTEGER(context, number, ...)                                                \
    is_integer(ASK(context, REDIS_REPLY_INTEGER, __VA_ARGS__), number)

/* ---- replies --------------------------------------------------------------------- */

static void every_type(void **state) {
    redisContext *c = connect_to(*state);
    ASK_TEXT(c, REDIS_REPLY_STATUS, "PONG", "PING");
    ASK_TEXT(c, REDIS_REPLY_STATUS, "OK", "SET %s %d", "k", 41);
    ASK_INTEGER(c, 42, "INCR k");
    ASK_TEXT(c, REDIS_REPLY_STRING, "42", "GET k");
    ASK_TEXT(c, REDIS_REPLY_STRING, "42.5", "INCRBYFLOAT k 0.5");
    freeReplyObject(ASK(c, REDIS_REPLY_NIL, "GET nothing"));
    freeReplyObject(ASK(c, REDIS_REPLY_NIL, "SET k v NX"));
    redisReply *reply = ASK(c, REDIS_REPLY_ARRAY, "MGET k nothing");
    assert_int_equal(reply->elements, 2);
    assert_string_equal(reply->element[0]->str, "42.5");
    assert_int_equal(reply->element[1]->type, REDIS_REPLY_NIL);
    freeReplyObject(reply);
    reply = ASK(c, REDIS_REPLY_ARRAY, "SCAN 0");
    assert_int_equal(reply->elements, 2);
    assert_string_equal(reply->element[0]->str, "0");
    assert_int_equal(reply->element[1]->elements, 1);
    assert_string_equal(reply->element[1]->element[0]->str, "k");
    freeReplyObject(reply);
    reply = ASK(c, REDIS_REPLY_ARRAY, "HELLO 2");
    assert_int_equal(reply->elements, 14);
    assert_string_equal(reply->element[4]->str, "proto");
    assert_int_equal(reply->element[5]->integer, 2);
    freeReplyObject(reply);
    reply = ASK(c, REDIS_REPLY_ARRAY, "KEYS nothing*");
    assert_int_equal(reply->elements, 0);
    freeReplyObject(reply);
    redisFree(c);
}

/* The connection goes on behind each. */
static void errors(void **state) {
    redisContext *c = connect_to(*state);
    ASK_TEXT(c, REDIS_REPLY_ERROR,
             "ERR unknown command 'LPUSH', with args beginning with: 'list' 'a' ",
             "LPUSH list a");
    ASK_TEXT(c, REDIS_REPLY_ERROR, "ERR wrong number of arguments for 'get' command",
             "GET");
    ASK_TEXT(c, REDIS_REPLY_STATUS, "OK", "SET k word");
    ASK_TEXT(c, REDIS_REPLY_ERROR, "ERR value is not an integer or out of range",
             "INCR k");
    ASK_TEXT(c, REDIS_REPLY_STATUS, "OK", "CONFIG SET requirepass secret");
    redisContext *other = connect_to(*state);
    ASK_TEXT(other, REDIS_REPLY_ERROR, "NOAUTH Authentication required.", "GET k");
    ASK_TEXT(other, REDIS_REPLY_ERROR,
             "WRONGPASS invalid username-password pair or user is disabled.",
             "AUTH wrong");
    ASK_TEXT(other, REDIS_REPLY_STATUS, "OK", "AUTH secret");
    ASK_TEXT(other, REDIS_REPLY_STRING, "word", "GET k");
    redisFree(other);
    redisFree(c);
}

/* ---- pipelines ------------------------------------------------------------------- */

enum { PIPELINE = 10000 };

static redisReply *next_reply(redisContext *context, int type) {
    void *reply = NULL;
    assert_int_equal(redisGetReply(context, &reply), REDIS_OK);
    return of_type(context, reply, type);
}

static void pipelines(void **state) {
    redisContext *c = connect_to(*state);
    char text[32];
    for (size_t i = 0; i < PIPELINE; i++) {
        assert_int_equal(
            redisAppendCommand(c, "SET key:%d value:%d", (int)(i % 100), (int)i),
            REDIS_OK);
        assert_int_equal(redisAppendCommand(c, "INCR n"), REDIS_OK);
        assert_int_equal(redisAppendCommand(c, "GET key:%d", (int)(i % 100)), REDIS_OK);
    }
    for (size_t i = 0; i < PIPELINE; i++) {
        is_text(next_reply(c, REDIS_REPLY_STATUS), "OK");
        is_integer(next_reply(c, REDIS_REPLY_INTEGER), (long long)i + 1);
        (void)snprintf(text, sizeof text, "value:%zu", i);
        is_text(next_reply(c, REDIS_REPLY_STRING), text);
    }
    redisFree(c);
}

/* ---- bytes ----------------------------------------------------------------------- */

static void any_bytes(void **state) {
    redisContext *c = connect_to(*state);
    unsigned char all[256], key[] = {0, '\r', '\n', 0xff, 0};
    for (size_t i = 0; i < sizeof all; i++) {
        all[i] = (unsigned char)i;
    }
    ASK_TEXT(c, REDIS_REPLY_STATUS, "OK", "SET %b %b", key, sizeof key, all, sizeof all);
    ASK_INTEGER(c, sizeof all, "STRLEN %b", key, sizeof key);
    const char *arguments[] = {"GET", (const char *)key};
    const size_t lengths[] = {3, sizeof key};
    redisReply *reply =
        of_type(c, redisCommandArgv(c, 2, arguments, lengths), REDIS_REPLY_STRING);
    assert_int_equal(reply->len, sizeof all);
    assert_memory_equal(reply->str, all, sizeof all);
    freeReplyObject(reply);
    ASK_TEXT(c, REDIS_REPLY_STATUS, "OK", "SET %b %b", "", (size_t)0, "", (size_t)0);
    ASK_TEXT(c, REDIS_REPLY_STRING, "", "GET %b", "", (size_t)0);
    redisFree(c);
}

static void big_values(void **state) {
    enum { BYTES = 24 << 20 };
    redisContext *c = connect_to(*state);
    unsigned char *value = memory_take(BYTES);
    for (size_t i = 0; i < BYTES; i++) {
        value[i] = (unsigned char)(i * 2654435761u >> 24);
    }
    ASK_TEXT(c, REDIS_REPLY_STATUS, "OK", "SET big %b", value, (size_t)BYTES);
    ASK_INTEGER(c, BYTES + 3, "APPEND big end");
    redisReply *reply = ASK(c, REDIS_REPLY_STRING, "GET big");
    assert_int_equal(reply->len, BYTES + 3);
    assert_memory_equal(reply->str, value, BYTES);
    assert_memory_equal(reply->str + BYTES, "end", 3);
    freeReplyObject(reply);
    ASK_TEXT(c, REDIS_REPLY_STRING, "end", "GETRANGE big -3 -1");
    memory_give(value);
    redisFree(c);
}

/* ---- the server goes and comes --------------------------------------------------- */

/* A path stays the client's own, as a port need not. What a server that was killed left
 * of its socket is not in the way of the next one. */
static void reconnects(void **state) {
    struct place *place = *state;
    redisContext *c = redisConnectUnix(place->socket);
    assert_non_null(c);
    assert_int_equal(c->err, 0);
    ASK_TEXT(c, REDIS_REPLY_STATUS, "OK", "SET k v0");
    for (int i = 0; i < 2; i++) {
        char value[16];
        (void)snprintf(value, sizeof value, "v%d", i);
        assert_int_equal(kill(place->served.process, i == 0 ? SIGTERM : SIGKILL), 0);
        assert_int_equal(read_to_end(&place->served), i == 0 ? 0 : 128 + SIGKILL);
        place->served.process = 0;
        assert_null(redisCommand(c, "GET k"));
        assert_int_not_equal(c->err, 0);
        assert_int_equal(redisReconnect(c), REDIS_ERR);
        start(&place->served, (const char *const[]){"--unixsocket", place->socket, NULL});
        assert_int_equal(redisReconnect(c), REDIS_OK);
        ASK_TEXT(c, REDIS_REPLY_STRING, value, "GET k");
        ASK_TEXT(c, REDIS_REPLY_STATUS, "OK", "SET k v%d", i + 1);
    }
    ASK_TEXT(c, REDIS_REPLY_STATUS, "OK", "QUIT");
    assert_null(redisCommand(c, "PING"));
    redisFree(c);
}

int main(void) {
    (void)signal(SIGPIPE, SIG_IGN); /* hiredis leaves that to the program */
    const struct CMUnitTest tests[] = {
        PLACE_TEST(every_type), PLACE_TEST(errors),     PLACE_TEST(pipelines),
        PLACE_TEST(any_bytes),  PLACE_TEST(big_values), PLACE_TEST(reconnects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Every command with its options and its errors: what is asked, and the bytes that come
 * back, with | for the ends of lines. They are those of Redis 7.0.15, but where a comment
 * says otherwise. The clock stands still but for what a test lets pass.
 *
 * tidy: long because it is a list of requests and their replies. */
#include "../01-wal/simulation.h"

#include "client.h"

struct fixture {
    struct simulation sim;
    struct kv *kv;
    struct service service;
    struct client client;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    simulation_begin(&fixture->sim);
    scheduler_advance(fixture->sim.scheduler, 1000000);
    assert_ok(kv_open("db", &fixture->sim.options, &fixture->kv, NULL));
    assert_ok(service_begin(&fixture->service, fixture->kv, &fixture->sim.world));
    client_begin(&fixture->client, &fixture->service);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    client_end(&fixture->client);
    service_end(&fixture->service);
    assert_ok(kv_close(fixture->kv, NULL));
    simulation_end(&fixture->sim);
    free(fixture);
    return 0;
}

#define CLIENT                                                                           \
    struct fixture *fixture = *state;                                                    \
    struct client *client = &fixture->client

static void pass(struct fixture *fixture, uint64_t millis) {
    scheduler_advance(fixture->sim.scheduler, millis * 1000);
}

static uint64_t now_millis(const struct fixture *fixture) {
    return clock_wall_micros(fixture->sim.world.clock) / 1000;
}

#define ARITY(name) "-ERR wrong number of arguments for '" name "' command|"
#define NO_INTEGER "-ERR value is not an integer or out of range|"
#define SYNTAX "-ERR syntax error|"

/* ---- the time of a request ------------------------------------------------------- */

struct hasty_clock {
    uint64_t micros;
    size_t asked;
};

/* A year of the calendar passes between two looks at it. */
static uint64_t hasty_micros(void *state) {
    struct hasty_clock *clock = state;
    clock->asked++;
    return clock->micros += UINT64_C(1000000) * 31536000;
}

/* All of a request happens at one time, and that is not asked for without need. */
static void clock_is_asked_once(void **state) {
    static const struct {
        const char *line, *reply;
        size_t asked;
    } steps[] = {
        {"set k v", "+OK|", 0},
        {"get k", "$1|v|", 0},
        {"mget k k", "*2|$1|v|$1|v|", 0},
        {"ttl k", ":-1|", 0},
        {"append k w", ":2|", 0},
        {"expire k 100000000", ":1|", 1},
        {"ttl k", ":68464000|", 1},
        {"mset k v l w", "+OK|", 0},
        {"set k v ex 40000000", "+OK|", 1},
        {"get k", "$1|v|", 1},
        {"mget k k l k", "*4|$-1|$-1|$1|w|$-1|", 1},
        {"getex l px 10", "$1|w|", 1},
        {"exists l l l", ":0|", 1},
        {"getex l persist", "$-1|", 1},
        {"ping", "+PONG|", 0},
    };
    static const struct clock_ops ops = {hasty_micros, hasty_micros};
    struct fixture *fixture = *state;
    struct hasty_clock hasty = {0};
    struct clock clock = {&ops, &hasty};
    struct world world = fixture->sim.world;
    struct service service;
    struct client hurried, *client = &hurried;
    world.clock = &clock;
    assert_ok(service_begin(&service, fixture->kv, &world));
    client_begin(client, &service);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        hasty.asked = 0;
        EXPECT(steps[i].line, steps[i].reply);
        assert_int_equal(hasty.asked, steps[i].asked);
    }
    client_end(client);
    service_end(&service);
}

/* ---- dispatch -------------------------------------------------------------------- */

static void unknown_commands_and_arity(void **state) {
    CLIENT;
    EXPECT("nosuch", "-ERR unknown command 'nosuch', with args beginning with: |");
    EXPECT("NoSuch a \"b c\"",
           "-ERR unknown command 'NoSuch', with args beginning with: 'a' 'b c' |");
    EXPECT("lpush l 1",
           "-ERR unknown command 'lpush', with args beginning with: 'l' '1' |");
    EXPECT("\"a\\r\\nb\"", "-ERR unknown command 'a  b', with args beginning with: |");
    EXPECT("\"a\\x00b\" c", "-ERR unknown command 'a', with args beginning with: 'c' |");
    EXPECT("gEt", ARITY("get"));
    EXPECT("GET a b", ARITY("get"));
    EXPECT("mset", ARITY("mset"));
    EXPECT("object", ARITY("object"));
    EXPECT("object encoding", ARITY("object|encoding"));
    EXPECT("object foo", "-ERR unknown subcommand 'foo'. Try OBJECT HELP.|");
    EXPECT("CoMmAnD foo bar", "-ERR unknown subcommand 'foo'. Try COMMAND HELP.|");
    EXPECT("object|encoding k",
           "-ERR unknown command 'object|encoding', with args beginning with: 'k' |");
    char line[1000];
    char reply[1000];
    snprintf(line, sizeof line, "nosuch %0100d %0100d c", 1, 2);
    snprintf(reply, sizeof reply,
             "-ERR unknown command 'nosuch', with args beginning with: '%0100d' '%.*s' |",
             1, 128 - 103, "0000000000000000000000000000000000000000");
    EXPECT(line, reply);
    snprintf(line, sizeof line, "%0300d", 1);
    snprintf(reply, sizeof reply,
             "-ERR unknown command '%0128d', with args beginning with: |", 0);
    EXPECT(line, reply);
}

/* ---- strings --------------------------------------------------------------------- */

static void get_and_set(void **state) {
    CLIENT;
    EXPECT("get k", "$-1|");
    EXPECT("set k v", "+OK|");
    EXPECT("GET k", "$1|v|");
    EXPECT("set \"\" \"\"", "+OK|");
    EXPECT("get \"\"", "$0||");
    EXPECT("set k \"a\\x00b\\xfe\"", "+OK|");
    EXPECT("strlen k", ":4|");
    EXPECT("set k w nx", "$-1|");
    EXPECT("set k w XX", "+OK|");
    EXPECT("set n w xx", "$-1|");
    EXPECT("set n w NX", "+OK|");
    EXPECT("set n x GET", "$1|w|");
    EXPECT("set n y nx get", "$1|x|");
    EXPECT("get n", "$1|x|");
    EXPECT("set m y nx get", "$-1|");
    EXPECT("get m", "$1|y|");
    EXPECT("set o y xx get", "$-1|");
    EXPECT("get o", "$-1|");
    EXPECT("set k v nx xx", SYNTAX);
    EXPECT("set k v foo", SYNTAX);
    EXPECT("set k v persist", SYNTAX);
    EXPECT("set k v ex", SYNTAX);
    EXPECT("set twice v pxat 1 pxat 99999999999999", "+OK|"); /* the last one counts */
    EXPECT("pexpiretime twice", ":99999999999999|");
    EXPECT("set k v ex 1 px 1", SYNTAX);
    EXPECT("set k v ex 1 keepttl", SYNTAX);
    EXPECT("set k v keepttl ex 1", SYNTAX);
    EXPECT("set k v ex x", NO_INTEGER);
    EXPECT("set k v ex 0", "-ERR invalid expire time in 'set' command|");
    EXPECT("set k v px -1", "-ERR invalid expire time in 'set' command|");
    EXPECT("set k v ex 9223372036854775", "-ERR invalid expire time in 'set' command|");
    EXPECT("set k v px 9223372036854775807",
           "-ERR invalid expire time in 'set' command|");
    EXPECT("set k v exat 9223372036854776", "-ERR invalid expire time in 'set' command|");
    EXPECT("get k", "$1|w|");
    EXPECT("getset k a", "$1|w|");
    EXPECT("getset new a", "$-1|");
    EXPECT("setnx k b", ":0|");
    EXPECT("setnx l b", ":1|");
    EXPECT("getdel l", "$1|b|");
    EXPECT("getdel l", "$-1|");
    EXPECT("hello 3", "%7|$6|server|$5|redis|$7|version|$6|7.0.15|$5|proto|:3|$2|id|:7|"
                      "$4|mode|$10|standalone|$4|role|$6|master|$7|modules|*0|");
    EXPECT("get l", "_|");
    EXPECT("set k v nx", "_|");
}

static void sets_with_ends(void **state) {
    CLIENT;
    char line[100];
    EXPECT("set k v ex 10 ex 20", "+OK|"); /* the last one counts, as there */
    EXPECT("pttl k", ":20000|");
    EXPECT("set k v px 1500", "+OK|");
    EXPECT("pttl k", ":1500|");
    EXPECT("ttl k", ":2|");
    EXPECT("set k w keepttl", "+OK|");
    EXPECT("pttl k", ":1500|");
    EXPECT("set k w KEEPTTL GET", "$1|w|");
    pass(fixture, 1499);
    EXPECT("get k", "$1|w|");
    EXPECT("ttl k", ":0|");
    pass(fixture, 1);
    EXPECT("get k", "$-1|");
    EXPECT("set k x nx", "+OK|");
    EXPECT("ttl k", ":-1|");
    EXPECT("setex k 3 v", "+OK|");
    EXPECT("pttl k", ":3000|");
    EXPECT("psetex k 3 v", "+OK|");
    EXPECT("pttl k", ":3|");
    EXPECT("setex k 0 v", "-ERR invalid expire time in 'setex' command|");
    EXPECT("psetex k -5 v", "-ERR invalid expire time in 'psetex' command|");
    EXPECT("setex k x v", NO_INTEGER);
    snprintf(line, sizeof line, "set k v pxat %" PRIu64, now_millis(fixture) + 7);
    EXPECT(line, "+OK|");
    EXPECT("pttl k", ":7|");
    EXPECT("set k v", "+OK|");
    EXPECT("ttl k", ":-1|");
    EXPECT("set k v pxat 1", "+OK|"); /* in the past: over at once */
    EXPECT("get k", "$-1|");
    EXPECT("set k \"\\xfeXTLabcdefghijkl\"", "+OK|"); /* looks like a header */
    EXPECT("strlen k", ":16|");
    EXPECT("ttl k", ":-1|");
}

static void getex(void **state) {
    CLIENT;
    char line[100];
    EXPECT("getex k", "$-1|");
    EXPECT("getex k ex 0", "$-1|");
    EXPECT("getex k nx", SYNTAX);
    EXPECT("getex k keepttl", SYNTAX);
    EXPECT("getex k persist ex 1", SYNTAX);
    EXPECT("set k v", "+OK|");
    EXPECT("getex k ex 0", "-ERR invalid expire time in 'getex' command|");
    EXPECT("getex k", "$1|v|");
    EXPECT("ttl k", ":-1|");
    EXPECT("getex k ex 10", "$1|v|");
    EXPECT("ttl k", ":10|");
    EXPECT("getex k px 10", "$1|v|");
    EXPECT("pttl k", ":10|");
    EXPECT("getex k persist", "$1|v|");
    EXPECT("ttl k", ":-1|");
    snprintf(line, sizeof line, "getex k exat %" PRIu64, now_millis(fixture) / 1000 + 5);
    EXPECT(line, "$1|v|");
    EXPECT("expire k 100 lt", ":0|");
    EXPECT("getex k pxat 1", "$1|v|");
    EXPECT("exists k", ":0|");
}

static void many_keys(void **state) {
    CLIENT;
    EXPECT("mset a 1 b 2 a 3", "+OK|");
    EXPECT("mget a nosuch b a", "*4|$1|3|$-1|$1|2|$1|3|");
    EXPECT("mset a", ARITY("mset"));
    EXPECT("mset a 1 b", ARITY("mset"));
    EXPECT("msetnx c 1 b 2", ":0|");
    EXPECT("exists c", ":0|");
    EXPECT("msetnx c 1 d 2", ":1|");
    EXPECT("mget c d", "*2|$1|1|$1|2|");
    EXPECT("msetnx c 1 d", ARITY("msetnx"));
    EXPECT("exists a a c nosuch", ":3|");
    EXPECT("touch a a nosuch", ":2|");
    EXPECT("del a a nosuch", ":1|");
    EXPECT("unlink b c d", ":3|");
    EXPECT("del a", ":0|");
    EXPECT("hello 3 setname me", "%7|$6|server|$5|redis|$7|version|$6|7.0.15|$5|proto|:3|"
                                 "$2|id|:7|$4|mode|$10|standalone|$4|role|$6|master|"
                                 "$7|modules|*0|");
    EXPECT("mget a", "*1|_|");
}

static void numbers(void **state) {
    CLIENT;
    EXPECT("incr n", ":1|");
    EXPECT("incrby n 41", ":42|");
    EXPECT("decr n", ":41|");
    EXPECT("decrby n 1", ":40|");
    EXPECT("incrby n x", NO_INTEGER);
    EXPECT("incrby n 1.5", NO_INTEGER);
    EXPECT("decrby n -9223372036854775808", "-ERR decrement would overflow|");
    EXPECT("set n 9223372036854775807 ex 100", "+OK|");
    EXPECT("incr n", "-ERR increment or decrement would overflow|");
    EXPECT("decr n", ":9223372036854775806|");
    EXPECT("ttl n", ":100|");
    EXPECT("set n \" 1\"", "+OK|");
    EXPECT("incr n", NO_INTEGER);
    EXPECT("set n \"\"", "+OK|");
    EXPECT("incr n", NO_INTEGER);
    EXPECT("set f 10.50 ex 100", "+OK|");
    EXPECT("incrbyfloat f 0.1", "$4|10.6|");
    EXPECT("incrbyfloat f -5", "$3|5.6|");
    EXPECT("ttl f", ":100|");
    EXPECT("incrbyfloat new 3.0e3", "$4|3000|");
    EXPECT("incrbyfloat f x", "-ERR value is not a valid float|");
    EXPECT("incrbyfloat f inf", "-ERR increment would produce NaN or Infinity|");
    EXPECT("set f abc", "+OK|");
    EXPECT("incrbyfloat f 1", "-ERR value is not a valid float|");
}

static void parts(void **state) {
    CLIENT;
    EXPECT("append s Hello", ":5|");
    EXPECT("expire s 100", ":1|");
    EXPECT("append s \" World\"", ":11|");
    EXPECT("ttl s", ":100|");
    EXPECT("getrange s 0 4", "$5|Hello|");
    EXPECT("substr s -5 -1", "$5|World|");
    EXPECT("getrange s 5 100", "$6| World|");
    EXPECT("getrange s -1 -5", "$0||");
    EXPECT("getrange s 3 2", "$0||");
    EXPECT("getrange s 20 30", "$0||");
    EXPECT("getrange s -100 0", "$1|H|");
    EXPECT("getrange s -9223372036854775808 9223372036854775807", "$11|Hello World|");
    EXPECT("getrange nosuch 0 -1", "$0||");
    EXPECT("getrange s x 1", NO_INTEGER);
    EXPECT("setrange s 6 Redis", ":11|");
    EXPECT("get s", "$11|Hello Redis|");
    EXPECT("ttl s", ":100|");
    EXPECT("setrange s 10 s!", ":12|");
    EXPECT("setrange new 2 x", ":3|");
    EXPECT("strlen new", ":3|");
    EXPECT("setrange new -1 x", "-ERR offset is out of range|");
    EXPECT("setrange new x x", NO_INTEGER);
    EXPECT("setrange none 5 \"\"", ":0|");
    EXPECT("exists none", ":0|");
    EXPECT("setrange s 0 \"\"", ":12|");
    EXPECT("setrange s 536870912 x",
           "-ERR string exceeds maximum allowed size (proto-max-bulk-len)|");
    EXPECT("setrange s 9223372036854775807 x",
           "-ERR string exceeds maximum allowed size (proto-max-bulk-len)|");
    EXPECT("strlen nosuch", ":0|");
}

/* ---- keys ------------------------------------------------------------------------ */

static void keys(void **state) {
    CLIENT;
    EXPECT("type k", "+none|");
    EXPECT("set k 12 ex 100", "+OK|");
    EXPECT("type k", "+string|");
    EXPECT("rename k l", "+OK|");
    EXPECT("exists k", ":0|");
    EXPECT("ttl l", ":100|");
    EXPECT("rename k l", "-ERR no such key|");
    EXPECT("rename l l", "+OK|");
    EXPECT("renamenx l l", ":0|");
    EXPECT("set k v", "+OK|");
    EXPECT("renamenx l k", ":0|");
    EXPECT("renamenx l m", ":1|");
    EXPECT("renamenx l m", "-ERR no such key|");
    EXPECT("copy m n", ":1|");
    EXPECT("ttl n", ":100|");
    EXPECT("copy m k", ":0|");
    EXPECT("copy m k replace", ":1|");
    EXPECT("get k", "$2|12|");
    EXPECT("copy nosuch k", ":0|");
    EXPECT("copy m m", "-ERR source and destination objects are the same|");
    EXPECT("copy m o db 0", ":1|");
    EXPECT("copy m o db 1", "-ERR DB index is out of range|"); /* there is one */
    EXPECT("copy m o db x", NO_INTEGER);
    EXPECT("copy m o db", SYNTAX);
    EXPECT("copy m o foo", SYNTAX);
    EXPECT("object encoding m", "$3|int|");
    EXPECT("set e 01", "+OK|");
    EXPECT("object encoding e", "$6|embstr|");
    EXPECT("set e 123456789012345678901234567890123456789012345", "+OK|");
    EXPECT("object encoding e", "$3|raw|");
    EXPECT("object refcount e", ":1|");
    EXPECT("object idletime e", ":0|");
    EXPECT("object encoding nosuch", "$-1|");
    EXPECT("object freq e",
           "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
           "Please note that when switching between policies at runtime LRU and LFU data "
           "will take some time to adjust.|");
    EXPECT("flushall foo", SYNTAX);
    EXPECT("flushall sync sync", SYNTAX);
    EXPECT("dbsize", ":5|");
    EXPECT("flushall ASYNC", "+OK|");
    EXPECT("dbsize", ":0|");
    EXPECT("set a 1", "+OK|");
    EXPECT("flushdb", "+OK|");
    EXPECT("exists a", ":0|");
}

static void ends(void **state) {
    CLIENT;
    char line[100];
    char reply[100];
    EXPECT("expire k 10", ":0|");
    EXPECT("ttl k", ":-2|");
    EXPECT("pexpiretime k", ":-2|");
    EXPECT("set k v", "+OK|");
    EXPECT("persist k", ":0|");
    EXPECT("expiretime k", ":-1|");
    EXPECT("expire k 10 xx", ":0|");
    EXPECT("expire k 10 gt", ":0|");
    EXPECT("expire k 10 lt", ":1|");
    EXPECT("expire k 10 nx", ":0|");
    EXPECT("expire k 9 GT", ":0|");
    EXPECT("expire k 11 gt xx", ":1|");
    EXPECT("expire k 12 lt", ":0|");
    EXPECT("pexpire k 10999 lt", ":1|");
    EXPECT("pttl k", ":10999|");
    EXPECT("expire k 10 foo", "-ERR Unsupported option foo|");
    EXPECT("expire k x foo", "-ERR Unsupported option foo|");
    EXPECT("expire k x", NO_INTEGER);
    EXPECT("expire k 10 nx gt",
           "-ERR NX and XX, GT or LT options at the same time are not "
           "compatible|");
    EXPECT("expire k 10 lt gt",
           "-ERR GT and LT options at the same time are not compatible|");
    EXPECT("expire k 9223372036854775807",
           "-ERR invalid expire time in 'expire' command|");
    EXPECT("pexpire k 9223372036854775807",
           "-ERR invalid expire time in 'pexpire' command|");
    EXPECT("expire k -9223372036854775808",
           "-ERR invalid expire time in 'expire' command|");
    EXPECT("persist k", ":1|");
    EXPECT("ttl k", ":-1|");
    uint64_t at = now_millis(fixture) + 4600;
    snprintf(line, sizeof line, "pexpireat k %" PRIu64, at);
    EXPECT(line, ":1|");
    snprintf(reply, sizeof reply, ":%" PRIu64 "|", at);
    EXPECT("pexpiretime k", reply);
    snprintf(reply, sizeof reply, ":%" PRIu64 "|", (at + 500) / 1000);
    EXPECT("expiretime k", reply);
    EXPECT("ttl k", ":5|");
    EXPECT("expire k -1", ":1|");
    EXPECT("exists k", ":0|");
    EXPECT("set k v", "+OK|");
    EXPECT("expireat k 0", ":1|");
    EXPECT("exists k", ":0|");
    EXPECT("set k v px 5", "+OK|");
    pass(fixture, 5);
    EXPECT("del k", ":0|");
    EXPECT("persist k", ":0|");
    EXPECT("rename k l", "-ERR no such key|");
    EXPECT("dbsize", ":0|");
    EXPECT("append k x", ":1|");
    EXPECT("ttl k", ":-1|");
}

/* ---- going over keys ------------------------------------------------------------- */

static void scans(void **state) {
    CLIENT;
    EXPECT("scan 0", "*2|$1|0|*0|");
    EXPECT("randomkey", "$-1|");
    EXPECT("mset a1 1 a2 2 b1 3 b2 4 c 5", "+OK|");
    EXPECT("scan 0", "*2|$1|0|*5|$2|a1|$2|a2|$2|b1|$2|b2|$1|c|");
    EXPECT("scan 0 match b* count 100", "*2|$1|0|*2|$2|b1|$2|b2|");
    EXPECT("scan 0 MATCH *1", "*2|$1|0|*2|$2|a1|$2|b1|");
    EXPECT("scan 0 type string match c", "*2|$1|0|*1|$1|c|");
    EXPECT("scan 0 type list", "*2|$1|0|*0|");
    EXPECT("scan x", "-ERR invalid cursor|");
    EXPECT("scan -1", "-ERR invalid cursor|");
    EXPECT("scan 0 count x", NO_INTEGER);
    EXPECT("scan 0 count 0", SYNTAX);
    EXPECT("scan 0 count", SYNTAX);
    EXPECT("scan 0 foo 1", SYNTAX);
    /* Redis takes any number. */
    EXPECT("scan 5", "-ERR invalid cursor: it is unknown, or too many came after it; "
                     "begin again with 0|");
    EXPECT("keys *", "*5|$2|a1|$2|a2|$2|b1|$2|b2|$1|c|");
    EXPECT("keys a?", "*2|$2|a1|$2|a2|");
    EXPECT("keys c", "*1|$1|c|");
    EXPECT("keys nosuch*", "*0|");
    EXPECT("rscan a2 b2", "*4|$2|a2|$1|2|$2|b1|$1|3|");
    EXPECT("rscan a2 b2 rev", "*4|$2|b1|$1|3|$2|a2|$1|2|");
    EXPECT("rscan b", "*6|$2|b1|$1|3|$2|b2|$1|4|$1|c|$1|5|");
    EXPECT("rscan b KEYS", "*3|$2|b1|$2|b2|$1|c|");
    EXPECT("rscan \"\" limit 2 keys", "*2|$2|a1|$2|a2|");
    EXPECT("rscan \"\" rev limit 1", "*2|$1|c|$1|5|");
    EXPECT("rscan a limit 0", "*0|");
    EXPECT("rscan a limit -1", "-ERR LIMIT is negative|");
    EXPECT("rscan a limit x", NO_INTEGER);
    EXPECT("rscan a b c", SYNTAX);
    EXPECT("rscan z", "*0|");
    EXPECT("rscan b a", "*0|");
    EXPECT("pexpire b1 5", ":1|");
    pass(fixture, 5);
    EXPECT("keys b*", "*1|$2|b2|");
    EXPECT("rscan b c rev keys", "*1|$2|b2|");
    EXPECT("scan 0 count 2 match b*", "*2|$1|0|*1|$2|b2|");
}

/* ---- the connection -------------------------------------------------------------- */

static void connection(void **state) {
    CLIENT;
    EXPECT("ping", "+PONG|");
    EXPECT("ping \"a b\"", "$3|a b|");
    EXPECT("ping a b", ARITY("ping"));
    EXPECT("echo x", "$1|x|");
    EXPECT("select 0", "+OK|");
    EXPECT("select 1", "-ERR DB index is out of range|");
    EXPECT("select x", NO_INTEGER);
    EXPECT("select 99999999999",
           "-ERR value is out of range, value must between -2147483648 and 2147483647|");
    char reply[100];
    snprintf(reply, sizeof reply, "*2|$10|%" PRIu64 "|$6|250000|",
             now_millis(fixture) / 1000);
    pass(fixture, 250);
    EXPECT("time", reply);
    EXPECT("wait 0 0", ":0|");
    EXPECT("wait 1 100000", ":0|"); /* at once: Redis would wait for it */
    EXPECT("wait x 0", NO_INTEGER);
    EXPECT("wait 0 x", "-ERR timeout is not an integer or out of range|");
    EXPECT("wait 0 -1", "-ERR timeout is negative|");
    EXPECT("function flush", "+OK|");
    EXPECT("function flush async", "+OK|");
    EXPECT("function Flush sync x",
           "-ERR unknown subcommand or wrong number of arguments for 'Flush'. Try "
           "FUNCTION HELP.|");
    EXPECT("function flush x", "-ERR FUNCTION FLUSH only supports SYNC|ASYNC option|");
    EXPECT("hello 4", "-NOPROTO unsupported protocol version|");
    EXPECT("hello x", "-ERR Protocol version is not an integer or out of range|");
    EXPECT("hello 2 foo", "-ERR Syntax error in HELLO option 'foo'|");
    EXPECT("hello 2 auth a", "-ERR Syntax error in HELLO option 'auth'|");
    EXPECT("hello 2 setname \"a b\"",
           "-ERR Client names cannot contain spaces, newlines or special characters.|");
    EXPECT("hello 2 setname \"a b\" setname c",
           "-ERR Client names cannot contain spaces, newlines or special characters.|");
    EXPECT("hello 2 auth foo x setname \"a b\"",
           "-WRONGPASS invalid username-password pair or user is disabled.|");
    EXPECT("hello 3 setname d foo", "-ERR Syntax error in HELLO option 'foo'|");
    assert_true(slice_equal(buf_slice(&client->session.name), slice_of("d")));
    assert_int_equal(client->writer.protocol, 2);
    EXPECT("auth x",
           "-ERR AUTH <password> called without any password configured for the "
           "default user. Are you sure your configuration is correct?|");
    EXPECT("auth default x", "+OK|");
    EXPECT("auth foo x",
           "-WRONGPASS invalid username-password pair or user is disabled.|");
    EXPECT("auth a b c", SYNTAX);
    EXPECT("POST / HTTP/1.1", "");
    assert_true(client->session.closes);
    client->session.closes = false;
    EXPECT("Host: localhost", "");
    assert_true(client->session.closes);
    client->session.closes = false;
    EXPECT("quit now", "+OK|");
    assert_true(client->session.closes);
}

static void authentication(void **state) {
    CLIENT;
    struct client late;
    assert_ok(password_set(fixture->service.password, slice_of("secret")));
    EXPECT("get k", "$-1|"); /* was there before */
    client_begin(&late, &fixture->service);
    client = &late;
    EXPECT("get k", "-NOAUTH Authentication required.|");
    EXPECT("get", ARITY("get"));
    EXPECT("nosuch", "-ERR unknown command 'nosuch', with args beginning with: |");
    EXPECT("hello 3",
           "-NOAUTH HELLO must be called with the client already authenticated, "
           "otherwise the HELLO AUTH <user> <pass> option can be used "
           "to authenticate the client and select the RESP protocol version at "
           "the same time|");
    EXPECT("auth wrong",
           "-WRONGPASS invalid username-password pair or user is disabled.|");
    EXPECT("auth secretsecret",
           "-WRONGPASS invalid username-password pair or user is disabled.|");
    EXPECT("auth \"\"",
           "-WRONGPASS invalid username-password pair or user is disabled.|");
    EXPECT("hello 3 auth default wrong",
           "-WRONGPASS invalid username-password pair or user is disabled.|");
    EXPECT("get k", "-NOAUTH Authentication required.|");
    EXPECT("auth secret", "+OK|");
    EXPECT("get k", "$-1|");
    EXPECT("hello 3 auth default secret setname me",
           "%7|$6|server|$5|redis|$7|version|$6|7.0.15|$5|proto|:3|$2|id|:7|$4|mode|"
           "$10|standalone|$4|role|$6|master|$7|modules|*0|");
    assert_true(slice_equal(buf_slice(&late.session.name), slice_of("me")));
    EXPECT("reset", "+RESET|");
    assert_int_equal(late.session.name.length, 0);
    assert_int_equal(late.writer.protocol, 2);
    EXPECT("get k", "-NOAUTH Authentication required.|");
    client_end(&late);
}

static void muted_replies(void **state) {
    CLIENT;
    client->session.reply = REPLY_OFF;
    EXPECT("set k v", "");
    EXPECT("nosuch", "");
    EXPECT("keys *", "");
    client->session.reply = REPLY_SKIP_NEXT;
    EXPECT("incr n", "");
    EXPECT("incr n", ":2|");
    client->session.reply = REPLY_SKIP_NEXT;
    EXPECT("dbsize", ""); /* which is carried out twice */
    EXPECT("dbsize", ":2|");
}

/* ---- what a reply waits for, and what cannot be written -------------------------- */

static void sequences(void **state) {
    CLIENT;
    struct kv_progress progress;
    EXPECT("ping", "+PONG|");
    assert_int_equal(client->session.access.sequence, 0);
    EXPECT("mset a 1 b 2", "+OK|");
    kv_progress(fixture->kv, &progress);
    assert_int_equal(client->session.access.sequence, progress.issued);
    assert_ok(kv_put(fixture->kv, slice_of("c"), slice_of("3"), NULL, NULL));
    static const char *const reads[] = {
        "get a",  "get nosuch", "mget a",  "exists a", "strlen a",  "dbsize",
        "keys *", "scan 0",     "rscan a", "ttl a",    "randomkey", "setnx a 1"};
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
        (void)client_ask(client, reads[i]);
        assert_int_equal(client->session.access.sequence, progress.issued + 1);
    }
}

static void limits(void **state) {
    CLIENT;
    struct buf line = {0};
    char *key = malloc(KV_KEY_BYTES_MAX + 2);
    assert_non_null(key);
    memset(key, 'k', KV_KEY_BYTES_MAX + 1);
    key[KV_KEY_BYTES_MAX + 1] = '\0';
    client->limits.line_bytes = 200000;
    assert_ok(buf_printf(&line, "set %s v%c", key, 0));
    const char *reply = client_ask(client, (const char *)line.data);
    assert_memory_equal(reply, "-ERR ", 5);
    assert_true(client->session.failed);
    buf_clear(&line);
    assert_ok(buf_printf(&line, "get %s%c", key, 0));
    EXPECT((const char *)line.data, "$-1|");
    assert_false(client->session.failed);
    buf_free(&line);
    free(key);
}

static void failed_writes(void **state) {
    CLIENT;
    const struct fault fault = {1, FAULT_BEFORE, EIO, true};
    struct kv_progress progress;
    EXPECT("set k v", "+OK|");
    disk_set_fault(fixture->sim.disk, &fault);
    const char *reply = client_ask(client, "set k w");
    assert_memory_equal(reply, "-IOERR ", 7);
    assert_true(client->session.failed);
    kv_progress(fixture->kv, &progress); /* the reply waits for nothing of its own */
    assert_true(progress.issued > progress.written);
    assert_true(client->session.access.sequence <= progress.written);
    reply = client_ask(client, "incr n");
    assert_memory_equal(reply, "-IOERR ", 7);
    EXPECT("exists k", ":1|");
    disk_set_fault(fixture->sim.disk, &(struct fault){0});
    assert_ok(kv_resume(fixture->kv, NULL));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(clock_is_asked_once),
        TEST(unknown_commands_and_arity),
        TEST(get_and_set),
        TEST(sets_with_ends),
        TEST(getex),
        TEST(many_keys),
        TEST(numbers),
        TEST(parts),
        TEST(keys),
        TEST(ends),
        TEST(scans),
        TEST(connection),
        TEST(authentication),
        TEST(muted_replies),
        TEST(sequences),
        TEST(limits),
        TEST(failed_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SCAN's promise: what is there throughout is told, once, whatever comes and goes
 * meanwhile; cursors that are given up are told to be so; and long replies, which are
 * streamed, are of one moment. */
#include "../01-wal/simulation.h"

#include "client.h"

struct fixture {
    struct simulation sim;
    struct kv *kv;
    struct service service;
    struct client client;
    uint64_t random;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->random = test_seed();
    simulation_begin(&fixture->sim);
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

static uint64_t draw(struct fixture *fixture, uint64_t bound) {
    return random_below(&fixture->random, bound);
}

/* "%" in the line stands for the number. */
static void ask_ok(struct fixture *fixture, const char *pattern, uint64_t number) {
    char line[100];
    const char *mark = strchr(pattern, '%');
    snprintf(line, sizeof line, "%.*s%03" PRIu64 "%s", (int)(mark - pattern), pattern,
             number, mark + 1);
    const char *reply = client_ask(&fixture->client, line);
    if (reply[0] == '-') {
        fail_msg("%s: %s", line, reply);
    }
}

/* ---- the promise ----------------------------------------------------------------- */

enum { NUMBERS = 300, SCANS = 4 };

/* Keys k000 … k299: even numbers are there throughout, odd ones come and go. */
struct scan {
    char cursor[30];
    bool over;
    unsigned told[NUMBERS];
};

static void go_on(struct fixture *fixture, struct scan *scan) {
    char line[100];
    snprintf(line, sizeof line, "scan %s count %" PRIu64 "%s", scan->cursor,
             1 + draw(fixture, 12), draw(fixture, 2) == 0 ? " match k*" : "");
    const char *reply = client_ask(&fixture->client, line);
    if (draw(fixture, 10) == 0) {
        reply = client_ask(&fixture->client, line); /* the first answer was lost */
    }
    if (sscanf(reply, "*2|$%*u|%29[0-9]|", scan->cursor) != 1) {
        fail_msg("%s: %s", line, reply);
    }
    for (const char *at = strchr(reply, 'k'); at != NULL; at = strchr(at + 1, 'k')) {
        scan->told[strtoul(at + 1, NULL, 10)]++;
    }
    scan->over = strcmp(scan->cursor, "0") == 0;
}

static void all_that_stays_is_told_once(void **state) {
    struct fixture *fixture = *state;
    struct scan scans[SCANS] = {0};
    size_t left = SCANS;
    for (uint64_t i = 0; i < NUMBERS; i += 2) {
        ask_ok(fixture, "set k% v", i);
    }
    for (size_t i = 0; i < SCANS; i++) {
        strcpy(scans[i].cursor, "0");
    }
    while (left > 0) {
        struct scan *scan = &scans[draw(fixture, SCANS)];
        if (!scan->over) {
            go_on(fixture, scan);
            left -= scan->over;
        }
        uint64_t odd = draw(fixture, NUMBERS / 2) * 2 + 1;
        ask_ok(fixture, draw(fixture, 2) == 0 ? "set k% v" : "del k%", odd);
        ask_ok(fixture, "incr k%x", odd - 1); /* never matters */
        ask_ok(fixture, "del k%x", odd - 1);
        if (draw(fixture, 50) == 0) {
            assert_ok(kv_flush(fixture->kv, NULL));
        }
    }
    for (size_t i = 0; i < SCANS; i++) {
        for (size_t number = 0; number < NUMBERS; number++) {
            if (number % 2 == 0 ? scans[i].told[number] != 1
                                : scans[i].told[number] > 1) {
                fail_msg("k%03zu was told %u times", number, scans[i].told[number]);
            }
        }
    }
}

/* ---- cursors --------------------------------------------------------------------- */

static uint64_t scan_from(struct fixture *fixture, uint64_t cursor) {
    char line[100];
    snprintf(line, sizeof line, "scan %" PRIu64 " count 1", cursor);
    const char *reply = client_ask(&fixture->client, line);
    unsigned long long next = 0;
    return sscanf(reply, "*2|$%*u|%llu|", &next) == 1 ? next : UINT64_MAX;
}

static void cursors_that_are_given_up(void **state) {
    struct fixture *fixture = *state;
    for (uint64_t i = 0; i < 10; i++) {
        ask_ok(fixture, "set k% v", i);
    }
    uint64_t idle = scan_from(fixture, 0);
    uint64_t going = scan_from(fixture, 0);
    /* One that goes on for long costs others nothing. */
    for (size_t i = 0; i < 3 * SCAN_TABLE_ENTRIES; i++) {
        going = scan_from(fixture, going);
        assert_int_not_equal(going, UINT64_MAX);
    }
    assert_int_not_equal(scan_from(fixture, idle), UINT64_MAX);
    /* Many that begin and stop do. What was used last stays longest. */
    for (size_t i = 0; i < SCAN_TABLE_ENTRIES - 3; i++) {
        assert_int_not_equal(scan_from(fixture, 0), UINT64_MAX);
    }
    assert_int_not_equal(scan_from(fixture, idle), UINT64_MAX);
    for (size_t i = 0; i < SCAN_TABLE_ENTRIES; i++) {
        assert_int_not_equal(scan_from(fixture, 0), UINT64_MAX);
    }
    assert_int_equal(scan_from(fixture, idle), UINT64_MAX);
    assert_memory_equal(client_ask(&fixture->client, "scan 12345"), "-ERR invalid cursor",
                        19);
}

static void cursors_of_an_earlier_life(void **state) {
    struct fixture *fixture = *state;
    ask_ok(fixture, "mset a 1 b 2 c %", 3);
    uint64_t before = scan_from(fixture, 0);
    client_end(&fixture->client);
    service_end(&fixture->service);
    scheduler_advance(fixture->sim.scheduler, 1000);
    assert_ok(service_begin(&fixture->service, fixture->kv, &fixture->sim.world));
    client_begin(&fixture->client, &fixture->service);
    assert_int_not_equal(scan_from(fixture, 0), UINT64_MAX);
    assert_int_equal(scan_from(fixture, before), UINT64_MAX);
}

static void long_keys_of_cursors(void **state) {
    struct fixture *fixture = *state;
    struct scan_table *table = fixture->service.scans;
    struct buf key = {0};
    uint64_t first;
    uint64_t cursor = 0;
    size_t blocks = counted_memory_bytes();
    assert_ok(buf_reserve(&key, KV_KEY_BYTES_MAX));
    memset(key.data, 'k', KV_KEY_BYTES_MAX);
    key.length = KV_KEY_BYTES_MAX;
    assert_ok(scan_table_add(table, buf_slice(&key), 0, &first));
    for (size_t i = 0; i < 1000; i++) {
        assert_ok(scan_table_add(table, buf_slice(&key), 0, &cursor));
    }
    assert_true(counted_memory_bytes() - blocks < 2 * (size_t)SCAN_TABLE_KEY_BYTES);
    assert_int_equal(scan_table_find(table, first, &key), STATUS_NOT_FOUND);
    assert_ok(scan_table_find(table, cursor, &key));
    buf_free(&key);
}

/* ---- long replies ---------------------------------------------------------------- */

enum { LONG_COUNT = 2000, LONG_BYTES = 1000 };

static void put_long(struct fixture *fixture, size_t number, unsigned char fill) {
    char key[20];
    unsigned char value[LONG_BYTES];
    memset(value, fill, sizeof value);
    snprintf(key, sizeof key, "k%05zu", number);
    assert_ok(
        kv_put(fixture->kv, slice_of(key), slice_make(value, sizeof value), NULL, NULL));
}

/* What is streamed while values change and keys go, part by part. */
static void stream(struct fixture *fixture, const char *const *words, size_t count,
                   struct buf *reply) {
    struct session *session = &fixture->client.session;
    struct slice arguments[8];
    struct slice slices[64];
    size_t parts = 0;
    bool more = true;
    for (size_t i = 0; i < count; i++) {
        arguments[i] = slice_of(words[i]);
    }
    const struct resp_request request = {arguments, count};
    session->may_wait = true;
    assert_int_equal(command_execute(session, &request), COMMAND_STREAMS);
    while (more) {
        put_long(fixture, draw(fixture, LONG_COUNT), 'w');
        assert_ok(kv_delete(fixture->kv, slice_of("k00777"), NULL, NULL));
        put_long(fixture, LONG_COUNT + parts, 'w');
        more = reply_stream_more(session->stream, session);
        parts++;
        size_t found;
        while ((found = output_gather(&fixture->client.output, UINT64_MAX, slices, 64)) >
               0) {
            for (size_t i = 0; i < found; i++) {
                assert_ok(buf_append_slice(reply, slices[i]));
                output_advance(&fixture->client.output, slices[i].length);
            }
        }
    }
    reply_stream_close(session->stream);
    session->stream = NULL;
    session->may_wait = false;
    assert_false(session->closes);
    assert_true(parts >= 3);
}

static void long_replies_are_of_one_moment(void **state) {
    struct fixture *fixture = *state;
    for (int reverse = 0; reverse < 2; reverse++) {
        static const char *const words[] = {"rscan", "k", "l", "rev"};
        struct buf reply = {0};
        struct buf wanted = {0};
        unsigned char value[LONG_BYTES];
        memset(value, 'v', sizeof value);
        client_expect(&fixture->client, "flushall", "+OK|", __FILE__, __LINE__);
        assert_ok(buf_printf(&wanted, "*%d\r\n", 2 * LONG_COUNT));
        for (size_t i = 0; i < LONG_COUNT; i++) {
            size_t number = reverse ? LONG_COUNT - 1 - i : i;
            put_long(fixture, i, 'v');
            assert_ok(buf_printf(&wanted, "$6\r\nk%05zu\r\n$%d\r\n", number, LONG_BYTES));
            assert_ok(buf_append(&wanted, value, sizeof value));
            assert_ok(buf_append_text(&wanted, "\r\n"));
        }
        stream(fixture, words, reverse ? 4 : 3, &reply);
        assert_true(slice_equal(buf_slice(&reply), buf_slice(&wanted)));
        buf_free(&reply);
        buf_free(&wanted);
    }
}

/* ---- RANDOMKEY ------------------------------------------------------------------- */

static void any_key_may_come(void **state) {
    struct fixture *fixture = *state;
    static const char *const names[] = {
        "", "a", "aa", "aaa", "ab", "b\\xff", "b\\xff\\xff", "c", "\\xff\\xff", "user:1"};
    enum { COUNT = sizeof names / sizeof names[0] };
    unsigned came[COUNT] = {0};
    char replies[COUNT][60];
    for (size_t i = 0; i < COUNT; i++) {
        char line[60];
        snprintf(line, sizeof line, "set \"%s\" v", names[i]);
        client_expect(&fixture->client, line, "+OK|", __FILE__, __LINE__);
        snprintf(line, sizeof line, "echo \"%s\"", names[i]);
        snprintf(replies[i], sizeof replies[i], "%s", client_ask(&fixture->client, line));
    }
    ask_ok(fixture, "set aab v px %", 100); /* is over */
    scheduler_advance(fixture->sim.scheduler, 100000);
    for (size_t i = 0; i < 2000; i++) {
        const char *reply = client_ask(&fixture->client, "randomkey");
        size_t key = 0;
        while (key < COUNT && strcmp(reply, replies[key]) != 0) {
            key++;
        }
        if (key == COUNT) {
            fail_msg("%s is no key", reply);
        }
        came[key]++;
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(came[i] > 20);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_that_stays_is_told_once),    TEST(cursors_that_are_given_up),
        TEST(cursors_of_an_earlier_life),     TEST(long_keys_of_cursors),
        TEST(long_replies_are_of_one_moment), TEST(any_key_may_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

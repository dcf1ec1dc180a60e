/* Whatever allocation fails, of the loop, a worker, or the store's threads: a start is
 * refused with words, or good; a client is answered, told an error, or closed, and
 * nothing else; the next one is served; and no memory is left behind. */
#include "hosted.h"

#include "metrics.h"

enum { ALLOCATIONS_MOST = 4000 };

/* ---- from the start to the end --------------------------------------------------- */

static bool live(size_t countdown, bool persistently) {
    struct hosted h;
    struct error error = {0};
    hosted_begin(&h);
    counted_memory_fail(countdown, persistently);
    enum status status = hosted_start(&h, &error);
    bool failed = counted_memory_failed();
    counted_memory_fail(0, false);
    if (status != STATUS_OK) {
        assert_true(failed && error.message[0] != '\0');
    } else {
        hosted_assert_serves(&h);
        assert_ok(hosted_stop(&h, NULL));
    }
    hosted_end(&h);
    return failed;
}

/* The number of allocations that were made to fail, each once and from then on. */
static size_t count_failures(bool (*life)(size_t countdown, bool persistently)) {
    for (size_t countdown = 1; countdown < ALLOCATIONS_MOST; countdown++) {
        bool once = life(countdown, false);
        bool always = life(countdown, true);
        if (!once && !always) {
            return countdown - 1;
        }
    }
    fail_msg("it never goes well");
    return 0;
}

static void starts_or_says_why_not(void **state) {
    (void)state;
    size_t failures = count_failures(live);
    printf("a start: %zu allocations\n", failures);
    assert_true(failures > 50);
}

/* ---- the end --------------------------------------------------------------------- */

/* With a reply that is held, a command at a worker, and a stream that waits for room. */
static bool stop(size_t countdown, bool persistently) {
    struct hosted h;
    struct error error = {0};
    static const char *const lines[] = {"SET a 1", "DEBUG SLEEP 1", "RSCAN k", "MONITOR"};
    int clients[4];
    hosted_begin(&h);
    h.config.appendfsync = APPENDFSYNC_ALWAYS;
    assert_ok(hosted_start(&h, NULL));
    hosted_assert_serves(&h);
    for (size_t i = 0; i < 4; i++) {
        clients[i] = hosted_come(&h);
        char line[32];
        int length = snprintf(line, sizeof line, "%s\r\n", lines[i]);
        assert_int_equal(write(clients[i], line, (size_t)length), length);
    }
    loop_tick(h.host->ios[0].loop, false);
    counted_memory_fail(countdown, persistently);
    enum status status = hosted_stop(&h, &error);
    bool failed = counted_memory_failed();
    counted_memory_fail(0, false);
    assert_true(status == STATUS_OK || (failed && error.message[0] != '\0'));
    for (size_t i = 0; i < 4; i++) {
        struct buf text = {0};
        assert_true(hosted_hear(clients[i], &text));
        buf_free(&text);
        close(clients[i]);
    }
    hosted_end(&h);
    return failed;
}

static void stops_all_the_same(void **state) {
    (void)state;
    size_t failures = count_failures(stop);
    printf("a stop: %zu allocations\n", failures);
    assert_true(failures > 0);
}

/* ---- a client's life ------------------------------------------------------------- */

struct errand {
    const char *line;
    const char *reply; /* what it begins with, if all is well */
};

static const struct errand errands[] = {
    {"PING", "+PONG\r\n"},
    {"SET a 1", "+OK\r\n"},
    {"INCR a", ":"},
    {"MSET a 1 b 2 c 3", "+OK\r\n"},
    {"MGET a b c", "*3\r\n"},
    {"SET a 1 EX 100", "+OK\r\n"},
    {"GETRANGE long 0 9", "$10\r\n"},
    {"GET long", "$60000\r\n"},
    {"KEYS k1*", "*"},
    {"SCAN 0 COUNT 5", "*2\r\n"},
    {"RSCAN k", "*"},
    {"RSCAN k z LIMIT 3 REV", "*6\r\n"},
    {"RENAME b d", ""},
    {"HELLO 3 SETNAME me", "%7\r\n"},
    {"CLIENT SETNAME me", "+OK\r\n"},
    {"CLIENT SETINFO LIB-NAME it", "+OK\r\n"},
    {"CLIENT LIST", "$"},
    {"CLIENT KILL ID 1", ":"},
    {"CLIENT KILL SKIPME no", ":"},
    {"CONFIG GET *", "*"},
    {"CONFIG SET timeout 100 requirepass '' appendfsync always", "+OK\r\n"},
    {"INFO everything", "$"},
    {"INFO keyspace", "$"},
    {"CONFIG SET slowlog-log-slower-than 0", "+OK\r\n"},
    {"SLOWLOG GET", "*"},
    {"LATENCY HISTOGRAM", "*"},
    {"COMMAND", "*"},
    {"COMMAND DOCS", "*"},
    {"MEMORY USAGE k1", ":"},
    {"DEBUG SLEEP 0", "+OK\r\n"},
    {"BGSAVE", "+Background"},
    {"SAVE", "+OK\r\n"},
    {"COMPACT", "+OK\r\n"},
    {"FLUSHALL", "+OK\r\n"},
    {"nonsense a b c", "-ERR unknown command"},
    {"QUIT", "+OK\r\n"},
};

/* Memory may be missing anywhere in the store: then writes fail until it is resumed. */
static void recover(struct hosted *h) {
    struct error error = {0};
    for (int i = 0; i < 5; i++) {
        hosted_pass(h, 1100000);
    }
    if (kv_resume(h->host->kv, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
}

static bool ends_with_line(const struct buf *text) {
    return text->length >= 2 && memcmp(text->data + text->length - 2, "\r\n", 2) == 0;
}

/* While it fails, somebody monitors, and somebody is there to be killed. */
static bool run(struct hosted *h, const struct errand *errand, size_t countdown,
                bool before_it_comes) {
    struct buf text = {0}, seen = {0};
    int monitor = hosted_come(h);
    assert_true(hosted_say(h, monitor, "MONITOR"));
    if (before_it_comes) {
        counted_memory_fail(countdown, false);
    }
    int client = hosted_come(h);
    assert_true(client >= 0);
    if (!before_it_comes) {
        counted_memory_fail(countdown, false);
    }
    (void)hosted_say(h, client, errand->line);
    hosted_pass(h, 2000);
    bool failed = counted_memory_failed();
    counted_memory_fail(0, false);
    bool end = false;
    for (int i = 0; i < 20 && !end && text.length == 0; i++) {
        hosted_pass(h, 100000);
        end = hosted_hear(client, &text);
    }
    size_t length = strlen(errand->reply);
    bool well = text.length >= length && memcmp(text.data, errand->reply, length) == 0;
    bool refused = text.length > 0 && text.data[0] == '-';
    if (!(failed ? end || well || refused : well) || (text.length == 0 && !end) ||
        (!end && !ends_with_line(&text))) {
        fail_msg("%s, allocation %zu: \"%.60s\"%s", errand->line, countdown, text.data,
                 end ? " and the end" : "");
    }
    (void)hosted_hear(monitor, &seen);
    close(client);
    close(monitor);
    buf_free(&text);
    buf_free(&seen);
    hosted_pass(h, 1100000);
    return failed;
}

static void fill(struct hosted *h) {
    static char value[60001];
    static char line[60100];
    int client = hosted_come(h);
    memset(value, 'v', 60000);
    for (size_t i = 0; i < 30; i++) {
        (void)snprintf(line, sizeof line, "SET k%zu %zu", i, i);
        assert_true(hosted_say(h, client, line));
    }
    (void)snprintf(line, sizeof line, "*3\r\n$3\r\nSET\r\n$4\r\nlong\r\n$60000\r\n%s\r\n",
                   value);
    assert_int_equal(write(client, line, strlen(line)), strlen(line));
    hosted_pass(h, 10000);
    struct buf text = {0};
    while (text.length < 31 * 5) {
        assert_false(hosted_hear(client, &text));
        hosted_pass(h, 10000);
    }
    buf_free(&text);
    close(client);
}

static size_t sweep(const struct errand *errand, int mode) {
    struct hosted h;
    size_t countdown = 0;
    bool failed = true;
    hosted_begin(&h);
    h.config.appendfsync = mode;
    assert_ok(hosted_start(&h, NULL));
    fill(&h);
    while (failed) {
        countdown++;
        assert_true(countdown < ALLOCATIONS_MOST);
        bool of_request = run(&h, errand, countdown, false);
        bool of_both = run(&h, errand, countdown, true);
        failed = of_request || of_both;
        recover(&h);
        hosted_assert_serves(&h);
        if (strcmp(errand->line, "FLUSHALL") == 0) {
            fill(&h);
        }
    }
    assert_ok(hosted_stop(&h, NULL));
    hosted_end(&h);
    return countdown - 1;
}

static void goes_on_after_each(void **state) {
    (void)state;
    size_t sum = 0;
    for (size_t i = 0; i < sizeof errands / sizeof errands[0]; i++) {
        size_t always = sweep(&errands[i], APPENDFSYNC_ALWAYS);
        size_t everysec = sweep(&errands[i], APPENDFSYNC_EVERYSEC);
        assert_true(always > 0 && everysec > 0);
        sum += always + everysec;
    }
    printf("requests: %zu allocations\n", sum);
}

/* ---- the metrics ----------------------------------------------------------------- */

static void metrics_are_whole_or_refused(void **state) {
    (void)state;
    struct hosted h;
    bool failed = true;
    size_t refused = 0;
    hosted_begin(&h);
    assert_ok(hosted_start(&h, NULL));
    hosted_assert_serves(&h);
    for (size_t countdown = 1; failed; countdown++) {
        struct info_facts facts;
        struct buf text = {0};
        counted_memory_fail(countdown, false);
        enum status status = info_gather(&h.host->server, &facts);
        if (status == STATUS_OK) {
            status = metrics_print(&facts, &text);
            info_free(&facts);
        }
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_true(status == STATUS_OK || (failed && status == STATUS_NO_MEMORY));
        refused += status != STATUS_OK;
        buf_free(&text);
    }
    assert_true(refused > 5); /* the store goes without for its own figures */
    assert_ok(hosted_stop(&h, NULL));
    hosted_end(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_or_says_why_not),
        cmocka_unit_test(stops_all_the_same),
        cmocka_unit_test(goes_on_after_each),
        cmocka_unit_test(metrics_are_whole_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

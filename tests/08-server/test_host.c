/* A host from its start to its end, in one thread. */
#include "hosted.h"

#include <sys/resource.h>
#include <sys/socket.h>

static void heard(int client, const char *expected, bool end) {
    struct buf text = {0};
    assert_int_equal(hosted_hear(client, &text), end);
    assert_string_equal((const char *)text.data, expected);
    buf_free(&text);
}

static void serves_and_stops(void **state) {
    (void)state;
    for (int mode = APPENDFSYNC_ALWAYS; mode <= APPENDFSYNC_NO; mode++) {
        for (int workers = 0; workers < 3; workers += 2) {
            struct hosted h;
            struct error error = {0};
            hosted_begin(&h);
            h.config.appendfsync = mode;
            h.config.worker_threads = workers;
            if (hosted_start(&h, &error) != STATUS_OK) {
                fail_msg("%s", error.message);
            }
            int client = hosted_come(&h);
            assert_true(hosted_say(&h, client, "SET a 1"));
            heard(client, "+OK\r\n", false);
            assert_true(hosted_say(&h, client, "DEBUG SLEEP 0\r\nGET a"));
            heard(client, "+OK\r\n$1\r\n1\r\n", false);
            hosted_assert_serves(&h);
            assert_ok(hosted_stop(&h, NULL));
            heard(client, "", true);
            close(client);
            assert_true(hosted_has_logged(&h, "all is saved; good-bye"));
            hosted_end(&h);
        }
    }
}

/* As if a thread made one, that ends in time, or not. */
static void a_checkpoint_is_waited_for(void **state) {
    (void)state;
    for (int ends = 0; ends < 2; ends++) {
        struct hosted h;
        hosted_begin(&h);
        assert_ok(hosted_start(&h, NULL));
        bool *running = &h.host->server.saver.facts.running;
        *running = true;
        host_stop(h.host, "the test");
        hosted_pass(&h, 9900000);
        assert_int_equal(atomic_u64_load(&h.host->over, memory_order_relaxed), 1);
        assert_false(host_stop_is_cut_short(h.host));
        *running = ends == 0;
        hosted_pass(&h, 200000);
        loop_run(h.host->ios[0].loop); /* it was told to stop */
        assert_int_equal(host_stop_is_cut_short(h.host), ends == 0);
        assert_int_equal(hosted_has_logged(&h, "a checkpoint takes too long"), ends == 0);
        *running = false;
        assert_ok(host_close(h.host, NULL));
        h.host = NULL;
        hosted_end(&h);
    }
}

/* A client's own mistake is none of the store's. */
static void a_mistake_is_no_failure(void **state) {
    (void)state;
    struct hosted h;
    hosted_begin(&h);
    assert_ok(hosted_start(&h, NULL));
    int client = hosted_come(&h);
    assert_true(hosted_say(&h, client, "SET a x\r\nINCR a\r\nSETEX a 0 b\r\nMSET a"));
    heard(client,
          "+OK\r\n-ERR value is not an integer or out of range\r\n"
          "-ERR invalid expire time in 'setex' command\r\n"
          "-ERR wrong number of arguments for 'mset' command\r\n",
          false);
    hosted_pass(&h, 1100000);
    assert_int_equal(
        atomic_u64_load(&h.host->commons.rules.resumes, memory_order_relaxed), 0);
    close(client);
    assert_ok(hosted_stop(&h, NULL));
    hosted_end(&h);
}

/* Writes are refused, reads are not, and the log says so once; then they go on. */
static void a_full_disk_is_outlived(void **state) {
    (void)state;
    for (int mode = APPENDFSYNC_ALWAYS; mode <= APPENDFSYNC_NO; mode++) {
        struct hosted h;
        hosted_begin(&h);
        h.config.appendfsync = mode;
        assert_ok(hosted_start(&h, NULL));
        int client = hosted_come(&h);
        assert_true(hosted_say(&h, client, "SET a 1"));
        heard(client, "+OK\r\n", false);
        (void)snprintf(h.host->log.path, sizeof h.host->log.path, "%s", "");
        fail_call(&h.sim, 1, FAULT_BEFORE, ENOSPC, true);
        struct buf text = {0};
        assert_true(hosted_say(&h, client, "SET a 2"));
        assert_false(hosted_hear(client, &text));
        assert_memory_equal(text.data, "-IOERR ", 7);
        buf_free(&text);
        assert_true(hosted_say(&h, client, "GET a"));
        hosted_pass(&h, 3000000);
        assert_true(hosted_say(&h, client, "PING"));
        fail_nothing(&h.sim);
        (void)snprintf(h.host->log.path, sizeof h.host->log.path, "%s", "server.log");
        hosted_pass(&h, 1100000);
        assert_true(hosted_has_logged(&h, "the store takes writes again"));
        close(client);
        hosted_assert_serves(&h);
        assert_ok(hosted_stop(&h, NULL));
        hosted_end(&h);
    }
}

/* What CLIENT LIST tells of a client: half a request, replies that it does not take, and,
 * when all is done, nothing. */
static void clients_are_measured(void **state) {
    (void)state;
    struct hosted h;
    struct buf text = {0};
    char words[2 * CONFIG_TEXT_BYTES + 64];
    hosted_begin(&h);
    assert_ok(hosted_start(&h, NULL));
    int operator= hosted_come(&h);
    int half = hosted_come(&h);
    assert_int_equal(write(half, "*2\r\n$3\r\nGET\r\n", 13), 13);
    assert_true(hosted_say(&h, operator, "CLIENT LIST ID 2"));
    assert_false(hosted_hear(operator, & text));
    (void)snprintf(words, sizeof words,
                   "id=2 addr=%s:0 laddr=%s:0 fd=", h.config.unixsocket,
                   h.config.unixsocket);
    assert_non_null(strstr((const char *)text.data, words));
    assert_non_null(strstr((const char *)text.data, " qbuf=13 qbuf-free="));
    assert_null(strstr((const char *)text.data, " qbuf-free=0 "));
    assert_non_null(strstr((const char *)text.data, " obl=0 oll=0 omem=0 "));
    assert_null(strstr((const char *)text.data, " tot-mem=0 "));
    int slow = hosted_come(&h);
    struct buf line = {0};
    for (size_t i = 0; i < 600; i++) {
        assert_ok(buf_append_text(&line, "COMMAND DOCS\r\n"));
    }
    assert_int_equal(send(slow, line.data, line.length, MSG_DONTWAIT), line.length);
    hosted_turn(&h);
    buf_clear(&text);
    assert_true(hosted_say(&h, operator, "CLIENT LIST ID 3"));
    assert_false(hosted_hear(operator, & text));
    const char *at = strstr((const char *)text.data, " omem=");
    assert_true(at != NULL && strtoull(at + 6, NULL, 10) > 1 << 20);
    uint64_t memory = strtoull(strstr(at, " tot-mem=") + 9, NULL, 10);
    assert_true(memory > strtoull(at + 6, NULL, 10));
    buf_clear(&text);
    for (int i = 0; i < 2000 && !hosted_hear(slow, &text) && text.length > 0; i++) {
        buf_clear(&text);
        hosted_turn(&h);
    }
    buf_clear(&text);
    assert_true(hosted_say(&h, operator, "CLIENT LIST ID 3"));
    assert_false(hosted_hear(operator, & text));
    assert_non_null(strstr((const char *)text.data, " obl=0 oll=0 omem=0 "));
    buf_free(&line);
    buf_free(&text);
    close(operator);
    close(half);
    close(slow);
    hosted_turn(&h);
    assert_ok(hosted_stop(&h, NULL));
    hosted_end(&h);
}

/* What an operator finds in the log. */
static void the_log_tells(void **state) {
    (void)state;
    struct hosted h;
    struct buf text = {0};
    hosted_begin(&h);
    h.config.maxclients = 1;
    h.config.timeout = 3;
    h.config.loglevel = LOGLEVEL_VERBOSE;
    assert_ok(hosted_start(&h, NULL));
    int first = hosted_come(&h);
    for (int i = 0; i < 3; i++) {
        int other = hosted_come(&h);
        heard(other, "-ERR max number of clients reached\r\n", true);
        close(other);
    }
    assert_true(hosted_has_logged(&h, ":0 was refused: there are maxclients already (and "
                                      "0 others since the last such line)"));
    assert_true(hosted_has_logged(&h, " verbose client 1: "));
    hosted_pass(&h, 1000000);
    close(hosted_come(&h));
    assert_true(hosted_has_logged(&h, "maxclients already (and 2 others"));
    struct kv_stats *seen = &h.host->seen; /* as if the last sync had been slow */
    assert_true(hosted_say(
        &h, first, "CONFIG SET latency-monitor-threshold 100\r\nSAVE\r\nSET a b"));
    heard(first, "+OK\r\n+OK\r\n+OK\r\n", false);
    assert_ok(kv_sync(h.host->kv, NULL));
    kv_stats(h.host->kv, seen);
    seen->syncs--;
    seen->sync_micros -= 5000000;
    seen->stall_stops -= 2;
    seen->stall_micros -= 300000;
    seen->compaction_failures--;
    hosted_pass(&h, 1000000);
    assert_true(hosted_has_logged(&h, "a sync of the log took 5000 ms"));
    assert_true(hosted_has_logged(&h, "2 writes waited for flushes or compactions, 300"));
    assert_true(
        hosted_has_logged(&h, "1 compactions failed, and are tried again: see db"));
    assert_true(hosted_has_logged(&h, ".checkpoint-"));
    assert_true(hosted_say(&h, first, "LATENCY LATEST"));
    assert_false(hosted_hear(first, &text));
    assert_non_null(strstr((const char *)text.data, "$9\r\naof-fsync\r\n"));
    assert_non_null(strstr((const char *)text.data, "$11\r\nwrite-stall\r\n"));
    for (int i = 0; i < 5; i++) {
        hosted_pass(&h, 1000000);
    }
    assert_true(
        hosted_has_logged(&h, "was closed: it was silent for too long (timeout)"));
    buf_free(&text);
    close(first);
    assert_ok(hosted_stop(&h, NULL));
    hosted_end(&h);
}

/* Replies that are held become errors when a sync fails; not so the parts of a long reply
 * that came in the same tick, for the rest of it follows. */
static void a_stream_is_not_cut(void **state) {
    (void)state;
    struct hosted h;
    struct buf text = {0};
    static char value[60001], line[60100];
    hosted_begin(&h);
    h.config.appendfsync = APPENDFSYNC_NO;
    h.config.worker_threads = 0;
    h.config.engine.write_buffer_bytes = 4 << 20;
    assert_ok(hosted_start(&h, NULL));
    int client = hosted_come(&h), other = hosted_come(&h);
    memset(value, 'v', 60000);
    for (size_t i = 0; i < 20; i++) {
        int length =
            snprintf(line, sizeof line,
                     "*3\r\n$3\r\nSET\r\n$3\r\nk%02zu\r\n$60000\r\n%s\r\n", i, value);
        assert_int_equal(write(client, line, (size_t)length), length);
        hosted_turn(&h);
        heard(client, "+OK\r\n", false);
    }
    assert_int_equal(write(client, "SET a 1\r\nRSCAN k\r\n", 18), 18);
    assert_int_equal(write(other, "CONFIG SET appendfsync always\r\n", 31), 31);
    loop_tick(h.host->ios[0].loop, false);
    fail_call(&h.sim, 1, FAULT_BEFORE, EIO, true);
    scheduler_settle(h.sim.scheduler); /* the sync; the stream reads on afterwards */
    fail_nothing(&h.sim);
    for (int i = 0; i < 100; i++) {
        (void)hosted_hear(client, &text);
        hosted_turn(&h);
    }
    assert_memory_equal(text.data, "-IOERR ", 7);
    const char *end = strstr((const char *)text.data, "\r\n");
    assert_memory_equal(end + 2, "*40\r\n$3\r\nk00\r\n", 14);
    assert_int_equal(text.length - (size_t)(end + 2 - (const char *)text.data),
                     5 + 20 * (9 + 60010));
    buf_free(&text);
    close(client);
    close(other);
    hosted_pass(&h, 1100000);
    assert_ok(hosted_stop(&h, NULL));
    hosted_end(&h);
}

/* Whichever descriptor is the one too many, the start says so, and leaves none behind. */
static void a_start_without_descriptors(void **state) {
    (void)state;
    enum { NEEDED_MOST = 32, ALL = 128 };
    struct rlimit before, few;
    int refused = 0, first = dup(0), taken[ALL];
    close(first); /* the lowest that is free */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = ALL;
    enum status status = STATUS_IO;
    for (size_t extra = 0; status != STATUS_OK; extra++) {
        struct hosted h;
        struct error error = {0};
        size_t count = 0;
        assert_true(extra < NEEDED_MOST);
        hosted_begin(&h);
        h.config.maxclients = 8; /* so that ALL is as much as it asks for */
        h.config.engine.max_open_files = 16;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        while ((taken[count] = dup(0)) >= 0) {
            count++;
        }
        for (size_t i = 0; i < extra; i++) {
            close(taken[--count]);
        }
        status = hosted_start(&h, &error);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        while (count > 0) {
            close(taken[--count]);
        }
        if (status == STATUS_OK) {
            hosted_assert_serves(&h);
            assert_ok(hosted_stop(&h, NULL));
        } else {
            assert_message_has(error, "Too many open files");
            refused++;
        }
        hosted_end(&h);
        int next = dup(0);
        close(next);
        assert_int_equal(next, first);
    }
    assert_true(refused >= 4); /* epoll, eventfd, signalfd, the socket */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_and_stops),
        cmocka_unit_test(a_checkpoint_is_waited_for),
        cmocka_unit_test(a_mistake_is_no_failure),
        cmocka_unit_test(a_full_disk_is_outlived),
        cmocka_unit_test(clients_are_measured),
        cmocka_unit_test(the_log_tells),
        cmocka_unit_test(a_stream_is_not_cut),
        cmocka_unit_test(a_start_without_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

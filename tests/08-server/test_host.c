/* A host from its start to its end, in one thread. */
#include "hosted.h"

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
    assert_int_equal(
        atomic_u64_load(&h.host->commons.failed_writes, memory_order_relaxed), 0);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_and_stops),
        cmocka_unit_test(a_mistake_is_no_failure),
        cmocka_unit_test(a_full_disk_is_outlived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Clients of the program at the same time, the death of the process, and a restart over
 * what it left, again and again: what all of them were told has one order that explains
 * it, and what was told is never lost. Nothing that was replied to is lost with the
 * process in any mode: the log is mapped, and what is stored there is the system's. */
#include <signal.h>

#include "caller.h"
#include "crowd.h"
#include "memory.h"

enum { LIVES = 5, REPLIES_MOST = 900 };

static const char *const modes[] = {"always", "everysec", "no"};

static void judge(const struct history *history, size_t life) {
    unsigned trouble;
    if (!judge_history(history, &trouble)) {
        judge_print(history, trouble, stdout);
        fail_msg("life %zu: no order explains what was told of object %u", life, trouble);
    }
}

/* Small buffers, so that there are flushes, new logs and compactions; and a cache that
 * does not hold all, so that some requests wait for a worker. */
static void lives_of(const char *mode, const char *threads, uint64_t *seed) {
    struct served served;
    static struct history history;
    struct crowd crowd = {.seed = random_next(seed)};
    const char *const more[] = {
        "--appendfsync", mode,          "--io-threads", threads, "--write-buffer-bytes",
        "16384",         "--log-bytes", "16384",        NULL};
    memset(history.before, 0, sizeof history.before);
    make_directory(&served);
    start(&served, more);
    for (size_t life = 0; life < LIVES; life++) {
        struct object_state after[OBJECTS];
        crowd_begin(&crowd, &served, &history);
        crowd_run(&crowd, 1 + (size_t)random_below(&crowd.seed, REPLIES_MOST), 0);
        assert_int_equal(crowd.errors, 0);
        assert_int_equal(kill(served.process, SIGKILL), 0);
        crowd_drain(&crowd);
        crowd_end(&crowd);
        assert_int_equal(read_to_end(&served), 128 + SIGKILL);
        start(&served, more);
        crowd_look(&crowd, after);
        judge(&history, life);
        memcpy(history.before, after, sizeof after);
    }
    assert_stops(&served, SIGTERM);
    remove_directory(&served);
}

static void have_an_order(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (size_t i = 0; i < 6; i++) {
        lives_of(modes[i % 3], i < 3 ? "3" : "1", &seed);
    }
}

enum { PAIRS = 3000, ROUNDS = 4 };

static void say_often(struct caller *caller, bool writes, size_t client) {
    struct buf text = {0};
    for (size_t i = 0; i < PAIRS; i++) {
        if (writes) {
            assert_ok(
                buf_printf(&text, "MSET a %zu-%zu b %zu-%zu\r\n", client, i, client, i));
        } else {
            assert_ok(buf_append_text(&text, "MGET a b\r\n"));
        }
    }
    assert_ok(buf_append(&text, "", 1));
    say(caller, (const char *)text.data);
    buf_free(&text);
}

/* Two clients write two keys at once, over and over, and two read them. Histories meet
 * the moment between the two keys too seldom. */
static void are_of_one_moment(void **state) {
    (void)state;
    struct served served;
    struct caller writers[2], readers[2];
    const char *const more[] = {"--appendfsync", "no", "--io-threads", "4", NULL};
    char line[512], one[512];
    make_directory(&served);
    start(&served, more);
    for (size_t i = 0; i < 2; i++) {
        call(&writers[i], &served);
        call(&readers[i], &served);
    }
    ask(&writers[0], "MSET a 0 b 0", "+OK");
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < 2; i++) {
            say_often(&writers[i], true, i);
            say_often(&readers[i], false, i);
        }
        for (size_t i = 0; i < 2 * PAIRS; i++) {
            expect_line(&writers[i / PAIRS], "+OK");
            expect_line(&readers[i / PAIRS], "*2");
            assert_true(hear(&readers[i / PAIRS], line));
            assert_true(hear(&readers[i / PAIRS], one));
            assert_true(hear(&readers[i / PAIRS], line));
            assert_true(hear(&readers[i / PAIRS], line));
            assert_string_equal(line, one);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        hang_up(&writers[i]);
        hang_up(&readers[i]);
    }
    assert_stops(&served, SIGTERM);
    remove_directory(&served);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(have_an_order),
        cmocka_unit_test(are_of_one_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The program while calls of the system fail: nothing that was replied to is lost, what
 * could not be written is an error, reads go on, and when the disk is well again, so is
 * the server, by itself. A part of it needs libfiu's preload, another the right to mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "caller.h"
#include "crowd.h"
#include "faulty.h"

static void skip_without_preload(void) {
    if (!faulty_can()) {
        skip();
    }
}

static bool is_readable(int descriptor) {
    struct pollfd polled = {.fd = descriptor, .events = POLLIN};
    return poll(&polled, 1, 0) > 0;
}

/* ---- a sync that takes its time --------------------------------------------------- */

struct holding {
    struct served served;
    struct caller writer, reader, other;
    int told[2], hold[2]; /* pipes from and to faults/fail_nth.c */
};

enum { NTH_SYNC = 8 }; /* behind those of the start */

static void holding_begin(struct holding *h, const char *mode, int info) {
    const char *const more[] = {
        "--appendfsync", mode, "--io-threads", "1", "--interval-millis", "10", NULL};
    char words[128];
    assert_int_equal(pipe(h->told), 0);
    assert_int_equal(pipe(h->hold), 0);
    (void)snprintf(words, sizeof words, "posix/io/sync/fdatasync %d %d %d %d %d",
                   NTH_SYNC, NTH_SYNC, info, h->told[1], h->hold[0]);
    make_directory(&h->served);
    faulty_count(words);
    start(&h->served, more);
    faulty_over();
    call(&h->writer, &h->served);
    call(&h->reader, &h->served);
    call(&h->other, &h->served);
}

static void holding_end(struct holding *h) {
    hang_up(&h->writer);
    hang_up(&h->reader);
    hang_up(&h->other);
    assert_stops(&h->served, SIGTERM);
    remove_directory(&h->served);
    for (size_t i = 0; i < 2; i++) {
        close(h->told[i]);
        close(h->hold[i]);
    }
}

static void let_go(const struct holding *h) {
    assert_int_equal(write(h->hold[1], "!", 1), 1);
}

/* Writes until the sync of a write is held. */
static unsigned write_until_held(struct holding *h, bool replied) {
    struct pollfd polled[] = {{.fd = h->told[0], .events = POLLIN},
                              {.fd = h->writer.descriptor, .events = POLLIN}};
    for (unsigned i = 1;; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "SET k %u\r\n", i);
        say(&h->writer, text);
        if (replied) {
            expect_line(&h->writer, "+OK");
        }
        if (poll(polled, replied ? 1 : 2, replied ? 0 : 60000) == 0 && !replied) {
            fail_msg("neither a reply nor a sync in a minute");
        }
        if (polled[0].revents != 0) {
            return i;
        }
        if (!replied) {
            expect_line(&h->writer, "+OK");
        }
    }
}

/* A loop that has answered PING since has carried out all that came before. */
static void assert_silent(struct holding *h) {
    for (size_t i = 0; i < 3; i++) {
        ask(&h->other, "PING", "+PONG");
    }
    assert_false(is_readable(h->writer.descriptor));
    assert_false(is_readable(h->reader.descriptor));
}

/* Neither a write is answered before the disk has it, nor what has seen that write, nor
 * what stands behind either on its connection. If the sync then fails, no reply tells of
 * the value. */
static void always_waits_for_the_disk(void **state) {
    (void)state;
    skip_without_preload();
    for (int info = 0; info <= EIO; info += EIO) {
        struct holding h;
        char value[16], line[512];
        holding_begin(&h, "always", info);
        (void)snprintf(value, sizeof value, "%u", write_until_held(&h, false));
        say(&h.reader, "GET k\r\nPING\r\n");
        say(&h.writer, "PING\r\n");
        assert_silent(&h);
        let_go(&h);
        if (info == 0) {
            expect_line(&h.writer, "+OK");
            assert_true(hear(&h.reader, line));
            expect_line(&h.reader, value);
            expect_line(&h.writer, "+PONG");
            expect_line(&h.reader, "+PONG");
        } else {
            assert_true(hear(&h.writer, line) && strncmp(line, "-IOERR ", 7) == 0);
            assert_true(hear(&h.reader, line) && strncmp(line, "-IOERR ", 7) == 0);
            assert_true(hear(&h.writer, line) && hear(&h.reader, line));
            say(&h.reader, "GET k\r\n"); /* reads go on */
            assert_true(hear(&h.reader, line) && line[0] == '$');
        }
        holding_end(&h);
    }
}

/* Here a reply does not wait for the disk: so what holds it above is the sync. */
static void everysec_does_not(void **state) {
    (void)state;
    skip_without_preload();
    struct holding h;
    char value[16];
    holding_begin(&h, "everysec", 0);
    (void)snprintf(value, sizeof value, "%u", write_until_held(&h, true));
    ask_for(&h.reader, "GET k", value);
    ask(&h.writer, "SET k more", "+OK");
    ask_for(&h.reader, "GET k", "more");
    let_go(&h);
    holding_end(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(always_waits_for_the_disk),
        cmocka_unit_test(everysec_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

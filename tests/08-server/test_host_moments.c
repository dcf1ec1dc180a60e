/* The power is lost at the moments of a server's story (faults/failpoints.h, SERVER): at
 * each, and with what was not synced kept or lost, the disk holds all that any client has
 * been told by then. Two write numbers that grow, one by commands that workers carry out;
 * a third looks at both. */
#include "hosted.h"

#include "points.h"

enum { MOMENTS_MOST = 4000, WRITERS = 2, ROUNDS = 12 };

struct moment {
    size_t operation;
    uint64_t told[WRITERS]; /* the greatest numbers that clients have seen by then */
};

static struct {
    struct hosted hosted;
    int writers[WRITERS], reader;
    struct buf heard[WRITERS], read;
    struct moment moments[MOMENTS_MOST];
    size_t count;
} w;

/* The last number that a writer was told: ":12\r\n", or of "$2\r\n12\r\n" behind it. */
static uint64_t last_number(const struct buf *text) {
    const char *at = text->length == 0 ? NULL : strrchr((const char *)text->data, ':');
    return at == NULL ? 0 : strtoull(at + 1, NULL, 10);
}

/* The reader asks for all numbers at once: "*2\r\n$1\r\n1\r\n$1\r\n2\r\n". */
static void last_read(const struct buf *text, uint64_t numbers[WRITERS]) {
    const char *at = text->length == 0 ? NULL : strrchr((const char *)text->data, '*');
    for (size_t i = 0; i < WRITERS && at != NULL; i++) {
        at = strchr(at, '$');
        if (at != NULL && at[1] != '-') {
            at = strchr(at, '\n');
            uint64_t number = at == NULL ? 0 : strtoull(at + 1, NULL, 10);
            numbers[i] = number > numbers[i] ? number : numbers[i];
        }
        at = at == NULL ? NULL : at + 1;
    }
}

/* Under libfiu's lock: it takes notes. */
static void note_moment(void *context) {
    (void)context;
    if (w.hosted.host == NULL || w.count == MOMENTS_MOST) {
        return;
    }
    struct moment *moment = &w.moments[w.count++];
    *moment = (struct moment){.operation = disk_operations(w.hosted.sim.disk)};
    for (size_t i = 0; i < WRITERS; i++) {
        (void)hosted_hear(w.writers[i], &w.heard[i]);
        moment->told[i] = last_number(&w.heard[i]);
    }
    (void)hosted_hear(w.reader, &w.read);
    last_read(&w.read, moment->told);
}

static void say(int client, const char *line) {
    char text[256];
    int length = snprintf(text, sizeof text, "%s\r\n", line);
    assert_int_equal(write(client, text, (size_t)length), length);
}

static uint64_t number_of(struct kv *kv, const char *key) {
    struct buf value = {0};
    enum status status = kv_get(kv, slice_of(key), &value, NULL, NULL);
    assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
    assert_ok(buf_append(&value, "", 1));
    uint64_t number =
        status == STATUS_OK ? strtoull((const char *)value.data, NULL, 10) : 0;
    buf_free(&value);
    return number;
}

static void assert_kept(const struct moment *moment, bool keep) {
    struct simulation after = w.hosted.sim;
    struct crash crash = {.profile = DISK_POSIX, .operation = moment->operation};
    crash.piece_count = disk_pending(after.disk, DISK_POSIX, crash.operation);
    memset(crash.fates, keep ? FATE_KEPT : FATE_LOST, sizeof crash.fates);
    simulation_use(&after, disk_crash(w.hosted.sim.disk, &crash));
    after.options.world = &after.world;
    struct kv *kv = open_store(&after);
    static const char *const keys[WRITERS] = {"a", "b"};
    for (size_t i = 0; i < WRITERS; i++) {
        uint64_t number = number_of(kv, keys[i]);
        if (number < moment->told[i]) {
            fail_msg("operation %zu: %s is %" PRIu64 ", and %" PRIu64 " was told",
                     moment->operation, keys[i], number, moment->told[i]);
        }
    }
    struct slice file;
    if (disk_read_file(after.disk, "server.conf", &file)) {
        assert_true(file.length > 0);
    }
    assert_ok(kv_close(kv, NULL));
    disk_free(after.disk);
}

static void live(void) {
    struct hosted *h = &w.hosted;
    for (size_t i = 0; i < WRITERS; i++) {
        w.writers[i] = hosted_come(h);
    }
    w.reader = hosted_come(h);
    for (size_t round = 0; round < ROUNDS; round++) {
        if (round == 2) { /* a sync fails, once: the log is not filled yet */
            fail_call(&h->sim, 1, FAULT_BEFORE, EIO, false);
        }
        say(w.writers[0], "INCR a");
        say(w.writers[1], "DEBUG SLEEP 0\r\nINCR b\r\nKEYS a");
        say(w.reader, "MGET a b");
        hosted_turn(h);
        say(w.reader,
            round % 4 == 0 ? "CONFIG SET timeout 5\r\nCONFIG REWRITE" : "MGET a b");
        hosted_pass(h, round == 2 ? 1100000 : 1000);
    }
    say(w.writers[0], "INCR a\r\nINCR a");
    loop_tick(h->host->ios[0].loop, false);
}

static void what_was_told_is_kept(void **state) {
    (void)state;
    memset(&w, 0, sizeof w);
    hosted_begin(&w.hosted);
    w.hosted.config.appendfsync = APPENDFSYNC_ALWAYS;
    w.writers[0] = w.writers[1] = w.reader = -1;
    assert_ok(hosted_start(&w.hosted, NULL));
    points_watch();
    points_observe(note_moment, NULL);
    live();
    assert_ok(hosted_stop(&w.hosted, NULL));
    points_observe(NULL, NULL);
    uint64_t greatest = 0;
    for (size_t i = 0; i < w.count; i++) {
        assert_kept(&w.moments[i], false);
        assert_kept(&w.moments[i], true);
        greatest = w.moments[i].told[0];
    }
    printf("%zu moments, up to %" PRIu64 " told\n", w.count, greatest);
    assert_true(greatest > ROUNDS / 2);
    for (enum failpoint point = 0; point < FAILPOINT_COUNT; point++) {
        if (points_of_servers(point) && points_hits(point) == 0) {
            fail_msg("%s was never passed", points_name(point));
        }
    }
    points_unwatch();
    for (size_t i = 0; i < WRITERS; i++) {
        close(w.writers[i]);
        buf_free(&w.heard[i]);
    }
    close(w.reader);
    buf_free(&w.read);
    hosted_end(&w.hosted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_told_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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

static const char *const modes[] = {"always", "everysec", "no"};

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

/* ---- a crowd that goes through it ------------------------------------------------- */

static struct history history;

static void judge(void) {
    unsigned trouble;
    if (!judge_history(&history, &trouble)) {
        judge_print(&history, trouble, stdout);
        fail_msg("no order explains what was told of object %u", trouble);
    }
}

/* So many times: some replies, or the first error; then until writes are taken again. */
static void go_through(struct crowd *crowd, size_t times, size_t replies) {
    for (size_t i = 0; i < times; i++) {
        size_t errors = crowd->errors;
        crowd_run(crowd, crowd->replies + replies, errors);
        if (crowd->errors > errors) {
            crowd_drain(crowd);
            crowd_wait_for_writes(crowd);
        }
    }
}

/* Over the same directory, without faults: all that was told has an order. */
static void judge_what_is_left(struct served *served, struct crowd *crowd) {
    struct object_state after[OBJECTS];
    crowd_drain(crowd);
    crowd_end(crowd);
    start(served, NULL);
    crowd_look(crowd, after);
    judge();
    assert_stops(served, SIGTERM);
}

/* ---- a full disk ----------------------------------------------------------------- */

enum { DISK_BYTES = 16 << 20, ROOM_BYTES = 2 << 20, FILLER_BYTES = 8000 };

/* All but some room of the disk is somebody else's. */
static void put_ballast(const char *path) {
    static const char zeros[65536];
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    for (size_t i = 0; i < (DISK_BYTES - ROOM_BYTES) / sizeof zeros; i++) {
        assert_int_equal(write(file, zeros, sizeof zeros), sizeof zeros);
    }
    close(file);
}

/* Writes until there is no room; what the client is then told names the reason. */
static void fill(const struct served *served) {
    struct caller caller;
    char value[FILLER_BYTES + 1], head[64], line[512];
    uint64_t seed = 1;
    for (size_t i = 0; i < FILLER_BYTES; i++) { /* what does not compress */
        value[i] = (char)('!' + random_below(&seed, 90));
    }
    value[FILLER_BYTES] = '\0';
    call(&caller, served);
    for (size_t i = 0; i < 4 * ROOM_BYTES / FILLER_BYTES; i++) {
        (void)snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$7\r\nf%06zu\r\n$%d\r\n", i,
                       FILLER_BYTES);
        say(&caller, head);
        say(&caller, value);
        say(&caller, "\r\n");
        assert_true(hear(&caller, line));
        if (strcmp(line, "+OK") != 0) {
            assert_int_equal(strncmp(line, "-IOERR ", 7), 0);
            assert_non_null(strstr(line, "No space left on device"));
            hang_up(&caller);
            return;
        }
    }
    fail_msg("%d bytes are in %d bytes of room", 4 * ROOM_BYTES, ROOM_BYTES);
}

/* What could not be written is an error, and no client loses what it was told; reads go
 * on; and once there is room, writes are taken again, without anybody's doing. */
static void full_disk_of(const char *mode, uint64_t seed) {
    struct served served;
    struct crowd crowd = {.seed = seed};
    struct caller caller;
    char ballast[sizeof served.dir + 16], line[512];
    const char *const more[] = {"--appendfsync",    mode,          "--write-buffer-bytes",
                                "262144",           "--log-bytes", "262144",
                                "--log-step-bytes", "65536",       NULL};
    make_directory(&served);
    if (!faulty_disk(served.dir, DISK_BYTES)) {
        remove_directory(&served);
        printf("no file system can be mounted here\n");
        skip();
    }
    (void)snprintf(ballast, sizeof ballast, "%s/ballast", served.dir);
    (void)snprintf(served.dir + strlen(served.dir), 8, "/data");
    memset(history.before, 0, sizeof history.before);
    put_ballast(ballast);
    start(&served, more);
    crowd_begin(&crowd, &served, &history);
    crowd_run(&crowd, 300, 0);
    assert_int_equal(crowd.errors, 0);
    fill(&served);
    crowd_run(&crowd, crowd.replies + 300, 0);
    crowd_drain(&crowd);
    call(&caller, &served);
    ask(&caller, "STRLEN f000000", ":8000"); /* reads go on */
    say(&caller, "GET K0\r\n");
    assert_true(hear(&caller, line) && line[0] == '$');
    hang_up(&caller);
    assert_int_equal(unlink(ballast), 0);
    crowd_wait_for_writes(&crowd);
    go_through(&crowd, 3, 100);
    assert_int_equal(kill(served.process, SIGKILL), 0);
    crowd_drain(&crowd);
    assert_int_equal(read_to_end(&served), 128 + SIGKILL);
    judge_what_is_left(&served, &crowd);
    *strrchr(served.dir, '/') = '\0';
    faulty_disk_gone(served.dir);
    remove_directory(&served);
}

static void goes_on_when_there_is_room(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (size_t i = 0; i < 3; i++) {
        full_disk_of(modes[i], random_next(&seed));
    }
}

/* ---- calls that fail at random ---------------------------------------------------- */

struct fault {
    const char *name;
    int info;        /* the errno */
    unsigned one_in; /* calls */
};

enum { GROUP_FAULTS = 8, TIMES = 3, MANY = 150 };

/* The calls that the server makes, by libfiu's groups, with an error that each gives. */
static const struct fault groups[][GROUP_FAULTS] = {
    {{"posix/io/rw/pwrite", ENOSPC, 20},
     {"posix/io/rw/ftruncate", EIO, 10},
     {"posix/io/rw/pread", EIO, 50},
     {"posix/io/sync/fdatasync", EIO, 50},
     {"posix/io/sync/fsync", EIO, 10}},
    {{"posix/io/oc/open", EMFILE, 40},
     {"posix/io/oc/close", EIO, 20},
     {"posix/io/dir/opendir", EACCES, 10},
     {"posix/io/dir/readdir", EIO, 40},
     {"posix/io/dir/closedir", EIO, 10},
     {"posix/io/dir/unlink", EIO, 5},
     {"posix/io/dir/rename", EIO, 5}},
    {{"posix/mm/mmap", ENOMEM, 5}, {"posix/mm/munmap", EINVAL, 5}},
    {{"posix/io/net/recv", ECONNRESET, 100},
     {"posix/io/net/send", EPIPE, 100},
     {"posix/io/net/sendmsg", EPIPE, 100},
     {"posix/io/net/shutdown", ENOTCONN, 10},
     {"posix/io/sync/fdatasync", EIO, 200}},
    {{"libc/mm/malloc", ENOMEM, 300},
     {"libc/mm/calloc", ENOMEM, 300},
     {"libc/mm/realloc", ENOMEM, 300}},
};

enum { GROUPS = sizeof groups / sizeof groups[0] };

static void start_to_fail(const struct served *served, const struct fault *faults) {
    for (size_t i = 0; i < GROUP_FAULTS && faults[i].name != NULL; i++) {
        char command[128];
        (void)snprintf(command, sizeof command,
                       "enable_random name=%s,failinfo=%d,probability=%f\n",
                       faults[i].name, faults[i].info, 1.0 / faults[i].one_in);
        faulty_tell(served, command);
    }
}

static size_t random_faults_of(size_t number, uint64_t seed) {
    struct served served;
    struct crowd crowd = {.seed = seed};
    const char *const more[] = {
        "--appendfsync", modes[number % 3], "--io-threads", "2", "--write-buffer-bytes",
        "8192",          "--log-bytes",     "8192",         NULL};
    make_directory(&served);
    memset(history.before, 0, sizeof history.before);
    faulty_ready(&served, seed);
    start(&served, more);
    faulty_over();
    start_to_fail(&served, groups[number % GROUPS]);
    crowd_begin(&crowd, &served, &history);
    go_through(&crowd, TIMES, MANY);
    bool dies = random_below(&seed, 2) == 0;
    assert_int_equal(kill(served.process, dies ? SIGKILL : SIGTERM), 0);
    crowd_drain(&crowd);
    int code = read_to_end(&served);
    assert_true(dies ? code == 128 + SIGKILL : code >= 0 && code <= 7);
    faulty_gone(&served);
    judge_what_is_left(&served, &crowd);
    remove_directory(&served);
    return crowd.errors;
}

/* FAULTS=n: so many runs, each with a seed of its own. */
static void loses_nothing_whatever_fails(void **state) {
    (void)state;
    skip_without_preload();
    uint64_t seed = test_seed();
    const char *text = getenv("FAULTS");
    size_t runs = text != NULL ? strtoull(text, NULL, 10) : 5, errors = 0;
    for (size_t i = 0; i < runs; i++) {
        errors += random_faults_of(i, random_next(&seed));
    }
    printf("%zu runs, %zu errors\n", runs, errors);
    assert_true(errors > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_when_there_is_room),
        cmocka_unit_test(loses_nothing_whatever_fails),
        cmocka_unit_test(always_waits_for_the_disk),
        cmocka_unit_test(everysec_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

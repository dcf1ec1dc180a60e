/* Many clients: as many as there may be, more than that, and more than there are
 * descriptors for. */
#include "siege.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "buf.h"
#include "memory.h"

static const char too_many[] = "-ERR max number of clients reached";

static void expect_turned_away(struct siege *siege) {
    struct caller caller;
    call(&caller, &siege->served);
    expect_line(&caller, too_many);
    expect_end(&caller);
    hang_up(&caller);
}

static void expect_let_in(struct siege *siege, struct caller *caller) {
    call(caller, &siege->served);
    ask(caller, "PING", "+PONG");
}

/* ---- idle ones, and busy ones among them ----------------------------------------- */

enum { BUSY = 50, ROUNDS = 5, BATCH = 100 };

/* Sanitizers have each connection cost ten times as much, in time and in memory. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { IDLE = 1000 };
#else
enum { IDLE = 5000 };
#endif

/* Raises the limit of this process to what so many sockets need; answers for how many
 * that is enough. */
static size_t allow_sockets(size_t wanted) {
    enum { OTHERS = 64 };
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < wanted + OTHERS) {
        limit.rlim_cur =
            wanted + OTHERS < limit.rlim_max ? wanted + OTHERS : limit.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
    if (limit.rlim_cur < wanted + OTHERS) {
        print_message("no more than %zu descriptors here\n", (size_t)limit.rlim_cur);
        return (size_t)limit.rlim_cur - OTHERS;
    }
    return wanted;
}

static void say_batch(struct caller *caller, size_t client, size_t round) {
    struct buf text = {0};
    for (size_t i = 0; i < BATCH; i++) {
        assert_ok(buf_printf(&text, "SET k%zu:%zu v%zu\r\nGET k%zu:%zu\r\n", client, i,
                             100000 + round, client, i));
    }
    say_bytes(caller, text.data, text.length);
    buf_free(&text);
}

static void expect_batch(struct caller *caller, size_t round) {
    char value[32];
    (void)snprintf(value, sizeof value, "v%zu", 100000 + round);
    for (size_t i = 0; i < BATCH; i++) {
        expect_line(caller, "+OK");
        expect_line(caller, "$7");
        expect_line(caller, value);
    }
}

/* A reply of five bytes and its end, from a descriptor alone. */
static void expect_pong(int descriptor) {
    char got[7];
    assert_int_equal(recv(descriptor, got, sizeof got, MSG_WAITALL), sizeof got);
    assert_memory_equal(got, "+PONG\r\n", sizeof got);
}

static void crowd(const char *io_threads) {
    const char *const more[] = {"--io-threads", io_threads, NULL};
    size_t idle = allow_sockets(IDLE + BUSY + 1) - BUSY - 1;
    struct siege siege;
    struct caller *busy = memory_take(BUSY * sizeof *busy), caller;
    int *descriptors = memory_take(idle * sizeof *descriptors);
    siege_begin(&siege, more);
    uint64_t before = siege_info(&siege, "memory", "used_memory_rss");
    for (size_t i = 0; i < idle; i++) {
        expect_let_in(&siege, &caller);
        descriptors[i] = caller.descriptor;
    }
    siege_await_clients(&siege, idle + 1);
    uint64_t after = siege_info(&siege, "memory", "used_memory_rss");
    for (size_t i = 0; i < BUSY; i++) {
        call(&busy[i], &siege.served);
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < BUSY; i++) {
            say_batch(&busy[i], i, round);
        }
        siege_step(&siege);
        for (size_t i = 0; i < BUSY; i++) {
            expect_batch(&busy[i], round);
        }
    }
    print_message("io-threads %s: %zu idle clients, %" PRId64 " bytes of memory each\n",
                  io_threads, idle, ((int64_t)after - (int64_t)before) / (int64_t)idle);
    for (size_t i = 0; i < idle; i++) {
        assert_int_equal(send(descriptors[i], "PING\r\n", 6, MSG_NOSIGNAL), 6);
    }
    for (size_t i = 0; i < idle; i++) {
        expect_pong(descriptors[i]);
        caller.descriptor = descriptors[i];
        slam(&caller);
    }
    for (size_t i = 0; i < BUSY; i++) {
        hang_up(&busy[i]);
    }
    siege_await_clients(&siege, 1);
    siege_end(&siege);
    memory_give(busy);
    memory_give(descriptors);
}

static void crowd_of_one_loop(void **state) {
    (void)state;
    crowd("1");
}

static void crowd_of_four_loops(void **state) {
    (void)state;
    crowd("4");
}

/* ---- as many as there may be ----------------------------------------------------- */

static void most_clients(void **state) {
    (void)state;
    enum { MOST = 10 };
    const char *const more[] = {"--maxclients", "10", "--io-threads", "2", NULL};
    struct siege siege;
    struct caller *callers = memory_take((MOST + 2) * sizeof *callers);
    siege_begin(&siege, more);
    siege_await_clients(&siege, 1);
    uint64_t refused = siege_info(&siege, "stats", "rejected_connections");
    for (size_t i = 1; i < MOST; i++) {
        expect_let_in(&siege, &callers[i]);
    }
    for (size_t i = 0; i < 20; i++) {
        expect_turned_away(&siege);
        siege_step(&siege);
    }
    assert_int_equal(siege_info(&siege, "stats", "rejected_connections"), refused + 20);
    ask(&siege.witness, "CONFIG SET maxclients 12", "+OK");
    expect_let_in(&siege, &callers[MOST]);
    expect_let_in(&siege, &callers[MOST + 1]);
    expect_turned_away(&siege);
    ask(&siege.witness, "CONFIG SET maxclients 5", "+OK"); /* those who are there stay */
    for (size_t there = MOST + 2; there > 1; there--) {
        if (there >= 5) {
            expect_turned_away(&siege);
        } else {
            siege_check(&siege);
            siege_await_clients(&siege, there);
        }
        ask(&callers[there - 1], "PING", "+PONG");
        hang_up(&callers[there - 1]);
        siege_await_clients(&siege, there - 1);
    }
    siege_end(&siege);
    memory_give(callers);
}

/* ---- descriptors ----------------------------------------------------------------- */

/* Calls until all of `callers` have called, or were turned away; answers how many are
 * let in. */
static size_t call_all(const struct siege *siege, struct caller *callers, size_t count) {
    char line[512];
    size_t let_in = 0;
    for (size_t i = 0; i < count; i++) {
        struct caller *caller = &callers[let_in];
        call(caller, &siege->served);
        say(caller, "PING\r\n");
        assert_true(hear(caller, line));
        if (strcmp(line, "+PONG") == 0) {
            let_in++;
        } else {
            assert_string_equal(line, too_many);
            hang_up(caller);
        }
    }
    return let_in;
}

/* Clients take all that they can get; the store still has what it needs for new logs,
 * tables and compactions, and for a checkpoint. */
static void no_descriptors_left(void **state) {
    (void)state;
    enum { ALLOWED = 100, CALLERS = 200, WRITES = 400, VALUE = 4000 };
    const char *const more[] = {"--log-bytes",
                                "64k",
                                "--write-buffer-bytes",
                                "64k",
                                "--table-bytes",
                                "64k",
                                "--io-threads",
                                "1",
                                NULL};
    struct siege siege;
    struct caller *callers = memory_take(CALLERS * sizeof *callers);
    char line[512], *value = memory_take(VALUE + 1);
    memset(value, 'v', VALUE);
    value[VALUE] = '\0';
    siege_begin_with(&siege, ALLOWED, more);
    siege_await_clients(&siege, 1);
    size_t let_in = call_all(&siege, callers, CALLERS);
    assert_in_range(let_in, 10, ALLOWED - 1);
    assert_int_equal(siege_info(&siege, "clients", "maxclients"), let_in + 1);
    (void)snprintf(line, sizeof line,
                   "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - "
                   "The operating system is not able to handle the specified number of "
                   "clients, try with %zu",
                   let_in + 1);
    ask(&siege.witness, "CONFIG SET maxclients 1000", line);
    for (size_t i = 0; i < WRITES; i++) {
        char head[32];
        (void)snprintf(head, sizeof head, "SET k%zu ", i);
        say(&callers[i % let_in], head);
        ask(&callers[i % let_in], value, "+OK");
    }
    ask(&siege.witness, "COMPACT", "+OK");
    ask(&siege.witness, "SAVE", "+OK");
    for (size_t i = 0; i < WRITES; i++) {
        char request[32];
        (void)snprintf(request, sizeof request, "STRLEN k%zu", i);
        ask(&callers[i % let_in], request, ":4000");
    }
    expect_turned_away(&siege);
    for (size_t i = 0; i < let_in; i++) {
        hang_up(&callers[i]);
    }
    siege_await_clients(&siege, 1);
    siege_end(&siege);
    memory_give(callers);
    memory_give(value);
}

/* A limit that may be raised is; one that is too low for any client is explained. */
static void few_descriptors(void **state) {
    (void)state;
    enum { CALLERS = 150 };
    struct siege siege;
    struct rlimit limit, low;
    struct caller *callers = memory_take(CALLERS * sizeof *callers);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){100, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    siege_begin(&siege, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (size_t i = 0; i < CALLERS; i++) {
        expect_let_in(&siege, &callers[i]);
    }
    for (size_t i = 0; i < CALLERS; i++) {
        hang_up(&callers[i]);
    }
    siege_end(&siege);
    struct served served;
    make_directory(&served);
    served.descriptors = 40;
    const char *const arguments[] = {"--dir", served.dir, NULL};
    assert_false(try_start(&served, arguments));
    assert_int_equal(end_code(&served), 2);
    assert_non_null(strstr(served.told, "the system allows 40 descriptors (ulimit -n)"));
    remove_directory(&served);
    memory_give(callers);
}

/* ---- who is gone without a word -------------------------------------------------- */

/* The timer of the server's socket for this client, as /proc/net/tcp tells it: which one
 * it is, and seconds until it is due. 2 is that of keepalive. */
static unsigned timer_of(const struct siege *siege, const struct caller *caller,
                         unsigned long *seconds) {
    struct sockaddr_in mine;
    socklen_t bytes = sizeof mine;
    char line[512];
    unsigned local, remote, kind, found = UINT32_MAX;
    unsigned long when;
    assert_int_equal(getsockname(caller->descriptor, (struct sockaddr *)&mine, &bytes),
                     0);
    FILE *file = fopen("/proc/net/tcp", "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, " %*[^:]: %*[^:]:%x %*[^:]:%x %*x %*[^ ] %x:%lx", &local,
                   &remote, &kind, &when) == 4 &&
            local == siege->served.port && remote == ntohs(mine.sin_port)) {
            found = kind;
            *seconds = when / (unsigned long)sysconf(_SC_CLK_TCK);
        }
    }
    (void)fclose(file);
    assert_true(found != UINT32_MAX);
    return found;
}

/* 1 is that of bytes which the other side has not yet acknowledged. */
static unsigned resting_timer_of(struct siege *siege, const struct caller *caller,
                                 unsigned long *seconds) {
    unsigned kind;
    while ((kind = timer_of(siege, caller, seconds)) == 1) {
        siege_step(siege);
    }
    return kind;
}

static void keepalive(void **state) {
    (void)state;
    struct siege siege;
    struct caller first, none, another;
    unsigned long seconds = 0;
    siege_begin(&siege, NULL);
    expect_let_in(&siege, &first);
    assert_int_equal(resting_timer_of(&siege, &first, &seconds), 2);
    assert_in_range(seconds, 200, 300);
    ask(&siege.witness, "CONFIG SET tcp-keepalive 0", "+OK");
    expect_let_in(&siege, &none);
    assert_int_equal(resting_timer_of(&siege, &none, &seconds), 0);
    ask(&siege.witness, "CONFIG SET tcp-keepalive 1000", "+OK");
    expect_let_in(&siege, &another);
    assert_int_equal(resting_timer_of(&siege, &another, &seconds), 2);
    assert_in_range(seconds, 900, 1000);
    hang_up(&first);
    hang_up(&none);
    hang_up(&another);
    siege_end(&siege);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crowd_of_one_loop),   cmocka_unit_test(crowd_of_four_loops),
        cmocka_unit_test(most_clients),        cmocka_unit_test(few_descriptors),
        cmocka_unit_test(no_descriptors_left), cmocka_unit_test(keepalive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

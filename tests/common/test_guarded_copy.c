/* Real files that are cut short under their mappings. Each test runs in a process of its
 * own (child.h). */
#include "child.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include "append.h"
#include "directory.h"
#include "guarded_copy.h"

enum { PAGE = 4096, PAGES = 4, REGION_BYTES = PAGES * PAGE };

static char directory[DIRECTORY_BYTES];

/* ---- a mapped file --------------------------------------------------------------- */

struct mapped_file {
    int descriptor;
    unsigned char *bytes; /* REGION_BYTES */
};

static struct mapped_file map_file(const char *name) {
    struct mapped_file file;
    char path[DIRECTORY_BYTES + 20];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    file.descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    check(file.descriptor >= 0);
    check(ftruncate(file.descriptor, REGION_BYTES) == 0);
    file.bytes =
        mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor, 0);
    check(file.bytes != MAP_FAILED);
    return file;
}

static void cut(struct mapped_file file, size_t bytes) {
    check(ftruncate(file.descriptor, (off_t)bytes) == 0);
}

/* The place that a bare store faults at. */
static volatile unsigned char *lost_page(void) {
    struct mapped_file file = map_file("lost");
    cut(file, PAGE);
    return file.bytes + 2 * PAGE + 10;
}

static bool bus_error_blocked(void) {
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    return sigismember(&mask, SIGBUS) == 1;
}

/* ---- copies ---------------------------------------------------------------------- */

static uint64_t seed; /* of the children */

static void copy_at_random(void) {
    static unsigned char from[REGION_BYTES], model[REGION_BYTES];
    uint64_t random = seed;
    struct mapped_file file = map_file("copies");
    guarded_copy_prepare();
    for (int i = 0; i < 2000; i++) {
        size_t at = random_below(&random, REGION_BYTES);
        size_t bytes = random_below(&random, REGION_BYTES - at + 1);
        for (size_t j = 0; j < bytes; j++) {
            from[j] = (unsigned char)random_next(&random);
        }
        memcpy(model + at, from, bytes);
        check(guarded_copy(file.bytes + at, from, bytes));
        check(memcmp(file.bytes, model, REGION_BYTES) == 0);
    }
}

static void copies_arrive(void **state) {
    (void)state;
    seed = test_seed();
    assert_returns(copy_at_random);
}

/* Whatever part of it lies behind the cut, as often as it is asked, and the signal is
 * never left blocked. */
static void copy_behind_a_cut(void) {
    static unsigned char from[REGION_BYTES];
    uint64_t random = seed;
    struct mapped_file file = map_file("cut");
    guarded_copy_prepare();
    for (int i = 0; i < 2000; i++) {
        size_t kept = PAGE * random_below(&random, PAGES);
        size_t at = random_below(&random, REGION_BYTES);
        size_t bytes = 1 + random_below(&random, REGION_BYTES - at);
        cut(file, REGION_BYTES);
        cut(file, kept);
        check(guarded_copy(file.bytes + at, from, bytes) == (at + bytes <= kept));
        check(!bus_error_blocked());
    }
}

static void a_cut_file_is_an_answer(void **state) {
    (void)state;
    seed = test_seed();
    assert_returns(copy_behind_a_cut);
}

/* ---- faults that are not ours ---------------------------------------------------- */

static void store_without_guard(void) {
    guarded_copy_prepare();
    *lost_page() = 1;
}

static void store_after_a_failed_copy(void) {
    struct mapped_file file = map_file("cut");
    guarded_copy_prepare();
    cut(file, 0);
    check(!guarded_copy(file.bytes, "x", 1));
    file.bytes[0] = 1;
}

static void store_deep(volatile unsigned char *at) {
    volatile unsigned char room[4 * PAGE];
    room[0] = 1;
    *at = room[0];
}

/* Below the place of the copy's guard in the stack: the frame of the signal leaves that
 * as it was, so a guard that is still up would be believed. */
static void store_deep_after_a_failed_copy(void) {
    void (*volatile store)(volatile unsigned char *at) = store_deep;
    struct mapped_file file = map_file("cut");
    alarm(10); /* who jumps to a dead guard may do so for ever */
    guarded_copy_prepare();
    cut(file, 0);
    check(!guarded_copy(file.bytes, "x", 1));
    store(file.bytes);
}

/* The guard is up, but not over what faults. */
static void copy_from_a_lost_page(void) {
    unsigned char to[PAGE];
    guarded_copy_prepare();
    (void)guarded_copy(to, (const void *)(uintptr_t)lost_page(), 100);
}

static void be_sent_the_signal(void) {
    guarded_copy_prepare();
    raise(SIGBUS);
}

/* The kernel ignores no fault. */
static void store_while_ignored(void) {
    signal(SIGBUS, SIG_IGN);
    guarded_copy_prepare();
    *lost_page() = 1;
}

static void others_still_kill(void **state) {
    (void)state;
    assert_bus_error_kills(store_without_guard);
    assert_bus_error_kills(store_after_a_failed_copy);
    assert_bus_error_kills(store_deep_after_a_failed_copy);
    assert_bus_error_kills(copy_from_a_lost_page);
    assert_bus_error_kills(be_sent_the_signal);
    assert_bus_error_kills(store_while_ignored);
}

static void be_sent_what_is_ignored(void) {
    signal(SIGBUS, SIG_IGN);
    guarded_copy_prepare();
    raise(SIGBUS);
}

static void what_was_ignored_still_is(void **state) {
    (void)state;
    assert_returns(be_sent_what_is_ignored);
}

/* ---- handlers before ours -------------------------------------------------------- */

static volatile unsigned char *volatile expected; /* where the fault is */
static volatile sig_atomic_t calls;

static void full_handler(int number, siginfo_t *info, void *context) {
    check(number == SIGBUS && context != NULL);
    check(info->si_addr == (void *)(uintptr_t)expected);
    check(bus_error_blocked()); /* it did not ask for SA_NODEFER */
    _exit(0);
}

static void fault_under_a_full_handler(void) {
    struct sigaction action = {.sa_sigaction = full_handler, .sa_flags = SA_SIGINFO};
    struct mapped_file file = map_file("cut");
    sigaction(SIGBUS, &action, NULL);
    guarded_copy_prepare();
    cut(file, 0);
    check(!guarded_copy(file.bytes, "x", 1)); /* is not told of this one */
    expected = lost_page();
    *expected = 1;
    check(false);
}

static void plain_handler(int number) {
    calls += number == SIGBUS;
}

static void be_sent_signals_under_a_plain_handler(void) {
    signal(SIGBUS, plain_handler);
    guarded_copy_prepare();
    for (int i = 1; i <= 3; i++) {
        raise(SIGBUS);
        check(calls == i);
        check(!bus_error_blocked());
    }
}

/* One that tells and returns: the fault happens again, and kills. */
static void fault_under_a_handler_for_once(void) {
    struct sigaction action = {.sa_handler = plain_handler,
                               .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGBUS, &action, NULL);
    guarded_copy_prepare();
    *lost_page() = 1;
}

static void handlers_before_ours_are_called(void **state) {
    (void)state;
    assert_returns(fault_under_a_full_handler);
    assert_returns(be_sent_signals_under_a_plain_handler);
    assert_bus_error_kills(fault_under_a_handler_for_once);
}

/* ---- append regions -------------------------------------------------------------- */

static struct append *open_region(const char *name, struct file **file, char **path) {
    struct append *append = NULL;
    *path = path_join(directory, name);
    check_ok(file_open(&file_system_posix, *path, FILE_OVERWRITE, file, NULL));
    check_ok(append_open(*file, 0, APPEND_MAPPED, 16 * PAGE, &append, NULL));
    return append;
}

static enum status add(struct append *append, size_t bytes, struct error *error) {
    unsigned char *space = NULL;
    enum status status = append_reserve(append, bytes, &space, error);
    if (status == STATUS_OK) {
        memset(space, 'x', bytes);
        status = append_commit(append, bytes, error);
    }
    return status;
}

static void append_to_a_cut_log(void) {
    struct error error = {0};
    struct file *file;
    char *path;
    struct append *append = open_region("log", &file, &path);
    for (int i = 0; i < 100; i++) {
        check_ok(add(append, 139, NULL));
    }
    check(truncate(path, PAGE) == 0);
    check(add(append, 139, &error) == STATUS_IO);
    check(strncmp(error.message, path, strlen(path)) == 0);
    check(
        strstr(error.message, ": store at offset 13900: the log's pages cannot be had"));
    check(append_end(append) == 13900);
    check_ok(append_close(append, NULL));
    uint64_t bytes = 0;
    check_ok(file_size(file, &bytes, NULL));
    check(bytes == PAGE);
    check_ok(file_close(file, NULL));
    memory_give(path);
}

static void a_cut_log_is_an_error(void **state) {
    (void)state;
    assert_returns(append_to_a_cut_log);
}

struct racer {
    const char *name;
    bool cut;
    pthread_t thread;
};

/* Beside the other, and each with its own outcome. */
static void *race(void *argument) {
    struct racer *racer = argument;
    for (int round = 0; round < 200; round++) {
        struct file *file;
        char *path;
        struct append *append = open_region(racer->name, &file, &path);
        check_ok(add(append, 10, NULL));
        check(!racer->cut || truncate(path, 0) == 0);
        check(add(append, 10, NULL) == (racer->cut ? STATUS_IO : STATUS_OK));
        append_abandon(append);
        check_ok(file_close(file, NULL));
        memory_give(path);
    }
    return NULL;
}

static void run_threads(void) {
    struct racer racers[] = {
        {.name = "a", .cut = true}, {.name = "b"}, {.name = "c", .cut = true}};
    for (size_t i = 0; i < 3; i++) {
        check(pthread_create(&racers[i].thread, NULL, race, &racers[i]) == 0);
    }
    for (size_t i = 0; i < 3; i++) {
        check(pthread_join(racers[i].thread, NULL) == 0);
    }
}

static void threads_do_not_meet(void **state) {
    (void)state;
    assert_returns(run_threads);
}

/* ---- the runs -------------------------------------------------------------------- */

static void *group_directory;

static int setup(void **state) {
    (void)state;
    int failed = directory_setup(&group_directory);
    strcpy(directory, group_directory);
    return failed;
}

static int teardown(void **state) {
    (void)state;
    return directory_teardown(&group_directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_arrive),
        cmocka_unit_test(a_cut_file_is_an_answer),
        cmocka_unit_test(others_still_kill),
        cmocka_unit_test(what_was_ignored_still_is),
        cmocka_unit_test(handlers_before_ours_are_called),
        cmocka_unit_test(a_cut_log_is_an_error),
        cmocka_unit_test(threads_do_not_meet),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

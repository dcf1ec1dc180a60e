/* A timer of processor time; two of its ticks without a sign of life are a hang. The
 * handler does what handlers must not do, such as print: the program is in an endless
 * loop of its own, and ends here. */
#include "watch.h"

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

static struct {
    volatile unsigned long alive;
    unsigned long seen;
    const struct check *check;
    watch_writer *write;
    void *context;
} watch;

void watch_alive(void) {
    watch.alive++;
}

void watch_case(const struct check *check, watch_writer *write, void *context) {
    watch.alive++;
    watch.write = NULL;
    watch.check = check;
    watch.context = context;
    watch.write = write;
}

void watch_write_tape(void *context, struct tape *out) {
    const struct tape *tape = context;
    tape_replay(out, NULL, 0);
    size_t count = tape->made > tape->given ? tape->made : tape->given;
    for (size_t i = 0; i < count; i++) {
        tape_note(out, tape->choices[i]);
    }
}

static void tell(const char *what) {
    struct tape tape = {0};
    watch_writer *write = watch.write;
    watch.write = NULL;
    write(watch.context, &tape);
    printf("%s: FAILED: %s\nreplay: " CHECK_PROGRAM "-%02d replay '%s:",
           watch.check->name, what, stage.number, watch.check->name);
    tape_print(&tape, stdout);
    puts("'\nprograms=0 states=0 states_per_second=0 failpoints=0/0 seed=0 verdict=fail");
    fflush(stdout);
}

static void tick(int number) {
    (void)number;
    if (watch.alive != watch.seen || watch.write == NULL) {
        watch.seen = watch.alive;
        return;
    }
    tell("a step or a recovery hangs");
    _exit(1);
}

/* An assertion, or a deadlock that the scheduler has found: it has told its own story. */
static void aborted(int number) {
    (void)number;
    if (watch.write != NULL) {
        tell("the program ended itself (see above)");
    }
    _exit(1);
}

#ifndef __SANITIZE_ADDRESS__ /* which tells more */
static void strayed(int number) {
    (void)number;
    if (watch.write != NULL) {
        tell("the program touched memory that it does not have");
    }
    _exit(1);
}
#endif

void watch_start(void) {
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    struct itimerval timer = {{WATCH_SECONDS / 2, 0}, {WATCH_SECONDS / 2, 0}};
    struct sigaction abort_action = {.sa_handler = aborted};
    sigaction(SIGPROF, &action, NULL);
    sigaction(SIGABRT, &abort_action, NULL);
#ifndef __SANITIZE_ADDRESS__
    struct sigaction stray_action = {.sa_handler = strayed};
    sigaction(SIGSEGV, &stray_action, NULL);
    sigaction(SIGBUS, &stray_action, NULL);
#endif
    setitimer(ITIMER_PROF, &timer, NULL);
}

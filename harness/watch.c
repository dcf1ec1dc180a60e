/* A timer of processor time; two of its ticks without a sign of life are a hang. The
 * handlers do what handlers must not do, such as print: the program is in an endless loop
 * of its own, or broken, and ends here. A handler that is itself hit, or locked out by
 * what the dying case held, is ended by an alarm. They run on a stack of their own: that
 * of the case may be what has overflowed. */
#include "watch.h"

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

enum { DYING_SECONDS = 5, STACK_BYTES = 1 << 18 };

static const char last_line[] =
    "programs=0 states=0 states_per_second=0 failpoints=0/0 seed=0 verdict=fail\n";

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
    printf("'\n%s", last_line);
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

/* An assertion, or a deadlock that the scheduler has found, has told its own story; a
 * wild access has none. */
static void died(int number) {
    static const char *const words[] = {[SIGABRT] =
                                            "the program ended itself (see above)",
                                        [SIGSEGV] = "an access to no memory (SIGSEGV)",
                                        [SIGBUS] = "an access to no memory (SIGBUS)",
                                        [SIGFPE] = "a division by zero (SIGFPE)",
                                        [SIGILL] = "an illegal instruction (SIGILL)"};
    alarm(DYING_SECONDS);
    if (watch.write != NULL) {
        tell(words[number]);
    } else {
        printf("the harness itself: FAILED: %s\n%s", words[number], last_line);
        fflush(stdout);
    }
    _exit(1);
}

/* A sanitizer's runtime calls this before it ends the program; not there without one. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void judged(void) {
    if (watch.write != NULL) {
        tell("a sanitizer has ended the program (see above)");
        _exit(1);
    }
}

/* Beside AddressSanitizer, gcc's UndefinedBehaviorSanitizer has a runtime of its own that
 * does not know the callback: it shall abort, and that is seen. */
const char *__ubsan_default_options(void);

const char *__ubsan_default_options(void) {
    return "abort_on_error=1";
}

/* The sanitizers tell more of a wild access than we do: where they have a handler, theirs
 * stays. */
static void watch_deaths(void) {
    static const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    static char stack[STACK_BYTES];
    stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = died,
                               .sa_flags = (int)(SA_ONSTACK | SA_RESETHAND)};
    struct sigaction before;
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(judged);
    }
    sigaltstack(&own, NULL);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaction(numbers[i], NULL, &before);
        if (before.sa_handler == SIG_DFL) {
            sigaction(numbers[i], &action, NULL);
        }
    }
}

void watch_start(void) {
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    struct itimerval timer = {{WATCH_SECONDS / 2, 0}, {WATCH_SECONDS / 2, 0}};
    sigaction(SIGPROF, &action, NULL);
    watch_deaths();
    setitimer(ITIMER_PROF, &timer, NULL);
}

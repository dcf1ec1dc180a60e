/* Runs a part of a test in a process of its own, which a signal may end, and in which no
 * handler of cmocka's stands (it has one of SIGBUS around each test). There a failure is
 * told with `check`: cmocka's asserts would go on with the next test. */
#ifndef STRATA_TESTS_CHILD_H
#define STRATA_TESTS_CHILD_H

#include <signal.h>
#include <sys/wait.h>

#include "support.h"

#define check(condition)                                                                 \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            fprintf(stderr, "%s:%d: in the child: %s\n", __FILE__, __LINE__,             \
                    #condition);                                                         \
            _exit(1);                                                                    \
        }                                                                                \
    } while (0)

#define check_ok(call) check((call) == STATUS_OK)

/* How it ended, as waitpid tells; 0: it returned. SIGBUS has its default action before,
 * also under sanitizers, which have handlers of their own. */
static inline int run_child(void (*body)(void)) {
    int ended = 0;
    fflush(stdout);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        signal(SIGBUS, SIG_DFL);
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(process, &ended, 0), process);
    return ended;
}

static inline void assert_returns(void (*body)(void)) {
    int ended = run_child(body);
    if (ended != 0) {
        fail_msg("the child ended with %s %d",
                 WIFSIGNALED(ended) ? "signal" : "exit code",
                 WIFSIGNALED(ended) ? WTERMSIG(ended) : WEXITSTATUS(ended));
    }
}

static inline void assert_bus_error_kills(void (*body)(void)) {
    int ended = run_child(body);
    assert_true(WIFSIGNALED(ended));
    assert_int_equal(WTERMSIG(ended), SIGBUS);
}

#endif

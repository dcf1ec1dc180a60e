#include "interrupt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

static sigset_t held_signals(void) {
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGHUP);
    return held;
}

/* The system throws an ignored signal away only where it is not held. */
void interrupt_hold(void) {
    sigset_t held = held_signals();
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler == SIG_IGN) {
        sigdelset(&held, SIGHUP);
    }
    pthread_sigmask(SIG_BLOCK, &held, NULL);
}

bool interrupt_seen(void) {
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
           sigismember(&pending, SIGHUP) == 1;
}

bool interrupt_take(void) {
    const struct timespec at_once = {0};
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGINT);
    return sigtimedwait(&one, NULL, &at_once) == SIGINT;
}

/* Where there is no descriptor to be had poll() leaves out -1, and only a signal during a
 * read from a terminal or pipe goes unnoticed until the next line. */
void interrupt_wait_readable(int fd) {
    sigset_t held = held_signals();
    int signals = signalfd(-1, &held, SFD_CLOEXEC);
    struct pollfd waits[] = {{.fd = fd, .events = POLLIN},
                             {.fd = signals, .events = POLLIN}};
    /* Another signal, of a window that changes its size, say, is no reason to read: the
     * read would wait where the held ones cannot end it. Other failures show there. */
    while (poll(waits, 2, -1) < 0 && errno == EINTR) {
    }
    if (signals >= 0) {
        close(signals);
    }
}

void interrupt_wait(int millis) {
    sigset_t held = held_signals();
    struct pollfd signals = {.fd = signalfd(-1, &held, SFD_CLOEXEC), .events = POLLIN};
    (void)poll(&signals, 1, millis); /* ends early with a signal that is none of these */
    if (signals.fd >= 0) {
        close(signals.fd);
    }
}

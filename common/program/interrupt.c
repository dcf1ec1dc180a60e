#include "interrupt.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

static sigset_t both_signals(void) {
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    return both;
}

void interrupt_hold(void) {
    sigset_t both = both_signals();
    pthread_sigmask(SIG_BLOCK, &both, NULL);
}

bool interrupt_seen(void) {
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1;
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
    sigset_t both = both_signals();
    int signals = signalfd(-1, &both, SFD_CLOEXEC);
    struct pollfd waits[] = {{.fd = fd, .events = POLLIN},
                             {.fd = signals, .events = POLLIN}};
    (void)poll(waits, 2, -1); /* a failure shows in the read to come */
    if (signals >= 0) {
        close(signals);
    }
}

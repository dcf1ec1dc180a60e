#include "interrupt.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>

/* The one mutable global of the program: a signal handler can reach nothing else. */
static volatile sig_atomic_t seen;

static void note(int number) {
    (void)number;
    seen = 1;
}

void interrupt_catch(void) {
    struct sigaction action = {.sa_handler = note};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool interrupt_seen(void) {
    return seen != 0;
}

static void change_mask(int how, sigset_t *before) {
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    pthread_sigmask(how, &both, before);
}

void interrupt_block(void) {
    change_mask(SIG_BLOCK, NULL);
}

void interrupt_unblock(void) {
    change_mask(SIG_UNBLOCK, NULL);
}

void interrupt_wait_readable(int fd) {
    sigset_t before;
    change_mask(SIG_BLOCK, &before);
    if (!interrupt_seen()) {
        struct pollfd input = {.fd = fd, .events = POLLIN};
        (void)ppoll(&input, 1, NULL, &before); /* a failure shows in the read to come */
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

#include "stop_signal.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum status stop_signal_open(int *descriptor, struct error *error) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    *descriptor = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return *descriptor >= 0 ? STATUS_OK : error_set_errno(error, errno, "signalfd");
}

void stop_signal_close(int descriptor) {
    (void)close(descriptor);
}

const char *stop_signal_take(int descriptor) {
    struct signalfd_siginfo seen;
    if (read(descriptor, &seen, sizeof seen) != (ssize_t)sizeof seen) {
        return NULL;
    }
    return seen.ssi_signo == SIGTERM  ? "SIGTERM"
           : seen.ssi_signo == SIGINT ? "SIGINT"
                                      : "SIGHUP";
}

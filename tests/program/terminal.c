#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_MILLIS = 60 * 1000 };

void terminal_open(struct terminal *terminal, const char *const *arguments) {
    const struct winsize size = {.ws_row = 24, .ws_col = 80};
    *terminal = (struct terminal){.fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    assert_true(terminal->fd >= 0 && grantpt(terminal->fd) == 0 &&
                unlockpt(terminal->fd) == 0);
    assert_int_equal(ioctl(terminal->fd, TIOCSWINSZ, &size), 0);
    int end = open(ptsname(terminal->fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(end >= 0 && tcgetattr(end, &terminal->before) == 0);
    terminal->before.c_lflag &= ~(tcflag_t)ECHOE; /* a person's own setting */
    assert_int_equal(tcsetattr(end, TCSANOW, &terminal->before), 0);
    fflush(NULL);
    terminal->process = fork();
    assert_true(terminal->process >= 0);
    if (terminal->process == 0) {
        setsid();
        ioctl(end, TIOCSCTTY, 0);
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
            dup2(end, fd);
        }
        run_execute(arguments);
    }
    close(end);
}

void terminal_type(struct terminal *terminal, const char *text) {
    ssize_t length = (ssize_t)strlen(text);
    assert_int_equal(write(terminal->fd, text, (size_t)length), length);
}

/* Of what cannot be kept the older half is forgotten. */
static bool read_some(struct terminal *terminal) {
    size_t half = sizeof terminal->seen / 2;
    if (terminal->length == sizeof terminal->seen - 1) {
        memmove(terminal->seen, terminal->seen + half, half);
        terminal->length -= half;
    }
    ssize_t got = read(terminal->fd, terminal->seen + terminal->length,
                       sizeof terminal->seen - 1 - terminal->length);
    terminal->length += got > 0 ? (size_t)got : 0;
    terminal->seen[terminal->length] = '\0';
    return got > 0; /* else all others have closed the terminal */
}

void terminal_expect(struct terminal *terminal, const char *text) {
    char *found;
    while ((found = strstr(terminal->seen, text)) == NULL) {
        struct pollfd waits = {.fd = terminal->fd, .events = POLLIN};
        if (poll(&waits, 1, LIMIT_MILLIS) != 1 || !read_some(terminal)) {
            fail_msg("\"%s\" was not shown, but: %s", text, terminal->seen);
        }
    }
    found += strlen(text);
    terminal->length -= (size_t)(found - terminal->seen);
    memmove(terminal->seen, found, terminal->length + 1);
}

void terminal_hang_up(struct terminal *terminal) {
    close(terminal->fd);
    terminal->fd = -1; /* poll() leaves it out */
}

int terminal_wait(struct terminal *terminal) {
    int process = pidfd_open(terminal->process, 0);
    assert_true(process >= 0);
    struct pollfd waits[] = {{.fd = process, .events = POLLIN},
                             {.fd = terminal->fd, .events = POLLIN}};
    while (waits[0].revents == 0) {
        if (poll(waits, 2, LIMIT_MILLIS) <= 0) {
            fail_msg("the program does not end; it has shown: %s", terminal->seen);
        }
        if (waits[1].revents != 0 && !read_some(terminal)) {
            waits[1].fd = -1;
        }
    }
    close(process);
    int status = 0;
    assert_int_equal(waitpid(terminal->process, &status, 0), terminal->process);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void terminal_close(struct terminal *terminal) {
    if (terminal->fd >= 0) {
        terminal_hang_up(terminal);
    }
}

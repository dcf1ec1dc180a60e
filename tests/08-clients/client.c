#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MILLIS = 60000, PIECE = 65536 };

/* The ends of the three pipes that are the test's. */
enum { TO, OUT, ERR, ENDS };

static void become(const char *const *arguments, int pipes[ENDS][2]) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_DFL); /* ignored signals outlive execvp */
    (void)dup2(pipes[TO][0], STDIN_FILENO);
    (void)dup2(pipes[OUT][1], STDOUT_FILENO);
    (void)dup2(pipes[ERR][1], STDERR_FILENO);
    (void)execvp(arguments[0], (char *const *)(uintptr_t)arguments);
    _exit(127);
}

static pid_t begin(const char *const *arguments, int ends[ENDS]) {
    int pipes[ENDS][2];
    for (size_t i = 0; i < ENDS; i++) {
        assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
    }
    (void)fflush(NULL);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        become(arguments, pipes);
    }
    for (size_t i = 0; i < ENDS; i++) {
        ends[i] = pipes[i][i == TO];
        close(pipes[i][i != TO]);
        assert_int_equal(fcntl(ends[i], F_SETFL, O_NONBLOCK), 0);
    }
    return process;
}

static void close_end(struct pollfd *end) {
    close(end->fd);
    end->fd = -1; /* poll passes over it */
}

/* A client that has read enough may close its input. */
static void give(struct pollfd *end, struct slice *input) {
    ssize_t put = input->length == 0 ? 0 : write(end->fd, input->data, input->length);
    if (put > 0) {
        slice_advance(input, (size_t)put);
    }
    if (input->length == 0 || (put < 0 && errno != EAGAIN)) {
        close_end(end);
    }
}

static void take(struct pollfd *end, struct buf *into) {
    assert_ok(buf_reserve(into, PIECE));
    ssize_t got = read(end->fd, into->data + into->length, PIECE);
    if (got > 0) {
        into->length += (size_t)got;
    } else if (got == 0 || errno != EAGAIN) {
        close_end(end);
    }
}

static int code_of(pid_t process) {
    int state;
    assert_int_equal(waitpid(process, &state, 0), process);
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

static void end_text(struct buf *text) {
    assert_ok(buf_append(text, "", 1));
    text->length--;
}

void client_run(struct client *client, struct slice input, const char *const *arguments) {
    int ends[ENDS];
    struct sigaction ignored = {.sa_handler = SIG_IGN}, before;
    buf_clear(&client->out);
    buf_clear(&client->err);
    assert_int_equal(sigaction(SIGPIPE, &ignored, &before), 0);
    pid_t process = begin(arguments, ends);
    struct pollfd polled[ENDS] = {
        {ends[TO], POLLOUT, 0}, {ends[OUT], POLLIN, 0}, {ends[ERR], POLLIN, 0}};
    while (polled[OUT].fd >= 0 || polled[ERR].fd >= 0) {
        if (poll(polled, ENDS, PATIENCE_MILLIS) == 0) {
            (void)kill(process, SIGKILL);
            fail_msg("%s does not end", arguments[0]);
        }
        if (polled[TO].revents != 0) {
            give(&polled[TO], &input);
        }
        if (polled[OUT].revents != 0) {
            take(&polled[OUT], &client->out);
        }
        if (polled[ERR].revents != 0) {
            take(&polled[ERR], &client->err);
        }
    }
    if (polled[TO].fd >= 0) {
        close_end(&polled[TO]);
    }
    client->code = code_of(process);
    end_text(&client->out);
    end_text(&client->err);
    assert_int_equal(sigaction(SIGPIPE, &before, NULL), 0);
}

void client_free(struct client *client) {
    buf_free(&client->out);
    buf_free(&client->err);
}

const char *client_out(const struct client *client) {
    return (const char *)client->out.data;
}

const char *client_err(const struct client *client) {
    return (const char *)client->err.data;
}

static void show(const struct client *client) {
    print_error("exit code %d\nstdout: %.4000s\nstderr: %.4000s\n", client->code,
                client_out(client), client_err(client));
}

void expect_code(const struct client *client, int code) {
    if (client->code != code) {
        show(client);
    }
    assert_int_equal(client->code, code);
}

void expect_well(const struct client *client) {
    expect_code(client, 0);
    if (client->err.length > 0) {
        show(client);
        fail();
    }
}

void expect_printed(const struct client *client, const char *text) {
    expect_well(client);
    if (strcmp(client_out(client), text) != 0) {
        show(client);
    }
    assert_string_equal(client_out(client), text);
}

void expect_words(const struct client *client, const char *words) {
    if (strstr(client_out(client), words) == NULL) {
        show(client);
        fail_msg("it does not say: %s", words);
    }
}

#include "served.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define REDIS_PROGRAM "build/redis-server" /* the Makefile links it */

enum { ARGUMENTS_MAX = 24, EXIT_MISSING = 127 };

unsigned free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&address, &length), 0);
    close(descriptor);
    return ntohs(address.sin_port);
}

static void exec_program(const char *const *line, unsigned descriptors, int log) {
    const struct rlimit limit = {descriptors, descriptors};
    (void)unsetenv("STRATA_PROGRAM"); /* it is none of the program's settings */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)dup2(log, STDOUT_FILENO);
    (void)dup2(log, STDERR_FILENO);
    close(log);
    if (descriptors > 0) {
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    (void)execv(line[0], (char *const *)(uintptr_t)line);
    _exit(EXIT_MISSING);
}

/* Until it says that it is ready. */
static bool try_program(struct served *served, const char *const *line,
                        const char *ready) {
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    served->process = fork();
    assert_true(served->process >= 0);
    if (served->process == 0) {
        exec_program(line, served->descriptors, ends[1]);
    }
    close(ends[1]);
    served->log = fdopen(ends[0], "r");
    served->told[0] = '\0';
    char told[512];
    while (fgets(told, sizeof told, served->log) != NULL) {
        size_t length = strlen(served->told);
        (void)snprintf(served->told + length, sizeof served->told - length, "%s", told);
        if (strstr(told, ready) != NULL) {
            return true;
        }
    }
    return false;
}

bool try_start(struct served *served, const char *const *arguments) {
    const char *line[ARGUMENTS_MAX + 2] = {getenv("STRATA_PROGRAM"), "server"};
    size_t count = 2;
    while (*arguments != NULL) {
        line[count++] = *arguments++;
    }
    return try_program(served, line, " ready: ");
}

int end_code(struct served *served) {
    int state;
    assert_int_equal(waitpid(served->process, &state, 0), served->process);
    (void)fclose(served->log);
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

int read_to_end(struct served *served) {
    char line[512];
    while (fgets(line, sizeof line, served->log) != NULL) {
        (void)snprintf(served->told, sizeof served->told, "%s", line);
    }
    return end_code(served);
}

/* A port that was free may be somebody's by now: then another one. */
void start(struct served *served, const char *const *more) {
    for (int attempt = 0; attempt < 8; attempt++) {
        char port[16];
        const char *arguments[ARGUMENTS_MAX] = {"--port",    port,     "--dir",
                                                served->dir, "--bind", "127.0.0.1"};
        served->port = free_port();
        (void)snprintf(port, sizeof port, "%u", served->port);
        for (size_t i = 0; more != NULL && more[i] != NULL; i++) {
            arguments[6 + i] = more[i];
        }
        if (try_start(served, arguments)) {
            return;
        }
        (void)end_code(served);
    }
    fail_msg("it does not start: %s", served->told);
}

/* With one database, as Strata has; it keeps nothing. */
void start_redis(struct served *served, const char *const *more) {
    for (int attempt = 0; attempt < 8; attempt++) {
        char port[16];
        const char *line[ARGUMENTS_MAX + 2] = {
            REDIS_PROGRAM, "--port",      port,     "--bind", "127.0.0.1",
            "--dir",       served->dir,   "--save", "",       "--appendonly",
            "no",          "--databases", "1",
        };
        for (size_t i = 0; more[i] != NULL; i++) {
            line[13 + i] = more[i];
        }
        served->port = free_port();
        (void)snprintf(port, sizeof port, "%u", served->port);
        if (try_program(served, line, "Ready to accept connections")) {
            return;
        }
        if (end_code(served) == EXIT_MISSING) {
            fail_msg("%s", REDIS_PROGRAM
                     " is not there. `make " REDIS_PROGRAM
                     "` makes it of Debian's package redis-tools: apt-get install "
                     "redis-tools (group `clients` of .ci/packages)");
        }
    }
    fail_msg("redis-server does not start: %s", served->told);
}

void make_directory(struct served *served) {
    (void)snprintf(served->dir, sizeof served->dir, "%s", "/tmp/strata-server-XXXXXX");
    assert_non_null(mkdtemp(served->dir));
    served->descriptors = 0;
}

void remove_directory(const struct served *served) {
    char command[192];
    (void)snprintf(command, sizeof command, "rm -rf %s %s.*", served->dir, served->dir);
    assert_int_equal(system(command), 0);
}

void assert_stops(struct served *served, int signal_number) {
    assert_int_equal(kill(served->process, signal_number), 0);
    int code = read_to_end(served);
    if (code != 0) {
        fail_msg("it ends with %d: %s", code, served->told);
    }
}

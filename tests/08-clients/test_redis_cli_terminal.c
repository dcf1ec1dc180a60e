/* redis-cli before a terminal: what the server tells of its commands is what a person
 * sees as hints and help. And what repeats itself until it is ended. */
#include "place.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

struct terminal {
    pid_t process;
    int descriptor;
    size_t length;
    char shown[65536]; /* and not expected yet */
};

static void become_cli(int descriptor, const char *const *arguments) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setenv("TERM", "xterm", 1);
    (void)setenv("HOME", "/nonexistent", 1); /* no history is kept */
    (void)setsid();
    (void)ioctl(descriptor, TIOCSCTTY, 0);
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
        (void)dup2(descriptor, i);
    }
    (void)execvp(arguments[0], (char *const *)(uintptr_t)arguments);
    _exit(127);
}

static void open_terminal(struct terminal *terminal, const struct place *place,
                          const char *option) {
    const struct winsize size = {.ws_row = 40, .ws_col = 150};
    terminal->length = 0;
    terminal->shown[0] = '\0';
    terminal->descriptor = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(terminal->descriptor >= 0);
    assert_int_equal(grantpt(terminal->descriptor), 0);
    assert_int_equal(unlockpt(terminal->descriptor), 0);
    assert_int_equal(ioctl(terminal->descriptor, TIOCSWINSZ, &size), 0);
    int end = open(ptsname(terminal->descriptor), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(end >= 0);
    (void)fflush(NULL);
    terminal->process = fork();
    assert_true(terminal->process >= 0);
    if (terminal->process == 0) {
        become_cli(end,
                   (const char *const[]){"redis-cli", "-p", place->port, option, NULL});
    }
    close(end);
}

static void type(const struct terminal *terminal, const char *text) {
    assert_int_equal(write(terminal->descriptor, text, strlen(text)), strlen(text));
}

static time_t seconds(void) {
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return now.tv_sec;
}

/* Waits until the text is shown, for a minute at most, and passes over all up to its
 * end. */
static void expect(struct terminal *terminal, const char *text) {
    time_t until = seconds() + 60;
    char *found;
    while ((found = strstr(terminal->shown, text)) == NULL) {
        struct pollfd polled = {terminal->descriptor, POLLIN, 0};
        size_t room = sizeof terminal->shown - 1 - terminal->length;
        ssize_t got = 0;
        if (poll(&polled, 1, 60000) == 1 && seconds() < until) {
            got = read(terminal->descriptor, terminal->shown + terminal->length, room);
        }
        if (got <= 0) {
            fail_msg("\"%s\" is not shown, but: %s", text, terminal->shown);
        }
        terminal->length += (size_t)got;
        terminal->shown[terminal->length] = '\0';
    }
    found += strlen(text);
    terminal->length -= (size_t)(found - terminal->shown);
    memmove(terminal->shown, found, terminal->length + 1);
}

static void close_terminal(struct terminal *terminal, int ending) {
    int state;
    if (ending != 0) {
        assert_int_equal(kill(terminal->process, ending), 0);
    }
    assert_int_equal(waitpid(terminal->process, &state, 0), terminal->process);
    assert_int_equal(WIFEXITED(state) ? WEXITSTATUS(state) : WTERMSIG(state), ending);
    close(terminal->descriptor);
}

/* What is typed before the prompt is there, redis-cli throws away. */
static void begin_line(struct terminal *terminal, const char *text) {
    expect(terminal, "> ");
    type(terminal, text);
}

static void hints_and_helps(void **state) {
    struct place *place = *state;
    struct terminal terminal;
    open_terminal(&terminal, place, "-3");
    begin_line(&terminal, "rscan a ");
    expect(&terminal, "[end] [LIMIT count] [REV] [KEYS]");
    type(&terminal, "b\r");
    expect(&terminal, "(empty array)");
    begin_line(&terminal, "help rscan\r");
    expect(&terminal, "RSCAN");
    expect(&terminal, "start [end] [LIMIT count] [REV] [KEYS]");
    expect(&terminal, "The entries from a key on, before another one, in order.");
    expect(&terminal, "strata");
    begin_line(&terminal, "help @strata\r");
    expect(&terminal, "COMPACT");
    expect(&terminal, "[from [to]]");
    expect(&terminal, "RSCAN");
    begin_line(&terminal, "help client kill\r");
    expect(&terminal, "Closes connections.");
    begin_line(&terminal, "config g\t");
    expect(&terminal, "CONFIG GET");
    type(&terminal, " timeout\r");
    expect(&terminal, "1# \"timeout\" => \"0\"");
    begin_line(&terminal, "set k ");
    expect(&terminal, "value [NX|XX] [GET] [EX seconds|PX milliseconds|");
    type(&terminal, "1\r");
    expect(&terminal, "OK");
    begin_line(&terminal, "get k extra\r");
    expect(&terminal, "(error) ERR wrong number of arguments for 'get' command");
    begin_line(&terminal, "exit\r");
    close_terminal(&terminal, 0);
}

static void monitors(void **state) {
    struct place *place = *state;
    struct terminal terminal;
    open_terminal(&terminal, place, "-2");
    expect(&terminal, "> ");
    type(&terminal, "monitor\r");
    expect(&terminal, "OK\r\n");
    CLI(place, "SET", "watched", "two words");
    expect(&terminal, "[0 127.0.0.1:");
    expect(&terminal, "] \"SET\" \"watched\" \"two words\"\r\n");
    close_terminal(&terminal, SIGKILL);
}

/* The number of keys is the one that was counted last. */
static void shows_statistics(void **state) {
    struct place *place = *state;
    struct terminal terminal;
    CLI_SHOWS(place, "OK\n", "MSET", "a", "1", "b", "2", "c", "3");
    CLI_SHOWS(place, "# Keyspace\r\ndb0:keys=3,expires=0,avg_ttl=0\r\n", "INFO",
              "keyspace");
    open_terminal(&terminal, place, "--stat");
    expect(&terminal, "keys       mem      clients blocked requests");
    expect(&terminal, "\n3          ");
    close_terminal(&terminal, SIGKILL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACE_TEST(hints_and_helps),
        PLACE_TEST(monitors),
        PLACE_TEST(shows_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

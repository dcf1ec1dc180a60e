/* The real program on the real system, killed while it works: lines go into `import -` on
 * one pipe, the numbers of those that it acknowledges come back on another, then SIGKILL.
 * What it acknowledged must be there afterwards, and nothing but the first k lines, whole
 * batches of them. Several rounds go into one directory, the last to its end.
 *
 * Some rounds run under libfiu's POSIX preload instead, with one in a hundred transfers
 * failing: nothing in the program goes around the calls that the harness knows.
 *
 * The program is $STRATA_PROGRAM, or strata-NN beside the harness, or in ../release. A
 * case is not a function of its tape alone, since the time of a death is the system's. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LINES = 300, /* of a directory */
    KEYS = 13,
    KEY_STRIDE = 7,
    SHORT_BYTES = 200,
    LONG_BYTES = 9000,
    ROUNDS_MAX = 4,
    PATIENCE_MILLIS = 30000,
    EXIT_CODES = 8, /* 0 to 7 are documented */
    ARGUMENTS_MAX = 24,
    SIGNALLED = 128 /* a shell's exit code for a signal's death */
};

struct text {
    char *bytes;
    size_t length, capacity;
};

struct killing {
    struct check_run *check;
    char program[PATH_MAX];
    char directory[64];
    bool preload; /* fiu-run is there */
    char failure[512];
};

static bool fails(struct killing *killing, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fails(struct killing *killing, const char *format, ...) {
    if (killing->failure[0] == '\0') {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(killing->failure, sizeof killing->failure, format, arguments);
        va_end(arguments);
    }
    return false;
}

static void add(struct text *text, const void *bytes, size_t count) {
    if (text->length + count + 1 > text->capacity) {
        text->capacity = 2 * (text->length + count + 1);
        text->bytes = realloc(text->bytes, text->capacity);
        if (text->bytes == NULL) {
            perror("kill");
            exit(EXIT_FAILURE);
        }
    }
    memcpy(text->bytes + text->length, bytes, count);
    text->length += count;
    text->bytes[text->length] = '\0';
}

/* ---- the lines ------------------------------------------------------------------- */

static size_t key_of(size_t line) {
    return line * KEY_STRIDE % KEYS;
}

/* "k03<tab>17 xxxx": what line 17 says, always the same. */
static void add_line(struct text *text, size_t line) {
    char head[64];
    size_t padding = line * 31 % SHORT_BYTES;
    if (line % 29 == 0) {
        padding = LONG_BYTES;
    }
    int length = snprintf(head, sizeof head, "k%02zu\t%zu ", key_of(line), line);
    add(text, head, (size_t)length);
    for (size_t i = 0; i < padding; i++) {
        add(text, &"abcdefghijklmnop"[(line + i) % 16], 1);
    }
    add(text, "\n", 1);
}

/* What export must print of the first `count` lines. */
static void add_export(struct text *text, size_t count) {
    for (size_t key = 0; key < KEYS; key++) {
        for (size_t line = count; line > 0; line--) {
            if (key_of(line - 1) == key) {
                add_line(text, line - 1);
                break;
            }
        }
    }
}

/* ---- a child --------------------------------------------------------------------- */

struct child {
    pid_t pid;
    int in, out; /* its standard input and output; -1: closed */
};

static void close_end(int *end) {
    if (*end >= 0) {
        close(*end);
    }
    *end = -1;
}

static bool start(struct killing *killing, const char *const *arguments,
                  struct child *child) {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0) {
        return fails(killing, "pipe: %s", strerror(errno));
    }
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return fails(killing, "pipe: %s", strerror(errno));
    }
    child->pid = fork();
    if (child->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int silence = open("/dev/null", O_WRONLY);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        dup2(silence, STDERR_FILENO);
        execvp(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(SIGNALLED - 1);
    }
    close(in[0]);
    close(out[1]);
    *child = (struct child){child->pid, in[1], out[0]};
    if (child->pid < 0) {
        close_end(&child->in);
        close_end(&child->out);
        return fails(killing, "fork: %s", strerror(errno));
    }
    fcntl(child->in, F_SETFL, O_NONBLOCK);
    return true;
}

static size_t count_lines(const struct text *text) {
    size_t count = 0;
    for (size_t i = 0; i < text->length; i++) {
        count += text->bytes[i] == '\n';
    }
    return count;
}

/* Feeds the child and reads what it says, until it has said `until` lines (then it is
 * killed) or ends by itself. *status is wait's. */
static bool converse(struct killing *killing, struct child *child,
                     const struct text *input, struct text *said, size_t until,
                     int *status) {
    size_t sent = 0;
    bool killed = false, patient = true;
    while (child->out >= 0 && patient) {
        if (sent == input->length) {
            close_end(&child->in);
        }
        if (!killed && count_lines(said) >= until) {
            killed = kill(child->pid, SIGKILL) == 0;
        }
        struct pollfd ends[2] = {{child->out, POLLIN, 0}, {child->in, POLLOUT, 0}};
        patient = poll(ends, 2, PATIENCE_MILLIS) > 0 || errno == EINTR;
        if (ends[1].revents != 0) {
            ssize_t count = write(child->in, input->bytes + sent, input->length - sent);
            sent = count > 0 ? sent + (size_t)count : sent;
            if (count < 0 && errno != EAGAIN && errno != EINTR) {
                close_end(&child->in); /* it reads no more */
            }
        }
        if (ends[0].revents != 0) {
            char bytes[65536];
            ssize_t count = read(child->out, bytes, sizeof bytes);
            if (count > 0) {
                add(said, bytes, (size_t)count);
            } else if (count == 0) {
                close_end(&child->out);
            }
        }
    }
    if (!patient) {
        kill(child->pid, SIGKILL);
    }
    close_end(&child->in);
    close_end(&child->out);
    while (waitpid(child->pid, status, 0) < 0 && errno == EINTR) {
    }
    return patient || fails(killing, "the program says nothing for %d seconds",
                            PATIENCE_MILLIS / 1000);
}

static bool run_child(struct killing *killing, const char *const *arguments,
                      const struct text *input, struct text *said, size_t until,
                      int *status) {
    struct child child;
    return start(killing, arguments, &child) &&
           converse(killing, &child, input, said, until, status);
}

/* ---- a round --------------------------------------------------------------------- */

struct round {
    const char *durability, *region, *log_bytes, *batch;
    size_t batch_lines;
    size_t until; /* acknowledgements; more than there are lines: to the end */
    bool preload;
};

static struct round round_draw(struct tape *tape, bool preload) {
    static const char *const modes[] = {"always", "interval", "none"};
    static const char *const log_bytes[] = {"64m", "4096", "40000"};
    static const size_t batches[] = {1, 3, 8};
    static const char *const batch_words[] = {"1", "3", "8"};
    tape_begin(tape);
    size_t batch = (size_t)tape_choose(tape, 3);
    struct round round = {
        .durability = modes[tape_choose(tape, 3)],
        .region = tape_choose(tape, 2) == 0 ? "write" : "mapped",
        .log_bytes = log_bytes[tape_choose(tape, 3)],
        .batch = batch_words[batch],
        .batch_lines = batches[batch],
        .until = 1 + (size_t)tape_choose(tape, LINES),
        .preload = tape_choose(tape, 4) == 3 && preload,
    };
    round.until = round.preload ? LINES + 1 : round.until;
    tape_end(tape);
    return round;
}

static bool ended_well(int status) {
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* What the store holds must be the first k lines, k at least `least`. Where nothing was
 * acknowledged there need not be a store yet. */
static bool holds_lines(struct killing *killing, size_t least, size_t *k) {
    const char *export[] = {killing->program, "-d", killing->directory, "export", NULL};
    const char *verify[] = {killing->program, "-d", killing->directory, "verify", NULL};
    struct text said = {0}, expected = {0}, ignored = {0};
    const struct text nothing = {0};
    int status = 0;
    *k = 0;
    bool holds = run_child(killing, verify, &nothing, &ignored, SIZE_MAX, &status) &&
                 (ended_well(status) || least == 0 ||
                  fails(killing, "verify: wait status %d: %s", status,
                        ignored.bytes != NULL ? ignored.bytes : ""));
    holds = holds && run_child(killing, export, &nothing, &said, SIZE_MAX, &status) &&
            (ended_well(status) || least == 0 ||
             fails(killing, "export: wait status %d", status));
    /* The last line that was taken is the last of its key: it shows. */
    for (char *at = said.bytes; holds && at != NULL && *at != '\0';) {
        char *tab = strchr(at, '\t');
        size_t line = tab != NULL ? strtoul(tab + 1, NULL, 10) + 1 : 0;
        *k = line > *k ? line : *k;
        at = strchr(at, '\n');
        at = at != NULL ? at + 1 : NULL;
    }
    add_export(&expected, *k);
    if (holds &&
        (said.length != expected.length ||
         (said.length > 0 && memcmp(said.bytes, expected.bytes, said.length) != 0))) {
        holds = fails(killing, "the store does not hold the first %zu lines", *k);
    }
    if (holds && *k < least) {
        holds =
            fails(killing, "the store holds %zu lines, acknowledged were %zu", *k, least);
    }
    free(said.bytes);
    free(expected.bytes);
    free(ignored.bytes);
    return holds;
}

/* A signal of ours, or an exit code of the table; without faults it is 0. */
static bool ends_as_documented(struct killing *killing, const struct round *round,
                               int status) {
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
        return fails(killing, "import died of signal %d", WTERMSIG(status));
    }
    if (WIFEXITED(status) && (WEXITSTATUS(status) >= EXIT_CODES ||
                              (WEXITSTATUS(status) != 0 && !round->preload))) {
        return fails(killing, "import ended with the code %d", WEXITSTATUS(status));
    }
    return true;
}

/* Imports the lines from *k on; *k becomes what the store holds afterwards. */
static bool run_round(struct killing *killing, const struct round *round, size_t *k) {
    const char *arguments[ARGUMENTS_MAX] = {
        "fiu-run",
        "-x",
        "-c",
        "enable_random name=posix/io/rw/*,probability=0.01,failinfo=5",
        killing->program,
        "-d",
        killing->directory,
        "--durability",
        round->durability,
        "--log-region",
        round->region,
        "--log-bytes",
        round->log_bytes,
        "import",
        "--acknowledge",
        "--batch",
        round->batch,
        "-",
        NULL};
    struct text input = {0}, said = {0};
    size_t from = *k;
    int status = 0;
    for (size_t line = from; line < LINES; line++) {
        add_line(&input, line);
    }
    bool holds = run_child(killing, arguments + (round->preload ? 0 : 4), &input, &said,
                           round->until, &status);
    size_t acknowledged = count_lines(&said);
    holds = holds && ends_as_documented(killing, round, status);
    holds = holds && holds_lines(killing, from + acknowledged, k);
    if (holds && ended_well(status) && *k != LINES) {
        holds = fails(killing, "import ended well, the store holds %zu lines of %d", *k,
                      LINES);
    }
    if (holds && *k != LINES && !round->preload &&
        (*k - from) % round->batch_lines != 0) {
        holds = fails(killing, "the store holds %zu new lines, batches are of %zu",
                      *k - from, round->batch_lines);
    }
    if (killing->check->story != NULL) {
        fprintf(
            killing->check->story,
            "lines from %zu: durability %s, region %s, log-bytes %s, batch %s, %s "
            "after %zu acknowledgements; %zu came; wait status %d; then it held %zu\n",
            from, round->durability, round->region, round->log_bytes, round->batch,
            round->preload ? "transfers fail at random, killed at" : "killed at",
            round->until, acknowledged, status, *k);
    }
    free(input.bytes);
    free(said.bytes);
    return holds;
}

/* ---- the check ------------------------------------------------------------------- */

static bool runs(const char *path) {
    return access(path, X_OK) == 0;
}

static bool find_program(struct killing *killing) {
    static const char *const places[] = {"", "../release/", "../"};
    const char *given = getenv("STRATA_PROGRAM");
    char self[PATH_MAX];
    if (given != NULL) {
        snprintf(killing->program, sizeof killing->program, "%s", given);
        return runs(given) || fails(killing, "STRATA_PROGRAM=%s cannot be run", given);
    }
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL) {
        slash[1] = '\0';
    }
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        int written = snprintf(killing->program, sizeof killing->program,
                               "%s%sstrata-%02d", self, places[i], stage.number);
        if (written > 0 && (size_t)written < sizeof killing->program &&
            runs(killing->program)) {
            return true;
        }
    }
    return fails(killing,
                 "strata-%02d is not beside the harness (%s); name it in "
                 "STRATA_PROGRAM",
                 stage.number, self);
}

/* fiu-run is a script; the preload library cannot come before a sanitizer's. */
static bool preload_works(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;
#else
    return runs("/usr/bin/fiu-run") || runs("/usr/local/bin/fiu-run");
#endif
}

static int remove_one(const char *path, const struct stat *status, int kind,
                      struct FTW *walk) {
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static bool kill_one(struct check_run *check, struct tape *tape) {
    struct killing killing = {.check = check, .preload = preload_works()};
    const char *scratch = getenv("TMPDIR");
    snprintf(killing.directory, sizeof killing.directory, "%.40s/strata-kill-XXXXXX",
             scratch != NULL && scratch[0] != '\0' ? scratch : "/tmp");
    bool holds = find_program(&killing);
    if (holds && mkdtemp(killing.directory) == NULL) {
        holds = fails(&killing, "%s: %s", killing.directory, strerror(errno));
    }
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    size_t rounds = 1 + (size_t)tape_choose(tape, ROUNDS_MAX);
    size_t k = 0;
    for (size_t i = 0; i < rounds && holds; i++) {
        struct round round = round_draw(tape, killing.preload);
        holds = run_round(&killing, &round, &k);
        check->cases++;
    }
    const struct round last = {"interval", "write", "64m", "8", 8, LINES + 1, false};
    holds = holds && run_round(&killing, &last, &k);
    signal(SIGPIPE, before);
    nftw(killing.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (!holds && check->story != NULL) {
        fprintf(check->story, "%s\n", killing.failure);
    }
    return holds;
}

const struct check kill_checks[] = {
    {"kill.import", CHECK_CHECK, 1, 0, 12, 2,
     "the program, killed at any time, has kept every line that it acknowledged",
     kill_one, NULL},
    {0}};

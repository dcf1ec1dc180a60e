#include "real.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stage.h"

/* Text of the lines, and patience with the program. */
enum {
    KEYS = 13,
    KEY_STRIDE = 7,
    SHORT_BYTES = 200,
    LONG_BYTES = 9000,
    PATIENCE_MILLIS = 30000,
    NOT_STARTED = 127
};

bool real_fails(struct real *real, const char *format, ...) {
    if (real->failure[0] == '\0') {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(real->failure, sizeof real->failure, format, arguments);
        va_end(arguments);
    }
    return false;
}

void real_add(struct real_text *text, const void *bytes, size_t count) {
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
void real_add_line(struct real_text *text, size_t line) {
    char head[64];
    size_t padding = line * 31 % SHORT_BYTES;
    if (line % 29 == 0) {
        padding = LONG_BYTES;
    }
    int length = snprintf(head, sizeof head, "k%02zu\t%zu ", key_of(line), line);
    real_add(text, head, (size_t)length);
    for (size_t i = 0; i < padding; i++) {
        real_add(text, &"abcdefghijklmnop"[(line + i) % 16], 1);
    }
    real_add(text, "\n", 1);
}

/* What export must print of the first `count` lines. */
static void add_export(struct real_text *text, size_t count) {
    for (size_t key = 0; key < KEYS; key++) {
        for (size_t line = count; line > 0; line--) {
            if (key_of(line - 1) == key) {
                real_add_line(text, line - 1);
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

/* By vfork: a copy of this process's page tables, which are large under a sanitizer,
 * would cost more than the program itself. So the child changes nothing in memory. */
static void spawn(const struct real *real, const char *const *arguments, int in, int out,
                  struct child *child) {
    if (real->preload != NULL) {
        setenv("LD_PRELOAD", real->preload, 1);
        setenv("FAIL_NTH", real->preload_words, 1);
    }
    child->pid = vfork();
    if (child->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(in, STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        execvp(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(NOT_STARTED);
    }
    unsetenv("LD_PRELOAD");
    unsetenv("FAIL_NTH");
}

static bool start(struct real *real, const char *const *arguments, struct child *child) {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0) {
        return real_fails(real, "pipe: %s", strerror(errno));
    }
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return real_fails(real, "pipe: %s", strerror(errno));
    }
    spawn(real, arguments, in[0], out[1], child);
    close(in[0]);
    close(out[1]);
    *child = (struct child){child->pid, in[1], out[0]};
    if (child->pid < 0) {
        close_end(&child->in);
        close_end(&child->out);
        return real_fails(real, "fork: %s", strerror(errno));
    }
    fcntl(child->in, F_SETFL, O_NONBLOCK);
    return true;
}

size_t real_count_lines(const struct real_text *text) {
    size_t count = 0;
    for (size_t i = 0; i < text->length; i++) {
        count += text->bytes[i] == '\n';
    }
    return count;
}

/* Feeds the child and reads what it says, until it has said `until` lines (then it is
 * killed) or ends by itself. *status is wait's. */
static bool converse(struct real *real, struct child *child,
                     const struct real_text *input, struct real_text *said, size_t until,
                     int *status) {
    size_t sent = 0;
    bool killed = false, patient = true;
    while (child->out >= 0 && patient) {
        if (sent == input->length) {
            close_end(&child->in);
        }
        if (!killed && real_count_lines(said) >= until) {
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
                real_add(said, bytes, (size_t)count);
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
    return patient || real_fails(real, "the program says nothing for %d seconds",
                                 PATIENCE_MILLIS / 1000);
}

bool real_run(struct real *real, const char *const *arguments,
              const struct real_text *input, struct real_text *said, size_t until,
              int *status) {
    struct child child;
    return start(real, arguments, &child) &&
           converse(real, &child, input, said, until, status);
}

/* ---- the store ------------------------------------------------------------------- */

bool real_ended_well(int status) {
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* What the store holds must be the first k lines, k at least `least`. Where nothing was
 * acknowledged there need not be a store yet. */
bool real_holds_lines(struct real *real, size_t least, size_t *k) {
    const char *export[] = {real->program, "-d", real->directory, "export", NULL};
    const char *verify[] = {real->program, "-d", real->directory, "verify", NULL};
    struct real_text said = {0}, expected = {0}, ignored = {0};
    const struct real_text nothing = {0};
    int status = 0;
    *k = 0;
    bool holds = real_run(real, verify, &nothing, &ignored, SIZE_MAX, &status) &&
                 (real_ended_well(status) || least == 0 ||
                  real_fails(real, "verify: wait status %d: %s", status,
                             ignored.bytes != NULL ? ignored.bytes : ""));
    holds = holds && real_run(real, export, &nothing, &said, SIZE_MAX, &status) &&
            (real_ended_well(status) || least == 0 ||
             real_fails(real, "export: wait status %d", status));
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
        holds = real_fails(real, "the store does not hold the first %zu lines", *k);
    }
    if (holds && *k < least) {
        holds = real_fails(real, "the store holds %zu lines, acknowledged were %zu", *k,
                           least);
    }
    free(said.bytes);
    free(expected.bytes);
    free(ignored.bytes);
    return holds;
}

/* ---- the program and its directory ----------------------------------------------- */

static bool runs(const char *path) {
    return access(path, X_OK) == 0;
}

static bool find_program(struct real *real, bool plain) {
    static const char *const places[] = {"", "../release/", "", "../"};
    const char *given = getenv("STRATA_PROGRAM");
    char self[PATH_MAX];
    if (given != NULL) {
        snprintf(real->program, sizeof real->program, "%s", given);
        return runs(given) || real_fails(real, "STRATA_PROGRAM=%s cannot be run", given);
    }
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL) {
        slash[1] = '\0';
    }
    for (size_t i = plain ? 1 : 0; i < sizeof places / sizeof places[0]; i++) {
        int written = snprintf(real->program, sizeof real->program, "%s%sstrata-%02d",
                               self, places[i], stage.number);
        if (written > 0 && (size_t)written < sizeof real->program &&
            runs(real->program)) {
            return true;
        }
    }
    return real_fails(real,
                      "strata-%02d is not beside the harness (%s); name it in "
                      "STRATA_PROGRAM",
                      stage.number, self);
}

static int remove_one(const char *path, const struct stat *status, int kind,
                      struct FTW *walk) {
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

bool real_begin(struct real *real, bool plain, bool in_memory) {
    *real = (struct real){.sigpipe = signal(SIGPIPE, SIG_IGN)};
    const char *scratch = getenv("TMPDIR");
    if (scratch == NULL || scratch[0] == '\0') {
        scratch = in_memory && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    }
    char directory[sizeof real->directory];
    snprintf(directory, sizeof directory, "%.40s/strata-real-XXXXXX", scratch);
    if (!find_program(real, plain)) {
        return false;
    }
    if (mkdtemp(directory) == NULL) {
        return real_fails(real, "%s: %s", directory, strerror(errno));
    }
    memcpy(real->directory, directory, sizeof directory);
    return true;
}

void real_end(struct real *real) {
    if (real->directory[0] != '\0') {
        nftw(real->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    signal(SIGPIPE, real->sigpipe);
}

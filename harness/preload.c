/* The real program on the real system, one of whose calls fails: under libfiu's POSIX
 * preload, with the N-th call of one wrapped function failing (faults/fail_nth.c counts),
 * N = 1, 2, … until there is no such call. Nothing that the engine does goes around the
 * calls that the harness knows, so what holds on the simulated disk must hold here too:
 * the program ends by itself with a documented code, what it printed as acknowledged is
 * there after a clean reopen, and all that is there is a prefix of the lines.
 *
 * libfiu fails a call before its effect only. It wraps neither openat, fallocate, fcntl
 * nor fstat: for those the simulated disk alone speaks.
 *
 * On the tape: the setup, the point, whether all later calls fail too, and N - 1. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "real.h"
#include "watch.h"

enum {
    LINES = 7,
    LINES_BEFORE = 3,
    EXIT_CODES = 8, /* 0 to 7 are documented */
    COUNTDOWN_MAX = 1 << 16,
    CHOICES = 4,
    PATHS_BYTES = 2 * PATH_MAX
};

/* A fresh store, and one that was written before. */
static const struct setup {
    const char *words;
    const char *region;
    size_t before; /* lines that an import without a fault has put there */
} setups[] = {
    {"written, fresh", "write", 0},
    {"mapped, continued", "mapped", LINES_BEFORE},
};

enum { SETUPS = sizeof setups / sizeof setups[0] };

/* The points that import passes, with the error that the call gives. */
static const struct point {
    const char *name;
    int info;
    unsigned setups; /* bits of those in which the first call must be there */
} points[] = {
    {"posix/io/oc/open", EMFILE, 3},   {"posix/io/oc/close", EIO, 3},
    {"posix/io/rw/pread", EIO, 2},     {"posix/io/rw/pwrite", ENOSPC, 1},
    {"posix/io/rw/ftruncate", EIO, 3}, {"posix/io/sync/fdatasync", EIO, 3},
    {"posix/io/sync/fsync", EIO, 3},   {"posix/io/dir/opendir", EACCES, 3},
    {"posix/io/dir/readdir", EIO, 3},  {"posix/io/dir/closedir", EIO, 3},
    {"posix/io/dir/unlink", EIO, 0},   {"posix/io/dir/rename", EIO, 0},
    {"posix/mm/mmap", ENOMEM, 2},      {"posix/mm/munmap", EINVAL, 2},
    {"posix/stdio/gp/fgets", EIO, 0},  {"posix/stdio/fflush", EIO, 0},
    {"libc/mm/malloc", ENOMEM, 3},     {"libc/mm/calloc", ENOMEM, 0},
    {"libc/mm/realloc", ENOMEM, 0},
};

enum { POINTS = sizeof points / sizeof points[0] };

/* ---- one case -------------------------------------------------------------------- */

/* Imports the lines [from, to); the answer is real_run's. */
static bool import(struct real *real, const struct setup *setup, size_t from, size_t to,
                   size_t *acknowledged, int *status) {
    const char *arguments[] = {real->program,
                               "-d",
                               real->directory,
                               "--durability",
                               "always",
                               "--log-region",
                               setup->region,
                               "--log-bytes",
                               "4096",
                               "import",
                               "--acknowledge",
                               "--batch",
                               "1",
                               "-",
                               NULL};
    struct real_text input = {0}, said = {0};
    for (size_t line = from; line < to; line++) {
        real_add_line(&input, line);
    }
    bool ran = real_run(real, arguments, &input, &said, SIZE_MAX, status);
    *acknowledged = real_count_lines(&said);
    free(input.bytes);
    free(said.bytes);
    return ran;
}

/* What the import said and left, without the preload. */
static bool judge(struct real *real, const struct setup *setup, bool struck, int status,
                  size_t acknowledged) {
    size_t k = 0;
    if (WIFSIGNALED(status)) {
        return real_fails(real, "import died of signal %d", WTERMSIG(status));
    }
    if (WEXITSTATUS(status) >= EXIT_CODES) {
        return real_fails(real, "import ended with the code %d", WEXITSTATUS(status));
    }
    if (!real_ended_well(status) && !struck) {
        return real_fails(real, "import ended with the code %d, but no call failed",
                          WEXITSTATUS(status));
    }
    return real_holds_lines(real, setup->before + acknowledged, &k) &&
           (!real_ended_well(status) || k == LINES ||
            real_fails(real, "import ended well, the store holds %zu lines of %d", k,
                       LINES));
}

/* The two libraries, libfiu's and the one that counts; false if one is not there. */
static bool find_libraries(struct real *real, char *libraries) {
    static const char *const places[] = {"/usr/lib/fiu/fiu_posix_preload.so",
                                         "/usr/local/lib/fiu/fiu_posix_preload.so"};
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(self, '/');
    slash = slash != NULL ? slash : self;
    snprintf(slash, sizeof self - (size_t)(slash - self), "/../fail_nth.so");
    const char *posix = access(places[0], R_OK) == 0 ? places[0] : places[1];
    if (access(self, R_OK) != 0 || access(posix, R_OK) != 0) {
        return real_fails(real, "%s or %s is not there", self, posix);
    }
    snprintf(libraries, PATHS_BYTES, "%s:%s", posix, self);
    return true;
}

static bool import_under_fault(struct check_run *check, struct real *real,
                               const struct setup *setup, const char *words, int notice) {
    size_t acknowledged = 0;
    int status = 0;
    bool holds = true;
    if (setup->before > 0) {
        holds = import(real, setup, 0, setup->before, &acknowledged, &status) &&
                (real_ended_well(status) ||
                 real_fails(real, "the import before: wait status %d", status));
    }
    real->preload_words = words;
    char libraries[PATHS_BYTES];
    holds = holds && find_libraries(real, libraries);
    real->preload = libraries;
    holds = holds && import(real, setup, setup->before, LINES, &acknowledged, &status);
    real->preload = NULL;
    struct stat told = {0};
    fstat(notice, &told);
    check->run->struck = told.st_size > 0;
    holds = holds && judge(real, setup, check->run->struck, status, acknowledged);
    if (check->story != NULL) {
        fprintf(check->story,
                "%s; point, first and last call, errno: %s (%s); it acknowledged %zu of "
                "%zu lines; wait status %d\n",
                setup->words, words, check->run->struck ? "failed" : "no such call",
                acknowledged, LINES - setup->before, status);
    }
    return holds;
}

static bool preload_one(struct check_run *check, struct tape *tape) {
    tape_begin(tape);
    size_t setup = (size_t)tape_choose(tape, SETUPS);
    size_t which = (size_t)tape_choose(tape, POINTS);
    bool persistent = tape_choose(tape, 2) != 0;
    unsigned long first = 1 + (unsigned long)tape_choose(tape, COUNTDOWN_MAX);
    tape_end(tape);
    struct real real;
    bool holds = real_begin(&real, true, true);
    int notice = memfd_create("struck", 0);
    char words[256];
    snprintf(words, sizeof words, "%s %lu %lu %d %d", points[which].name, first,
             persistent ? ~0ul : first, points[which].info, notice);
    check->run->struck = false;
    holds = holds && import_under_fault(check, &real, &setups[setup], words, notice);
    bool missing = holds && first == 1 && !check->run->struck &&
                   (points[which].setups >> setup & 1) != 0;
    if (missing) {
        holds = real_fails(&real, "%s: import makes no such call", points[which].name);
    }
    if (notice >= 0) {
        close(notice);
    }
    real_end(&real);
    check->cases += check->run->struck;
    if (!holds && check->story != NULL) {
        fprintf(check->story, "%s\n", real.failure);
    }
    return holds;
}

/* Every point, once and persistently, until a run is clean. */
static void preload_campaign(struct check_run *check) {
    struct tape tape = {0};
    for (uint64_t row = 0; row < (uint64_t)SETUPS * POINTS * 2; row++) {
        check->run->struck = true;
        for (uint64_t n = 0; check->run->struck && check_goes_on(check); n++) {
            const uint64_t choices[CHOICES] = {row / 2 / POINTS, row / 2 % POINTS,
                                               row % 2, n};
            tape_replay(&tape, choices, CHOICES);
            check->programs++;
            watch_case(check->check, watch_write_tape, &tape);
            if (!check->check->one(check, &tape)) {
                check_failed(check, &tape);
            }
        }
    }
    watch_case(NULL, NULL, NULL);
    tape_free(&tape);
}

const struct check preload_checks[] = {
    {"kill.preload", CHECK_CHECK, 1, 0, SIZE_MAX, 20,
     "the program, any of whose calls fails, has kept every line that it acknowledged",
     preload_one, preload_campaign},
    {0}};

#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 32 };

struct place {
    char program[PATH_MAX];
    char dir[PATH_MAX];
};

static struct place place; /* one test executable, one thread */

int run_setup(void **state) {
    (void)state;
    const char *given = getenv("STRATA_PROGRAM");
    if (realpath(given != NULL ? given : "build/strata-01", place.program) == NULL) {
        fprintf(stderr, "no program to test: %s: %s (make it, or set STRATA_PROGRAM)\n",
                given != NULL ? given : "build/strata-01", strerror(errno));
        return -1;
    }
    unsetenv("STRATA_PROGRAM"); /* the program refuses settings that it does not know */
    unsetenv("POSIXLY_CORRECT");
    const char *temporary = getenv("TMPDIR");
    snprintf(place.dir, sizeof place.dir, "%s/strata-test-XXXXXX",
             temporary != NULL ? temporary : "/tmp");
    signal(SIGPIPE, SIG_IGN);
    return mkdtemp(place.dir) != NULL && chdir(place.dir) == 0 ? 0 : -1;
}

int run_teardown(void **state) {
    (void)state;
    if (chdir("/") == 0) {
        remove_tree(place.dir);
    }
    return 0;
}

void run_execute(const char *const *arguments) {
    char *line[ARGUMENTS_MAX] = {place.program};
    for (size_t i = 0; arguments[i] != NULL && i + 2 < ARGUMENTS_MAX; i++) {
        line[i + 1] = (char *)(uintptr_t)arguments[i]; /* execv writes to none of them */
    }
    signal(SIGPIPE, SIG_DFL); /* ignored signals outlive execv */
    signal(SIGHUP, SIG_DFL);
    execv(place.program, line);
    _exit(126);
}

static int code_of(pid_t process) {
    int status = 0;
    assert_int_equal(waitpid(process, &status, 0), process);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void redirect(const char *path, int flags, int to) {
    int fd = open(path, flags, 0600);
    if (fd < 0 || dup2(fd, to) < 0) {
        _exit(125);
    }
    close(fd);
}

static void run(struct result *result, struct slice input, int output, int closed,
                const char *const *arguments) {
    write_file(".in", slice_present(input) ? input : slice_of(""));
    write_file(".out", slice_of(""));
    fflush(NULL);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        redirect(".in", O_RDONLY, STDIN_FILENO);
        if (output >= 0) {
            dup2(output, STDOUT_FILENO);
        } else {
            redirect(".out", O_WRONLY, STDOUT_FILENO);
        }
        redirect(".err", O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
        if (closed >= 0) {
            close(closed);
        }
        run_execute(arguments);
    }
    result->code = code_of(process);
    read_file(".out", &result->out);
    read_file(".err", &result->err);
}

void run_program(struct result *result, struct slice input,
                 const char *const *arguments) {
    run(result, input, -1, -1, arguments);
}

void run_into(struct result *result, int fd, const char *const *arguments) {
    run(result, (struct slice){0}, fd, -1, arguments);
}

void run_closed(struct result *result, int fd, const char *const *arguments) {
    run(result, (struct slice){0}, -1, fd, arguments);
}

void result_free(struct result *result) {
    buf_free(&result->out);
    buf_free(&result->err);
}

const char *out_text(const struct result *result) {
    return (const char *)result->out.data;
}

static void explain(const struct result *result) {
    print_error("exit code %d\nstdout: %.2000s\nstderr: %.2000s\n", result->code,
                (const char *)result->out.data, (const char *)result->err.data);
}

void expect_code(const struct result *result, int code) {
    if (result->code != code) {
        explain(result);
    }
    assert_int_equal(result->code, code);
}

void expect_out_bytes(const struct result *result, struct slice bytes) {
    expect_code(result, 0);
    if (!slice_equal(buf_slice(&result->out), bytes)) {
        explain(result);
    }
    assert_int_equal(result->out.length, bytes.length);
    assert_memory_equal(result->out.data, bytes.data, bytes.length);
}

void expect_out(const struct result *result, const char *text) {
    expect_out_bytes(result, slice_of(text));
}

void expect_error(const struct result *result, int code, const char *words) {
    expect_code(result, code);
    const char *err = (const char *)result->err.data;
    if (strstr(err, words) == NULL || strstr(err, "strata-") != err) {
        explain(result);
        fail_msg("standard error does not begin with the program's name, or lacks: %s",
                 words);
    }
}

int stage_number(struct result *result) {
    RUN(result, "--version");
    expect_code(result, 0);
    const char *words = strstr(out_text(result), "stage ");
    assert_non_null(words);
    char *end;
    long number = strtol(words + strlen("stage "), &end, 10);
    assert_in_range(number, 1, 8);
    assert_int_equal(*end, '-');
    return (int)number;
}

bool has_shell(void) {
    struct result result = {0};
    bool has = stage_number(&result) >= 2;
    if (!has) {
        RUN(&result, "shell");
        expect_error(&result, 2, "has no interactive shell, it comes with stage 02");
    }
    result_free(&result);
    return has;
}

/* ---- programs that keep running --------------------------------------------- */

void child_start(struct child *child, const char *const *arguments) {
    int to[2], from[2];
    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    fflush(NULL);
    child->process = fork();
    assert_true(child->process >= 0);
    if (child->process == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        redirect("/dev/null", O_WRONLY, STDERR_FILENO);
        run_execute(arguments);
    }
    close(to[0]);
    close(from[1]);
    child->input = to[1];
    child->output = from[0];
}

void child_say(struct child *child, const char *text) {
    ssize_t length = (ssize_t)strlen(text);
    assert_int_equal(write(child->input, text, (size_t)length), length);
}

void child_expect_line(struct child *child, const char *line) {
    char read_so_far[256];
    size_t length = 0;
    do {
        assert_true(length < sizeof read_so_far - 1);
        assert_int_equal(read(child->output, read_so_far + length, 1), 1);
    } while (read_so_far[length++] != '\n');
    read_so_far[length - 1] = '\0';
    assert_string_equal(read_so_far, line);
}

int child_end(struct child *child, int number) {
    if (number != 0) {
        assert_int_equal(kill(child->process, number), 0);
    }
    /* After a signal the end of the input must not be what ends it. */
    int code = number != 0 ? code_of(child->process) : -1;
    close(child->input);
    code = number != 0 ? code : code_of(child->process);
    close(child->output);
    return code;
}

/* ---- files ------------------------------------------------------------------ */

void write_file(const char *path, struct slice bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.length, file), bytes.length);
    assert_int_equal(fclose(file), 0);
}

void read_file(const char *path, struct buf *bytes) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    buf_clear(bytes);
    size_t got;
    do {
        assert_int_equal(buf_reserve(bytes, 65536), STATUS_OK);
        got = fread(bytes->data + bytes->length, 1, 65535, file);
        bytes->length += got;
    } while (got > 0);
    assert_int_equal(ferror(file), 0);
    fclose(file);
    bytes->data[bytes->length] = '\0';
}

bool exists(const char *path) {
    struct stat found;
    return stat(path, &found) == 0;
}

void first_log(const char *dir, char path[256]) {
    DIR *directory = opendir(dir);
    assert_non_null(directory);
    char lowest[200] = "";
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        size_t length = strlen(entry->d_name);
        bool log = length > 4 && length < sizeof lowest &&
                   strcmp(entry->d_name + length - 4, ".log") == 0;
        if (log && (lowest[0] == '\0' || strcmp(entry->d_name, lowest) < 0)) {
            memcpy(lowest, entry->d_name, length + 1);
        }
    }
    closedir(directory);
    assert_true(lowest[0] != '\0');
    snprintf(path, 256, "%.40s/%s", dir, lowest);
}

void remove_tree(const char *path) {
    DIR *directory = opendir(path);
    if (directory == NULL) {
        (void)unlink(path);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            char below[PATH_MAX];
            snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
            struct stat found;
            bool deep = lstat(below, &found) == 0 && S_ISDIR(found.st_mode);
            if (deep) {
                remove_tree(below);
            } else {
                (void)unlink(below);
            }
        }
    }
    closedir(directory);
    (void)rmdir(path);
}

/* Adding is one write(2) with O_APPEND, which puts each line whole behind those of other
 * shells. The file grows until a shell that opens it finds more than twice the lines that
 * are kept; it then writes the last of them over the beginning and cuts off the rest. A
 * line that another shell added in between would be lost: so who adds holds the file's
 * lock (flock) shared, and who shortens it alone, and does so another time where somebody
 * else is at it. Killed in between, shortening has left lines twice, but none out. */
#include "shell_history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"

enum { HISTORY_LINES = 1000, READ_BYTES = 1024 * 1024 /* of the file's end, at most */ };

/* Makes the directories on the way to `path`; what cannot be made shows when used. */
static void make_parents(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
}

/* As the XDG base directory specification has it: a name that is not absolute counts as
 * none. */
static void find_file(struct shell_history *self) {
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int length = 0;
    if (state != NULL && state[0] == '/') {
        length = snprintf(self->path, PATH_MAX, "%s/strata/history", state);
    } else if (home != NULL && home[0] == '/') {
        length = snprintf(self->path, PATH_MAX, "%s/.local/state/strata/history", home);
    }
    if (length >= PATH_MAX) {
        self->path[0] = '\0';
    }
}

static int open_file(const struct shell_history *self, int flags) {
    return open(self->path, flags | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
}

static void give_up(struct shell_history *self, int reason) {
    fprintf(stderr, "%s: shell: lines are not kept for later shells: %s: %s\n",
            self->program, self->path, strerror(reason));
    self->path[0] = '\0';
}

/* The end of the file, with room for one more byte. 0, or an errno. */
static int read_end(int fd, struct buf *text) {
    struct stat found;
    buf_clear(text);
    if (fstat(fd, &found) != 0) {
        return errno;
    }
    if (buf_reserve(text, READ_BYTES + 1) != STATUS_OK) {
        return ENOMEM;
    }
    off_t bytes = found.st_size < READ_BYTES ? found.st_size : READ_BYTES;
    ssize_t got = pread(fd, text->data, (size_t)bytes, found.st_size - bytes);
    text->length = got > 0 ? (size_t)got : 0;
    return got < 0 ? errno : 0;
}

/* Where the last `count` lines begin; 0 if the file has no others before them. */
static size_t last_lines(const struct buf *text, size_t count) {
    size_t at = text->length;
    for (size_t ends = 0; at > 0; at--) {
        ends += text->data[at - 1] == '\n' && at < text->length;
        if (ends == count) {
            return at;
        }
    }
    if (text->length == READ_BYTES) { /* the first line is the rest of one */
        const unsigned char *end = memchr(text->data, '\n', text->length);
        at = end != NULL ? (size_t)(end - text->data) + 1 : text->length;
    }
    return at;
}

/* libedit takes lines that end in a zero byte. */
static void enter_lines(struct shell_history *self, struct buf *text) {
    HistEvent event;
    for (size_t at = last_lines(text, HISTORY_LINES); at < text->length;) {
        unsigned char *line = text->data + at;
        unsigned char *end = memchr(line, '\n', text->length - at);
        size_t bytes = end != NULL ? (size_t)(end - line) + 1 : text->length - at;
        unsigned char next = line[bytes];
        line[bytes] = '\0';
        history(self->lines, &event, H_ENTER, (const char *)line);
        line[bytes] = next;
        at += bytes;
    }
}

/* 0, or an errno. */
static int shorten(int fd, struct buf *text) {
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return 0;
    }
    int failed = read_end(fd, text); /* again: now nobody adds to it */
    size_t start = last_lines(text, HISTORY_LINES);
    size_t bytes = text->length - start;
    if (failed == 0 && pwrite(fd, text->data + start, bytes, 0) != (ssize_t)bytes) {
        failed = errno;
    }
    if (failed == 0 && ftruncate(fd, (off_t)bytes) != 0) {
        failed = errno;
    }
    return failed;
}

void shell_history_open(struct shell_history *self, const char *program, History *lines) {
    HistEvent event;
    *self = (struct shell_history){.program = program, .lines = lines};
    history(lines, &event, H_SETSIZE, HISTORY_LINES);
    history(lines, &event, H_SETUNIQUE, 1);
    find_file(self);
    if (self->path[0] == '\0') {
        return;
    }
    make_parents(self->path);
    struct buf text = {0};
    int fd = open_file(self, O_RDWR);
    int failed = fd < 0 ? errno : read_end(fd, &text);
    enter_lines(self, &text);
    if (failed == 0 && last_lines(&text, (size_t)HISTORY_LINES * 2) > 0) {
        failed = shorten(fd, &text);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (failed != 0) {
        give_up(self, failed);
    }
    buf_free(&text);
}

void shell_history_add(struct shell_history *self, const char *line) {
    HistEvent event;
    size_t bytes = strlen(line);
    if (history(self->lines, &event, H_ENTER, line) == 0 || self->path[0] == '\0') {
        return; /* the same again, or no file */
    }
    int fd = open_file(self, O_WRONLY | O_APPEND);
    if (fd < 0) {
        give_up(self, errno);
        return;
    }
    (void)flock(fd, LOCK_SH); /* where there are no locks it is added all the same */
    errno = ENOSPC;           /* what a short write has met */
    if (write(fd, line, bytes) != (ssize_t)bytes) {
        give_up(self, errno);
    }
    close(fd);
}

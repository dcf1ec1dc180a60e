/* The parent has no threads and no database, so that a fork is a clean start. The child
 * sends a message as a row begins, one with its sample as it ends, and a last one with
 * its outcome; without that one it was killed or crashed. A message is shorter than
 * PIPE_BUF and so arrives whole. */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program/interrupt.h"
#include "program/resident.h"

enum message_kind { MESSAGE_ROW_BEGINS, MESSAGE_SAMPLE, MESSAGE_OUTCOME };

struct message {
    enum message_kind kind;
    enum row row;
    struct sample sample;
    struct error error; /* of the outcome; its status is OK if all went well */
};

/* ---- the directory --------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *about, int kind,
                        struct FTW *walk) {
    (void)about;
    (void)kind;
    (void)walk;
    return remove(path);
}

enum status session_remove(const char *dir, struct error *error) {
    enum { DESCRIPTORS = 8 };
    return nftw(dir, remove_entry, DESCRIPTORS, FTW_DEPTH | FTW_PHYS) == 0 ||
                   errno == ENOENT
               ? STATUS_OK
               : error_set_errno(error, errno, "%s: remove", dir);
}

struct disk_use {
    int directory;
    uint64_t bytes;
};

/* What the file takes, also beyond its end; one that is gone by now takes nothing. */
static void add_file(void *context, const char *name) {
    struct disk_use *use = context;
    struct stat about;
    if (fstatat(use->directory, name, &about, AT_SYMLINK_NOFOLLOW) == 0) {
        use->bytes += (uint64_t)about.st_blocks * 512;
    }
}

static uint64_t disk_bytes(const struct work *work) {
    struct disk_use use = {open(work->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0};
    enum status status = directory_list(work->options.world->files, work->dir, add_file,
                                        &use, work->error);
    if (use.directory >= 0) {
        close(use.directory);
    }
    return status == STATUS_OK ? use.bytes : 0;
}

/* ---- the child ------------------------------------------------------------------- */

static void send(int to, const struct message *message) {
    if (write(to, message, sizeof *message) != (ssize_t)sizeof *message) {
        _exit(EXIT_FAILURE); /* nobody listens */
    }
}

static enum status run_row(struct work *work, int to) {
    struct sample *sample = &work->samples[work->row];
    struct resident_watch watch;
    send(to, &(struct message){.kind = MESSAGE_ROW_BEGINS, .row = work->row});
    enum status status = resident_watch_begin(&watch, work->options.world, work->error);
    if (status != STATUS_OK) {
        return status;
    }
    status = workload_run(work);
    uint64_t last =
        resident_bytes(); /* the watch may have been too slow for a short row */
    sample->peak_bytes = resident_watch_end(&watch);
    sample->peak_bytes = sample->peak_bytes < last ? last : sample->peak_bytes;
    sample->disk_bytes = disk_bytes(work);
    if (status == STATUS_OK) {
        send(to, &(struct message){
                     .kind = MESSAGE_SAMPLE, .row = work->row, .sample = *sample});
    }
    return status == STATUS_OK ? workload_check(work) : status;
}

/* One row that is measured with another is sent after that. */
static enum status run_rows(const struct session_plan *plan, struct work *work, int to) {
    enum status status = STATUS_OK;
    for (enum row row = 0; row < ROWS && status == STATUS_OK; row++) {
        if (plan->wanted[row] && row != ROW_WRITER) {
            work->row = row;
            status = run_row(work, to);
        }
    }
    if (status == STATUS_OK && plan->wanted[ROW_WRITER]) {
        const struct sample *beside = &work->samples[ROW_READWHILEWRITING];
        work->samples[ROW_WRITER].peak_bytes = beside->peak_bytes;
        work->samples[ROW_WRITER].disk_bytes = beside->disk_bytes;
        send(to, &(struct message){.kind = MESSAGE_SAMPLE,
                                   .row = ROW_WRITER,
                                   .sample = work->samples[ROW_WRITER]});
    }
    return status;
}

static enum status run_database(const struct session_plan *plan, struct work *work,
                                int to) {
    enum status status =
        plan->contender->open(work->dir, &work->options, &work->db, work->error);
    if (status != STATUS_OK) {
        return status;
    }
    status = run_rows(plan, work, to);
    struct error later = {0};
    if (work->db != NULL) {
        enum status closed =
            plan->contender->close(work->db, status == STATUS_OK ? work->error : &later);
        status = status == STATUS_OK ? closed : status;
    }
    return status;
}

static void run_child(const struct session_plan *plan, int to) {
    struct message last = {.kind = MESSAGE_OUTCOME, .row = ROWS};
    struct sample samples[ROWS] = {0};
    struct work work = {.contender = plan->contender,
                        .dir = plan->dir,
                        .options = *plan->options,
                        .samples = samples,
                        .error = &last.error};
    work.options.create = session_fresh(plan->session);
    work.options.durability =
        plan->session == SESSION_SYNC ? DURABILITY_ALWAYS : DURABILITY_NONE;
    enum status status = entries_init(&work.entries, plan->count, plan->seed);
    status = status != STATUS_OK ? error_no_memory(&last.error, "values", 0)
                                 : run_database(plan, &work, to);
    last.error.status = status;
    entries_free(&work.entries);
    send(to, &last);
}

/* ---- the parent ------------------------------------------------------------------ */

bool session_fresh(enum session session) {
    return session == SESSION_FILL || session == SESSION_LOAD || session == SESSION_BIG ||
           session == SESSION_BATCH || session == SESSION_SYNC;
}

static bool receive(int from, struct message *message) {
    interrupt_wait_readable(from);
    return !interrupt_seen() &&
           read(from, message, sizeof *message) == (ssize_t)sizeof *message;
}

/* Until the outcome, which is left in *message; false if there is none. */
static bool receive_all(int from, struct message *message, struct sample samples[ROWS],
                        enum row *at, session_progress *progress, void *context) {
    while (receive(from, message)) {
        switch (message->kind) {
        case MESSAGE_ROW_BEGINS:
            *at = message->row;
            progress(context, message->row);
            break;
        case MESSAGE_SAMPLE:
            samples[message->row] = message->sample;
            break;
        case MESSAGE_OUTCOME:
            return true;
        }
    }
    return false;
}

static enum status outcome(const struct session_plan *plan, enum row at,
                           const struct message *last, int ended, struct error *error) {
    const char *name = plan->contender->name;
    const char *row = at == ROWS ? "open" : rows[at].name;
    if (last == NULL) {
        return error_set(error, STATUS_IO, "%s: %s: its process ended, signal %d", name,
                         row, WIFSIGNALED(ended) ? WTERMSIG(ended) : 0);
    }
    return last->error.status == STATUS_OK
               ? STATUS_OK
               : error_set(error, last->error.status, "%s: %s: %s", name, row,
                           last->error.message);
}

static pid_t begin_child(const struct session_plan *plan, int ends[2]) {
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) {
            close(ends[0]);
            run_child(plan, ends[1]);
        }
        _exit(EXIT_SUCCESS);
    }
    close(ends[1]);
    return child;
}

/* The database of one contender is not to be measured while the system still writes what
 * another one left. */
static enum status prepare(const struct session_plan *plan, struct error *error) {
    enum status status =
        session_fresh(plan->session) ? session_remove(plan->dir, error) : STATUS_OK;
    sync();
    return status;
}

enum status session_run(const struct session_plan *plan, struct sample samples[ROWS],
                        double *cpu_seconds, session_progress *progress, void *context,
                        bool *interrupted, struct error *error) {
    int ends[2];
    enum status status = prepare(plan, error);
    if (status == STATUS_OK && pipe(ends) != 0) {
        status = error_set_errno(error, errno, "a pipe");
    }
    if (status != STATUS_OK) {
        return status;
    }
    pid_t child = begin_child(plan, ends);
    if (child < 0) {
        close(ends[0]);
        return error_set_errno(error, errno, "fork");
    }
    struct message last;
    enum row at = ROWS;
    bool told = receive_all(ends[0], &last, samples, &at, progress, context);
    close(ends[0]);
    *interrupted = interrupt_seen();
    if (!told) {
        kill(child, SIGKILL);
    }
    int ended = 0;
    struct rusage used = {0};
    wait4(child, &ended, 0, &used);
    *cpu_seconds = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                   (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    return *interrupted ? STATUS_OK
                        : outcome(plan, at, told ? &last : NULL, ended, error);
}

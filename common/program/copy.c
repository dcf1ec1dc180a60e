/* checkpoint, backup and restore: from stage 07 on. */
#include <inttypes.h>
#include <unistd.h>

#include "commands.h"
#include "kv_checkpoint.h"
#include "output.h"

/* ---- what a person at a terminal sees -------------------------------------------- */

struct shown {
    bool shown;
    uint64_t percent;
};

static void show(void *context, uint64_t done_bytes, uint64_t whole_bytes) {
    struct shown *shown = context;
    uint64_t percent = whole_bytes == 0 ? 100 : 100 * done_bytes / whole_bytes;
    if (shown->shown && percent != shown->percent) {
        shown->percent = percent;
        fprintf(stderr, "\r%3" PRIu64 " %%  of %" PRIu64 " bytes\033[K",
                percent > 100 ? 100 : percent, whole_bytes);
    }
}

static void wipe(const struct shown *shown) {
    if (shown->shown) {
        fputs("\r\033[K", stderr);
    }
}

static struct shown begin(const struct command_run *run) {
    return (struct shown){.shown = isatty(STDERR_FILENO) == 1 && !run->beside,
                          .percent = UINT64_MAX};
}

/* ---- checkpoint ------------------------------------------------------------------ */

static enum status run_checkpoint(struct command_run *run) {
    const char *path = run->arguments[0];
    struct shown shown = begin(run);
    uint64_t sequence = 0;
    const struct kv_copy_options copy = {&sequence, show, &shown};
    enum status status = kv_checkpoint(run->kv, path, &copy, run->error);
    if (status == STATUS_OK) {
        status = kv_verify(path, run->options, NULL, NULL, run->error);
    }
    wipe(&shown);
    if (status == STATUS_OK && shown.shown) {
        fprintf(stderr, "%s: all up to sequence %" PRIu64 ", verified\n", path, sequence);
    }
    return status;
}

const struct command command_checkpoint = {
    .name = "checkpoint",
    .arguments = "DIR",
    .summary = "Make an openable copy of this moment in a new directory",
    .help = "A table is never changed once it is written, so a copy needs no bytes of "
            "its own: DIR gets a second name (a hard link) for each table, and a "
            "manifest that lists them. What is in memory goes into a table first. "
            "Others may go on writing; the copy holds everything up to one moment. On "
            "another file system, where there can be no such names, the tables are "
            "copied.\n\n"
            "DIR must not be there. It appears when it is whole, by one rename, and is "
            "then read and verified. It is a database like any other.\n\n"
            "A checkpoint shares its tables with the database: what damages the disk "
            "damages both. A copy that shares nothing is a backup.\n\n"
            "Examples:\n"
            "  $0 checkpoint before-upgrade\n"
            "  $0 -d before-upgrade scan --limit 3\n\n"
            "Exit code 2: DIR is there already, or has no parent. 3: a table is damaged. "
            "6: there is no room.",
    .arguments_least = 1,
    .arguments_most = 1,
    .directory = DIRECTORY_OPEN,
    .run = run_checkpoint};

/* ---- backup ---------------------------------------------------------------------- */

struct backup_values {
    bool list;
};

enum { KEY_LIST = 0x100 };

static error_t parse_backup(int key, char *argument, struct argp_state *state) {
    struct command_run *run = state->input;
    struct backup_values *values = run->values;
    (void)argument;
    if (key != KEY_LIST) {
        return ARGP_ERR_UNKNOWN;
    }
    values->list = true;
    return 0;
}

static void print_backup(void *context, const struct kv_backup *backup) {
    char line[128];
    (void)context;
    snprintf(line, sizeof line,
             "%06" PRIu64 "  sequence %" PRIu64 "  %" PRIu64 " tables  %" PRIu64 " bytes",
             backup->number, backup->sequence, backup->tables, backup->bytes);
    output_line(NULL, line);
}

static enum status back_up(struct command_run *run, struct kv *kv) {
    const char *path = run->arguments[0];
    struct shown shown = begin(run);
    uint64_t sequence = 0, number = 0;
    const struct kv_copy_options copy = {&sequence, show, &shown};
    enum status status = kv_backup(kv, path, &copy, &number, run->error);
    wipe(&shown);
    if (status == STATUS_OK) {
        char line[64];
        snprintf(line, sizeof line, "%06" PRIu64, number);
        output_line(NULL, line);
    }
    if (status == STATUS_OK && shown.shown) {
        fprintf(stderr, "%s: all up to sequence %" PRIu64 ", verified\n", path, sequence);
    }
    return status;
}

/* A list needs no database, so that this command opens its own where no shell has. */
static enum status run_backup(struct command_run *run) {
    const struct backup_values *values = run->values;
    if (values->list) {
        return kv_backups(run->arguments[0], run->options, print_backup, NULL,
                          run->error);
    }
    if (run->kv != NULL) {
        return back_up(run, run->kv);
    }
    struct kv *kv = NULL;
    enum status status = kv_open(run->dir, run->options, &kv, run->error);
    if (status != STATUS_OK) {
        return status;
    }
    status = back_up(run, kv);
    enum status closed = kv_close(kv, status == STATUS_OK ? run->error : NULL);
    return status != STATUS_OK ? status : closed;
}

static const struct argp_option backup_options[] = {
    {"list", KEY_LIST, NULL, 0, "Only print which backups there are", 0}, {0}};

const struct command command_backup = {
    .name = "backup",
    .arguments = "DIR",
    .summary = "Add a backup to a directory of backups",
    .help =
        "Makes DIR/000001, the next time DIR/000002, and so on, and prints the number. "
        "Each is a whole database; a table that has not changed since the backup before "
        "is shared with that one, so that it takes room once. Nothing is shared with the "
        "database itself. Others may go on writing; the backup holds everything up to "
        "one moment. It is read as a whole and verified before it gets its number.\n\n"
        "DIR is made where missing; best on another disk. A backup that is no longer "
        "wanted is removed with its directory; the others keep what they need.\n\n"
        "While a program has the database open nobody else can open it; in a shell "
        "`.start import FILE` and then `backup DIR` back up beside a writer.\n\n"
        "With --list it prints the backups, oldest first: number, last sequence, tables "
        "and bytes.\n\n"
        "Examples:\n"
        "  $0 -d /srv/fruit backup /mnt/fruit\n"
        "  $0 backup --list /mnt/fruit\n"
        "  rm -r /mnt/fruit/000001\n\n"
        "Exit code 2: DIR holds something else. 3: the database is damaged; there is no "
        "new backup. 5: another backup is being made. 6: there is no room.",
    .options = backup_options,
    .parse = parse_backup,
    .values_bytes = sizeof(struct backup_values),
    .arguments_least = 1,
    .arguments_most = 1,
    .directory = DIRECTORY_LENT,
    .run = run_backup};

/* ---- restore --------------------------------------------------------------------- */

static enum status run_restore(struct command_run *run) {
    struct shown shown = begin(run);
    const struct kv_copy_options copy = {NULL, show, &shown};
    enum status status =
        kv_restore(run->arguments[0], run->dir, run->options, &copy, run->error);
    wipe(&shown);
    if (status == STATUS_OK && shown.shown) {
        fprintf(stderr, "%s: restored and verified\n", run->dir);
    }
    return status;
}

const struct command command_restore = {
    .name = "restore",
    .arguments = "BACKUP",
    .summary = "Make a database of a backup",
    .help =
        "Copies a backup to the directory named with -d, which must be empty or not be "
        "there. BACKUP is a directory of backups, and its newest is taken, or one of "
        "them, or a checkpoint, or any database that nobody has open. The copy is read "
        "as a whole and verified before it gets its name; if the backup is damaged, "
        "nothing is left.\n\n"
        "Examples:\n"
        "  $0 -d /srv/fruit restore /mnt/fruit\n"
        "  $0 -d /srv/fruit-of-may restore /mnt/fruit/000005\n\n"
        "Exit code 2: there is no backup, or a database already. 3: the backup "
        "is damaged. 5: somebody has it open. 6: there is no room.",
    .arguments_least = 1,
    .arguments_most = 1,
    .directory = DIRECTORY_UNUSED,
    .run = run_restore};

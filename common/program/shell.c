/* shell: the commands of the program over one open store, a line each.
 *
 *     a line (edited on a terminal, else read as it comes) → words → the command's row
 *     → its options → run on the store that the shell holds open → its failure told
 *
 * What lasts from line to line: a batch and snapshots (shell_session.h), and commands
 * that were started beside the others (shell_call.h).
 *
 * Nothing that a line says ends the shell but .exit; and a signal (SIGTERM, SIGHUP, and
 * SIGINT where nobody edits) ends it as the end of the input does: with a clean close. */
#include <unistd.h>

#include "commands.h"
#include "interrupt.h"
#include "invocation.h"
#include "lines.h"
#include "output.h"
#include "shell_call.h"
#include "shell_edit.h"
#include "shell_session.h"
#include "shell_words.h"

struct shell {
    struct command_run *run; /* the shell's own */
    struct globals help;     /* what a line's command is told beside its own options */
    struct shell_words words;
    struct shell_session session;
    struct shell_call *started;
    int code; /* of the last line that failed, or 0 */
    bool ends;
};

static int tell(const struct shell *shell, enum status status,
                const struct error *error) {
    fprintf(stderr, "%s: shell: %s\n", shell->run->program,
            error->message[0] != '\0' ? error->message : status_words(status));
    return status_exit_code(status);
}

/* ---- one line --------------------------------------------------------------- */

/* The command of that name, if it can be run here; else that is told, with its exit code
 * in *code. */
static const struct command *find_here(const struct shell *shell, const char *name,
                                       int *code) {
    const struct command *command = command_find(name);
    if (command == NULL) {
        *code = invocation_unknown(shell->run->program, true, name);
        return NULL;
    }
    if (!shell_call_possible(command)) {
        fprintf(stderr,
                "%s: %s: not in the shell, which has the database open; leave "
                "it with .exit first\n",
                shell->run->program, name);
        *code = status_exit_code(STATUS_INVALID);
        return NULL;
    }
    return command;
}

static int run_named(struct shell *shell, const struct kv_snapshot *snapshot, int count,
                     char **words) {
    int code = 0;
    const struct command *command = find_here(shell, words[0], &code);
    struct command_run run = *shell->run;
    run.batch = shell->session.batch;
    run.snapshot = snapshot;
    return command == NULL ? code
                           : shell_call_now(&run, &shell->help, command, count, words);
}

/* ---- the shell's own words -------------------------------------------------- */

static int print_help(const struct shell *shell);

static int run_help(struct shell *shell, int count, char **words) {
    char option[] = "--help";
    char *line[] = {count > 1 ? words[1] : NULL, option, NULL};
    return count > 1 ? run_named(shell, NULL, 2, line) : print_help(shell);
}

static int run_exit(struct shell *shell, int count, char **words) {
    (void)count, (void)words;
    shell->ends = true;
    return 0;
}

static int answer(const struct shell *shell, const char *word, enum status status,
                  const struct error *error) {
    struct error told = *error;
    if (status == STATUS_OK) {
        return 0;
    }
    (void)error_set(&told, status, "%s: %s", word,
                    error->message[0] != '\0' ? error->message : status_words(status));
    return tell(shell, status, &told);
}

static enum status change_session(struct shell_session *session, char **words,
                                  struct error *error) {
    if (strcmp(words[0], ".begin") == 0) {
        return shell_session_begin(session, error);
    }
    if (strcmp(words[0], ".commit") == 0) {
        return shell_session_commit(session, error);
    }
    if (strcmp(words[0], ".abandon") == 0) {
        return shell_session_abandon(session, error);
    }
    return strcmp(words[0], ".snapshot") == 0
               ? shell_session_take(session, words[1], error)
               : shell_session_release(session, words[1], error);
}

static int run_session(struct shell *shell, int count, char **words) {
    struct error error = {0};
    (void)count;
    return answer(shell, words[0], change_session(&shell->session, words, &error),
                  &error);
}

static int run_at(struct shell *shell, int count, char **words) {
    struct error error = {0};
    const struct kv_snapshot *snapshot = NULL;
    enum status status = shell_session_at(&shell->session, words[1], &snapshot, &error);
    const struct command *command = command_find(words[2]);
    if (status == STATUS_OK && command != &command_get && command != &command_scan &&
        command != &command_export) {
        status = error_set(&error, STATUS_INVALID,
                           "%s: what can be done at a snapshot is get, scan and export",
                           words[2]);
    }
    return status == STATUS_OK ? run_named(shell, snapshot, count - 2, words + 2)
                               : answer(shell, words[0], status, &error);
}

/* Batches and snapshots are the shell's own: a thread beside it has nothing of them. */
static int run_start(struct shell *shell, int count, char **words) {
    struct error error = {0};
    int code = 0;
    if (shell->session.batch != NULL) {
        enum status status = error_set(&error, STATUS_INVALID,
                                       "a batch has begun; .commit or .abandon it first");
        return answer(shell, words[0], status, &error);
    }
    const struct command *command = find_here(shell, words[1], &code);
    return command == NULL ? code
                           : shell_call_start(shell->run, &shell->help, command,
                                              count - 1, words + 1, &shell->started);
}

static int run_wait(struct shell *shell, int count, char **words) {
    (void)count, (void)words;
    return shell_call_wait(&shell->started);
}

static const struct own {
    const char *name, *usage, *summary;
    int least, most; /* words behind it; -1: no limit */
    int (*run)(struct shell *shell, int count, char **words);
} own[] = {
    {".begin", ".begin", "Collect what put and del say from here on …", 0, 0,
     run_session},
    {".commit", ".commit", "… and write it as one change, all of it or none", 0, 0,
     run_session},
    {".abandon", ".abandon", "… or forget it", 0, 0, run_session},
    {".snapshot", ".snapshot NAME", "Keep this moment, until .release NAME or the end", 1,
     1, run_session},
    {".at", ".at NAME COMMAND...", "get, scan or export as it was then", 2, -1, run_at},
    {".release", ".release NAME", "Let the snapshot go", 1, 1, run_session},
    {".start", ".start COMMAND...", "Run it beside the lines that follow", 1, -1,
     run_start},
    {".wait", ".wait", "Wait until what was started has ended", 0, 0, run_wait},
    {".help", ".help [COMMAND]", "This list, or a command's options", 0, 1, run_help},
    {".exit", ".exit", "Close the database and leave, as Ctrl-D does", 0, 0, run_exit},
};

enum { OWN_COUNT = sizeof own / sizeof own[0] };

static int print_help(const struct shell *shell) {
    struct error error = {0};
    struct buf text = {0};
    enum status status =
        buf_append_text(&text, "Commands, without the program's name in front:\n");
    for (size_t i = 0; status == STATUS_OK && command_at(i) != NULL; i++) {
        if (shell_call_possible(command_at(i))) {
            status = command_list_one(command_at(i), &text);
        }
    }
    for (size_t i = 0; status == STATUS_OK && i < OWN_COUNT; i++) {
        status = buf_printf(&text, "  %-20s  %s\n", own[i].usage, own[i].summary);
    }
    if (status == STATUS_OK) {
        status = buf_append_text(
            &text, "A word with spaces stands between '…', as it is, or between \"…\", "
                   "where \\t \\n \\r \\\\ \\\" \\xHH are read.\n");
    }
    status = status == STATUS_OK ? output_write(buf_slice(&text), &error)
                                 : error_no_memory(&error, "the help", 1000);
    if (status == STATUS_OK) {
        status = output_flush(&error);
    }
    buf_free(&text);
    return status == STATUS_OK ? 0 : tell(shell, status, &error);
}

static int run_own(struct shell *shell, const struct own *word) {
    int count = shell->words.count;
    if (count - 1 < word->least || (word->most >= 0 && count - 1 > word->most)) {
        struct error error = {0};
        enum status status = error_set(&error, STATUS_INVALID, "usage: %s", word->usage);
        return answer(shell, word->name, status, &error);
    }
    return word->run(shell, count, shell->words.words);
}

static int run_words(struct shell *shell) {
    char **words = shell->words.words;
    if (strcmp(words[0], "help") == 0) {
        return run_help(shell, shell->words.count, words);
    }
    for (size_t i = 0; i < OWN_COUNT; i++) {
        if (strcmp(own[i].name, words[0]) == 0) {
            return run_own(shell, &own[i]);
        }
    }
    return run_named(shell, NULL, shell->words.count, words);
}

static void run_line(struct shell *shell, struct slice line) {
    struct error error = {0};
    enum status status = shell_words_parse(&shell->words, line, &error);
    int code = 0;
    if (status != STATUS_OK) {
        code = tell(shell, status, &error);
    } else if (shell->words.count > 0 && shell->words.words[0][0] != '#') {
        code = run_words(shell);
    }
    shell->code = code != 0 ? code : shell->code;
}

/* ---- all lines -------------------------------------------------------------- */

static void complete(void *context, shell_edit_name *name, void *name_context) {
    (void)context;
    for (size_t i = 0; command_at(i) != NULL; i++) {
        if (shell_call_possible(command_at(i))) {
            name(name_context, command_at(i)->name);
        }
    }
    for (size_t i = 0; i < OWN_COUNT; i++) {
        name(name_context, own[i].name);
    }
}

/* On a terminal. A Ctrl-C that came while a command ran has ended that command only. */
static enum status run_edited(struct shell *shell) {
    struct shell_edit *edit = NULL;
    enum status status =
        shell_edit_open(shell->run->program, complete, NULL, &edit, shell->run->error);
    struct slice line;
    bool *interrupted = &shell->run->interrupted;
    while (status == STATUS_OK && !shell->ends &&
           shell_edit_next(edit, &line, interrupted)) {
        run_line(shell, line);
        while (interrupt_take()) {
        }
    }
    shell_edit_close(edit);
    return status;
}

static enum status run_script(struct shell *shell) {
    struct lines lines;
    struct slice line;
    bool more = true;
    lines_init(&lines, STDIN_FILENO, "standard input");
    enum status status = STATUS_OK;
    while (status == STATUS_OK && more && !shell->ends && !interrupt_seen()) {
        status = lines_next(&lines, &line, &more, shell->run->error);
        if (status == STATUS_OK && more) {
            run_line(shell, line);
        }
    }
    lines_free(&lines);
    shell->run->interrupted = interrupt_seen();
    shell->run->code = shell->code;
    return status;
}

/* A batch that nobody has committed was not meant to end so. */
static int end_batch(const struct shell *shell) {
    const struct kv_batch *batch = shell->session.batch;
    struct error error = {0};
    if (batch == NULL || kv_batch_count(batch) == 0) {
        return 0;
    }
    enum status status =
        error_set(&error, STATUS_INVALID,
                  "the batch of %zu puts and deletes was not committed: it is forgotten",
                  kv_batch_count(batch));
    return tell(shell, status, &error);
}

static enum status run_shell(struct command_run *run) {
    struct shell shell = {.run = run, .session = {.kv = run->kv}};
    globals_init_help(&shell.help);
    bool person = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
    enum status status = person ? run_edited(&shell) : run_script(&shell);
    int code = shell_call_wait(&shell.started);
    code = code != 0 ? code : end_batch(&shell);
    run->code = code != 0 ? code : run->code;
    shell_session_free(&shell.session);
    shell_words_free(&shell.words);
    return status;
}

const struct command command_shell = {
    .name = "shell",
    .arguments = "",
    .summary = "Take commands, line by line",
    .help = "The lines are the program's own commands without its name: put, get, del, "
            "scan, sync, stats and others; .help lists them, .exit leaves. What stands "
            "between '...' is one word as it is, and between \"...\" one word in which "
            "\\t \\n \\r \\\\ \\\" \\xHH are read. A line that begins with # is left "
            "out. A failing command is told, and the next line is taken.\n\n"
            "From stage 06 on .begin collects what put and del say, and .commit writes "
            "it as one change: after a crash all of it is there or nothing. Until then "
            "nobody sees it, the shell included; .abandon forgets it. From stage 07 on "
            ".snapshot NAME keeps a moment: `.at NAME get KEY`, and scan and export, "
            "read as it was then, whatever was written, flushed or compacted since, "
            "until .release NAME or the end of the shell.\n\n"
            "`.start import FILE` imports beside the lines that follow, and so with any "
            "command; .wait waits for all that were started, as the end does.\n\n"
            "On a terminal lines are edited, Tab completes a command, the arrows bring "
            "back earlier lines (of all shells, in ~/.local/state/strata/history, or "
            "under $XDG_STATE_HOME), Ctrl-C cancels the line and Ctrl-D leaves. Else "
            "standard input is a script.\n\n"
            "Examples:\n"
            "  $0 shell\n"
            "  $0 -d /srv/fruit shell < commands.txt\n"
            "  printf 'put apple \"dark red\"\\nget apple\\n' | $0 shell\n\n"
            "Exit code of a script: that of the last command that failed, or 0.",
    .arguments_least = 0,
    .arguments_most = 0,
    .directory = DIRECTORY_CREATE,
    .interruptible = true,
    .run = run_shell};

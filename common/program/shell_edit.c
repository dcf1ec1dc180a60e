#include "shell_edit.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <histedit.h>

#include "buf.h"
#include "interrupt.h"
#include "memory.h"
#include "shell_history.h"

enum { CANCEL = 3 /* the character of Ctrl-C */, LEAVE = 4 /* and of Ctrl-D */ };

struct shell_edit {
    EditLine *edit;
    History *lines;
    struct shell_history history;
    shell_edit_names *names;
    void *names_context;
    struct buf prompt;
    struct termios terminal; /* as it was before */
    mbstate_t character;     /* of which some bytes were read */
    int ahead;               /* bytes that were typed before lines were edited */
    bool cancelled;
};

static struct shell_edit *of(EditLine *edit) {
    void *found = NULL;
    el_get(edit, EL_CLIENTDATA, &found);
    return found;
}

static char *prompt(EditLine *edit) {
    return (char *)of(edit)->prompt.data;
}

/* ---- characters ------------------------------------------------------------- */

/* While a command runs, and before the first, the terminal is in its ordinary mode. There
 * the system makes of a Ctrl-D the end of the input, which it keeps in its queue as a
 * marked zero byte. Changing the mode takes the marks away, and what libedit would read
 * is a zero byte: not an end, but its key for "take the next character as it is".
 *
 * So the mode is changed before the prompt is shown, not behind it as el_gets() does: who
 * answers a prompt is understood. And a zero byte among those that are in the queue then,
 * which were typed ahead, is a Ctrl-D. */
static void take_terminal(struct shell_edit *self) {
    el_set(self->edit, EL_PREP_TERM, 1);
    if (ioctl(STDIN_FILENO, FIONREAD, &self->ahead) != 0) {
        self->ahead = 0;
    }
}

/* libedit asks here for each character. Signals are held, so Ctrl-C is seen pending. */
static int read_character(EditLine *edit, wchar_t *character) {
    struct shell_edit *self = of(edit);
    for (;;) {
        interrupt_wait_readable(STDIN_FILENO);
        if (interrupt_take()) {
            self->character = (mbstate_t){0};
            self->ahead = 0; /* the system has emptied its queue */
            *character = CANCEL;
            return 1;
        }
        if (interrupt_seen()) {
            return -1;
        }
        char byte;
        ssize_t got = read(STDIN_FILENO, &byte, 1);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return -1; /* the terminal is gone */
        }
        if (self->ahead > 0) {
            self->ahead--;
            byte = byte == '\0' ? LEAVE : byte;
        }
        size_t used = mbrtowc(character, &byte, 1, &self->character);
        if (used == 0 || used == 1) {
            return 1;
        }
        if (used == (size_t)-1) { /* no character of the terminal's encoding: dropped */
            self->character = (mbstate_t){0};
        }
    }
}

static unsigned char cancel_line(EditLine *edit, int key) {
    (void)key;
    of(edit)->cancelled = true;
    fputs("^C\n", stdout);
    return CC_NEWLINE;
}

/* ---- completion ------------------------------------------------------------- */

/* What the names that begin with `typed` have in common. */
struct candidates {
    struct slice typed;
    const char *first;
    size_t common; /* bytes of `first` */
    size_t count;
    bool shown; /* print them */
};

static void add_candidate(void *context, const char *name) {
    struct candidates *candidates = context;
    if (!slice_starts_with(slice_of(name), candidates->typed)) {
        return;
    }
    if (candidates->shown) {
        printf("%s%s", candidates->count == 0 ? "\n" : "  ", name);
    }
    if (candidates->count++ == 0) {
        candidates->first = name;
        candidates->common = strlen(name);
    }
    size_t same = 0;
    while (same < candidates->common && name[same] == candidates->first[same]) {
        same++;
    }
    candidates->common = same;
}

/* Only the first word is completed: a command. */
static unsigned char complete_word(EditLine *edit, int key) {
    struct shell_edit *self = of(edit);
    (void)key;
    const LineInfo *info = el_line(edit);
    struct candidates found = {
        .typed = slice_make(info->buffer, (size_t)(info->cursor - info->buffer))};
    if (memchr(found.typed.data, ' ', found.typed.length) != NULL) {
        return CC_ERROR;
    }
    self->names(self->names_context, add_candidate, &found);
    char rest[64];
    int length = found.count == 0 ? 0
                                  : snprintf(rest, sizeof rest, "%.*s%s",
                                             (int)(found.common - found.typed.length),
                                             found.first + found.typed.length,
                                             found.count == 1 ? " " : "");
    if (length > 0) {
        return el_insertstr(edit, rest) == 0 ? CC_REFRESH : CC_ERROR;
    }
    if (found.count < 2) {
        return CC_ERROR;
    }
    struct candidates shown = {.typed = found.typed, .shown = true};
    self->names(self->names_context, add_candidate, &shown);
    (void)putchar('\n');
    return CC_REDISPLAY;
}

/* ---- lines ------------------------------------------------------------------ */

enum status shell_edit_open(const char *program, shell_edit_names *names,
                            void *names_context, struct shell_edit **edit,
                            struct error *error) {
    struct shell_edit *self = memory_take_zeroed(sizeof *self);
    if (self == NULL || buf_printf(&self->prompt, "%s> %c", program, 0) != STATUS_OK) {
        memory_give(self);
        return error_no_memory(error, "the shell", sizeof(struct shell_edit));
    }
    self->names = names;
    self->names_context = names_context;
    (void)setlocale(LC_CTYPE, ""); /* how the terminal writes characters */
    bool usable = tcgetattr(STDIN_FILENO, &self->terminal) == 0;
    self->edit = usable ? el_init(program, stdin, stdout, stderr) : NULL;
    self->lines = history_init();
    if (self->edit == NULL || self->lines == NULL) {
        shell_edit_close(self);
        return error_set(error, STATUS_IO, "the terminal cannot be used");
    }
    el_set(self->edit, EL_CLIENTDATA, self);
    el_set(self->edit, EL_PROMPT, prompt);
    el_set(self->edit, EL_EDITOR, "emacs");
    el_set(self->edit, EL_SIGNAL, 1); /* Ctrl-Z, a window of another size */
    el_set(self->edit, EL_GETCFN, read_character);
    /* Wide, since libedit keeps these names as they are; of others it makes copies that
     * it never frees. */
    el_wset(self->edit, EL_ADDFN, L"strata-complete", L"Complete", complete_word);
    el_wset(self->edit, EL_ADDFN, L"strata-cancel", L"Cancel the line", cancel_line);
    el_set(self->edit, EL_BIND, "^I", "strata-complete", NULL);
    el_set(self->edit, EL_BIND, "^C", "strata-cancel", NULL);
    el_set(self->edit, EL_HIST, history, self->lines);
    shell_history_open(&self->history, program, self->lines);
    *edit = self;
    return STATUS_OK;
}

bool shell_edit_next(struct shell_edit *self, struct slice *line, bool *interrupted) {
    for (;;) {
        int length = 0;
        self->cancelled = false;
        take_terminal(self);
        const char *text = el_gets(self->edit, &length);
        if (self->cancelled) {
            continue;
        }
        *interrupted = length < 0;
        if (length < 0) {
            clearerr(stdout); /* nobody misses what a lost terminal did not take */
            return false;
        }
        if (text == NULL) {
            (void)putchar('\n'); /* the shell's prompt stands in this line */
            return false;
        }
        if (text[0] != '\n') {
            shell_history_add(&self->history, text);
        }
        *line = slice_make(text, (size_t)(length - (text[length - 1] == '\n')));
        return true;
    }
}

void shell_edit_close(struct shell_edit *self) {
    if (self == NULL) {
        return;
    }
    if (self->lines != NULL) {
        history_end(self->lines);
    }
    if (self->edit != NULL) {
        /* libedit would throw away what was typed ahead for the program that comes next;
         * but it leaves the terminal alone where it does not edit. */
        el_set(self->edit, EL_EDITMODE, 0);
        el_end(self->edit);
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &self->terminal);
    }
    buf_free(&self->prompt);
    memory_give(self);
}

/* A line of the shell as words.
 *
 * Words are separated by spaces and tabs. Between '…' every byte stands for itself;
 * between "…" \" is a quotation mark, and \t \n \r \\ \xHH are read as escape.h says;
 * elsewhere every byte, a backslash too, stands for itself. Quoted and other parts that
 * touch are one word; '' is the empty one. */
#ifndef STRATA_SHELL_WORDS_H
#define STRATA_SHELL_WORDS_H

#include "buf.h"

/* In the caller's storage, zeroed. Each word ends in a zero byte that is not part of it; all die
 * at the next parse. */
struct shell_words {
    int count;
    char **words; /* a NULL behind the last */
    struct buf bytes;
};

/* INVALID: a quotation that is not closed, an escape that there is not, or a zero byte
 * (which an argument of a program cannot hold either); the position is in bytes, from 1.
 * NO_MEMORY. */
MUST_CHECK enum status shell_words_parse(struct shell_words *words, struct slice line,
                                         struct error *error);
void shell_words_free(struct shell_words *words);

#endif

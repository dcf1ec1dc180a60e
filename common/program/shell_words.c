#include "shell_words.h"

#include "escape.h"
#include "memory.h"

static enum status no_memory(struct slice line, struct error *error) {
    return error_no_memory(error, "the words of a line", line.length);
}

/* Reads from the quotation mark at *at on to the one that closes it, and past that. */
static enum status take_quoted(struct shell_words *words, struct slice line, size_t *at,
                               struct error *error) {
    unsigned char mark = line.data[*at];
    size_t start = *at + 1;
    struct error cause = {0};
    for (size_t i = start; i < line.length; i++) {
        bool pair = mark == '"' && line.data[i] == '\\' && i + 1 < line.length;
        bool quote = pair && line.data[i + 1] == '"';
        if (line.data[i] != mark && !quote) {
            i += pair; /* what is escaped ends nothing */
            continue;
        }
        struct slice part = slice_make(line.data + start, i - start);
        enum status status = mark == '"' ? escape_parse(part, &words->bytes, &cause)
                                         : buf_append_slice(&words->bytes, part);
        if (status == STATUS_INVALID) {
            return error_set(error, status, "in the quotation at %zu: %s", *at + 1,
                             cause.message);
        }
        if (status == STATUS_OK && quote) {
            status = buf_append(&words->bytes, "\"", 1);
            start = i + 2;
            i++;
        }
        if (status != STATUS_OK) {
            return no_memory(line, error);
        }
        if (!quote) {
            *at = i + 1;
            return STATUS_OK;
        }
    }
    return error_set(error, STATUS_INVALID,
                     "the quotation that begins at %zu (%c) has no end", *at + 1, mark);
}

static bool is_space(unsigned char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static enum status take_word(struct shell_words *words, struct slice line, size_t *at,
                             struct error *error) {
    size_t start = words->bytes.length, first = *at;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && *at < line.length && !is_space(line.data[*at])) {
        if (line.data[*at] == '\'' || line.data[*at] == '"') {
            status = take_quoted(words, line, at, error);
            if (status == STATUS_INVALID) {
                return status;
            }
        } else {
            status = buf_append(&words->bytes, line.data + (*at)++, 1);
        }
    }
    size_t length = words->bytes.length - start;
    if (status == STATUS_OK && length > 0 &&
        memchr(words->bytes.data + start, 0, length) != NULL) {
        return error_set(error, STATUS_INVALID,
                         "the word that begins at %zu holds a zero byte; --escape and "
                         "'\\x00' stand for one",
                         first + 1);
    }
    if (status == STATUS_OK) {
        status = buf_append(&words->bytes, "", 1);
    }
    if (status != STATUS_OK) {
        return no_memory(line, error);
    }
    words->words[words->count++] = (char *)words->bytes.data + start;
    return STATUS_OK;
}

/* Bytes of words and the zero behind each are fewer than twice those of the line and one;
 * so the bytes stay where they are once the room for them is taken. */
enum status shell_words_parse(struct shell_words *words, struct slice line,
                              struct error *error) {
    size_t most = line.length / 2 + 2; /* words, with the NULL */
    shell_words_free(words);
    words->words = memory_take_zeroed(most * sizeof *words->words);
    if (words->words == NULL ||
        buf_reserve(&words->bytes, 2 * line.length + 1) != STATUS_OK) {
        return no_memory(line, error);
    }
    enum status status = STATUS_OK;
    for (size_t at = 0; at < line.length && status == STATUS_OK;) {
        if (is_space(line.data[at])) {
            at++;
        } else {
            status = take_word(words, line, &at, error);
        }
    }
    return status;
}

void shell_words_free(struct shell_words *words) {
    memory_give(words->words);
    buf_free(&words->bytes);
    *words = (struct shell_words){0};
}

/* In three steps: the last line of each setting that is not so any more is written anew;
 * what comes of that text, includes and all, is read as a start would; and settings that
 * still differ, being given nowhere or overridden by an include, are appended. So what is
 * written reads back as what is so, whatever the file looks like.
 *
 * On disk: the new text is written beside the file and synced; then the name is moved
 * over the file's, and the directory is synced. The name always means one whole text. */
#include "config_rewrite.h"

#include <ctype.h>

#include "config_file.h"
#include "failpoint.h"
#include "memory.h"
#include "text_file.h"

static const char mark[] = "# Added by CONFIG REWRITE\n";

/* The next line of *rest, without its end. */
static bool next_line(struct slice *rest, struct slice *line) {
    if (rest->length == 0) {
        return false;
    }
    const unsigned char *end = memchr(rest->data, '\n', rest->length);
    *line =
        slice_make(rest->data, end != NULL ? (size_t)(end - rest->data) : rest->length);
    slice_advance(rest, line->length + (end != NULL));
    return true;
}

/* The row that a line sets; config_count() if it sets none. NO_MEMORY. */
static enum status row_of_line(struct slice line, struct buf *scratch, size_t *index) {
    struct slice words[CONFIG_WORDS_MAX];
    size_t count;
    *index = config_count();
    if (buf_assign(scratch, line) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    if (config_line_words(scratch->data, scratch->length, words, &count, NULL) ==
            STATUS_OK &&
        count > 0) {
        *index = config_find(words[0]);
    }
    return STATUS_OK;
}

/* ---- values ---------------------------------------------------------------------- */

/* In quotes, where a reader of the file would not take it for one word. */
static enum status append_word(struct buf *out, struct slice word) {
    bool plain = word.length > 0 && word.data[0] != '#';
    for (size_t i = 0; i < word.length; i++) {
        plain &= isalnum(word.data[i]) || strchr("-_./:,*@%+=~#", word.data[i]) != NULL;
    }
    if (plain) {
        return buf_append_slice(out, word);
    }
    enum status status = buf_append_text(out, "\"");
    for (size_t i = 0; i < word.length && status == STATUS_OK; i++) {
        unsigned char byte = word.data[i];
        status = byte == '"' || byte == '\\'    ? buf_printf(out, "\\%c", byte)
                 : byte >= 0x20 && byte != 0x7f ? buf_append(out, &byte, 1)
                                                : buf_printf(out, "\\x%02x", byte);
    }
    return status == STATUS_OK ? buf_append_text(out, "\"") : status;
}

static enum status append_setting(const struct config *config, size_t index,
                                  struct buf *out) {
    struct buf value = {0};
    struct config_row row;
    config_row(index, &row);
    enum status status = config_print(config, index, &value);
    if (status == STATUS_OK) {
        status = buf_printf(out, "%s ", row.name);
    }
    if (status == STATUS_OK) {
        status = row.kind == CONFIG_TEXT || value.length == 0
                     ? append_word(out, buf_slice(&value))
                     : buf_append_slice(out, buf_slice(&value));
    }
    if (status == STATUS_OK) {
        status = buf_append_text(out, "\n");
    }
    buf_free(&value);
    return status;
}

/* Whether a setting is the same in both. NO_MEMORY. */
static enum status compare(const struct config *a, const struct config *b, size_t index,
                           bool *same) {
    struct buf of_a = {0}, of_b = {0};
    enum status status = config_print(a, index, &of_a);
    if (status == STATUS_OK) {
        status = config_print(b, index, &of_b);
    }
    if (status == STATUS_OK) {
        *same = slice_equal(buf_slice(&of_a), buf_slice(&of_b));
    }
    buf_free(&of_a);
    buf_free(&of_b);
    return status;
}

/* What a start with this text comes to. */
static enum status config_of_text(const struct file_system *files, const char *path,
                                  struct slice text, struct config *config,
                                  struct error *error) {
    config_default(config);
    return config_read_text(config, files, path, text, error);
}

/* ---- the text -------------------------------------------------------------------- */

/* Fills lines[row] with the number of its last line, from 1; 0: it has none. */
static enum status find_lines(struct slice text, size_t lines[CONFIG_ROWS_MAX]) {
    struct buf scratch = {0};
    struct slice line;
    enum status status = STATUS_OK;
    for (size_t number = 1; status == STATUS_OK && next_line(&text, &line); number++) {
        size_t index;
        status = row_of_line(line, &scratch, &index);
        if (status == STATUS_OK && index < config_count()) {
            lines[index] = number;
        }
    }
    buf_free(&scratch);
    return status;
}

static enum status append_line(const struct config *config, const struct config *old,
                               struct slice line, size_t index, struct buf *out) {
    bool same = true;
    enum status status = STATUS_OK;
    if (index < config_count()) {
        status = compare(config, old, index, &same);
    }
    if (status == STATUS_OK && !same) {
        return append_setting(config, index, out);
    }
    if (status == STATUS_OK) {
        status = buf_append_slice(out, line);
    }
    return status == STATUS_OK ? buf_append_text(out, "\n") : status;
}

static enum status replace_lines(const struct config *config, const struct config *old,
                                 struct slice text, struct buf *out) {
    size_t lines[CONFIG_ROWS_MAX] = {0};
    struct slice line;
    enum status status = find_lines(text, lines);
    for (size_t number = 1; status == STATUS_OK && next_line(&text, &line); number++) {
        size_t index = 0;
        while (index < config_count() && lines[index] != number) {
            index++;
        }
        status = append_line(config, old, line, index, out);
    }
    return status;
}

static bool has_mark(struct slice text) {
    struct slice line;
    while (next_line(&text, &line)) {
        if (slice_equal(line, slice_make(mark, sizeof mark - 2))) {
            return true;
        }
    }
    return false;
}

/* Appends a setting that is not in `read` as it should be, and puts it there. */
static enum status append_missing(const struct config *config, struct config *read,
                                  size_t index, bool *marked, struct buf *out) {
    bool same = true;
    struct buf value = {0};
    enum status status = compare(config, read, index, &same);
    if (status == STATUS_OK && !same) {
        status = *marked ? STATUS_OK : buf_append_text(out, mark);
        *marked = true;
        if (status == STATUS_OK) {
            status = append_setting(config, index, out);
        }
        if (status == STATUS_OK) {
            status = config_print(config, index, &value);
        }
        if (status == STATUS_OK) {
            status = config_set(read, index, buf_slice(&value), NULL);
        }
    }
    buf_free(&value);
    return status;
}

/* The engine's rows are the last: when they are compared, all that some of them follow
 * from is in `read`. Whether that is good for a start does not matter yet. */
static enum status append_rest(const struct config *config, struct config *read,
                               struct slice text, struct buf *out) {
    enum status status = STATUS_OK;
    bool marked = has_mark(text);
    for (size_t i = 0; i < config_count() && status == STATUS_OK; i++) {
        struct config_row row;
        config_row(i, &row);
        if (row.kind == CONFIG_ENGINE && config_settle(read, NULL) != STATUS_OK) {
            /* derived all the same */
        }
        status = append_missing(config, read, i, &marked, out);
    }
    return status;
}

enum status config_rewrite_text(const struct config *config,
                                const struct file_system *files, const char *path,
                                struct slice text, struct buf *out, struct error *error) {
    struct config read;
    buf_clear(out);
    enum status status = config_of_text(files, path, text, &read, error);
    if (status == STATUS_OK && replace_lines(config, &read, text, out) != STATUS_OK) {
        status = error_no_memory(error, path, text.length);
    }
    if (status == STATUS_OK) {
        status = config_of_text(files, path, buf_slice(out), &read, error);
    }
    if (status == STATUS_OK && append_rest(config, &read, text, out) != STATUS_OK) {
        status = error_no_memory(error, path, text.length);
    }
    return status;
}

/* ---- the file -------------------------------------------------------------------- */

static enum status write_whole(const struct file_system *files, const char *path,
                               const char *like, struct slice text, struct error *error) {
    struct file *file = NULL;
    enum status status = file_open(files, path, FILE_OVERWRITE, &file, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = file_copy_access(files, like, path, error);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) { /* somebody removed it */
        status = file_write(file, 0, text.data, text.length, error);
    }
    if (status == STATUS_OK) {
        status = file_sync(file, error);
    }
    enum status closed = file_close(file, status == STATUS_OK ? error : NULL);
    return status == STATUS_OK ? closed : status;
}

static enum status replace_file(const struct file_system *files, const char *path,
                                struct slice text, struct error *error) {
    struct buf beside = {0};
    char *directory = path_parent(path);
    if (directory == NULL ||
        buf_printf(&beside, "%s.rewrite%c", path, '\0') != STATUS_OK) {
        buf_free(&beside);
        memory_give(directory);
        return error_no_memory(error, path, strlen(path));
    }
    const char *name = (const char *)beside.data;
    enum status status = write_whole(files, name, path, text, error);
    if (status == STATUS_OK) {
        failpoint_pass(settings_written_not_named);
        status = file_rename(files, name, path, error);
    }
    if (status == STATUS_OK) { /* COMMIT POINT */
        status = directory_sync(files, directory, error);
    }
    buf_free(&beside);
    memory_give(directory);
    return status;
}

enum status config_rewrite(const struct config *config, const struct file_system *files,
                           const char *path, struct error *error) {
    struct buf old = {0}, text = {0};
    enum status status = text_file_read(files, path, &old, error);
    if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK; /* somebody has removed it */
    }
    if (status == STATUS_OK) {
        status = config_rewrite_text(config, files, path, buf_slice(&old), &text, error);
    }
    if (status == STATUS_OK && !slice_equal(buf_slice(&old), buf_slice(&text))) {
        status = replace_file(files, path, buf_slice(&text), error);
    }
    buf_free(&old);
    buf_free(&text);
    return status;
}

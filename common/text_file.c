#include "text_file.h"

enum { PIECE_BYTES = 4096 };

static enum status read_pieces(struct file *file, const char *path, struct buf *text,
                               struct error *error) {
    for (size_t done = 1; done > 0;) {
        if (buf_reserve(text, PIECE_BYTES + 1) != STATUS_OK) {
            return error_no_memory(error, path, PIECE_BYTES + 1);
        }
        enum status status = file_read(file, text->length, text->data + text->length,
                                       PIECE_BYTES, &done, error);
        if (status != STATUS_OK) {
            return status;
        }
        text->length += done;
        if (text->length > TEXT_FILE_BYTES_MAX) {
            return error_set(error, STATUS_INVALID,
                             "%s: longer than the %d bytes of a configuration file", path,
                             TEXT_FILE_BYTES_MAX);
        }
    }
    text->data[text->length] = '\0';
    return STATUS_OK;
}

enum status text_file_read(const struct file_system *files, const char *path,
                           struct buf *text, struct error *error) {
    struct file *file = NULL;
    buf_clear(text);
    enum status status = file_open(files, path, FILE_READ, &file, error);
    if (status == STATUS_OK) {
        status = read_pieces(file, path, text, error);
    }
    if (status == STATUS_OK && memchr(text->data, '\0', text->length) != NULL) {
        status = error_set(error, STATUS_INVALID, "%s: not a text file", path);
    }
    file_release(file);
    return status;
}

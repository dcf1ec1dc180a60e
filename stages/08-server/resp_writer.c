#include "resp_writer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "resp_number.h"

enum { HEAD_BYTES = 1 + RESP_INTEGER_BYTES + 2 }; /* type, number, CRLF */
_Static_assert((size_t)HEAD_BYTES <= (size_t)OUTPUT_LATER_BYTES,
               "a head fits into a place kept for it");

static void put(struct resp_writer *writer, const void *bytes, size_t count) {
    if (!writer->muted) {
        output_append(writer->output, bytes, count);
    }
}

static void put_text(struct resp_writer *writer, const char *text) {
    put(writer, text, strlen(text));
}

static size_t make_head(char head[HEAD_BYTES], char type, int64_t number) {
    head[0] = type;
    size_t length = 1 + resp_integer_print(number, head + 1);
    head[length++] = '\r';
    head[length++] = '\n';
    return length;
}

static void put_head(struct resp_writer *writer, char type, int64_t number) {
    char head[HEAD_BYTES];
    put(writer, head, make_head(head, type, number));
}

void resp_write_simple(struct resp_writer *writer, const char *text) {
    assert(strpbrk(text, "\r\n") == NULL);
    put(writer, "+", 1);
    put_text(writer, text);
    put(writer, "\r\n", 2);
}

/* Ends of lines, which would end the reply, are spaces; behind the last word, nothing. */
void resp_write_error(struct resp_writer *writer, const char *message) {
    size_t left = strlen(message);
    while (left > 0 && (message[left - 1] == '\r' || message[left - 1] == '\n')) {
        left--;
    }
    put(writer, "-", 1);
    while (left > 0) {
        size_t length = strcspn(message, "\r\n");
        length = length < left ? length : left;
        put(writer, message, length);
        message += length;
        left -= length;
        if (left > 0) {
            put(writer, " ", 1);
            message++;
            left--;
        }
    }
    put(writer, "\r\n", 2);
}

void resp_write_errorf(struct resp_writer *writer, const char *format, ...) {
    char message[ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    resp_write_error(writer, message);
}

void resp_write_integer(struct resp_writer *writer, int64_t value) {
    put_head(writer, ':', value);
}

void resp_write_bulk(struct resp_writer *writer, struct slice bytes) {
    output_begin_part(writer->output);
    put_head(writer, '$', (int64_t)bytes.length);
    put(writer, bytes.data, bytes.length);
    put(writer, "\r\n", 2);
}

void resp_write_bulk_buf(struct resp_writer *writer, struct buf *buf) {
    output_begin_part(writer->output);
    put_head(writer, '$', (int64_t)buf->length);
    if (writer->muted) {
        buf_clear(buf);
    } else {
        output_append_buf(writer->output, buf);
    }
    put(writer, "\r\n", 2);
}

void resp_write_null(struct resp_writer *writer) {
    put_text(writer, writer->protocol == 2 ? "$-1\r\n" : "_\r\n");
}

void resp_write_null_array(struct resp_writer *writer) {
    put_text(writer, writer->protocol == 2 ? "*-1\r\n" : "_\r\n");
}

void resp_write_boolean(struct resp_writer *writer, bool value) {
    if (writer->protocol == 2) {
        put_text(writer, value ? ":1\r\n" : ":0\r\n");
    } else {
        put_text(writer, value ? "#t\r\n" : "#f\r\n");
    }
}

/* A number's text behind its type; for who does not know the type, a string. */
static void put_number(struct resp_writer *writer, const char *type, struct slice text) {
    if (writer->protocol == 2) {
        resp_write_bulk(writer, text);
        return;
    }
    put_text(writer, type);
    put(writer, text.data, text.length);
    put(writer, "\r\n", 2);
}

void resp_write_double(struct resp_writer *writer, double value) {
    char text[RESP_DOUBLE_BYTES];
    put_number(writer, ",", slice_make(text, resp_double_print(value, text)));
}

void resp_write_big_number(struct resp_writer *writer, struct slice digits) {
    put_number(writer, "(", digits);
}

void resp_write_verbatim(struct resp_writer *writer, const char *format,
                         struct slice bytes) {
    if (writer->protocol == 2) {
        resp_write_bulk(writer, bytes);
        return;
    }
    assert(strlen(format) == 3);
    put_head(writer, '=', (int64_t)bytes.length + 4);
    put(writer, format, 3);
    put(writer, ":", 1);
    put(writer, bytes.data, bytes.length);
    put(writer, "\r\n", 2);
}

static size_t make_aggregate(const struct resp_writer *writer, char head[HEAD_BYTES],
                             enum resp_aggregate kind, size_t count) {
    static const char types[] = {
        [RESP_ARRAY] = '*', [RESP_MAP] = '%', [RESP_SET] = '~', [RESP_PUSH] = '>'};
    if (writer->protocol == 2) {
        return make_head(head, '*', (int64_t)(kind == RESP_MAP ? 2 * count : count));
    }
    return make_head(head, types[kind], (int64_t)count);
}

void resp_write_aggregate(struct resp_writer *writer, enum resp_aggregate kind,
                          size_t count) {
    char head[HEAD_BYTES];
    put(writer, head, make_aggregate(writer, head, kind, count));
}

struct output_piece *resp_begin_aggregate(struct resp_writer *writer) {
    return writer->muted ? NULL : output_later(writer->output);
}

void resp_end_aggregate(struct resp_writer *writer, struct output_piece *begun,
                        enum resp_aggregate kind, size_t count) {
    char head[HEAD_BYTES];
    output_fill(writer->output, begun, head, make_aggregate(writer, head, kind, count));
}

#include "stream.h"

#include <ctype.h>
#include <strings.h>

#include "served.h"

void stream_free(struct stream *stream) {
    buf_free(&stream->bytes);
}

struct step *stream_add(struct stream *stream, enum step_kind kind) {
    assert_true(stream->count < STREAM_STEPS);
    struct step *step = &stream->steps[stream->count++];
    *step = (struct step){.kind = kind};
    return step;
}

void stream_argument(struct stream *stream, struct step *step, struct slice bytes) {
    if (step->count < STEP_ARGUMENTS) {
        step->arguments[step->count].at = stream->bytes.length;
        step->arguments[step->count++].length = bytes.length;
        assert_ok(buf_append_slice(&stream->bytes, bytes));
    }
}

struct slice stream_get(const struct stream *stream, const struct step *step, size_t i) {
    struct slice bytes = buf_slice(&stream->bytes);
    return slice_make(bytes.data + step->arguments[i].at, step->arguments[i].length);
}

bool stream_is(const struct stream *stream, const struct step *step, size_t i,
               const char *word) {
    if (i >= step->count || step->arguments[i].length != strlen(word)) {
        return false;
    }
    const char *text = (const char *)stream_get(stream, step, i).data;
    return strncasecmp(text, word, strlen(word)) == 0;
}

/* ---- requests as bytes ----------------------------------------------------------- */

void quote(struct slice bytes, struct buf *text) {
    assert_ok(buf_append_text(text, "\""));
    for (size_t i = 0; i < bytes.length; i++) {
        unsigned char byte = bytes.data[i];
        if (byte == '"' || byte == '\\') {
            assert_ok(buf_printf(text, "\\%c", byte));
        } else if (isprint(byte)) {
            assert_ok(buf_append(text, &byte, 1));
        } else {
            assert_ok(buf_printf(text, "\\x%02x", byte));
        }
    }
    assert_ok(buf_append_text(text, "\""));
}

static bool is_bare(struct slice bytes) {
    for (size_t i = 0; i < bytes.length; i++) {
        if (!isgraph(bytes.data[i]) || strchr("\"'\\", bytes.data[i]) != NULL) {
            return false;
        }
    }
    return bytes.length > 0 && bytes.data[0] != '*';
}

/* In single quotes a backslash escapes a single quote, and nothing else. */
static bool is_single(struct slice bytes) {
    for (size_t i = 0; i < bytes.length; i++) {
        if (strchr("\\\n", bytes.data[i]) != NULL) { /* a byte 0, too */
            return false;
        }
    }
    return true;
}

static void quote_singly(struct slice bytes, struct buf *text) {
    assert_ok(buf_append_text(text, "'"));
    for (size_t i = 0; i < bytes.length; i++) {
        assert_ok(buf_append(text, "\\", bytes.data[i] == '\''));
        assert_ok(buf_append(text, bytes.data + i, 1));
    }
    assert_ok(buf_append_text(text, "'"));
}

static void encode_line(const struct stream *stream, const struct step *step,
                        struct buf *bytes) {
    for (size_t i = 0; i < step->count; i++) {
        struct slice argument = stream_get(stream, step, i);
        size_t form = (step->inline_form + i) % 3;
        assert_ok(buf_append_text(bytes, i == 0                      ? ""
                                         : step->inline_form % 7 < 5 ? " "
                                                                     : "  \t"));
        if (form == 0 && is_bare(argument)) {
            assert_ok(buf_append_slice(bytes, argument));
        } else if (form == 1 && is_single(argument)) {
            quote_singly(argument, bytes);
        } else {
            quote(argument, bytes);
        }
    }
    assert_ok(buf_append_text(bytes, step->inline_form % 5 == 0 ? "\n" : "\r\n"));
}

void stream_encode(const struct stream *stream, const struct step *step,
                   struct buf *bytes) {
    if (step->kind == STEP_RAW) {
        assert_ok(buf_append_slice(bytes, stream_get(stream, step, 0)));
    } else if (step->inline_form != 0) {
        encode_line(stream, step, bytes);
    } else {
        assert_ok(buf_printf(bytes, "*%zu\r\n", step->count));
        for (size_t i = 0; i < step->count; i++) {
            struct slice argument = stream_get(stream, step, i);
            assert_ok(buf_printf(bytes, "$%zu\r\n", argument.length));
            assert_ok(buf_append_slice(bytes, argument));
            assert_ok(buf_append_text(bytes, "\r\n"));
        }
    }
}

void stream_print(const struct stream *stream) {
    struct buf text = {0};
    for (size_t i = 0; i < stream->count; i++) {
        const struct step *step = &stream->steps[i];
        if (step->removed) {
            continue;
        }
        assert_ok(buf_printf(&text, "  %u%s%s", step->connection + 1u,
                             step->kind == STEP_RAW    ? " raw"
                             : step->kind == STEP_SCAN ? " in full"
                             : step->inline_form != 0  ? " line"
                                                       : "",
                             step->awaited ? "" : " &"));
        for (size_t j = 0; j < step->count; j++) {
            assert_ok(buf_append_text(&text, " "));
            quote(stream_get(stream, step, j), &text);
        }
        assert_ok(buf_append_text(&text, "\n"));
    }
    printf("%.*s", (int)text.length, (const char *)text.data);
    buf_free(&text);
}

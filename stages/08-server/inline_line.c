#include "inline_line.h"

/* As isspace() in the C locale. */
static bool is_space(unsigned char byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Its value, or -1. */
static int hex_digit(unsigned char byte) {
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    unsigned char letter = byte | 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static unsigned char unescape(unsigned char byte) {
    switch (byte) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return byte;
    }
}

/* What a backslash in double quotes begins; a byte is behind it. */
static unsigned char take_escape(struct inline_line *line) {
    const unsigned char *at = line->at;
    if (line->end - at >= 4 && at[1] == 'x') {
        int high = hex_digit(at[2]), low = hex_digit(at[3]);
        if (high >= 0 && low >= 0) {
            line->at += 4;
            return (unsigned char)(high << 4 | low);
        }
    }
    line->at += 2;
    return unescape(at[1]);
}

/* The part behind an opening quote, up to the closing one; false if there is none, or if
 * something stands right behind it. */
static bool take_quoted(struct inline_line *line, unsigned char quote,
                        unsigned char **out) {
    while (line->at < line->end) {
        unsigned char byte = *line->at;
        bool escapes = byte == '\\' && line->end - line->at >= 2;
        if (escapes && quote == '"') {
            *(*out)++ = take_escape(line);
        } else if (escapes && line->at[1] == '\'') {
            *(*out)++ = '\'';
            line->at += 2;
        } else if (byte == quote) {
            line->at++;
            return line->at == line->end || is_space(*line->at);
        } else {
            *(*out)++ = byte;
            line->at++;
        }
    }
    return false;
}

/* What is written is never longer than what it was read from, so `out` stays behind. */
enum inline_found inline_line_next(struct inline_line *line, struct slice *word) {
    while (line->at < line->end && is_space(*line->at)) {
        line->at++;
    }
    if (line->at == line->end) {
        return INLINE_END;
    }
    unsigned char *begin = line->at, *out = begin;
    while (line->at < line->end) {
        unsigned char byte = *line->at;
        if (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t') {
            break;
        }
        line->at++;
        if (byte != '"' && byte != '\'') {
            *out++ = byte;
        } else if (take_quoted(line, byte, &out)) {
            break;
        } else {
            return INLINE_UNBALANCED;
        }
    }
    *word = slice_make(begin, (size_t)(out - begin));
    return INLINE_WORD;
}

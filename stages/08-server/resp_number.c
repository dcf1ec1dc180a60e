#include "resp_number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- integers -------------------------------------------------------------------- */

bool resp_integer_parse(struct slice text, int64_t *value) {
    bool negative = text.length > 0 && text.data[0] == '-';
    uint64_t most = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t magnitude = 0;
    struct slice digits = text;
    slice_advance(&digits, negative ? 1 : 0);
    if (digits.length == 0 || (digits.data[0] == '0' && text.length > 1)) {
        return false;
    }
    for (size_t i = 0; i < digits.length; i++) {
        unsigned digit = (unsigned)digits.data[i] - '0';
        if (digit > 9 || magnitude > (most - digit) / 10) {
            return false;
        }
        magnitude = magnitude * 10 + digit;
    }
    /* The most negative number has no positive one to negate. */
    *value = negative ? -(int64_t)(magnitude - 1) - 1 : (int64_t)magnitude;
    return true;
}

size_t resp_integer_print(int64_t value, char text[RESP_INTEGER_BYTES]) {
    char reversed[RESP_INTEGER_BYTES];
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    size_t count = 0, length = 0;
    do {
        reversed[count++] = (char)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude > 0);
    if (value < 0) {
        text[length++] = '-';
    }
    while (count > 0) {
        text[length++] = reversed[--count];
    }
    text[length] = '\0';
    return length;
}

/* ---- fractions ------------------------------------------------------------------- */

/* A copy with a terminator, for the C library; false if the text cannot be a number. */
static bool copy_text(struct slice text, char copy[RESP_LONG_DOUBLE_BYTES]) {
    static const char spaces[] = " \t\n\v\f\r"; /* the C library would skip these */
    if (text.length == 0 || text.length >= RESP_LONG_DOUBLE_BYTES ||
        memchr(spaces, text.data[0], sizeof spaces) != NULL) {
        return false;
    }
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    return true;
}

/* Too large for its type, or so small that nothing is left of it. */
static bool out_of_range(int errnum, bool infinite, bool zero) {
    return errnum == ERANGE && (infinite || zero);
}

bool resp_double_parse(struct slice text, double *value) {
    char copy[RESP_LONG_DOUBLE_BYTES];
    char *end;
    if (!copy_text(text, copy)) {
        return false;
    }
    errno = 0;
    double number = strtod(copy, &end);
    if (end != copy + text.length || isnan(number) ||
        out_of_range(errno, isinf(number) != 0, number == 0)) {
        return false;
    }
    *value = number;
    return true;
}

bool resp_long_double_parse(struct slice text, long double *value) {
    char copy[RESP_LONG_DOUBLE_BYTES];
    char *end;
    if (!copy_text(text, copy)) {
        return false;
    }
    errno = 0;
    long double number = strtold(copy, &end);
    if (end != copy + text.length || isnan(number) ||
        out_of_range(errno, isinf(number) != 0, number == 0)) {
        return false;
    }
    *value = number;
    return true;
}

/* What the C library calls these differs between systems, and has a sign for "nan". */
static const char *special_name(bool is_nan, bool is_negative) {
    return is_nan ? "nan" : is_negative ? "-inf" : "inf";
}

size_t resp_double_print(double value, char text[RESP_DOUBLE_BYTES]) {
    if (isfinite(value)) {
        return (size_t)snprintf(text, RESP_DOUBLE_BYTES, "%.17g", value);
    }
    return (size_t)snprintf(text, RESP_DOUBLE_BYTES, "%s",
                            special_name(isnan(value) != 0, value < 0));
}

size_t resp_long_double_print(long double value, char text[RESP_LONG_DOUBLE_BYTES]) {
    if (!isfinite(value)) {
        return (size_t)snprintf(text, RESP_LONG_DOUBLE_BYTES, "%s",
                                special_name(isnan(value) != 0, value < 0));
    }
    size_t length = (size_t)snprintf(text, RESP_LONG_DOUBLE_BYTES, "%.17Lf", value);
    while (text[length - 1] == '0') { /* ends at the point, if not before */
        length--;
    }
    if (text[length - 1] == '.') {
        length--;
    }
    if (length == 2 && text[0] == '-' && text[1] == '0') {
        text[0] = '0';
        length = 1;
    }
    text[length] = '\0';
    return length;
}

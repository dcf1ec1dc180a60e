/* Numbers as text, as Redis 7.0 reads and prints them (its util.c: string2ll, string2d,
 * string2ld, ld2string), so that what one server stored means the same to the other.
 *
 * Reading is strict: the whole text is the number, without a space, a plus sign or a
 * leading zero in an integer, without a space before a fraction. Any thread may call
 * these. The locale's decimal point must be the C locale's. */
#ifndef STRATA_RESP_NUMBER_H
#define STRATA_RESP_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

enum {
    RESP_INTEGER_BYTES = 21, /* "-9223372036854775808" and its terminator */
    RESP_DOUBLE_BYTES = 32,  /* "-1.7976931348623157e+308" and its terminator */
    /* A long double without an exponent has up to 4,933 digits before its point. */
    RESP_LONG_DOUBLE_BYTES = 5 * 1024,
};

/* False if the text is no integer of 64 bits; then *value stays as it was. */
bool resp_integer_parse(struct slice text, int64_t *value);

/* False if it is none, or out of range, or not a number; "inf" and "-inf" are numbers,
 * and so are hexadecimal ones. Texts of RESP_LONG_DOUBLE_BYTES and more are none. */
bool resp_double_parse(struct slice text, double *value);
bool resp_long_double_parse(struct slice text, long double *value);

/* These write at most as many bytes as the constants say, with a terminator, and return
 * how many there are before it.
 *
 * A double has 17 significant digits (%.17g): it is read back as the same number. A long
 * double has no exponent and up to 17 digits behind the point, zeros at the end left out:
 * what INCRBYFLOAT stores. */
size_t resp_integer_print(int64_t value, char text[RESP_INTEGER_BYTES]);
size_t resp_double_print(double value, char text[RESP_DOUBLE_BYTES]);
size_t resp_long_double_print(long double value, char text[RESP_LONG_DOUBLE_BYTES]);

#endif

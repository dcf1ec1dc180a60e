/* Replies taken apart, from the front on. Slices are of the reply. A reply is whole, as
 * hear_reply() has it. */
#ifndef STRATA_TESTS_REPLY_H
#define STRATA_TESTS_REPLY_H

#include "slice.h"

/* The number behind its first byte. */
long long reply_number(struct slice reply);

/* The line at the front, without its end. */
struct slice reply_take_line(struct slice *rest);

/* The string at the front, empty if it is null; false: there is none. */
bool reply_take_string(struct slice *rest, struct slice *string);

/* The elements of the array or set of strings at the front, sorted; false: it is none, or
 * has too many. */
enum { ELEMENTS_MAX = 512 };
bool reply_take_elements(struct slice *rest, struct slice elements[ELEMENTS_MAX],
                         size_t *count);

#endif

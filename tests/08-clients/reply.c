#include "reply.h"

#include "served.h"

long long reply_number(struct slice reply) {
    char text[32];
    (void)snprintf(text, sizeof text, "%.*s",
                   (int)(reply.length > 1 ? reply.length - 1 : 0),
                   (const char *)reply.data + 1);
    return strtoll(text, NULL, 10);
}

struct slice reply_take_line(struct slice *rest) {
    const unsigned char *end = memchr(rest->data, '\n', rest->length);
    assert_non_null(end);
    struct slice line = slice_make(rest->data, (size_t)(end - rest->data) - 1);
    slice_advance(rest, line.length + 2);
    return line;
}

bool reply_take_string(struct slice *rest, struct slice *string) {
    if (rest->length == 0 || rest->data[0] != '$') {
        return false;
    }
    struct slice line = reply_take_line(rest);
    long long length = reply_number(line);
    *string = slice_make(rest->data, length < 0 ? 0 : (size_t)length);
    slice_advance(rest, length < 0 ? 0 : string->length + 2);
    return true;
}

static int compare_slices(const void *a, const void *b) {
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

bool reply_take_elements(struct slice *rest, struct slice elements[ELEMENTS_MAX],
                         size_t *count) {
    if (rest->length == 0 || (rest->data[0] != '*' && rest->data[0] != '~')) {
        return false;
    }
    size_t there = (size_t)reply_number(reply_take_line(rest));
    *count = 0;
    while (*count < there && *count < ELEMENTS_MAX && rest->length > 0) {
        if (rest->data[0] == '+') {
            elements[*count] = reply_take_line(rest);
            slice_advance(&elements[*count], 1);
        } else if (!reply_take_string(rest, &elements[*count])) {
            return false;
        }
        ++*count;
    }
    qsort(elements, *count, sizeof elements[0], compare_slices);
    return *count == there;
}

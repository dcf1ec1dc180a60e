#include "status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *words;
    int exit_code;
} statuses[] = {
#define STATUS_ROW(name, exit_code, words) {words, exit_code},
    STATUS_TABLE(STATUS_ROW)
#undef STATUS_ROW
};

enum { STATUS_COUNT = sizeof statuses / sizeof statuses[0] };

const char *status_words(enum status status) {
    return (size_t)status < STATUS_COUNT ? statuses[status].words : "unknown status";
}

int status_exit_code(enum status status) {
    return statuses[(size_t)status < STATUS_COUNT ? status : STATUS_IO].exit_code;
}

enum status status_of_errno(int errnum) {
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return STATUS_NO_SPACE;
    case ENOMEM:
        return STATUS_NO_MEMORY;
    case ENOENT:
        return STATUS_NOT_FOUND;
    default:
        return STATUS_IO;
    }
}

/* The message is built beside *error, so that it may quote the message that stands there
 * already. */
static void error_fill(struct error *error, enum status status, const char *message) {
    error->status = status;
    error->locked_bytes = 0;
    memcpy(error->message, message, strlen(message) + 1);
}

enum status error_set(struct error *error, enum status status, const char *format, ...) {
    if (error == NULL) {
        return status;
    }
    char message[ERROR_MESSAGE_BYTES];
    message[0] = '\0';
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    error_fill(error, status, message);
    return status;
}

enum status error_set_errno(struct error *error, int errnum, const char *format, ...) {
    enum status status = status_of_errno(errnum);
    if (error == NULL) {
        return status;
    }
    char message[ERROR_MESSAGE_BYTES];
    message[0] = '\0';
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    char words[128];
    size_t length = strlen(message);
    (void)snprintf(message + length, sizeof message - length, ": %s",
                   strerror_r(errnum, words, sizeof words));
    error_fill(error, status, message);
    return status;
}

enum status error_no_memory(struct error *error, const char *what, uint64_t bytes) {
    return error_set(error, STATUS_NO_MEMORY, "out of memory: %s, %" PRIu64 " bytes",
                     what, bytes);
}

#include "arguments.h"

#include <ctype.h>
#include <limits.h>

#include "resp_number.h"

const char syntax_error[] = "ERR syntax error";

bool argument_is(struct slice argument, const char *word) {
    if (argument.length != strlen(word)) {
        return false;
    }
    for (size_t i = 0; i < argument.length; i++) {
        unsigned char byte = argument.data[i];
        if (byte >= 'a' && byte <= 'z') {
            byte = (unsigned char)(byte & ~0x20);
        }
        if (byte != (unsigned char)word[i]) {
            return false;
        }
    }
    return true;
}

int argument_text_bytes(struct slice argument) {
    size_t most =
        argument.length < ERROR_MESSAGE_BYTES ? argument.length : ERROR_MESSAGE_BYTES;
    return (int)strnlen((const char *)argument.data, most);
}

enum command_outcome argument_count_error(struct session *session,
                                          const struct resp_request *request) {
    const char *name = session_command(session)->name;
    char container[32];
    size_t length = 0;
    for (; name[length] != '|'; length++) {
        container[length] = (char)toupper((unsigned char)name[length]);
    }
    container[length] = '\0';
    return session_errorf(session,
                          "ERR unknown subcommand or wrong number of arguments for "
                          "'%.*s'. Try %s HELP.",
                          argument_text_bytes(request->arguments[1]),
                          (const char *)request->arguments[1].data, container);
}

bool argument_integer(struct session *session, struct slice argument, int64_t *value) {
    bool read = resp_integer_parse(argument, value);
    if (!read) {
        session_error(session, "ERR value is not an integer or out of range");
    }
    return read;
}

bool argument_int(struct session *session, struct slice argument, int *value) {
    int64_t wide;
    if (!argument_integer(session, argument, &wide)) {
        return false;
    }
    if (wide < INT_MIN || wide > INT_MAX) {
        session_errorf(session, "ERR value is out of range, value must between %d and %d",
                       INT_MIN, INT_MAX);
        return false;
    }
    *value = (int)wide;
    return true;
}

enum command_outcome argument_end_error(struct session *session) {
    return session_errorf(session, "ERR invalid expire time in '%s' command",
                          session_command(session)->name);
}

bool argument_end(struct session *session, struct slice argument, enum time_unit unit,
                  bool from_now, uint64_t *expires_at_millis) {
    int64_t value;
    int64_t base = from_now ? (int64_t)keyspace_access_millis(&session->access) : 0;
    int64_t millis = unit == UNIT_SECONDS ? 1000 : 1;
    if (!argument_integer(session, argument, &value)) {
        return false;
    }
    if (value <= 0 || value > INT64_MAX / millis || value * millis > INT64_MAX - base) {
        argument_end_error(session);
        return false;
    }
    *expires_at_millis = (uint64_t)(value * millis + base);
    return true;
}

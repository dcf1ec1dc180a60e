#include "redaction.h"

#include "arguments.h"

/* Whether the argument at i is one: of requests for these commands, right or wrong. */
static bool auth_has_secret(const struct resp_request *request, size_t i) {
    (void)request;
    return i >= 1;
}

static bool hello_has_secret(const struct resp_request *request, size_t i) {
    return (i >= 2 && argument_is(request->arguments[i - 1], "AUTH")) ||
           (i >= 3 && argument_is(request->arguments[i - 2], "AUTH"));
}

static bool config_set_has_secret(const struct resp_request *request, size_t i) {
    return i >= 3 && argument_is(request->arguments[i - 1], "REQUIREPASS");
}

static const struct {
    const char *command;
    bool (*has_secret)(const struct resp_request *request, size_t i);
} secrets[] = {
    {"auth", auth_has_secret},
    {"hello", hello_has_secret},
    {"config|set", config_set_has_secret},
};

const struct resp_request *redact(struct redaction *redaction,
                                  const struct redis_command *command,
                                  const struct resp_request *request) {
    size_t row = 0, rows = sizeof secrets / sizeof secrets[0];
    while (row < rows && strcmp(secrets[row].command, command->name) != 0) {
        row++;
    }
    if (row == rows) {
        return request;
    }
    size_t count =
        request->count < REDACTION_ARGUMENTS ? request->count : REDACTION_ARGUMENTS;
    for (size_t i = 0; i < count; i++) {
        redaction->arguments[i] = secrets[row].has_secret(request, i)
                                      ? slice_of("(redacted)")
                                      : request->arguments[i];
    }
    redaction->request = (struct resp_request){redaction->arguments, count};
    return &redaction->request;
}

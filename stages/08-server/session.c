#include "session.h"

#include <stdarg.h>
#include <stdio.h>

#include "password.h"

void session_init(struct session *session, const struct session_commons *commons,
                  struct resp_writer *writer, uint64_t id) {
    *session = (struct session){
        .commons = commons,
        .writer = writer,
        .id = id,
        .authenticated = !password_is_asked(commons->password),
    };
}

void session_free(struct session *session) {
    reply_stream_close(session->stream);
    buf_free(&session->name);
    buf_free(&session->library_name);
    buf_free(&session->library_version);
}

const struct redis_command *session_command(const struct session *session) {
    return session->commons->index->by_number[session->number];
}

const char session_name_error[] =
    "ERR Client names cannot contain spaces, newlines or special characters.";

bool session_name_is_valid(struct slice name) {
    for (size_t i = 0; i < name.length; i++) {
        if (name.data[i] < '!' || name.data[i] > '~') {
            return false;
        }
    }
    return true;
}

enum status session_set_name(struct session *session, struct slice name) {
    return buf_assign(&session->name, name);
}

void session_reset(struct session *session) {
    buf_clear(&session->name);
    session->authenticated = !password_is_asked(session->commons->password);
    session->writer->muted = session->reply == REPLY_SKIP; /* RESET is what is skipped */
    session->reply = REPLY_ON;
    session->no_evict = false;
    session->monitors = false;
    session->writer->protocol = 2;
}

/* ---- replies --------------------------------------------------------------------- */

enum command_outcome session_error(struct session *session, const char *message) {
    session->failed = !session->rejected;
    resp_write_error(session->writer, message);
    return COMMAND_DONE;
}

enum command_outcome session_errorf(struct session *session, const char *format, ...) {
    char message[ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return session_error(session, message);
}

static const char *code_of(enum status status) {
    switch (status) {
    case STATUS_STALLED:
        return "TRYAGAIN";
    case STATUS_NO_MEMORY:
        return "OOM";
    case STATUS_IO:
    case STATUS_NO_SPACE:
    case STATUS_CORRUPT:
        return "IOERR";
    case STATUS_OK:
    case STATUS_NOT_FOUND:
    case STATUS_INVALID:
    case STATUS_UNSUPPORTED:
    case STATUS_BUSY:
    case STATUS_LIMIT:
        break;
    }
    return "ERR";
}

enum command_outcome session_fail(struct session *session, enum status status,
                                  const struct error *error) {
    if (status == STATUS_STALLED && !session->may_wait) {
        return COMMAND_WOULD_WAIT;
    }
    bool has_words = error != NULL && error->message[0] != '\0';
    return session_errorf(session, "%s %s", code_of(status),
                          has_words ? error->message : status_words(status));
}

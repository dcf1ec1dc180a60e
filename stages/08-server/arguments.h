/* What commands read of their arguments, with the errors that Redis 7.0 answers to what
 * cannot be read (its object.c, t_string.c). Who answers false has replied. */
#ifndef STRATA_ARGUMENTS_H
#define STRATA_ARGUMENTS_H

#include "session.h"

extern const char syntax_error[]; /* as a message */

/* In any case of letters; `word` is in capitals. */
bool argument_is(struct slice argument, const char *word);

/* How many bytes of it an error may quote: up to a NUL. For "%.*s". */
int argument_text_bytes(struct slice argument);

/* A subcommand that has no such form. */
enum command_outcome argument_count_error(struct session *session,
                                          const struct resp_request *request);

bool argument_integer(struct session *session, struct slice argument, int64_t *value);

/* One that fits an int, as numbers of databases do. */
bool argument_int(struct session *session, struct slice argument, int *value);

enum time_unit { UNIT_SECONDS, UNIT_MILLIS };

/* When a key is to end: a time, or one from now. Positive; otherwise, and if it is too
 * large, the error names the present command. */
bool argument_end(struct session *session, struct slice argument, enum time_unit unit,
                  bool from_now, uint64_t *expires_at_millis);

enum command_outcome argument_end_error(struct session *session);

#endif

/* Requests as others may see them: in the slow log, and with MONITOR. What is a secret,
 * the passwords of AUTH, HELLO and CONFIG SET requirepass, is shown as "(redacted)", as
 * Redis does (its redactClientCommandArgument). */
#ifndef STRATA_REDACTION_H
#define STRATA_REDACTION_H

#include "redis_command.h"

enum { REDACTION_ARGUMENTS = 16 }; /* of such a request; more are not shown */

/* In the caller's storage. */
struct redaction {
    struct resp_request request;
    struct slice arguments[REDACTION_ARGUMENTS];
};

/* The request itself, where nothing of it is secret; or one in `redaction`, whose other
 * arguments are borrowed. */
const struct resp_request *redact(struct redaction *redaction,
                                  const struct redis_command *command,
                                  const struct resp_request *request);

#endif

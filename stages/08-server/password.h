/* The password that clients are asked for (requirepass): set by one thread, checked by
 * any. There is one user, `default`. */
#ifndef STRATA_PASSWORD_H
#define STRATA_PASSWORD_H

#include "buf.h"
#include "thread.h"

struct password;

/* None is asked for yet. NO_MEMORY. */
MUST_CHECK enum status password_open(const struct threads *threads,
                                     struct password **password);
void password_close(struct password *password); /* NULL is allowed */

/* A copy; empty: none is asked for. NO_MEMORY: it stays as it was. */
MUST_CHECK enum status password_set(struct password *password, struct slice text);

/* What is asked for, appended to *text: CONFIG GET. */
MUST_CHECK enum status password_get(struct password *password, struct buf *text);

bool password_is_asked(struct password *password);

/* Whether that is it; how long it takes does not depend on how much of it is right. With
 * none asked for, anything is. */
bool password_check(struct password *password, struct slice text);

#endif

/* What a shell keeps from line to line beside its store: a batch that is being collected,
 * and snapshots by name. In the caller's storage, zeroed but for kv. */
#ifndef STRATA_SHELL_SESSION_H
#define STRATA_SHELL_SESSION_H

#include "kv_batch.h"
#include "kv_snapshot.h"

struct shell_moment;

struct shell_session {
    struct kv *kv;          /* borrowed */
    struct kv_batch *batch; /* NULL: puts and deletes are written at once */
    struct shell_moment *moments;
};

/* Forgets the batch, and releases the snapshots. */
void shell_session_free(struct shell_session *session);

/* INVALID: there is a batch already, or none; UNSUPPORTED, NO_MEMORY, and what kv_write
 * answers. After a failed commit the batch is as it was. */
MUST_CHECK enum status shell_session_begin(struct shell_session *session,
                                           struct error *error);
MUST_CHECK enum status shell_session_commit(struct shell_session *session,
                                            struct error *error);
MUST_CHECK enum status shell_session_abandon(struct shell_session *session,
                                             struct error *error);

/* The name is copied. INVALID: it is taken, or there is none of it; UNSUPPORTED,
 * NO_MEMORY. */
MUST_CHECK enum status shell_session_take(struct shell_session *session, const char *name,
                                          struct error *error);
MUST_CHECK enum status shell_session_release(struct shell_session *session,
                                             const char *name, struct error *error);

/* The snapshot lives until it is released. INVALID: there is none of that name. */
MUST_CHECK enum status shell_session_at(struct shell_session *session, const char *name,
                                        const struct kv_snapshot **snapshot,
                                        struct error *error);

#endif

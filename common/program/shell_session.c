#include "shell_session.h"

#include "memory.h"
#include "stage.h"

struct shell_moment {
    struct shell_moment *next;
    struct kv_snapshot *snapshot;
    char *name;
};

/* ---- the batch ------------------------------------------------------------------- */

enum status shell_session_begin(struct shell_session *session, struct error *error) {
    if (!stage_has(FEATURE_BATCH)) {
        return stage_lacks(FEATURE_BATCH, error);
    }
    if (session->batch != NULL) {
        return error_set(error, STATUS_INVALID,
                         "a batch has begun already; .commit or .abandon it");
    }
    return kv_batch_open(0, &session->batch, error);
}

static enum status none_begun(struct error *error) {
    return error_set(error, STATUS_INVALID, "no batch has begun; .begin begins one");
}

enum status shell_session_abandon(struct shell_session *session, struct error *error) {
    if (session->batch == NULL) {
        return none_begun(error);
    }
    kv_batch_close(session->batch);
    session->batch = NULL;
    return STATUS_OK;
}

enum status shell_session_commit(struct shell_session *session, struct error *error) {
    if (session->batch == NULL) {
        return none_begun(error);
    }
    enum status status = kv_batch_write(session->kv, session->batch, NULL, error);
    return status == STATUS_OK ? shell_session_abandon(session, error) : status;
}

/* ---- snapshots ------------------------------------------------------------------- */

/* Where the link to it stands, or the list's end. */
static struct shell_moment **find(struct shell_session *session, const char *name) {
    struct shell_moment **link = &session->moments;
    while (*link != NULL && strcmp((*link)->name, name) != 0) {
        link = &(*link)->next;
    }
    return link;
}

static enum status none_named(const char *name, struct error *error) {
    return error_set(error, STATUS_INVALID,
                     "there is no snapshot \"%s\"; .snapshot takes one", name);
}

static void let_go(struct shell_moment *moment) {
    kv_snapshot_release(moment->snapshot);
    memory_give(moment->name);
    memory_give(moment);
}

enum status shell_session_take(struct shell_session *session, const char *name,
                               struct error *error) {
    if (*find(session, name) != NULL) {
        return error_set(error, STATUS_INVALID,
                         "there is a snapshot \"%s\" already; .release lets it go", name);
    }
    struct shell_moment *moment = memory_take_zeroed(sizeof *moment);
    if (moment == NULL) {
        return error_no_memory(error, "a snapshot", sizeof *moment);
    }
    size_t bytes = strlen(name) + 1;
    moment->name = memory_take(bytes);
    enum status status = moment->name == NULL
                             ? error_no_memory(error, "a name", bytes)
                             : kv_snapshot_take(session->kv, &moment->snapshot, error);
    if (status != STATUS_OK) {
        let_go(moment);
        return status;
    }
    memcpy(moment->name, name, bytes);
    moment->next = session->moments;
    session->moments = moment;
    return STATUS_OK;
}

enum status shell_session_release(struct shell_session *session, const char *name,
                                  struct error *error) {
    struct shell_moment **link = find(session, name);
    struct shell_moment *moment = *link;
    if (moment == NULL) {
        return none_named(name, error);
    }
    *link = moment->next;
    let_go(moment);
    return STATUS_OK;
}

enum status shell_session_at(struct shell_session *session, const char *name,
                             const struct kv_snapshot **snapshot, struct error *error) {
    const struct shell_moment *moment = *find(session, name);
    if (moment == NULL) {
        return none_named(name, error);
    }
    *snapshot = moment->snapshot;
    return STATUS_OK;
}

void shell_session_free(struct shell_session *session) {
    kv_batch_close(session->batch);
    while (session->moments != NULL) {
        struct shell_moment *moment = session->moments;
        session->moments = moment->next;
        let_go(moment);
    }
    *session = (struct shell_session){0};
}

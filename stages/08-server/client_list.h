/* Who is connected: CLIENT LIST and CLIENT KILL, for clients of all loops.
 *
 * Each connection has an entry, in its own storage, from when it comes until it goes.
 * What changes with each command are numbers that only its thread writes, without a lock;
 * what seldom changes, its texts, is under the list's mutex. Any thread may look.
 *
 * An entry cannot leave the list while somebody visits it, so `connection` is valid there
 * for as long as the visit. */
#ifndef STRATA_CLIENT_LIST_H
#define STRATA_CLIENT_LIST_H

#include "atomic.h"
#include "buf.h"
#include "redis_command.h"
#include "thread.h"

struct session;

enum { CLIENT_NAME_BYTES = 128 }; /* of an address */

struct client_entry {
    /* Set by its owner before it is added, and constant since. */
    uint64_t id; /* its session's */
    int descriptor;
    bool local_socket; /* of the file system */
    char peer[CLIENT_NAME_BYTES];
    char local[CLIENT_NAME_BYTES]; /* the server's side */
    uint64_t since_micros;         /* monotonic */
    void *connection;

    /* Written by its owner's thread, read by any. */
    struct atomic_u64 active_micros; /* monotonic: its last command */
    struct atomic_u64 number;        /* of that, + 1; 0: none yet */
    struct atomic_u64 protocol;
    struct atomic_u64 monitors;
    struct atomic_u64 no_evict;
    struct atomic_u64 output_bytes; /* that wait for it */
    struct atomic_u64 query_bytes;

    /* guarded by the list's mutex */
    struct buf name, library_name, library_version;
    struct client_entry *before, *after;
};

struct client_list {
    struct mutex mutex;
    /* guarded by mutex */
    struct client_entry *first, *last;
    size_t count;
};

/* In the caller's storage. NO_MEMORY: for the mutex. */
MUST_CHECK enum status client_list_init(struct client_list *list,
                                        const struct threads *threads);
void client_list_free(struct client_list *list); /* it is empty */

/* What is not constant is set to what a new session has. */
void client_list_add(struct client_list *list, struct client_entry *entry);
void client_list_remove(struct client_list *list, struct client_entry *entry);
size_t client_list_count(struct client_list *list);

/* What its session has become by a command: to be called by its owner after each. Where
 * there is no memory for a new name the list has none for it. */
void client_list_note(struct client_list *list, struct client_entry *entry,
                      const struct session *session, uint64_t now_micros);

/* Its session is at a command now: for one that shows its own entry. By its owner. */
void client_entry_began(struct client_entry *entry, const struct session *session,
                        uint64_t now_micros);

/* Calls visit for each, in the order in which they came, with the mutex held. */
void client_list_visit(struct client_list *list,
                       void (*visit)(void *context, struct client_entry *entry),
                       void *context);

/* Appends the line of CLIENT LIST, with its newline, as Redis 7.2 has it; of numbers
 * that mean nothing here, those of an idle client. Called from a visit. NO_MEMORY. */
MUST_CHECK enum status client_entry_print(const struct client_entry *entry,
                                          const struct command_index *index,
                                          uint64_t now_micros, struct buf *out);

#endif

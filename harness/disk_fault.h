/* The fault of a simulated disk (struct fault in disk.h) while it waits and after it has
 * struck. */
#ifndef STRATA_DISK_FAULT_H
#define STRATA_DISK_FAULT_H

#include "disk.h"

enum { DISK_PATH_BYTES = 256 };

/* The calls that a fault can strike, with their words. */
#define DISK_CALLS(X)                                                                    \
    X(OPEN, "open")                                                                      \
    X(READ, "read")                                                                      \
    X(WRITE, "write")                                                                    \
    X(SYNC, "sync")                                                                      \
    X(TRUNCATE, "truncate")                                                              \
    X(ALLOCATE, "allocate")                                                              \
    X(SIZE, "size")                                                                      \
    X(MAP, "map")                                                                        \
    X(CLOSE, "close")                                                                    \
    X(REMOVE, "remove")                                                                  \
    X(RENAME, "rename")                                                                  \
    X(LINK, "link")                                                                      \
    X(MAKE_DIRECTORY, "make directory")                                                  \
    X(REMOVE_DIRECTORY, "remove directory")                                              \
    X(SYNC_DIRECTORY, "sync directory")                                                  \
    X(LIST, "list")                                                                      \
    X(LOCK, "lock")

enum disk_call {
#define CALL_MEMBER(name, words) CALL_##name,
    DISK_CALLS(CALL_MEMBER)
#undef CALL_MEMBER
};

enum verdict { VERDICT_WORK, VERDICT_BEFORE, VERDICT_AFTER, VERDICT_SHORT };

struct fault_state {
    struct fault fault;
    size_t second_call, second_allocation;
    size_t calls;
    bool struck;
    bool error_follows; /* FAULT_SHORT_ERROR has done its part, the error is due */
    enum disk_call call;
    char words[DISK_PATH_BYTES + 32];
};

/* Counts the call and says what becomes of it. `transfer` is the number of bytes that a
 * read or write asks for, 0 for other calls: only one of at least 2 can be cut short. */
enum verdict fault_call(struct fault_state *state, enum disk_call call, const char *path,
                        size_t transfer);

#endif

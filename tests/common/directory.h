/* A temporary directory as cmocka's group state, removed with all its files. */
#ifndef STRATA_TESTS_DIRECTORY_H
#define STRATA_TESTS_DIRECTORY_H

#include "memory.h"
#include "support.h"

enum { DIRECTORY_BYTES = 64 };

static inline int directory_setup(void **state) {
    char *path = malloc(DIRECTORY_BYTES);
    if (path == NULL) {
        return -1;
    }
    strcpy(path, "/tmp/strata-test-XXXXXX");
    *state = path;
    return mkdtemp(path) == NULL ? -1 : 0;
}

static inline void remove_visited(void *context, const char *name) {
    char *path = path_join(context, name);
    (void)unlink(path);
    (void)rmdir(path);
    memory_give(path);
}

static inline int directory_teardown(void **state) {
    struct error error;
    enum status status =
        directory_list(&file_system_posix, *state, remove_visited, *state, &error);
    int removed = rmdir(*state);
    free(*state);
    return status == STATUS_OK ? removed : -1;
}

#endif

#include "scratch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"

enum status scratch_open(struct scratch *scratch, struct command_run *run) {
    char *dir = path_join(run->dir, "bench-XXXXXX");
    *scratch = (struct scratch){0};
    if (dir == NULL) {
        return error_no_memory(run->error, "a path", 100);
    }
    scratch->made = mkdir(run->dir, 0777) == 0; /* else mkdtemp says what is wrong */
    if (mkdtemp(dir) == NULL) {
        enum status status =
            error_set(run->error, STATUS_IO, "%s: %s", dir, strerror(errno));
        memory_give(dir);
        return status;
    }
    scratch->dir = dir;
    return STATUS_OK;
}

struct removal {
    const struct file_system *files;
    const char *dir;
    enum status status;
    struct error *error;
};

static void remove_one(void *context, const char *name) {
    struct removal *removal = context;
    char *path = path_join(removal->dir, name);
    if (removal->status == STATUS_OK) {
        removal->status = path == NULL
                              ? error_no_memory(removal->error, "a path", 100)
                              : file_remove(removal->files, path, removal->error);
    }
    memory_give(path);
}

enum status scratch_remove(const struct command_run *run, const char *dir,
                           struct error *error) {
    struct removal removal = {.files = run->options->world->files,
                              .dir = dir,
                              .status = STATUS_OK,
                              .error = error};
    enum status status = directory_list(removal.files, dir, remove_one, &removal, error);
    status = status == STATUS_OK ? removal.status : status;
    if (status == STATUS_OK && rmdir(dir) != 0) {
        status = error_set_errno(error, errno, "%s: remove", dir);
    }
    return status;
}

enum status scratch_close(struct scratch *scratch, const struct command_run *run,
                          struct error *error) {
    enum status status = STATUS_OK;
    if (scratch->dir != NULL && rmdir(scratch->dir) != 0) {
        status = error_set_errno(error, errno, "%s: remove", scratch->dir);
    }
    if (scratch->made) {
        (void)rmdir(run->dir); /* fails, rightly, if somebody put something there */
    }
    memory_give(scratch->dir);
    *scratch = (struct scratch){0};
    return status;
}

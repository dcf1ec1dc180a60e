#include "holder.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool has_open(long process, const struct stat *wanted) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/fd", process);
    DIR *files = opendir(path);
    bool found = false;
    while (files != NULL && !found) {
        struct dirent *entry = readdir(files);
        struct stat opened;
        if (entry == NULL) {
            break;
        }
        found = fstatat(dirfd(files), entry->d_name, &opened, 0) == 0 &&
                same_file(&opened, wanted);
    }
    if (files != NULL) {
        closedir(files);
    }
    return found;
}

static void read_name(struct holder *holder) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/comm", holder->process);
    snprintf(holder->name, sizeof holder->name, "unnamed");
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return;
    }
    if (fgets(holder->name, sizeof holder->name, file) != NULL) {
        holder->name[strcspn(holder->name, "\n")] = '\0';
    }
    fclose(file);
}

bool holder_find(const char *path, struct holder *holder) {
    struct stat wanted;
    if (stat(path, &wanted) != 0) {
        return false;
    }
    DIR *processes = opendir("/proc");
    bool found = false;
    while (processes != NULL && !found) {
        struct dirent *entry = readdir(processes);
        if (entry == NULL) {
            break;
        }
        holder->process = strtol(entry->d_name, NULL, 10);
        found = holder->process > 0 && holder->process != (long)getpid() &&
                has_open(holder->process, &wanted);
    }
    if (processes != NULL) {
        closedir(processes);
    }
    if (found) {
        read_name(holder);
    }
    return found;
}

bool holder_locked(const char *path) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool locked = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (fd >= 0) {
        close(fd);
    }
    return locked;
}

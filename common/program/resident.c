#include "resident.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATUS_BYTES = 4096, WATCH_MICROS = 2000 };

uint64_t resident_bytes(void) {
    static const char name[] = "\nRssAnon:";
    char text[STATUS_BYTES];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t count = read(fd, text, sizeof text - 1);
    (void)close(fd); /* it was only read */
    text[count < 0 ? 0 : count] = '\0';
    const char *line = strstr(text, name);
    return line == NULL ? 0 : strtoull(line + sizeof name - 1, NULL, 10) * 1024;
}

static void look_on(void *argument) {
    struct resident_watch *watch = argument;
    mutex_lock(&watch->lock);
    while (!watch->end) {
        uint64_t bytes = resident_bytes();
        watch->peak = bytes > watch->peak ? bytes : watch->peak;
        uint64_t next = clock_monotonic_micros(watch->world->clock) + WATCH_MICROS;
        (void)condition_wait_until(&watch->ending, &watch->lock, next);
    }
    mutex_unlock(&watch->lock);
}

enum status resident_watch_begin(struct resident_watch *watch, const struct world *world,
                                 struct error *error) {
    *watch = (struct resident_watch){.world = world};
    if (mutex_init(&watch->lock, world->threads) != STATUS_OK) {
        return error_no_memory(error, "a lock", sizeof watch->lock);
    }
    enum status status = condition_init(&watch->ending, world->threads);
    if (status == STATUS_OK) {
        status = thread_create(&watch->thread, world->threads, look_on, watch);
        if (status == STATUS_OK) {
            return STATUS_OK;
        }
        condition_free(&watch->ending);
    }
    mutex_free(&watch->lock);
    return error_no_memory(error, "a thread", sizeof watch->thread);
}

uint64_t resident_watch_end(struct resident_watch *watch) {
    mutex_lock(&watch->lock);
    watch->end = true;
    condition_signal(&watch->ending);
    mutex_unlock(&watch->lock);
    thread_join(&watch->thread);
    condition_free(&watch->ending);
    mutex_free(&watch->lock);
    return watch->peak;
}

#include "server_log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { TIME_BYTES = 96 };

static const char *const level_names[] = {
    [LOGLEVEL_DEBUG] = "debug",
    [LOGLEVEL_VERBOSE] = "verbose",
    [LOGLEVEL_NOTICE] = "notice",
    [LOGLEVEL_WARNING] = "warning",
};

/* The file as it is now under that name. */
static enum status open_file(struct server_log *log, struct file **file,
                             struct error *error) {
    const struct file_system *files = log->world->files;
    enum status status = file_open(files, log->path, FILE_WRITE, file, error);
    return status == STATUS_NOT_FOUND
               ? file_open(files, log->path, FILE_CREATE, file, error)
               : status;
}

enum status server_log_open(struct server_log *log, const struct world *world,
                            const char *path, enum config_loglevel level,
                            struct error *error) {
    struct file *file = NULL;
    *log = (struct server_log){.world = world, .level = {level}};
    (void)snprintf(log->path, sizeof log->path, "%s", path);
    if (path[0] != '\0') {
        enum status status = open_file(log, &file, error);
        if (status != STATUS_OK) {
            return status;
        }
        file_release(file); /* nothing was written */
    }
    return mutex_init(&log->mutex, world->threads) == STATUS_OK
               ? STATUS_OK
               : error_no_memory(error, "a lock", 0);
}

void server_log_close(struct server_log *log) {
    mutex_free(&log->mutex);
}

/* The date of a day since 1970-01-01, by the proleptic Gregorian calendar: years begin in
 * March, so that the leap day is the last one of its year. */
static void print_date(uint64_t day, char text[TIME_BYTES], uint64_t millis) {
    uint64_t shifted = day + 719468; /* since 0000-03-01 */
    uint64_t era = shifted / 146097, of_era = shifted % 146097;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * of_year + 2) / 153; /* 0: March */
    uint64_t of_month = of_year - (153 * month + 2) / 5 + 1;
    (void)snprintf(text, TIME_BYTES,
                   "%04" PRIu64 "-%02" PRIu64 "-%02" PRIu64 "T%02" PRIu64 ":%02" PRIu64
                   ":%02" PRIu64 ".%03" PRIu64 "Z",
                   (400 * era + year + (month > 9)) % 10000,
                   month < 10 ? month + 3 : month - 9, of_month, millis / 3600000,
                   millis / 60000 % 60, millis / 1000 % 60, millis % 1000);
}

/* The mutex is held. */
static enum status write_line(struct server_log *log, const char *line, size_t length) {
    if (log->path[0] == '\0') {
        return fputs(line, stderr) == EOF ? STATUS_IO : STATUS_OK;
    }
    struct file *file = NULL;
    uint64_t end = 0;
    enum status status = open_file(log, &file, NULL);
    if (status != STATUS_OK) {
        return status;
    }
    status = file_size(file, &end, NULL);
    if (status == STATUS_OK) {
        status = file_write(file, end, line, length, NULL);
    }
    enum status closed = file_close(file, NULL);
    return status == STATUS_OK ? closed : status;
}

static void make_printable(char *text) {
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        *text = byte < 0x20 || byte == 0x7f ? '?' : *text;
    }
}

bool server_log_may(struct server_log *log, struct server_log_pause *pause,
                    uint64_t *left_out) {
    uint64_t now = clock_wall_micros(log->world->clock) / 1000000;
    uint64_t last = atomic_u64_load(&pause->second, memory_order_relaxed);
    if (now == last ||
        !atomic_u64_exchange_if(&pause->second, last, now, memory_order_relaxed)) {
        atomic_u64_add(&pause->left_out, 1, memory_order_relaxed);
        return false;
    }
    *left_out = atomic_u64_load(&pause->left_out, memory_order_relaxed);
    atomic_u64_subtract(&pause->left_out, *left_out, memory_order_relaxed);
    return true;
}

void server_log(struct server_log *log, enum config_loglevel level, const char *format,
                ...) {
    if ((uint64_t)level < atomic_u64_load(&log->level, memory_order_relaxed)) {
        return;
    }
    char words[ERROR_MESSAGE_BYTES], time[TIME_BYTES];
    char line[ERROR_MESSAGE_BYTES + TIME_BYTES + 16];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    make_printable(words);
    uint64_t millis = clock_wall_micros(log->world->clock) / 1000;
    print_date(millis / 86400000, time, millis % 86400000);
    int length =
        snprintf(line, sizeof line, "%s %s %s\n", time, level_names[level], words);
    mutex_lock(&log->mutex);
    enum status status = write_line(log, line, (size_t)length);
    mutex_unlock(&log->mutex);
    if (status != STATUS_OK) {
        (void)atomic_u64_add(&log->lost, 1, memory_order_relaxed);
    }
}

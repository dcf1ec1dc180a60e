#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DRAW_MICROS = 100 * 1000 };

struct progress progress_begin(const struct clock *clock, uint64_t whole_bytes) {
    struct progress progress = {.shown = isatty(STDERR_FILENO) == 1,
                                .clock = clock,
                                .whole_bytes = whole_bytes,
                                .began_micros = clock_monotonic_micros(clock)};
    return progress;
}

void progress_print_count(char text[27], uint64_t count) {
    char digits[21];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    size_t used = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            text[used++] = ',';
        }
        text[used++] = digits[i];
    }
    text[used] = '\0';
}

static void draw(const struct progress *progress, uint64_t now, uint64_t count,
                 uint64_t bytes) {
    uint64_t micros = now - progress->began_micros;
    char counted[27], rate[27];
    progress_print_count(counted, count);
    progress_print_count(rate, micros == 0 ? 0 : count * 1000000 / micros);
    if (progress->whole_bytes > 0) {
        uint64_t percent = bytes * 100 / progress->whole_bytes;
        fprintf(stderr, "\r%3" PRIu64 " %%  ", percent > 100 ? 100 : percent);
    } else {
        fputc('\r', stderr);
    }
    fprintf(stderr, "%s lines, %s/s\033[K", counted, rate);
    fflush(stderr);
}

void progress_show(struct progress *progress, uint64_t count, uint64_t bytes) {
    if (!progress->shown || count % 64 != 0) {
        return;
    }
    uint64_t now = clock_monotonic_micros(progress->clock);
    if (now - progress->drawn_micros >= DRAW_MICROS) {
        draw(progress, now, count, bytes);
        progress->drawn_micros = now;
    }
}

void progress_end(struct progress *progress) {
    if (progress->shown && progress->drawn_micros != 0) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}

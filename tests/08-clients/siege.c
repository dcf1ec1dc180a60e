#include "siege.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_SECONDS = 60 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* VmHWM of /proc/PID/status (proc(5)). */
static uint64_t peak_bytes(const struct siege *siege) {
    char path[64], line[256];
    unsigned long long kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)siege->served.process);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        (void)sscanf(line, "VmHWM: %llu kB", &kib);
    }
    (void)fclose(file);
    assert_true(kib > 0);
    return kib * 1024;
}

/* 5: the peak is what is in use now (proc(5), clear_refs). */
void siege_mark_memory(struct siege *siege) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/clear_refs", (int)siege->served.process);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs("5", file) >= 0);
    assert_int_equal(fclose(file), 0);
    siege->memory = peak_bytes(siege);
}

void siege_begin(struct siege *siege, const char *const *more) {
    siege_begin_with(siege, 0, more);
}

void siege_begin_with(struct siege *siege, unsigned descriptors,
                      const char *const *more) {
    make_directory(&siege->served);
    siege->served.descriptors = descriptors;
    start(&siege->served, more);
    call(&siege->witness, &siege->served);
    siege->steps = 0;
    siege_check(siege);
    siege->memory = peak_bytes(siege);
}

void siege_step(struct siege *siege) {
    char line[512], request[64];
    siege->steps++;
    (void)snprintf(line, sizeof line, ":%zu", siege->steps);
    ask(&siege->witness, "INCR steps", line);
    (void)snprintf(request, sizeof request, "ECHO step%zu", siege->steps);
    ask_for(&siege->witness, request, request + 5);
}

void siege_check(struct siege *siege) {
    struct caller fresh;
    siege_step(siege);
    call(&fresh, &siege->served);
    ask(&fresh, "PING", "+PONG");
    hang_up(&fresh);
}

void siege_end(struct siege *siege) {
    siege_check(siege);
    hang_up(&siege->witness);
    assert_stops(&siege->served, SIGTERM);
    remove_directory(&siege->served);
}

static time_t now_seconds(void) {
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return now.tv_sec;
}

void siege_await_clients(struct siege *siege, size_t clients) {
    time_t begun = now_seconds();
    size_t there;
    do {
        siege_step(siege);
        there = siege_info(siege, "clients", "connected_clients");
        if (now_seconds() - begun > MOST_SECONDS) {
            fail_msg("%zu clients, not %zu", there, clients);
        }
    } while (there != clients);
}

uint64_t siege_info(struct siege *siege, const char *section, const char *name) {
    char request[64], line[512];
    size_t length = strlen(name);
    bool found = false;
    uint64_t value = 0;
    (void)snprintf(request, sizeof request, "INFO %s\r\nECHO end-of-info\r\n", section);
    say(&siege->witness, request);
    do {
        assert_true(hear(&siege->witness, line));
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            value = strtoull(line + length + 1, NULL, 10);
            found = true;
        }
    } while (strcmp(line, "end-of-info") != 0);
    assert_true(found);
    return value;
}

void siege_check_memory(const struct siege *siege, uint64_t more_bytes) {
    uint64_t now = peak_bytes(siege);
    if (!SANITIZED && now > siege->memory + more_bytes) {
        fail_msg("%" PRIu64 " KiB of memory were taken: more than %" PRIu64,
                 (now - siege->memory) / 1024, more_bytes / 1024);
    }
}

bool is_readable(const struct caller *caller) {
    struct pollfd poller = {caller->descriptor, POLLIN, 0};
    return caller->at < caller->end || poll(&poller, 1, 0) > 0;
}

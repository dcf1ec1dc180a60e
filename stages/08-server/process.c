#include "process.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The second number of /proc/self/statm is resident pages (proc(5)). */
static uint64_t resident_bytes(void) {
    uint64_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%*s %" SCNu64, &pages) != 1) {
        pages = 0;
    }
    (void)fclose(file); /* it was only read */
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t micros_of(const struct timeval *time) {
    return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

void process_facts(struct process_facts *facts) {
    struct rusage usage = {0};
    struct sysinfo machine = {0};
    struct utsname name = {0};
    (void)getrusage(RUSAGE_SELF, &usage); /* these three cannot fail for valid buffers */
    (void)sysinfo(&machine);
    (void)uname(&name);
    *facts = (struct process_facts){
        .id = (uint64_t)getpid(),
        .resident_bytes = resident_bytes(),
        .resident_peak_bytes = (uint64_t)usage.ru_maxrss * 1024,
        .machine_bytes = (uint64_t)machine.totalram * machine.mem_unit,
        .user_micros = micros_of(&usage.ru_utime),
        .system_micros = micros_of(&usage.ru_stime),
    };
    (void)snprintf(facts->system, sizeof facts->system, "%.40s %.60s %.40s", name.sysname,
                   name.release, name.machine);
}

void process_run_id(char text[PROCESS_RUN_ID_BYTES]) {
    unsigned char bytes[PROCESS_RUN_ID_BYTES / 2] = {0};
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        uint64_t id = (uint64_t)getpid(); /* it need not be a secret */
        memcpy(bytes, &id, sizeof id);
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
}

uint64_t process_descriptors(uint64_t wanted) {
    struct rlimit limit = {0};
    (void)getrlimit(RLIMIT_NOFILE, &limit); /* it cannot fail for a valid buffer */
    if (limit.rlim_cur < wanted) {
        struct rlimit raised = limit;
        raised.rlim_cur = wanted < limit.rlim_max ? (rlim_t)wanted : limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
            limit = raised;
        }
    }
    return limit.rlim_cur;
}

/* ---- the service manager --------------------------------------------------------- */

static const char *find_variable(char *const environment[], const char *name) {
    size_t length = strlen(name);
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=') {
            return *environment + length + 1;
        }
    }
    return NULL;
}

uint64_t process_watchdog_micros(char *const environment[]) {
    const char *micros = find_variable(environment, "WATCHDOG_USEC");
    const char *process = find_variable(environment, "WATCHDOG_PID");
    if (micros == NULL ||
        (process != NULL && strtoull(process, NULL, 10) != (uint64_t)getpid())) {
        return 0;
    }
    return strtoull(micros, NULL, 10);
}

enum status process_notify(char *const environment[], const char *state,
                           struct error *error) {
    const char *path = find_variable(environment, "NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL) {
        return STATUS_OK;
    }
    size_t length = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || length >= sizeof address.sun_path) {
        return error_set(error, STATUS_INVALID, "NOTIFY_SOCKET: \"%s\" is no socket",
                         path);
    }
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') {
        address.sun_path[0] = '\0';
    }
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        return error_set_errno(error, errno, "NOTIFY_SOCKET: socket");
    }
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    ssize_t sent = sendto(descriptor, state, strlen(state), MSG_NOSIGNAL,
                          (const struct sockaddr *)&address, bytes);
    int errnum = errno;
    (void)close(descriptor); /* what was sent is sent */
    return sent < 0 ? error_set_errno(error, errnum, "NOTIFY_SOCKET: %s", path)
                    : STATUS_OK;
}

void process_end(int code) {
    _exit(code);
}

char *const *process_environment(void) {
    return environ;
}

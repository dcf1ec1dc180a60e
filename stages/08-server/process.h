/* What the server asks of the operating system about the process that it is, and what it
 * tells the one that started it. Any thread. */
#ifndef STRATA_PROCESS_H
#define STRATA_PROCESS_H

#include <stdint.h>

#include "status.h"

struct process_facts {
    uint64_t id;
    uint64_t resident_bytes; /* 0: not known */
    uint64_t resident_peak_bytes;
    uint64_t machine_bytes;
    uint64_t user_micros, system_micros; /* of the processor, all threads */
    char system[160];                    /* "Linux 6.1.0 x86_64" */
};

void process_facts(struct process_facts *facts);

/* 40 hexadecimal digits and a terminator: another one for every start. */
enum { PROCESS_RUN_ID_BYTES = 41 };
void process_run_id(char text[PROCESS_RUN_ID_BYTES]);

/* Raises the limit of descriptors that the process may have (RLIMIT_NOFILE) to so many,
 * or as far as that is allowed; answers the limit, which may be higher already. */
uint64_t process_descriptors(uint64_t wanted);

/* Ends the process now, whatever its other threads do. */
_Noreturn void process_end(int code);

/* What the process was started with: NAME=VALUE, ended by NULL. */
char *const *process_environment(void);

/* The microseconds in which the service manager wants a sign of life ("WATCHDOG=1")
 * of this process (sd_watchdog_enabled(3): WATCHDOG_USEC, WATCHDOG_PID); 0: none. */
uint64_t process_watchdog_micros(char *const environment[]);

/* Tells the service manager (sd_notify(3)): "READY=1", "STOPPING=1", "STATUS=..." lines,
 * as one datagram to the socket that NOTIFY_SOCKET in `environment` names: a path, or @
 * and an abstract name. OK also where there is none: nobody wants to know. INVALID: it
 * names none that can be; IO. */
MUST_CHECK enum status process_notify(char *const environment[], const char *state,
                                      struct error *error);

#endif

/* A preload beside libfiu's: makes the N-th call of one of the wrapped functions fail.
 * libfiu 1.1 can fail a point always, at random or by its caller, but does not count; its
 * interface for callbacks can, and this is the callback.
 *
 *     LD_PRELOAD=fiu_posix_preload.so:fail_nth.so
 *     FAIL_NTH='NAME N LAST INFO DESCRIPTOR [HOLD]'
 *
 * The N-th to LAST-th calls at the point NAME fail, counted from 1 over the process and
 * all of its threads, with INFO as libfiu's failinfo (the errno). At the first of them a
 * byte is written to DESCRIPTOR, if that is not negative: so the caller learns whether
 * there was such a call. Where there is a descriptor HOLD, each of these calls waits
 * until it has read a byte from it; with an INFO of 0 it then goes on and does not
 * fail. */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fiu-control.h>
#include <fiu.h>

static struct {
    char name[128];
    unsigned long first, last;
    intptr_t info;
    int descriptor, hold;
    atomic_ulong calls;
} wanted;

/* Under libfiu's read lock, inside a wrapped call: it calls nothing that is wrapped. Who
 * is held keeps that lock, which keeps nobody from reading. */
static int decide(const char *name, int *failnum, void **failinfo, unsigned *flags) {
    (void)name;
    (void)failnum;
    (void)failinfo;
    (void)flags;
    unsigned long call = atomic_fetch_add(&wanted.calls, 1) + 1;
    if (call == wanted.first && wanted.descriptor >= 0) {
        syscall(SYS_write, wanted.descriptor, "!", 1);
    }
    if (call < wanted.first || call > wanted.last) {
        return 0;
    }
    if (wanted.hold >= 0) {
        char byte;
        syscall(SYS_read, wanted.hold, &byte, 1);
    }
    return wanted.info != 0;
}

__attribute__((constructor)) static void arm(void) {
    const char *text = getenv("FAIL_NTH");
    wanted.hold = -1;
    if (text == NULL ||
        sscanf(text, "%127s %lu %lu %ld %d %d", wanted.name, &wanted.first, &wanted.last,
               &wanted.info, &wanted.descriptor, &wanted.hold) < 5 ||
        fiu_init(0) != 0 ||
        fiu_enable_external(wanted.name, 1, (void *)wanted.info, 0, decide) != 0) {
        static const char words[] = "fail_nth: FAIL_NTH is not understood\n";
        syscall(SYS_write, STDERR_FILENO, words, sizeof words - 1);
        _exit(127);
    }
}

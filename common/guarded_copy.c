/* The handler jumps out of the copy that faulted:
 *
 *     guarded_copy     remember where to return to (sigsetjmp) → this thread's guard is
 *                      up → copy → guard down → true
 *     SIGBUS           in the pages of this thread's guard: back to where the copy began
 *                      (siglongjmp) → false
 *                      anywhere else: to the handler that was there before
 *
 * Why that is sound. The signal of a fault is synchronous: the kernel raises it in the
 * thread whose instruction faulted, at that instruction (signal(7)), so the handler
 * runs on the thread that reads its own guard, and an address in the guarded pages means
 * that this very copy stands still. What is left behind is memcpy alone, which holds no
 * lock, owns no memory and keeps no state but registers, and those siglongjmp restores.
 * The bytes that were stored before the fault stay, as after a write(2) that was cut
 * short; whoever copies must take them for a failed write.
 *
 * To save the signal mask before each copy would be a system call. It is not needed: the
 * kernel hands the mask of the moment of the fault to the handler, which puts it back.
 * SA_ONSTACK: a program may have given its threads a stack for signals; a thread without
 * one uses its own. A rounding mode of floating point that the program had set is the
 * default after a failed copy.
 *
 * A signal has one action in a process, so this file has what nothing else in the engine
 * may have, variables of the process: the action before ours, written once before ours
 * can run, and each thread's guard. Stores share nothing through them.
 *
 * This is one place where returning by longjmp is right: there is no other way to leave
 * an instruction that cannot be finished. */
#include "guarded_copy.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

/* What a fault tells of its address is exact to a page at least. */
enum { PAGE_BYTES = 4096 };

struct guard {
    uintptr_t first, behind; /* of the pages */
    sigjmp_buf back;
};

static _Thread_local struct guard *volatile current; /* NULL: no copy under way */
static struct sigaction before;
static pthread_once_t prepared = PTHREAD_ONCE_INIT;

/* Else somebody sent it, or a page that nobody asks for was found damaged. */
static bool is_fault(const siginfo_t *info) {
    return info->si_code > 0 && info->si_code != BUS_MCEERR_AO;
}

/* What was blocked when the signal came. */
static const sigset_t *mask_of(const void *context) {
    return &((const ucontext_t *)context)->uc_sigmask;
}

static void restore_default(int number) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(number, &action, NULL);
}

/* Without a handler, a fault returns to its instruction and kills there, so that a core
 * dump shows the place; also where the signal was ignored, for so the kernel does. */
static void end_as_before(int number, const siginfo_t *info) {
    if (is_fault(info)) {
        restore_default(number);
    } else if (before.sa_handler == SIG_DFL) {
        restore_default(number);
        raise(number);
    }
}

/* As the kernel would have called it. The return from ours restores the mask. */
static void pass_on(int number, siginfo_t *info, void *context) {
    if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) {
        end_as_before(number, info);
        return;
    }
    sigset_t blocked;
    unsigned flags = (unsigned)before.sa_flags;
    sigorset(&blocked, mask_of(context), &before.sa_mask);
    if ((flags & SA_NODEFER) == 0) {
        sigaddset(&blocked, number);
    }
    if ((flags & SA_RESETHAND) != 0) {
        restore_default(number);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    if ((flags & SA_SIGINFO) != 0) {
        before.sa_sigaction(number, info, context);
    } else {
        before.sa_handler(number);
    }
}

static void bus_error(int number, siginfo_t *info, void *context) {
    struct guard *guard = current;
    uintptr_t at = (uintptr_t)info->si_addr;
    if (guard != NULL && is_fault(info) && at >= guard->first && at < guard->behind) {
        pthread_sigmask(SIG_SETMASK, mask_of(context), NULL);
        siglongjmp(guard->back, 1);
    }
    pass_on(number, info, context);
}

static void prepare(void) {
    struct sigaction ours = {.sa_sigaction = bus_error,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&ours.sa_mask);
    sigaction(SIGBUS, NULL, &before); /* known before ours can run */
    sigaction(SIGBUS, &ours, NULL);
}

void guarded_copy_prepare(void) {
    pthread_once(&prepared, prepare);
}

/* The fences are for the compiler: the copy stays between guard up and guard down. */
bool guarded_copy(void *to, const void *from, size_t bytes) {
    struct guard guard;
    uintptr_t start = (uintptr_t)to, end = start + bytes + PAGE_BYTES - 1;
    guard.first = start - start % PAGE_BYTES;
    guard.behind = end - end % PAGE_BYTES;
    if (sigsetjmp(guard.back, 0) != 0) {
        current = NULL;
        return false;
    }
    current = &guard;
    atomic_signal_fence(memory_order_seq_cst);
    memcpy(to, from, bytes);
    atomic_signal_fence(memory_order_seq_cst);
    current = NULL;
    return true;
}

#include "faulty.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#define FIU "/usr/lib/fiu/"

bool faulty_can(void) {
    return strstr(getenv("STRATA_PROGRAM"), "build/check/") != NULL;
}

void faulty_count(const char *fail_nth) {
    assert_int_equal(
        setenv("LD_PRELOAD", FIU "fiu_posix_preload.so:build/fail_nth.so", 1), 0);
    assert_int_equal(setenv("FAIL_NTH", fail_nth, 1), 0);
}

static bool write_text(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool written = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0) {
        close(file);
    }
    return written;
}

/* The preload has a thread that listens to a pipe with a name. It is older than the
 * server's main function: a SIGTERM that is meant for that must not find it ready. */
void faulty_ready(const struct served *served, uint64_t seed) {
    char text[96];
    sigset_t term;
    assert_int_equal(
        setenv("LD_PRELOAD", FIU "fiu_run_preload.so:" FIU "fiu_posix_preload.so", 1), 0);
    (void)snprintf(text, sizeof text, "%s.fiu", served->dir);
    assert_int_equal(setenv("FIU_CTRL_FIFO", text, 1), 0);
    (void)snprintf(text, sizeof text, "%" PRIu32, (uint32_t)seed);
    assert_int_equal(setenv("FIU_PRNG_SEED", text, 1), 0);
    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    assert_int_equal(sigprocmask(SIG_BLOCK, &term, NULL), 0);
}

void faulty_over(void) {
    static const char *const names[] = {"LD_PRELOAD", "FAIL_NTH", "FIU_CTRL_FIFO",
                                        "FIU_PRNG_SEED"};
    sigset_t term;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(unsetenv(names[i]), 0);
    }
    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    assert_int_equal(sigprocmask(SIG_UNBLOCK, &term, NULL), 0);
}

/* The pipe of commands, or that of answers. */
static void name_pipe(const struct served *served, const char *which, char path[128]) {
    (void)snprintf(path, 128, "%s.fiu-%d.%s", served->dir, (int)served->process, which);
}

void faulty_tell(const struct served *served, const char *command) {
    char in[128], out[128], answer[16];
    name_pipe(served, "in", in);
    name_pipe(served, "out", out);
    assert_true(write_text(in, command));
    int file = open(out, O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    assert_true(read(file, answer, sizeof answer) > 0);
    assert_int_equal(answer[0], '0');
    close(file);
}

void faulty_gone(const struct served *served) {
    char path[128];
    name_pipe(served, "in", path);
    (void)unlink(path);
    name_pipe(served, "out", path);
    (void)unlink(path);
}

/* ---- disks ----------------------------------------------------------------------- */

/* Mounts of its own: by right, or as the root of a name space in which it is nobody
 * else. */
static bool leave_name_space(void) {
    char users[32], groups[32];
    (void)snprintf(users, sizeof users, "0 %u 1", (unsigned)getuid());
    (void)snprintf(groups, sizeof groups, "0 %u 1", (unsigned)getgid());
    return unshare(CLONE_NEWNS) == 0 || (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
                                         write_text("/proc/self/setgroups", "deny") &&
                                         write_text("/proc/self/uid_map", users) &&
                                         write_text("/proc/self/gid_map", groups));
}

bool faulty_disk(const char *dir, size_t bytes) {
    char options[64];
    (void)snprintf(options, sizeof options, "size=%zu", bytes);
    return leave_name_space() &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", dir, "tmpfs", 0, options) == 0;
}

void faulty_disk_gone(const char *dir) {
    assert_int_equal(umount2(dir, MNT_DETACH), 0);
}

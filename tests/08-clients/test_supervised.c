/* The program under a service manager: it says that it is ready, that it is alive, and
 * that it stops (sd_notify(3)). */
#include "served.h"

#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Datagrams come until there is that one; a minute without any fails. */
static void expect_told(int descriptor, const char *words) {
    char text[128] = "";
    while (strcmp(text, words) != 0) {
        ssize_t count = recv(descriptor, text, sizeof text - 1, 0);
        assert_true(count > 0);
        text[count] = '\0';
    }
}

static void the_manager_is_told(void **state) {
    (void)state;
    struct served served;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval minute = {.tv_sec = 60};
    char name[64];
    int length = snprintf(name, sizeof name, "@strata-supervised-%d", (int)getpid());
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(descriptor >= 0);
    memcpy(address.sun_path + 1, name + 1, (size_t)length - 1);
    socklen_t bytes =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length);
    assert_int_equal(bind(descriptor, (const struct sockaddr *)&address, bytes), 0);
    assert_int_equal(
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    assert_int_equal(setenv("WATCHDOG_USEC", "20000", 1), 0);
    make_directory(&served);
    start(&served, NULL);
    expect_told(descriptor, "READY=1");
    for (int sign = 0; sign < 3; sign++) {
        expect_told(descriptor, "WATCHDOG=1");
    }
    assert_int_equal(kill(served.process, SIGTERM), 0);
    expect_told(descriptor, "STOPPING=1");
    assert_int_equal(read_to_end(&served), 0);
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    assert_int_equal(unsetenv("WATCHDOG_USEC"), 0);
    close(descriptor);
    remove_directory(&served);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manager_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

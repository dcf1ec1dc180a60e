/* Protected mode: without a password only clients of the machine itself are served. A
 * client that calls the machine by another of its addresses has that one itself, which is
 * as good as another machine; where there is none, nothing can be shown. */
#include "caller.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

/* False: there is none. */
static bool own_address(struct in_addr *address) {
    struct ifaddrs *all;
    bool found = false;
    assert_int_equal(getifaddrs(&all), 0);
    for (struct ifaddrs *at = all; at != NULL && !found; at = at->ifa_next) {
        struct sockaddr_in own;
        found = at->ifa_addr != NULL && at->ifa_addr->sa_family == AF_INET &&
                (at->ifa_flags & IFF_UP) != 0 && (at->ifa_flags & IFF_LOOPBACK) == 0;
        if (found) {
            memcpy(&own, at->ifa_addr, sizeof own);
            *address = own.sin_addr;
        }
    }
    freeifaddrs(all);
    return found;
}

static void expect_denied(const struct served *served, struct in_addr own) {
    struct caller caller;
    char line[512];
    call_at(&caller, own.s_addr, served->port);
    assert_true(hear(&caller, line));
    assert_int_equal(strncmp(line, "-DENIED ", 8), 0);
    assert_non_null(strstr(line, "protected mode"));
    expect_end(&caller);
    hang_up(&caller);
    call_at(&caller, own.s_addr, served->port); /* however quick it is */
    say(&caller, "SET intruder v\r\nPING\r\n");
    assert_true(hear(&caller, line));
    assert_int_equal(strncmp(line, "-DENIED ", 8), 0);
    expect_end(&caller);
    hang_up(&caller);
}

static void from_afar(void **state) {
    (void)state;
    const char *const more[] = {"--bind", "0.0.0.0", NULL};
    struct in_addr own = {0};
    struct served served;
    struct caller near, far;
    if (!own_address(&own)) {
        skip();
    }
    make_directory(&served);
    start(&served, more);
    call(&near, &served);
    for (size_t i = 0; i < 20; i++) {
        expect_denied(&served, own);
        ask(&near, "PING", "+PONG");
    }
    ask(&near, "EXISTS intruder", ":0");
    ask(&near, "CONFIG SET requirepass secret", "+OK");
    call_at(&far, own.s_addr, served.port);
    ask(&far, "GET k", "-NOAUTH Authentication required.");
    ask(&far, "AUTH secret", "+OK");
    ask(&far, "GET k", "$-1");
    ask(&near, "CONFIG SET requirepass \"\"", "+OK");
    expect_denied(&served, own);
    ask(&near, "CONFIG SET protected-mode no", "+OK");
    hang_up(&far);
    call_at(&far, own.s_addr, served.port);
    ask(&far, "SET k v", "+OK");
    hang_up(&far);
    ask(&near, "CONFIG SET protected-mode yes", "+OK");
    expect_denied(&served, own);
    hang_up(&near);
    assert_stops(&served, SIGTERM);
    remove_directory(&served);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_afar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

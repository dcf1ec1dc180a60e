/* redis-py, the client library for Python: what application.py does with it. */
#include "place.h"

#include <signal.h>

static void serves_an_application(void **state) {
    struct place *place = *state;
    struct served other;
    char port[16];
    make_directory(&other);
    start(&other, (const char *const[]){"--requirepass", "secret", NULL});
    (void)snprintf(port, sizeof port, "%u", other.port);
    CLIENT_RUN(&place->client, "/usr/bin/python3", "-B",
               "tests/08-clients/application.py", place->port, port);
    assert_stops(&other, SIGTERM);
    remove_directory(&other);
    expect_code(&place->client, 0);
    assert_non_null(strstr(client_err(&place->client), "\n\nOK\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACE_TEST(serves_an_application),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

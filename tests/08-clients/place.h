/* A server for each test, which is ended behind it, whatever became of the test; that it
 * ends well is part of the test. */
#ifndef STRATA_TESTS_PLACE_H
#define STRATA_TESTS_PLACE_H

#include "client.h"

struct place {
    struct served served; /* process 0: the test has seen its end */
    char port[16];
    char socket[96]; /* it listens there, too */
    struct client client;
};

int place_set_up(void **state);
int place_tear_down(void **state);

#define PLACE_TEST(test)                                                                 \
    cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)

/* redis-cli with these arguments, the server's address before them. */
#define CLI_WITH(place, input, ...)                                                      \
    CLIENT_RUN_WITH(&(place)->client, input, "redis-cli", "-p", (place)->port,           \
                    __VA_ARGS__)
#define CLI(place, ...) CLI_WITH(place, (struct slice){0}, __VA_ARGS__)

/* It ends well, and prints this. */
#define CLI_SHOWS(place, text, ...)                                                      \
    do {                                                                                 \
        CLI(place, __VA_ARGS__);                                                         \
        expect_printed(&(place)->client, text);                                          \
    } while (0)

#endif

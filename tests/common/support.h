/* What the tests of the common layer share: cmocka, random numbers that a seed repeats
 * (SEED=n in the environment; it is printed), and a temporary directory. */
#ifndef STRATA_TESTS_SUPPORT_H
#define STRATA_TESTS_SUPPORT_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "stage.h"

/* The whole of common/ is linked, so a stage must be there. */
#ifndef TEST_HAS_STAGE
const struct stage stage = {.number = 1, .name = "01-test"};
#endif

static inline uint64_t test_seed(void) {
    const char *text = getenv("SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 20260101;
    printf("SEED=%" PRIu64 "\n", seed);
    return seed;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static inline uint64_t random_next(uint64_t *state) {
    uint64_t mixed = *state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

static inline uint64_t random_below(uint64_t *state, uint64_t bound) {
    return random_next(state) % bound;
}

/* All magnitudes equally likely, so that edges of encodings are met. */
static inline uint64_t random_magnitude(uint64_t *state) {
    return random_next(state) >> random_below(state, 64);
}

#define assert_ok(call)                                                                  \
    do {                                                                                 \
        enum status status_of_call = (call);                                             \
        if (status_of_call != STATUS_OK) {                                               \
            fail_msg("%s: %s", #call, status_words(status_of_call));                     \
        }                                                                                \
    } while (0)

#define assert_message_has(error, words)                                                 \
    do {                                                                                 \
        if (strstr((error).message, words) == NULL) {                                    \
            fail_msg("\"%s\" does not say \"%s\"", (error).message, words);              \
        }                                                                                \
    } while (0)

#endif

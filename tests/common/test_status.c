#include "support.h"

#include <errno.h>

#include "status.h"

static void words_and_exit_codes(void **state) {
    (void)state;
    assert_string_equal(status_words(STATUS_OK), "ok");
    assert_string_equal(status_words(STATUS_BUSY), "held by another process");
    assert_string_equal(status_words((enum status)1000), "unknown status");
    static const struct {
        enum status status;
        int exit_code;
    } expected[] = {{STATUS_OK, 0},      {STATUS_NOT_FOUND, 1},   {STATUS_INVALID, 2},
                    {STATUS_CORRUPT, 3}, {STATUS_UNSUPPORTED, 2}, {STATUS_IO, 4},
                    {STATUS_BUSY, 5},    {STATUS_NO_MEMORY, 6},   {STATUS_NO_SPACE, 6},
                    {STATUS_LIMIT, 7}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_int_equal(status_exit_code(expected[i].status), expected[i].exit_code);
    }
}

static void errno_becomes_status(void **state) {
    (void)state;
    assert_int_equal(status_of_errno(ENOSPC), STATUS_NO_SPACE);
    assert_int_equal(status_of_errno(EDQUOT), STATUS_NO_SPACE);
    assert_int_equal(status_of_errno(ENOMEM), STATUS_NO_MEMORY);
    assert_int_equal(status_of_errno(ENOENT), STATUS_NOT_FOUND);
    assert_int_equal(status_of_errno(EIO), STATUS_IO);
    assert_int_equal(status_of_errno(EACCES), STATUS_IO);
}

static void message_is_built(void **state) {
    (void)state;
    struct error error = {0};
    assert_int_equal(error_set(&error, STATUS_CORRUPT, "%s: offset %d", "a.log", 7),
                     STATUS_CORRUPT);
    assert_int_equal(error.status, STATUS_CORRUPT);
    assert_string_equal(error.message, "a.log: offset 7");

    assert_int_equal(error_set_errno(&error, ENOSPC, "%s: write", "a.log"),
                     STATUS_NO_SPACE);
    assert_int_equal(error.status, STATUS_NO_SPACE);
    assert_string_equal(error.message, "a.log: write: No space left on device");

    assert_int_equal(error_no_memory(&error, "block", 4096), STATUS_NO_MEMORY);
    assert_string_equal(error.message, "out of memory: block, 4096 bytes");
}

static void message_may_quote_itself(void **state) {
    (void)state;
    struct error error = {0};
    (void)error_set(&error, STATUS_IO, "inner");
    (void)error_set(&error, STATUS_IO, "outer: %s", error.message);
    assert_string_equal(error.message, "outer: inner");
}

static void null_error_is_allowed(void **state) {
    (void)state;
    assert_int_equal(error_set(NULL, STATUS_LIMIT, "x"), STATUS_LIMIT);
    assert_int_equal(error_set_errno(NULL, EIO, "x"), STATUS_IO);
    assert_int_equal(error_no_memory(NULL, "x", 1), STATUS_NO_MEMORY);
}

static void long_message_is_cut(void **state) {
    (void)state;
    char text[2 * ERROR_MESSAGE_BYTES];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct error error = {0};
    (void)error_set(&error, STATUS_IO, "%s", text);
    assert_int_equal(strlen(error.message), ERROR_MESSAGE_BYTES - 1);
    (void)error_set_errno(&error, EIO, "%s", text);
    assert_int_equal(strlen(error.message), ERROR_MESSAGE_BYTES - 1);
    text[ERROR_MESSAGE_BYTES - 4] = '\0';
    (void)error_set_errno(&error, EIO, "%s", text);
    assert_int_equal(strlen(error.message), ERROR_MESSAGE_BYTES - 1);
    assert_message_has(error, "x: I");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_exit_codes),
        cmocka_unit_test(errno_becomes_status),
        cmocka_unit_test(message_is_built),
        cmocka_unit_test(message_may_quote_itself),
        cmocka_unit_test(null_error_is_allowed),
        cmocka_unit_test(long_message_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

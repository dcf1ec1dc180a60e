/* File names: what is printed is read back, and nothing else is taken for ours. */
#include "simulation.h"

static const enum name_kind numbered[] = {NAME_LOG, NAME_TABLE, NAME_MANIFEST,
                                          NAME_TEMPORARY, NAME_REPAIRED};

static void assert_round_trip(enum name_kind kind, uint64_t number) {
    char text[NAME_BYTES];
    name_print(text, kind, number);
    assert_true(strlen(text) < NAME_BYTES);
    struct name name = name_parse(text);
    assert_int_equal(name.kind, kind);
    assert_true(name.number == number);
}

static void test_round_trip(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (size_t i = 0; i < sizeof numbered / sizeof numbered[0]; i++) {
        assert_round_trip(numbered[i], 0);
        assert_round_trip(numbered[i], 999999);
        assert_round_trip(numbered[i], 1000000);
        assert_round_trip(numbered[i], UINT64_MAX);
        for (int n = 0; n < 1000; n++) {
            assert_round_trip(numbered[i], random_magnitude(&seed));
        }
    }
}

static void test_printed(void **state) {
    (void)state;
    static const char *const texts[] = {"000007.log", "000007.ldb", "MANIFEST-000007",
                                        "000007.dbtmp", "000007.repaired"};
    for (size_t i = 0; i < sizeof numbered / sizeof numbered[0]; i++) {
        char text[NAME_BYTES];
        name_print(text, numbered[i], 7);
        assert_string_equal(text, texts[i]);
    }
}

static void test_every_kind(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum name_kind kind;
        uint64_t number;
    } cases[] = {
        {"CURRENT", NAME_CURRENT, 0},
        {"LOCK", NAME_LOCK, 0},
        {"LOG", NAME_TEXT_LOG, 0},
        {"LOG.old", NAME_TEXT_LOG, 0},
        {"lost", NAME_LOST, 0},
        {"lost+found", NAME_LOST_AND_FOUND, 0},
        {"000001.sst", NAME_OLD_TABLE, 1},
        {"100.log", NAME_LOG, 100},
        {"0.log", NAME_LOG, 0},
        {"MANIFEST-2", NAME_MANIFEST, 2},
        {"18446744073709551615.log", NAME_LOG, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct name name = name_parse(cases[i].text);
        assert_int_equal(name.kind, cases[i].kind);
        assert_true(name.number == cases[i].number);
    }
}

static void test_hostile(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        ".",
        "..",
        "foo",
        "foo-dx-100.log",
        ".log",
        "log",
        "100",
        "100.",
        "100.lop",
        "100.log ",
        " 100.log",
        "+1.log",
        "-1.log",
        "0x1.log",
        "1e3.log",
        "100.log.ldb",
        "100.LOG",
        "manifest",
        "manifest-3",
        "MANIFEST",
        "MANIFEST-",
        "MANIFEST-x",
        "MANIFEST-3x",
        "MANIFEST--3",
        "XMANIFEST-3",
        "LOC",
        "LOCKx",
        "lock",
        "LO",
        "LOGGER",
        "LOG.older",
        "CURREN",
        "CURRENTX",
        "lostx",
        "lost+foundx",
        "18446744073709551616.log",
        "184467440737095516150.log",
        "99999999999999999999999999999999999999999999.log",
        "\xff\xfe.log",
        "\xd9\xa1.log"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct name name = name_parse(texts[i]);
        if (name.kind != NAME_FOREIGN) {
            fail_msg("\"%s\" is taken for ours", texts[i]);
        }
        assert_true(name.number == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_printed),
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

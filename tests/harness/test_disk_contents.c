/* Contents are plain bytes, however few of them are stored: random changes, on copies and
 * on borrowed bytes too, and each way to look at them. */
#include "disk_contents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES = 10000, PROGRAMS = 200, STEPS = 60 };

static uint64_t seed;

static size_t draw(size_t bound) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % bound);
}

struct plain {
    struct contents contents;
    struct contents lender;    /* whose bytes the contents borrowed last, */
    unsigned char lent[BYTES]; /* and must leave as they are */
    size_t size;
    unsigned char bytes[BYTES];
};

/* A random range that is often at the end. */
static size_t draw_range(const struct plain *plain, size_t *count) {
    size_t offset = draw(3) == 0 ? plain->size : draw(BYTES);
    *count = draw(2) == 0 ? draw(20) : draw(BYTES);
    if (offset + *count > BYTES || (draw(3) == 0 && plain->size > offset)) {
        *count = (plain->size > offset ? plain->size : BYTES) - offset;
    }
    return offset;
}

static void write_some(struct plain *plain) {
    static unsigned char bytes[BYTES];
    size_t count;
    size_t offset = draw_range(plain, &count);
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (unsigned char)(draw(8) == 0 ? draw(256) : 0);
    }
    contents_write(&plain->contents, offset, bytes, count);
    memcpy(plain->bytes + offset, bytes, count);
    plain->size = offset + count > plain->size ? offset + count : plain->size;
}

static void zero_some(struct plain *plain) {
    size_t count;
    size_t offset = draw_range(plain, &count);
    contents_zero(&plain->contents, offset, offset + count);
    memset(plain->bytes + offset, 0, count);
    plain->size = offset + count > plain->size ? offset + count : plain->size;
}

static void resize(struct plain *plain) {
    size_t size = draw(BYTES);
    contents_resize(&plain->contents, size);
    if (size < plain->size) {
        memset(plain->bytes + size, 0, plain->size - size);
    }
    plain->size = size;
}

static void lend(struct plain *plain) {
    struct contents lender = plain->contents;
    if (lender.capacity == 0) {
        lender = contents_copy(&plain->contents, draw(BYTES));
    }
    contents_free(&plain->lender);
    plain->lender = lender;
    memcpy(plain->lent, plain->bytes, BYTES);
    plain->contents = contents_borrow(&plain->lender);
}

static void look(struct plain *plain) {
    unsigned char bytes[BYTES];
    size_t count;
    size_t offset = draw_range(plain, &count);
    contents_read(&plain->contents, offset, bytes, count);
    assert_memory_equal(bytes, plain->bytes + offset, count);
    assert_true(contents_equal(&plain->contents, offset, bytes, count));
    if (count > 0) {
        bytes[draw(count)] ^= 1;
        assert_false(contents_equal(&plain->contents, offset, bytes, count));
    }
}

static void hash(struct plain *plain) {
    struct contents whole = {0};
    contents_write(&whole, 0, plain->bytes, plain->size);
    assert_int_equal(contents_hash(&whole, 5), contents_hash(&plain->contents, 5));
    assert_int_not_equal(contents_hash(&whole, 6), contents_hash(&plain->contents, 5));
    contents_resize(&whole, plain->size + 1);
    assert_int_not_equal(contents_hash(&whole, 5), contents_hash(&plain->contents, 5));
    contents_write(&whole, plain->size, "x", 1);
    contents_resize(&plain->contents, plain->size + 1);
    assert_int_not_equal(contents_hash(&whole, 5), contents_hash(&plain->contents, 5));
    contents_resize(&plain->contents, plain->size);
    contents_free(&whole);
}

static void step(struct plain *plain) {
    static void (*const steps[])(struct plain *) = {write_some, zero_some, resize,
                                                    lend,       look,      hash};
    steps[draw(sizeof steps / sizeof steps[0])](plain);
    assert_int_equal(plain->contents.size, plain->size);
    assert_true(contents_equal(&plain->contents, 0, plain->bytes, plain->size));
    assert_true(contents_equal(&plain->lender, 0, plain->lent, BYTES));
}

static void test_contents_are_plain_bytes(void **state) {
    (void)state;
    for (size_t i = 0; i < PROGRAMS; i++) {
        static struct plain plain;
        plain = (struct plain){.size = 0};
        seed = 0x9e3779b97f4a7c15 + i;
        for (size_t j = 0; j < STEPS; j++) {
            step(&plain);
        }
        contents_store(&plain.contents);
        if (plain.size > 0) {
            assert_memory_equal(plain.contents.data, plain.bytes, plain.size);
        }
        contents_free(&plain.contents);
        contents_free(&plain.lender);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_contents_are_plain_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

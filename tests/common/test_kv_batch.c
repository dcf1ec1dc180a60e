/* Batches against a plain list of operations. What stages before 06 say. */
#include "support.h"

#include "counted_memory.h"
#include "kv_batch.h"
#include "kv_check.h"

enum { LIST_MAX = 4000, TEXT_BYTES = 300 };

/* The operations that a batch should hold. */
struct list {
    struct listed {
        enum kv_op_type type;
        size_t key_bytes, value_bytes;
        uint64_t seed; /* of the bytes of both */
    } ops[LIST_MAX];
    size_t count;
};

static struct slice text_of(unsigned char text[TEXT_BYTES], size_t bytes, uint64_t seed) {
    for (size_t i = 0; i < bytes; i++) {
        text[i] = (unsigned char)random_next(&seed);
    }
    return slice_make(text, bytes);
}

static struct kv_op op_of(const struct listed *listed, unsigned char key[TEXT_BYTES],
                          unsigned char value[TEXT_BYTES]) {
    struct kv_op op = {.type = listed->type,
                       .key = text_of(key, listed->key_bytes, listed->seed)};
    if (op.type == KV_PUT) {
        op.value = text_of(value, listed->value_bytes, listed->seed + 1);
    }
    return op;
}

static struct listed draw(uint64_t *seed) {
    static const size_t sizes[] = {0, 1, 20, 127, 128, TEXT_BYTES};
    return (struct listed){random_below(seed, 3) == 0 ? KV_DELETE : KV_PUT,
                           sizes[random_below(seed, 6)], sizes[random_below(seed, 6)],
                           random_next(seed)};
}

static enum status add(struct kv_batch *batch, const struct listed *listed,
                       struct error *error) {
    unsigned char key[TEXT_BYTES], value[TEXT_BYTES];
    struct kv_op op = op_of(listed, key, value);
    return op.type == KV_PUT ? kv_batch_put(batch, op.key, op.value, error)
                             : kv_batch_delete(batch, op.key, error);
}

/* Its operations are the list's, and its bytes those of the change in the log. */
static void assert_holds(const struct kv_batch *batch, const struct list *list) {
    const struct kv_op *ops = kv_batch_ops(batch);
    size_t bytes = 8 + 4; /* sequence and count (notes/formats.md) */
    assert_int_equal(kv_batch_count(batch), list->count);
    for (size_t i = 0; i < list->count; i++) {
        unsigned char key[TEXT_BYTES], value[TEXT_BYTES];
        struct kv_op op = op_of(&list->ops[i], key, value);
        assert_int_equal(ops[i].type, op.type);
        assert_true(slice_present(ops[i].key));
        assert_true(slice_equal(ops[i].key, op.key));
        assert_int_equal(slice_present(ops[i].value), op.type == KV_PUT);
        assert_true(op.type == KV_DELETE || slice_equal(ops[i].value, op.value));
        bytes += (op.key.length < 128 ? 2u : 3u) + op.key.length;
        if (op.type == KV_PUT) {
            bytes += (op.value.length < 128 ? 1u : 2u) + op.value.length;
        }
    }
    assert_int_equal(kv_batch_bytes(batch), bytes);
}

static void append_list(struct list *to, const struct list *from) {
    size_t count = from->count; /* it may be the same one */
    memcpy(to->ops + to->count, from->ops, count * sizeof from->ops[0]);
    to->count += count;
}

/* Two batches, and anything that can be done to them, with memory that fails now and
 * then: what is refused leaves a batch as it was. */
static void batches_equal_lists(void **state) {
    static struct list lists[2];
    uint64_t seed = test_seed();
    size_t appended = 0, refused = 0;
    (void)state;
    for (int run = 0; run < 60; run++) {
        struct kv_batch *batches[2];
        size_t blocks = counted_memory_blocks();
        for (size_t i = 0; i < 2; i++) {
            assert_ok(kv_batch_open(0, &batches[i], NULL));
            lists[i].count = 0;
        }
        for (int step = 0; step < 150; step++) {
            size_t at = random_below(&seed, 2), from = random_below(&seed, 2);
            struct list *list = &lists[at];
            uint64_t kind = random_below(&seed, 40);
            enum status status = STATUS_OK;
            counted_memory_fail(random_below(&seed, 4), false); /* 0: it does not */
            if (kind == 0) {
                kv_batch_clear(batches[at]);
                list->count = 0;
            } else if (kind <= 4 && list->count + lists[from].count < LIST_MAX) {
                status = kv_batch_append(batches[at], batches[from], NULL);
                if (status == STATUS_OK) {
                    append_list(list, &lists[from]);
                    appended += at == from && list->count > 0;
                }
            } else if (list->count < LIST_MAX) {
                list->ops[list->count] = draw(&seed);
                status = add(batches[at], &list->ops[list->count], NULL);
                list->count += status == STATUS_OK;
            }
            assert_true(status == STATUS_OK ||
                        (status == STATUS_NO_MEMORY && counted_memory_failed()));
            counted_memory_fail(0, false);
            refused += status != STATUS_OK;
            assert_int_equal(kv_batch_count(batches[at]), list->count);
            if (step % 10 == 0 || kind <= 4) {
                assert_holds(batches[at], list);
            }
        }
        for (size_t i = 0; i < 2; i++) {
            assert_holds(batches[i], &lists[i]);
            kv_batch_close(batches[i]);
        }
        assert_int_equal(counted_memory_blocks(), blocks);
    }
    printf("%zu appended to themselves, %zu refused\n", appended, refused);
    assert_true(appended > 50 && refused > 50);
}

/* A batch takes what its limit allows, to the byte, whatever the operation. */
static void the_limit_of_a_batch_is_exact(void **state) {
    (void)state;
    static struct list list;
    uint64_t seed = test_seed();
    for (int run = 0; run < 300; run++) {
        struct kv_batch *measured, *fits, *tight;
        struct error error = {0};
        list.count = 1 + random_below(&seed, 5);
        assert_ok(kv_batch_open(0, &measured, NULL));
        for (size_t i = 0; i < list.count; i++) {
            list.ops[i] = draw(&seed);
            assert_ok(add(measured, &list.ops[i], NULL));
        }
        uint64_t bytes = kv_batch_bytes(measured);
        assert_ok(kv_batch_open(bytes, &fits, NULL));
        assert_ok(kv_batch_open(bytes - 1, &tight, NULL));
        assert_ok(kv_batch_append(fits, measured, NULL));
        assert_int_equal(kv_batch_append(fits, measured, &error), STATUS_LIMIT);
        assert_message_has(error, "more than its limit");
        assert_holds(fits, &list);
        assert_int_equal(kv_batch_append(tight, measured, NULL), STATUS_LIMIT);
        assert_int_equal(kv_batch_count(tight), 0);
        list.count--;
        for (size_t i = 0; i < list.count; i++) {
            assert_ok(add(tight, &list.ops[i], NULL));
        }
        assert_int_equal(add(tight, &list.ops[list.count], NULL), STATUS_LIMIT);
        assert_holds(tight, &list);
        kv_batch_close(measured);
        kv_batch_close(fits);
        kv_batch_close(tight);
    }
}

/* Also one that is smaller than a change without operations. */
static void a_limit_for_nothing(void **state) {
    (void)state;
    for (uint64_t limit = 1; limit <= KV_CHANGE_HEADER_BYTES + 1; limit++) {
        struct kv_batch *batch;
        assert_ok(kv_batch_open(limit, &batch, NULL));
        assert_int_equal(kv_batch_delete(batch, slice_of(""), NULL), STATUS_LIMIT);
        assert_int_equal(kv_batch_count(batch), 0);
        kv_batch_close(batch);
    }
}

static void what_no_change_may_hold(void **state) {
    static unsigned char key[KV_KEY_BYTES_MAX + 1];
    struct kv_batch *batch;
    struct slice none = {0}, good = slice_of("x");
    (void)state;
    assert_ok(kv_batch_open(0, &batch, NULL));
    assert_int_equal(kv_batch_put(batch, none, good, NULL), STATUS_INVALID);
    assert_int_equal(kv_batch_put(batch, good, none, NULL), STATUS_INVALID);
    assert_int_equal(kv_batch_delete(batch, none, NULL), STATUS_INVALID);
    assert_int_equal(kv_batch_delete(batch, slice_make(key, sizeof key), NULL),
                     STATUS_LIMIT);
    struct slice large = slice_make(key, (size_t)KV_VALUE_BYTES_MAX + 1); /* not read */
    assert_int_equal(kv_batch_put(batch, good, large, NULL), STATUS_LIMIT);
    assert_int_equal(kv_batch_count(batch), 0);
    assert_int_equal(kv_batch_bytes(batch), KV_CHANGE_HEADER_BYTES);
    assert_ok(kv_batch_delete(batch, slice_make(key, sizeof key - 1), NULL));
    assert_int_equal(kv_batch_count(batch), 1);
    kv_batch_close(batch);
    kv_batch_close(NULL);
}

static void no_memory_for_one(void **state) {
    struct kv_batch *batch = NULL;
    (void)state;
    counted_memory_fail(1, false);
    assert_int_equal(kv_batch_open(0, &batch, NULL), STATUS_NO_MEMORY);
    counted_memory_fail(0, false);
    assert_null(batch);
}

static void earlier_stages_say_which_has_them(void **state) {
    struct kv_batch *batch;
    struct error error = {0};
    const struct kv_write_options options = {.no_wait = true};
    const struct kv_op op = {KV_PUT, slice_of("key"), slice_of("value")};
    (void)state;
    assert_ok(kv_batch_open(0, &batch, NULL));
    assert_ok(kv_batch_put(batch, op.key, op.value, NULL));
    assert_int_equal(kv_batch_write(NULL, batch, NULL, &error), STATUS_UNSUPPORTED);
    assert_message_has(error, "06");
    assert_int_equal(kv_batch_count(batch), 1);
    error = (struct error){0};
    assert_int_equal(kv_write(NULL, &op, 1, &options, &error), STATUS_UNSUPPORTED);
    assert_message_has(error, "06");
    kv_batch_close(batch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_equal_lists),
        cmocka_unit_test(the_limit_of_a_batch_is_exact),
        cmocka_unit_test(a_limit_for_nothing),
        cmocka_unit_test(what_no_change_may_hold),
        cmocka_unit_test(no_memory_for_one),
        cmocka_unit_test(earlier_stages_say_which_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

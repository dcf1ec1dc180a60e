/* The log's writer and reader together, over both append tenants: the bytes are those of
 * the documented format, and nothing that was damaged is ever handed out.
 *
 * tidy: long because there is a test for each sentence of log_format.h. */
#include "simulation.h"

#include "append.h"
#include "log_reader.h"
#include "log_writer.h"

/* ---- writing and reading on the simulated disk ----------------------------------- */

struct writing {
    struct simulation sim;
    struct file *file;
    struct append *append;
    struct log_writer writer;
};

static enum append_kind kind_of(void **state) {
    return *(const enum append_kind *)*state;
}

/* A log whose first `skip` bytes are there already: zeros, which no reader reads. */
static void begin(struct writing *w, enum append_kind kind, uint64_t skip) {
    *w = (struct writing){0};
    simulation_begin(&w->sim);
    assert_ok(file_open(w->sim.world.files, "log", FILE_CREATE, &w->file, NULL));
    assert_ok(file_truncate(w->file, skip, NULL));
    assert_ok(append_open(w->file, skip, kind, 4096, &w->append, NULL));
    w->writer.append = w->append;
}

static void end(struct writing *w) {
    assert_ok(append_close(w->append, NULL));
    assert_ok(file_close(w->file, NULL));
    simulation_end(&w->sim);
}

static void write_record(struct writing *w, struct slice payload, uint64_t mark) {
    unsigned char *space;
    bool begun = false;
    assert_ok(log_writer_begin(&w->writer, payload.length, mark, &space, NULL));
    memcpy(space, payload.data, payload.length);
    assert_ok(log_writer_end(&w->writer, &begun, NULL));
    assert_true(begun);
}

static void assert_written(struct writing *w, const struct buf *expected) {
    struct slice bytes = file_bytes(&w->sim, "log");
    assert_int_equal(append_end(w->append), expected->length);
    assert_true(bytes.length >= expected->length);
    if (memcmp(bytes.data, expected->data, expected->length) != 0) {
        size_t at = 0;
        while (bytes.data[at] == expected->data[at]) {
            at++;
        }
        fail_msg("byte %zu of %zu differs", at, expected->length);
    }
}

/* Bytes as a durable file of a disk of their own, and a reader over it. */
struct reading {
    struct simulation sim;
    struct file *file;
    struct log_reader reader;
};

static void read_bytes(struct reading *r, struct slice bytes) {
    *r = (struct reading){0};
    simulation_begin(&r->sim);
    disk_put_file(r->sim.disk, "log", bytes);
    assert_ok(file_open(r->sim.world.files, "log", FILE_READ, &r->file, NULL));
    assert_ok(log_reader_init(&r->reader, r->file, UINT64_MAX, NULL));
}

static void stop_reading(struct reading *r) {
    log_reader_free(&r->reader);
    assert_ok(file_close(r->file, NULL));
    simulation_end(&r->sim);
}

static struct log_item next_item(struct reading *r) {
    struct log_item item;
    assert_ok(log_reader_next(&r->reader, &item, NULL));
    return item;
}

static void assert_record(struct reading *r, struct slice payload, uint64_t offset) {
    struct log_item item = next_item(r);
    assert_int_equal(item.kind, LOG_RECORD);
    assert_int_equal(item.offset, offset);
    assert_true(slice_equal(item.payload, payload));
}

static void assert_mark(struct reading *r, uint64_t sequence) {
    struct log_item item = next_item(r);
    assert_int_equal(item.kind, LOG_MARK);
    assert_int_equal(item.end - item.offset, LOG_MARK_BYTES);
    assert_true(item.sequence == sequence);
}

static void assert_kind(struct reading *r, enum log_item_kind kind) {
    assert_int_equal(next_item(r).kind, kind);
}

static uint64_t find_mark(struct reading *r, uint64_t from, uint64_t *offset) {
    uint64_t sequence = UINT64_MAX;
    assert_ok(log_find_mark(r->file, from, UINT64_MAX, &sequence, offset, NULL));
    return sequence;
}

static unsigned char noise[4 * LOG_BLOCK_BYTES];

static struct slice noise_of(size_t bytes, uint64_t seed) {
    for (size_t i = 0; i < bytes; i++) {
        noise[i] = (unsigned char)random_next(&seed);
    }
    return slice_make(noise, bytes);
}

/* ---- golden bytes ---------------------------------------------------------------- */

/* Computed apart from this code, bit by bit from the polynomial of RFC 3720. */
static const unsigned char golden[] = {
    0x64, 0x51, 0xd0, 0xe9, 0x00, 0x00, 0x02, 0x9d, 0x87, 0x03, 0xc3, 0x0c,
    0x00, 0x04, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x0b, 0xb9, 0x57, 0x58, 0x05, 0x00, 0x01, 0x68, 0x65, 0x6c,
    0x6c, 0x6f, 0x64, 0x51, 0xd0, 0xe9, 0x00, 0x00, 0x02, 0x6a, 0xe1, 0x14,
    0xd1, 0x0c, 0x00, 0x04, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,
    0x00, 0x00, 0x00, 0x00, 0x05, 0x2b, 0x28, 0x43, 0x00, 0x00, 0x01,
};

static void test_golden_bytes(void **state) {
    struct writing w;
    struct buf expected = {0};
    begin(&w, kind_of(state), 0);
    assert_ok(log_writer_mark(&w.writer, 1, NULL));
    write_record(&w, slice_of("hello"), 0);
    write_record(&w, slice_of(""), 0x0102030405060708);
    add_bytes(&expected, golden, sizeof golden);
    assert_written(&w, &expected);
    buf_clear(&expected);
    add_mark(&expected, 1); /* this test's own framing agrees with the table */
    add_record(&expected, slice_of("hello"));
    add_mark(&expected, 0x0102030405060708);
    add_record(&expected, slice_of(""));
    assert_int_equal(expected.length, sizeof golden);
    assert_memory_equal(expected.data, golden, sizeof golden);
    buf_free(&expected);
    end(&w);
}

/* With every room left in the block, from one that holds all down to none: a record, a
 * mark, and a mark with a record behind it. */
static void test_every_room_at_a_blocks_end(void **state) {
    static const size_t sizes[] = {0, 1, 12, 20, 40, 33000, 70000};
    for (size_t room = 0; room <= 40; room++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            for (int what = 0; what < 3; what++) {
                struct slice payload = noise_of(sizes[i], i);
                struct writing w;
                struct reading r;
                struct buf expected = {0};
                assert_ok(buf_reserve(&expected, 1)); /* it outlives the simulation */
                begin(&w, kind_of(state), 0);
                struct slice filler = slice_make(noise + 77, 32768 - room - 7);
                write_record(&w, filler, 0);
                add_record(&expected, filler);
                if (what == 0) {
                    write_record(&w, payload, 0);
                    add_record(&expected, payload);
                } else if (what == 1) {
                    assert_ok(log_writer_mark(&w.writer, 9, NULL));
                    add_mark(&expected, 9);
                } else {
                    write_record(&w, payload, 9);
                    add_mark(&expected, 9);
                    add_record(&expected, payload);
                }
                assert_written(&w, &expected);
                end(&w);
                read_bytes(&r, buf_slice(&expected));
                assert_record(&r, filler, 0);
                if (what > 0) {
                    assert_mark(&r, 9);
                }
                if (what != 1) {
                    struct log_item item = next_item(&r);
                    assert_int_equal(item.kind, LOG_RECORD);
                    assert_true(slice_equal(item.payload, payload));
                    assert_int_equal(item.end, expected.length);
                }
                assert_kind(&r, LOG_END);
                assert_int_equal(find_mark(&r, 0, NULL), what > 0 ? 9 : 0);
                stop_reading(&r);
                buf_free(&expected);
            }
        }
    }
}

/* ---- what is written is read ----------------------------------------------------- */

static size_t random_size(uint64_t *seed) {
    switch (random_below(seed, 4)) {
    case 0:
        return random_below(seed, 30);
    case 1:
        return LOG_BLOCK_BYTES - 40 + random_below(seed, 80);
    case 2:
        return 2 * LOG_BLOCK_BYTES - 60 + random_below(seed, 80);
    default:
        return random_below(seed, 3 * LOG_BLOCK_BYTES);
    }
}

static void test_random_records(void **state) {
    enum { RECORDS = 40 };
    uint64_t seed = test_seed();
    for (int n = 0; n < 10; n++) {
        struct writing w;
        struct reading r;
        uint64_t sizes[RECORDS], ends[RECORDS], marks[RECORDS], seeds[RECORDS];
        begin(&w, kind_of(state), 0);
        for (size_t i = 0; i < RECORDS; i++) {
            sizes[i] = random_size(&seed);
            seeds[i] = random_next(&seed);
            marks[i] = random_below(&seed, 3) == 0 ? i + 1 : 0;
            write_record(&w, noise_of(sizes[i], seeds[i]), marks[i]);
            ends[i] = append_end(w.append);
        }
        struct slice bytes = file_bytes(&w.sim, "log");
        assert_true(bytes.length >= ends[RECORDS - 1]);
        read_bytes(&r, bytes); /* with its zero tail */
        for (size_t i = 0; i < RECORDS; i++) {
            if (marks[i] != 0) {
                assert_mark(&r, marks[i]);
            }
            struct log_item item = next_item(&r);
            assert_int_equal(item.kind, LOG_RECORD);
            assert_int_equal(item.end, ends[i]);
            assert_true(slice_equal(item.payload, noise_of(sizes[i], seeds[i])));
        }
        assert_kind(&r, LOG_END);
        assert_kind(&r, LOG_END);
        stop_reading(&r);
        end(&w);
    }
}

static void test_zero_tails(void **state) {
    (void)state;
    static const size_t tails[] = {0, 1, 6, 7, 8, 100, 4096, 32767, 32768, 32769, 100000};
    for (size_t size = 0; size < 2; size++) {
        for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
            struct buf log = {0};
            struct reading r;
            add_record(&log, noise_of(size == 0 ? 10 : 32768 - 7, 1));
            add_zeros(&log, tails[i]);
            read_bytes(&r, buf_slice(&log));
            assert_kind(&r, LOG_RECORD);
            assert_kind(&r, LOG_END);
            stop_reading(&r);
            buf_free(&log);
        }
    }
}

/* Zeros that something follows are no end. */
static void test_zeros_before_the_end(void **state) {
    (void)state;
    for (size_t zeros = 7; zeros < 70000; zeros = zeros * 3 + 1) {
        struct buf log = {0};
        struct reading r;
        add_record(&log, slice_of("a"));
        size_t end_of_record = log.length;
        add_zeros(&log, zeros);
        add_bytes(&log, "x", 1);
        read_bytes(&r, buf_slice(&log));
        assert_kind(&r, LOG_RECORD);
        struct log_item item = next_item(&r);
        assert_int_equal(item.kind, LOG_DAMAGE);
        assert_int_equal(item.offset, end_of_record);
        stop_reading(&r);
        buf_free(&log);
    }
}

/* ---- damage ---------------------------------------------------------------------- */

enum { ITEMS_MAX = 16 };

struct seen {
    struct {
        enum log_item_kind kind;
        uint64_t end, sequence;
        uint64_t print; /* fingerprint of the payload */
    } items[ITEMS_MAX];
    size_t count;
    enum log_item_kind last;
    bool cut_short;
};

static void see(struct slice bytes, struct seen *seen) {
    struct reading r;
    *seen = (struct seen){0};
    read_bytes(&r, bytes);
    struct log_item item = next_item(&r);
    for (; item.kind == LOG_RECORD || item.kind == LOG_MARK; item = next_item(&r)) {
        assert_true(seen->count < ITEMS_MAX);
        uint64_t print = (uint64_t)item.payload.length << 32;
        if (item.payload.length > 0) {
            print |= checksum(item.payload.data, item.payload.length);
        }
        seen->items[seen->count].kind = item.kind;
        seen->items[seen->count].end = item.end;
        seen->items[seen->count].sequence = item.sequence;
        seen->items[seen->count++].print = print;
    }
    seen->last = item.kind;
    seen->cut_short = item.cut_short;
    stop_reading(&r);
}

static void assert_begins(const struct seen *all, const struct seen *some) {
    assert_true(some->count <= all->count);
    assert_memory_equal(all->items, some->items, some->count * sizeof some->items[0]);
}

/* A mark, a record, a mark, a record over the block's edge, and, behind a trailer of
 * three bytes, more. `trailer` receives where that is. */
static void small_log(struct buf *log, size_t *trailer) {
    add_mark(log, 1);
    add_record(log, slice_of("first"));
    add_mark(log, 2);
    add_record(log, noise_of(LOG_BLOCK_BYTES, 5));
    add_record(log, slice_of("second"));
    add_record(log, noise_of(room_left(log) - 7 - 3, 6));
    *trailer = log->length;
    add_record(log, slice_of("third"));
    add_mark(log, 5);
}

static void test_every_flipped_bit(void **state) {
    (void)state;
    struct buf log = {0};
    size_t trailer;
    struct seen all, some;
    small_log(&log, &trailer);
    size_t bytes = log.length;
    see(buf_slice(&log), &all);
    assert_int_equal(all.count, 8);
    assert_int_equal(all.last, LOG_END);
    for (size_t i = 0; i < bytes; i++) {
        bool header_near = i < 120 || (i > 32700 && i < 32960) || i + 120 > bytes;
        if (!header_near && i % 997 != 0) {
            continue; /* in the middle of a payload one byte is like another */
        }
        for (unsigned bit = 0; bit < 8; bit++) {
            log.data[i] ^= (unsigned char)(1u << bit);
            see(buf_slice(&log), &some);
            assert_begins(&all, &some);
            bool in_trailer = i >= trailer && i < trailer + 3;
            assert_int_equal(some.last, in_trailer ? LOG_END : LOG_DAMAGE);
            if (in_trailer) {
                assert_int_equal(some.count, all.count);
            } else {
                assert_true(some.count < all.count);
            }
            log.data[i] ^= (unsigned char)(1u << bit);
        }
    }
    buf_free(&log);
}

static void test_every_truncation(void **state) {
    (void)state;
    struct buf log = {0};
    size_t trailer;
    struct seen all, some;
    small_log(&log, &trailer);
    see(buf_slice(&log), &all);
    for (size_t cut = 0; cut<log.length; cut += cut> 200 && cut < 32600 ? 31 : 1) {
        see(slice_make(log.data, cut), &some);
        assert_begins(&all, &some);
        size_t whole = 0;
        while (all.items[whole].end <= cut) {
            whole++;
        }
        assert_int_equal(some.count, whole);
        bool at_an_end = cut == 0 || (whole > 0 && cut == all.items[whole - 1].end) ||
                         (cut >= trailer && cut <= trailer + 3);
        assert_int_equal(some.last, at_an_end ? LOG_END : LOG_DAMAGE);
        assert_true(at_an_end || some.cut_short);
    }
    buf_free(&log);
}

static void test_fragments_out_of_order(void **state) {
    (void)state;
    for (unsigned first = 1; first <= 4; first++) {
        for (unsigned second = 1; second <= 4; second++) {
            struct buf log = {0};
            struct seen seen;
            add_fragment(&log, first, "abc", 3);
            add_fragment(&log, second, "def", 3);
            see(buf_slice(&log), &seen);
            bool good = (first == 1 && second == 1) || (first == 2 && second == 4);
            assert_int_equal(seen.last, good ? LOG_END : LOG_DAMAGE);
            assert_int_equal(seen.count, first == 1 ? (good ? 2 : 1) : (good ? 1 : 0));
            buf_free(&log);
        }
    }
}

/* ---- forged marks ---------------------------------------------------------------- */

static void forge(struct buf *payload, uint64_t sequence) {
    unsigned char data[12] = {0};
    encode_fixed64(data, sequence);
    add_fragment(payload, 2, "", 0);
    add_fragment(payload, 4, data, 12);
}

/* Writes the payload behind a mark, reads it back, and looks for marks at every offset:
 * only the real ones are found, whatever is damaged. */
static void assert_unforged(enum append_kind kind, struct slice payload) {
    struct writing w;
    struct reading r;
    struct buf bytes = {0};
    assert_ok(buf_reserve(&bytes, 1)); /* it outlives the simulation */
    begin(&w, kind, 0);
    write_record(&w, payload, 3);
    write_record(&w, slice_of("behind"), 0);
    struct slice written = file_bytes(&w.sim, "log");
    add_bytes(&bytes, written.data, written.length);
    end(&w);
    read_bytes(&r, buf_slice(&bytes));
    assert_mark(&r, 3);
    assert_record(&r, payload, LOG_MARK_BYTES);
    assert_kind(&r, LOG_RECORD);
    assert_kind(&r, LOG_END);
    stop_reading(&r);
    for (size_t damage = 0; damage < 40; damage++) {
        bytes.data[LOG_MARK_BYTES + damage] ^= 0xff;
        read_bytes(&r, buf_slice(&bytes));
        assert_mark(&r, 3);
        assert_int_equal(find_mark(&r, 0, NULL), 3);
        assert_int_equal(find_mark(&r, 1, NULL), 0);
        stop_reading(&r);
    }
    buf_free(&bytes);
}

static void test_forged_marks(void **state) {
    enum append_kind kind = kind_of(state);
    for (size_t count = 1; count <= 3000; count = count * 7 + 1) {
        for (size_t lead = 33; lead < 37; lead++) {
            struct buf payload = {0};
            add_bytes(&payload, noise, lead);
            for (size_t i = 0; i < count; i++) {
                forge(&payload, 1000 + i);
            }
            assert_unforged(kind, buf_slice(&payload));
            buf_free(&payload);
        }
    }
    /* The seven bytes alone, one after the other: each needs a fragment. */
    struct buf payload = {0};
    add_bytes(&payload, noise, 40);
    for (size_t i = 0; i < 5000; i++) {
        add_fragment(&payload, 2, "", 0);
    }
    assert_unforged(kind, buf_slice(&payload));
    buf_free(&payload);
}

static void test_forged_marks_at_edges(void **state) {
    (void)noise_of(sizeof noise, 3);
    /* The record's first fragment ends 32768 - 26 - 7 bytes into the payload. */
    size_t edge = LOG_BLOCK_BYTES - LOG_MARK_BYTES - LOG_HEADER_BYTES;
    for (size_t lead = edge - 40; lead < edge + 20; lead++) {
        struct buf payload = {0};
        add_bytes(&payload, noise, lead);
        forge(&payload, 1000);
        add_bytes(&payload, noise, 100);
        assert_unforged(kind_of(state), buf_slice(&payload));
        buf_free(&payload);
    }
}

/* A process that dies between encoding a value and framing it leaves no mark in the file.
 */
static void test_unframed_values_are_no_marks(void **state) {
    struct writing w;
    struct buf forged = {0};
    unsigned char *payload;
    uint64_t sequence = 1;
    begin(&w, kind_of(state), 0);
    assert_ok(log_writer_mark(&w.writer, 7, NULL));
    forge(&forged, 1001);
    assert_ok(log_writer_begin(&w.writer, forged.length, 0, &payload, NULL));
    memcpy(payload, forged.data, forged.length);
    assert_ok(log_find_mark(w.file, LOG_MARK_BYTES, UINT64_MAX, &sequence, NULL, NULL));
    assert_int_equal(sequence, 0);
    buf_free(&forged);
    end(&w);
}

/* Where a record ends in most of the checksum by which a mark begins, the next header's
 * bytes could be chosen to complete it: so that end is broken up too. */
static void test_a_record_ends_in_no_mark(void **state) {
    for (size_t part = 1; part < LOG_HEADER_BYTES; part++) {
        struct writing w;
        struct buf payload = {0};
        add_bytes(&payload, noise, 50);
        add_bytes(&payload, log_empty_first, part);
        begin(&w, kind_of(state), 0);
        write_record(&w, buf_slice(&payload), 0);
        size_t headers = (append_end(w.append) - payload.length) / LOG_HEADER_BYTES;
        assert_int_equal(headers, part < 4 ? 1 : 2);
        end(&w);
        assert_unforged(kind_of(state), buf_slice(&payload));
        buf_free(&payload);
    }
}

/* ---- marks behind damage, and salvage -------------------------------------------- */

/* The search reads windows of two blocks: marks stand around their edges too. */
static void test_marks_at_any_offset(void **state) {
    (void)state;
    static const uint64_t places[] = {0, 1, 32742, 32768, 65536, 65536 + 32742, 131072};
    struct buf log = {0};
    assert_ok(buf_append_slice(&log, noise_of(sizeof noise, 11)));
    assert_ok(buf_append_slice(&log, noise_of(sizeof noise, 12)));
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        for (uint64_t back = 0; back <= 30 && back <= places[i]; back++) {
            uint64_t at = places[i] - back;
            struct buf mark = {0};
            struct buf copy = {0};
            struct reading r;
            uint64_t offset = UINT64_MAX;
            forge(&mark, 77);
            add_bytes(&copy, log.data, log.length);
            memcpy(copy.data + at, mark.data, mark.length);
            read_bytes(&r, buf_slice(&copy));
            bool in_one_block = log_block_room(at) >= LOG_MARK_BYTES;
            for (uint64_t from = 0; from <= at; from += at < 60 ? 1 : at / 3 + 1) {
                assert_int_equal(find_mark(&r, from, &offset), in_one_block ? 77 : 0);
                assert_true(!in_one_block || offset == at);
            }
            assert_int_equal(find_mark(&r, at + 1, NULL), 0);
            uint64_t sequence = 1;
            assert_ok(
                log_find_mark(r.file, 0, at + LOG_MARK_BYTES - 1, &sequence, NULL, NULL));
            assert_int_equal(sequence, 0);
            stop_reading(&r);
            buf_free(&copy);
            buf_free(&mark);
        }
    }
    buf_free(&log);
}

static void test_the_highest_mark_wins(void **state) {
    (void)state;
    struct buf log = {0};
    struct reading r;
    add_bytes(&log, "damage", 6);
    add_fragment(&log, 2, "", 0); /* fillers need not be damaged to be passed over */
    add_mark(&log, 5);
    add_mark(&log, 9);
    add_mark(&log, 7);
    read_bytes(&r, buf_slice(&log));
    uint64_t offset = 0;
    assert_int_equal(find_mark(&r, 0, &offset), 9);
    assert_int_equal(offset, 6 + 7 + 26);
    stop_reading(&r);
    buf_free(&log);
}

static void test_skip(void **state) {
    (void)state;
    struct buf log = {0};
    struct reading r;
    add_record(&log, slice_of("lost"));
    add_record(&log, noise_of(LOG_BLOCK_BYTES, 2)); /* its beginning is lost */
    size_t found = log.length;
    add_record(&log, slice_of("found"));
    add_record(&log, noise_of(2 * LOG_BLOCK_BYTES, 3));
    size_t last = log.length;
    add_record(&log, slice_of("last"));
    log.data[0] ^= 1;
    log.data[LOG_BLOCK_BYTES * 2 + 500] ^= 1;
    read_bytes(&r, buf_slice(&log));
    struct log_item item = next_item(&r);
    assert_int_equal(item.kind, LOG_DAMAGE);
    assert_ok(log_reader_skip(&r.reader, item.offset, NULL));
    assert_record(&r, slice_of("found"), found);
    item = next_item(&r);
    assert_int_equal(item.kind, LOG_DAMAGE);
    while (item.kind == LOG_DAMAGE) {
        assert_ok(log_reader_skip(&r.reader, item.offset, NULL));
        item = next_item(&r);
    }
    assert_int_equal(item.kind, LOG_RECORD);
    assert_int_equal(item.offset, last);
    assert_true(slice_equal(item.payload, slice_of("last")));
    assert_kind(&r, LOG_END);
    stop_reading(&r);
    buf_free(&log);
}

/* ---------------------------------------------------------------------------------- */

int main(void) {
    static enum append_kind kinds[] = {APPEND_WRITE, APPEND_MAPPED};
#define BOTH(test)                                                                       \
    {#test " (written)", test, NULL, NULL, &kinds[0]}, {                                 \
#test " (mapped)", test, NULL, NULL, &kinds[1]                                   \
    }
    const struct CMUnitTest tests[] = {
        BOTH(test_golden_bytes),
        BOTH(test_every_room_at_a_blocks_end),
        BOTH(test_random_records),
        cmocka_unit_test(test_zero_tails),
        cmocka_unit_test(test_zeros_before_the_end),
        cmocka_unit_test(test_every_flipped_bit),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_fragments_out_of_order),
        BOTH(test_forged_marks),
        BOTH(test_forged_marks_at_edges),
        BOTH(test_unframed_values_are_no_marks),
        BOTH(test_a_record_ends_in_no_mark),
        cmocka_unit_test(test_marks_at_any_offset),
        cmocka_unit_test(test_the_highest_mark_wins),
        cmocka_unit_test(test_skip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

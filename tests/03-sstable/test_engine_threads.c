/* The engine under real threads on the real file system: what ThreadSanitizer watches.
 * Writers of all durabilities, lookups, scans, one who flushes, at once, while flushes
 * fail now and then. A scan sees whole changes, all up to one moment; nothing that was
 * deleted comes back; afterwards, and after a reopening, all is there. */
#define TEST_HAS_STAGE
#include "../common/directory.h"

#include <fiu-control.h>
#include <fiu.h>

#include "atomic.h"

enum { WRITERS = 3, WRITES = 250, KEPT = 20 };

enum role { WRITER, LOOKER, SCANNER, FLUSHER, ROLES };

struct shared {
    struct kv *kv;
    struct atomic_u64 writing;          /* writers that have not ended */
    struct atomic_u64 written[WRITERS]; /* acknowledged changes of each */
};

struct worker {
    struct shared *shared;
    struct thread thread;
    uint64_t number;
    uint64_t seed;
    uint64_t done;
    const char *wrong; /* cmocka's asserts are for the main thread */
};

static bool goes_on(const struct worker *worker) {
    return worker->wrong == NULL &&
           atomic_u64_load(&worker->shared->writing, memory_order_acquire) > 0;
}

/* "2-left", "2-right", "2-k00017" */
static struct slice key_of(char text[32], uint64_t writer, const char *name) {
    snprintf(text, 32, "%" PRIu64 "-%s", writer, name);
    return slice_of(text);
}

/* ---- writers --------------------------------------------------------------------- */

/* The i-th change of a writer: left and right become i, k(i) comes, k(i - KEPT) goes. */
static enum status write_change(struct worker *worker, uint64_t i,
                                enum durability durability) {
    char keys[4][32], number[24], name[24], old[24];
    uint64_t sequence = 99;
    snprintf(number, sizeof number, "%" PRIu64, i);
    snprintf(name, sizeof name, "k%05" PRIu64, i);
    snprintf(old, sizeof old, "k%05" PRIu64, i > KEPT ? i - KEPT : 0);
    const struct kv_op ops[] = {
        {KV_PUT, key_of(keys[0], worker->number, "left"), slice_of(number)},
        {KV_PUT, key_of(keys[1], worker->number, name), slice_of(number)},
        {KV_DELETE, key_of(keys[2], worker->number, old), {0}},
        {KV_PUT, key_of(keys[3], worker->number, "right"), slice_of(number)}};
    const struct kv_write_options options = {.durability = durability,
                                             .sequence = &sequence};
    enum status status = kv_write(worker->shared->kv, ops, 4, &options, NULL);
    if (status != STATUS_OK && sequence != 0) {
        worker->wrong = "a change that made no room was issued";
    }
    return status;
}

static void write_all(void *argument) {
    struct worker *worker = argument;
    for (uint64_t i = 1; i <= WRITES && worker->wrong == NULL; i++) {
        enum durability durability = i % 50 == 0  ? DURABILITY_ALWAYS
                                     : i % 2 == 0 ? DURABILITY_INTERVAL
                                                  : DURABILITY_NONE;
        enum status status;
        while ((status = write_change(worker, i, durability)) == STATUS_IO) {
            worker->done++; /* its flush failed, the next one may not */
        }
        if (status != STATUS_OK) {
            worker->wrong = "a write";
        }
        atomic_u64_store(&worker->shared->written[worker->number], i,
                         memory_order_release);
    }
    atomic_u64_add(&worker->shared->writing, UINT64_MAX, memory_order_acq_rel);
}

/* ---- readers --------------------------------------------------------------------- */

static uint64_t number_in(struct slice value) {
    char text[24] = {0};
    memcpy(text, value.data, value.length < 23 ? value.length : 23);
    return strtoull(text, NULL, 10);
}

/* What was acknowledged before the lookup is seen by it, and time does not go back. */
static void look(void *argument) {
    struct worker *worker = argument;
    struct shared *shared = worker->shared;
    struct buf value = {0};
    uint64_t last[WRITERS] = {0}, last_observed = 0;
    for (; goes_on(worker); worker->done++) {
        char key[32];
        uint64_t writer = random_below(&worker->seed, WRITERS), observed = 0;
        uint64_t least = atomic_u64_load(&shared->written[writer], memory_order_acquire);
        const struct kv_read_options options = {.observed = &observed};
        struct slice left = key_of(key, writer, "left");
        enum status status = kv_get(shared->kv, left, &value, &options, NULL);
        uint64_t found = status == STATUS_OK ? number_in(buf_slice(&value)) : 0;
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            worker->wrong = "a lookup";
        } else if (found < least || found < last[writer]) {
            worker->wrong = "a lookup misses what was acknowledged";
        } else if (observed < last_observed) {
            worker->wrong = "time goes back";
        }
        last[writer] = found;
        last_observed = observed;
    }
    buf_free(&value);
}

/* Whether what stands there is the state after `left` changes of each writer. */
static const char *judge_scan(struct iter *iter, uint64_t observed) {
    uint64_t counts[WRITERS] = {0}, lefts[WRITERS] = {0}, rights[WRITERS] = {0};
    uint64_t least[WRITERS] = {0}, most[WRITERS] = {0}, changes = 0;
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        uint64_t writer = (uint64_t)(iter->key.data[0] - '0');
        uint64_t number = number_in(iter->value);
        switch (iter->key.data[2]) {
        case 'l':
            lefts[writer] = number;
            break;
        case 'r':
            rights[writer] = number;
            break;
        default:
            least[writer] = counts[writer]++ == 0 ? number : least[writer];
            most[writer] = number;
            break;
        }
    }
    for (uint64_t i = 0; i < WRITERS; i++) {
        uint64_t kept = lefts[i] < KEPT ? lefts[i] : KEPT;
        if (lefts[i] != rights[i] || most[i] != lefts[i]) {
            return "half a change";
        }
        if (counts[i] != kept || (kept > 0 && least[i] != lefts[i] - kept + 1)) {
            return "a key that came back, or is missing";
        }
        changes += lefts[i];
    }
    return iter->error.status != STATUS_OK ? "a scan"
           : changes * 4 != observed       ? "another moment than the scan says"
                                           : NULL;
}

/* Twice: an iterator stays at its moment. */
static void scan(void *argument) {
    struct worker *worker = argument;
    for (; goes_on(worker); worker->done++) {
        struct iter *iter = NULL;
        uint64_t observed = 0;
        const struct kv_iter_options options = {.observed = &observed};
        if (kv_iter(worker->shared->kv, &options, &iter, NULL) != STATUS_OK) {
            worker->wrong = "an iterator";
            break;
        }
        for (int i = 0; i < 2 && worker->wrong == NULL; i++) {
            worker->wrong = judge_scan(iter, observed);
        }
        iter_close(iter);
    }
}

/* ---- who flushes ----------------------------------------------------------------- */

static void flush(void *argument) {
    struct worker *worker = argument;
    for (; goes_on(worker); worker->done++) {
        struct kv_stats stats;
        bool fails = random_below(&worker->seed, 4) == 0;
        if (fails) {
            fiu_enable("table_sync", 1, NULL, FIU_ONETIME);
        }
        enum status status = kv_flush(worker->shared->kv, NULL);
        if (fails) {
            fiu_disable("table_sync");
        }
        if (status != STATUS_OK && status != STATUS_IO) {
            worker->wrong = "a flush";
        }
        kv_stats(worker->shared->kv, &stats);
    }
}

/* ---------------------------------------------------------------------------------- */

static void assert_all_there(struct kv *kv) {
    struct iter *iter;
    uint64_t observed = 0;
    const struct kv_iter_options options = {.observed = &observed};
    assert_ok(kv_iter(kv, &options, &iter, NULL));
    const char *wrong = judge_scan(iter, observed);
    iter_close(iter);
    assert_int_equal(observed, WRITERS * WRITES * 4);
    if (wrong != NULL) {
        fail_msg("%s", wrong);
    }
}

static void run(const struct kv_options *options, const char *dir, uint64_t seed) {
    static const enum role roles[] = {WRITER,  WRITER,  WRITER, LOOKER,
                                      SCANNER, SCANNER, FLUSHER};
    static thread_body *const bodies[ROLES] = {write_all, look, scan, flush};
    enum { WORKERS = sizeof roles / sizeof roles[0] };
    struct shared shared = {.writing = {WRITERS}};
    struct worker workers[WORKERS] = {0};
    struct kv_stats stats;
    assert_ok(kv_open(dir, options, &shared.kv, NULL));
    for (size_t i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.shared = &shared, .number = i, .seed = seed + i};
        assert_ok(thread_create(&workers[i].thread, &threads_posix, bodies[roles[i]],
                                &workers[i]));
    }
    for (size_t i = 0; i < WORKERS; i++) {
        thread_join(&workers[i].thread);
        if (workers[i].wrong != NULL) {
            fail_msg("worker %zu: %s", i, workers[i].wrong);
        }
    }
    kv_stats(shared.kv, &stats);
    printf("%" PRIu64 " flushes, %" PRIu64 " tables\n", stats.flushes, stats.tables);
    assert_true(stats.flushes > 3);
    assert_all_there(shared.kv);
    assert_ok(kv_close(shared.kv, NULL));
    assert_ok(kv_open(dir, options, &shared.kv, NULL));
    assert_all_there(shared.kv);
    assert_ok(kv_close(shared.kv, NULL));
}

/* With tables and blocks that are found open and in memory, and with hardly any. */
static void all_at_once(void **state) {
    uint64_t seed = test_seed();
    assert_int_equal(fiu_init(0), 0);
    for (int scarce = 0; scarce < 2; scarce++) {
        char *dir = path_join(*state, scarce ? "scarce" : "plenty");
        struct kv_options options = kv_options_default();
        options.write_buffer_bytes = 16 * 1024;
        options.log_region = scarce ? APPEND_MAPPED : APPEND_WRITE;
        options.max_open_files = scarce ? 2 : 100;
        options.block_cache_bytes = scarce ? 8192 : 8 << 20;
        options.interval_bytes = 2000;
        options.interval_millis = 5;
        run(&options, dir, seed);
        struct error error;
        assert_ok(directory_list(&file_system_posix, dir, remove_visited, dir, &error));
        memory_give(dir);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_at_once)};
    return cmocka_run_group_tests(tests, directory_setup, directory_teardown);
}

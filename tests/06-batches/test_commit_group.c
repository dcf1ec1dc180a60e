/* Groups of an order that is known: who goes with whom, what they cost, and what each is
 * told when the write, the sync, memory or room fails. */
#include "crowd.h"

/* Three operations a member at most, so that ends of changes differ. */
static void add_many(struct crowd *crowd, size_t count, enum durability durability) {
    for (size_t i = 0; i < count; i++) {
        crowd_start(crowd, crowd_add(crowd, 1 + i % MEMBER_OPS_MAX, durability));
    }
}

/* ---- who goes with whom ---------------------------------------------------------- */

/* Those who queue while one writes are one group: one write, one sync. */
static void those_who_wait_go_together(void **state) {
    static struct crowd crowd;
    (void)state;
    crowd_begin(&crowd);
    crowd_open(&crowd);
    crowd_hold(&crowd);
    add_many(&crowd, 20, DURABILITY_ALWAYS);
    size_t before = disk_operations(crowd.sim.disk);
    crowd_release(&crowd);
    for (size_t i = 0; i < crowd.count; i++) {
        assert_ok(crowd.members[i].status);
    }
    assert_outcomes(&crowd);
    struct kv_stats stats = crowd_stats(&crowd);
    assert_int_equal(stats.write_groups, 2);
    assert_int_equal(stats.largest_write_group, 20);
    assert_int_equal(stats.writes, 21);
    assert_int_equal(stats.syncs, 1);
    assert_int_equal(count_operations(&crowd.sim, before, " write "), 1 + 2); /* a log */
    assert_int_equal(count_operations(&crowd.sim, before, " sync db/"), 1);
    crowd_end(&crowd);
}

static void a_group_has_its_bounds(void **state) {
    static const struct {
        size_t bytes[6]; /* of the values of those who queue */
        size_t groups, largest;
    } crowds[] = {
        {{10, 10, 300000, 10}, 2, 2},         /* small ones leave a large one behind */
        {{300000, 10, 10, 10}, 1, 4},         /* which takes small ones along */
        {{600000, 600000, 300000}, 2, 2},     /* a megabyte */
        {{1 << 20, 10, 10}, 2, 2},            /* that one has alone */
        {{100000, 100000, 100000, 10}, 2, 2}, /* small: 128 KiB; then as much more */
    };
    (void)state;
    for (size_t i = 0; i < sizeof crowds / sizeof crowds[0]; i++) {
        static struct crowd crowd;
        crowd_begin(&crowd);
        crowd_open(&crowd);
        crowd_hold(&crowd);
        for (size_t j = 0; crowds[i].bytes[j] > 0; j++) {
            struct member *member = crowd_add(&crowd, 1, DURABILITY_NONE);
            member->value_bytes = crowds[i].bytes[j];
            crowd_start(&crowd, member);
        }
        crowd_release(&crowd);
        assert_outcomes(&crowd);
        struct kv_stats stats = crowd_stats(&crowd);
        assert_int_equal(stats.write_groups, 1 + crowds[i].groups);
        assert_int_equal(stats.largest_write_group, crowds[i].largest);
        crowd_end(&crowd);
    }
}

static void a_group_has_so_many_changes(void **state) {
    static struct crowd crowd;
    (void)state;
    crowd_begin(&crowd);
    crowd_open(&crowd);
    crowd_hold(&crowd);
    add_many(&crowd, 130, DURABILITY_NONE);
    crowd_release(&crowd);
    assert_outcomes(&crowd);
    struct kv_stats stats = crowd_stats(&crowd);
    assert_int_equal(stats.write_groups, 3);
    assert_int_equal(stats.largest_write_group, 128);
    crowd_end(&crowd);
}

/* ---- what they are told ---------------------------------------------------------- */

/* Of a group of mixed durabilities those who asked for the disk are told of the sync, and
 * the others before it; the leader may be one or the other. */
static void a_failed_sync_is_told_to_those_who_asked(void **state) {
    (void)state;
    for (unsigned asked = 0; asked < 1 << 4; asked++) {
        static struct crowd crowd;
        crowd_begin(&crowd);
        crowd_open(&crowd);
        crowd_hold(&crowd);
        for (unsigned i = 0; i < 4; i++) {
            enum durability durability =
                (asked >> i & 1) != 0 ? DURABILITY_ALWAYS : DURABILITY_NONE;
            crowd_start(&crowd, crowd_add(&crowd, 2, durability));
        }
        fiu_enable("log_sync", 1, NULL, FIU_ONETIME);
        crowd_release(&crowd);
        assert_int_equal(crowd_stats(&crowd).largest_write_group, 4);
        assert_int_equal(crowd_stats(&crowd).syncs, asked != 0);
        for (unsigned i = 0; i < 4; i++) {
            const struct member *member = &crowd.members[1 + i];
            bool asks = (asked >> i & 1) != 0;
            assert_int_equal(member->status, asks ? STATUS_IO : STATUS_OK);
            assert_int_equal(member->sequence, 3 + 2 * i);
            assert_int_equal(count_found(&crowd, member), 2); /* visible, in doubt */
            if (asks) {
                assert_message_has(member->error, "failpoint log_sync");
            }
        }
        fiu_disable("log_sync");
        crowd_end(&crowd);
    }
}

/* Whichever call of the log fails, and whether it did its work before: nobody of the
 * group is told that all is well, or everybody is. */
static void a_failed_write_is_told_to_all(void **state) {
    size_t failed = 0;
    (void)state;
    for (size_t countdown = 1; countdown < 30; countdown++) {
        static const enum fault_effect effects[] = {FAULT_BEFORE, FAULT_AFTER,
                                                    FAULT_SHORT_ERROR};
        static struct crowd crowd;
        crowd_begin(&crowd);
        crowd_open(&crowd);
        crowd_hold(&crowd);
        add_many(&crowd, 6, DURABILITY_ALWAYS);
        fail_call(&crowd.sim, 1 + countdown / 3, effects[countdown % 3], EIO, false);
        crowd_release(&crowd);
        bool struck = disk_fault_struck(crowd.sim.disk) != NULL;
        fail_nothing(&crowd.sim);
        for (size_t i = 1; i < crowd.count; i++) {
            const struct member *member = &crowd.members[i];
            assert_int_equal(member->status, crowd.members[1].status);
            assert_string_equal(member->error.message, crowd.members[1].error.message);
            assert_true(member->status == STATUS_OK || struck);
        }
        failed += crowd.members[1].status != STATUS_OK;
        if (crowd.members[1].status != STATUS_OK) {
            assert_ok(engine_resume(crowd.engine, NULL));
        }
        bool torn = false; /* changes of a group: the first so many, each whole */
        for (size_t i = 0; i < crowd.count; i++) {
            const struct member *member = &crowd.members[i];
            size_t found = count_found(&crowd, member);
            assert_true(found == 0 || found == member->count);
            assert_true(found > 0 || member->status != STATUS_OK);
            assert_true(found == 0 || !torn);
            torn = found == 0;
        }
        crowd_end(&crowd);
    }
    assert_true(failed >= 6);
}

static void a_refused_write_is_told_to_all(void **state) {
    static struct crowd crowd;
    (void)state;
    crowd_begin(&crowd);
    crowd_open(&crowd);
    fiu_enable("log_append", 1, NULL, FIU_ONETIME); /* of the first one, which is alone */
    crowd_hold(&crowd);
    add_many(&crowd, 6, DURABILITY_NONE);
    crowd_release(&crowd);
    for (size_t i = 0; i < crowd.count; i++) {
        assert_int_equal(crowd.members[i].status, STATUS_IO);
        assert_int_equal(crowd.members[i].sequence, 0);
        assert_message_has(crowd.members[i].error,
                           i == 0 ? "db/" : "writes are refused until resume");
    }
    assert_outcomes(&crowd);
    assert_ok(engine_resume(crowd.engine, NULL));
    crowd_end(&crowd);
}

/* A change that memory-bytes cannot hold fails alone, whichever place it has. */
static void a_change_over_the_limit_fails_alone(void **state) {
    (void)state;
    for (size_t place = 1; place <= 5; place++) {
        static struct crowd crowd;
        crowd_begin(&crowd);
        crowd.sim.options.memory_bytes = 3000;
        crowd_open(&crowd);
        crowd_hold(&crowd);
        for (size_t i = 1; i <= 5; i++) {
            struct member *member = crowd_add(&crowd, 2, DURABILITY_ALWAYS);
            member->value_bytes = i == place ? 2000 : 700;
            crowd_start(&crowd, member);
        }
        crowd_release(&crowd);
        for (size_t i = 1; i <= 5; i++) {
            const struct member *member = &crowd.members[i];
            assert_int_equal(member->status, i == place ? STATUS_LIMIT : STATUS_OK);
        }
        assert_message_has(crowd.members[place].error, "memory-bytes");
        assert_outcomes(&crowd);
        crowd_end(&crowd);
    }
}

/* Each allocation fails once, then all of them do: those who had none are told so,
 * nothing of them is there, and the next write goes on. */
static void no_memory_in_a_group(void **state) {
    size_t told = 0, spared = 0;
    (void)state;
    for (int persistent = 0; persistent < 2; persistent++) {
        bool failed = true;
        for (size_t countdown = 1; failed; countdown++) {
            static struct crowd crowd;
            crowd_begin(&crowd);
            crowd_open(&crowd);
            crowd_hold(&crowd);
            for (size_t i = 0; i < 5; i++) {
                struct member *member = crowd_add(&crowd, 2, DURABILITY_ALWAYS);
                member->value_bytes = 20000;
                crowd_start(&crowd, member);
            }
            counted_memory_fail(countdown, persistent != 0);
            crowd_release(&crowd);
            failed = counted_memory_failed();
            counted_memory_fail(0, false);
            size_t refused = 0;
            for (size_t i = 0; i < crowd.count; i++) {
                enum status status = crowd.members[i].status;
                assert_true(status == STATUS_OK ||
                            (status == STATUS_NO_MEMORY && failed));
                refused += status != STATUS_OK;
            }
            told += refused > 0;
            spared += refused == 0 && failed;
            assert_outcomes(&crowd);
            crowd.count = 0;
            struct member *after = crowd_add(&crowd, 1, DURABILITY_ALWAYS);
            after->number = 99;
            member_write(after);
            assert_ok(after->status);
            crowd_end(&crowd);
        }
    }
    printf("%zu told, %zu spared\n", told, spared);
    assert_true(told > 0 && spared > 0);
}

/* ---- those who will not wait ----------------------------------------------------- */

static struct member *add_hurried(struct crowd *crowd) {
    struct member *member = crowd_add(crowd, 1, DURABILITY_NONE);
    member->how.no_wait = true;
    member->value_bytes = 200;
    crowd_start(crowd, member);
    return member;
}

/* Both buffers are full, and flushes fail. */
static void fill(struct crowd *crowd) {
    crowd_begin(crowd);
    crowd->sim.options.write_buffer_bytes = 4096;
    crowd->sim.options.write_buffers = 2;
    crowd_open(crowd);
    fiu_enable("table_sync", 1, NULL, 0);
    while (add_hurried(crowd)->status == STATUS_OK) {
        assert_true(crowd->count < 150);
    }
}

/* Told at once are: one who meets a full store; one who comes while another waits; one
 * who stood in the queue when that began to wait. Those who wait get on, in their order.
 */
static void who_will_not_wait_is_told_at_once(void **state) {
    static struct crowd crowd;
    (void)state;
    fill(&crowd);
    const struct clock *clock = crowd.sim.world.clock;
    uint64_t begun = clock_monotonic_micros(clock);
    struct member *first = &crowd.members[crowd.count - 1];
    engine_lock_writing(crowd.engine);
    struct member *leader = crowd_add(&crowd, 1, DURABILITY_NONE);
    crowd_start(&crowd, leader);
    struct member *behind = add_hurried(&crowd);
    struct member *waits = crowd_add(&crowd, 2, DURABILITY_ALWAYS);
    crowd_start(&crowd, waits);
    struct member *last = add_hurried(&crowd);
    assert_false(behind->returned || last->returned);
    engine_unlock_writing(crowd.engine);
    scheduler_settle(crowd.sim.scheduler);
    assert_true(behind->returned && last->returned);
    assert_false(leader->returned || waits->returned);
    struct member *later = add_hurried(&crowd);
    assert_true(later->returned);
    struct member *const hurried[] = {first, behind, last, later};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(hurried[i]->status, STATUS_STALLED);
        assert_int_equal(hurried[i]->sequence, 0);
        assert_message_has(hurried[i]->error, "a write buffer to be flushed");
    }
    assert_int_equal(clock_monotonic_micros(clock), begun);
    fiu_disable("table_sync");
    for (size_t i = 0; i < crowd.count; i++) {
        thread_join(&crowd.members[i].thread);
    }
    assert_ok(leader->status);
    assert_ok(waits->status);
    assert_outcomes(&crowd);
    crowd.count = 0;
    struct member *after = add_hurried(&crowd); /* the wait is over for all */
    thread_join(&after->thread);
    assert_ok(after->status);
    crowd_end(&crowd);
}

/* Those who will not wait make no group with those who do. */
static void a_group_waits_or_does_not(void **state) {
    static struct crowd crowd;
    (void)state;
    crowd_begin(&crowd);
    crowd_open(&crowd);
    crowd_hold(&crowd);
    add_many(&crowd, 2, DURABILITY_NONE);
    (void)add_hurried(&crowd);
    (void)add_hurried(&crowd);
    add_many(&crowd, 3, DURABILITY_NONE);
    crowd_release(&crowd);
    assert_outcomes(&crowd);
    assert_int_equal(crowd_stats(&crowd).write_groups, 4);
    assert_int_equal(crowd_stats(&crowd).largest_write_group, 3);
    crowd_end(&crowd);
}

static uint64_t choose(void *context, uint64_t bound) {
    uint64_t *seed = context;
    return random_below(seed, 3) != 0 ? 0 : random_below(seed, bound);
}

/* Any order of writers, of whom some will not wait, while buffers fill up: those who wait
 * get on, the others do or are told, and sequences are of acknowledged changes alone. */
static void in_any_order(void **state) {
    enum { MEMBERS = 24 };
    uint64_t seed = test_seed();
    size_t told = 0, groups = 0;
    (void)state;
    for (int run = 0; run < 150; run++) {
        static struct crowd crowd;
        bool taken[MEMBERS * MEMBER_OPS_MAX + 1] = {false};
        uint64_t draws = random_next(&seed), last = 0;
        crowd_begin_with(&crowd, choose, &draws);
        crowd.sim.options.write_buffer_bytes = 1500;
        crowd.sim.options.write_buffers = 2;
        crowd_open(&crowd);
        for (size_t i = 0; i < MEMBERS; i++) {
            struct member *member = crowd_add(
                &crowd, 1 + random_below(&seed, MEMBER_OPS_MAX),
                random_below(&seed, 2) == 0 ? DURABILITY_ALWAYS : DURABILITY_NONE);
            member->value_bytes = 300;
            member->how.no_wait = random_below(&seed, 3) == 0;
            assert_ok(thread_create(&member->thread, crowd.sim.world.threads,
                                    member_write, member));
        }
        for (size_t i = 0; i < MEMBERS; i++) {
            thread_join(&crowd.members[i].thread);
        }
        for (size_t i = 0; i < MEMBERS; i++) {
            const struct member *member = &crowd.members[i];
            bool good = member->status == STATUS_OK;
            assert_true(good || (member->status == STATUS_STALLED &&
                                 member->how.no_wait && member->sequence == 0));
            assert_int_equal(count_found(&crowd, member), good ? member->count : 0);
            for (size_t j = 0; good && j < member->count; j++, last++) {
                assert_false(taken[member->sequence - j]);
                taken[member->sequence - j] = true;
            }
            told += !good;
        }
        for (uint64_t i = 1; i <= last; i++) {
            assert_true(taken[i]);
        }
        groups += crowd_stats(&crowd).largest_write_group > 1;
        crowd_end(&crowd);
    }
    printf("%zu told, %zu runs with groups\n", told, groups);
    assert_true(told > 0 && groups > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_who_wait_go_together),
        cmocka_unit_test(a_group_has_its_bounds),
        cmocka_unit_test(a_group_has_so_many_changes),
        cmocka_unit_test(a_failed_sync_is_told_to_those_who_asked),
        cmocka_unit_test(a_failed_write_is_told_to_all),
        cmocka_unit_test(a_refused_write_is_told_to_all),
        cmocka_unit_test(a_change_over_the_limit_fails_alone),
        cmocka_unit_test(no_memory_in_a_group),
        cmocka_unit_test(who_will_not_wait_is_told_at_once),
        cmocka_unit_test(a_group_waits_or_does_not),
        cmocka_unit_test(in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

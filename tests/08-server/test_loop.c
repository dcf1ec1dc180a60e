/* The loop's ticks: what is called, how often, and in which order. Time is simulated;
 * descriptors are real. */
#include "looping.h"

#include <sys/socket.h>

#include "points.h"

/* What was called, as letters in order. */
struct story {
    struct looping looping;
    char text[64];
    size_t length;
};

static void tell(struct story *story, char letter) {
    assert_true(story->length < sizeof story->text - 1);
    story->text[story->length++] = letter;
    story->text[story->length] = 0;
}

static void assert_story(struct story *story, const char *text) {
    assert_string_equal(story->text, text);
    story->length = 0;
    story->text[0] = 0;
}

/* One end is watched, the other is the test's. */
struct end {
    struct story *story;
    struct loop_watch watch;
    struct loop_writer writer;
    struct timer timer;
    struct loop_task task;
    int other;
    char letter;
    unsigned events; /* of the last call */
    void (*then)(struct end *end);
    struct end *victim;
};

static void end_ready(void *context, unsigned events) {
    struct end *end = context;
    end->events = events;
    tell(end->story, end->letter);
    if (end->then != NULL) {
        end->then(end);
    }
}

static void end_task(void *context) {
    struct end *end = context;
    tell(end->story, 't');
}

static void end_due(void *context) {
    struct end *end = context;
    tell(end->story, 'd');
}

static void end_write(void *context) {
    struct end *end = context;
    tell(end->story, 'w');
}

static void hook(void *context) {
    tell(context, '|');
}

static void open_end(struct story *story, struct end *end, char letter) {
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    *end = (struct end){.story = story, .letter = letter, .other = pair[1]};
    end->watch =
        (struct loop_watch){.ready = end_ready, .context = end, .descriptor = pair[0]};
    end->timer = (struct timer){.due = end_due, .context = end};
    end->task = (struct loop_task){.run = end_task, .context = end};
    loop_writer_init(&end->writer, end_write, end);
    assert_ok(loop_watch(story->looping.loop, &end->watch, NULL));
    assert_ok(loop_timer_add(story->looping.loop, &end->timer));
}

static void unwatch_end(struct end *end) {
    loop_unwatch(end->story->looping.loop, &end->watch);
    close(end->watch.descriptor);
    end->watch.descriptor = -1;
}

static void close_end(struct end *end) {
    if (end->watch.descriptor >= 0) {
        unwatch_end(end);
    }
    loop_timer_remove(end->story->looping.loop, &end->timer);
    close(end->other);
}

static void say(struct end *end, const char *text) {
    assert_int_equal(write(end->other, text, strlen(text)), strlen(text));
}

static void begin(struct story *story) {
    *story = (struct story){0};
    looping_begin(&story->looping);
}

/* ---- watches --------------------------------------------------------------------- */

static void test_told_once_of_what_is_new(void **state) {
    (void)state;
    struct story story;
    struct end a;
    begin(&story);
    open_end(&story, &a, 'a');
    loop_tick(story.looping.loop, false);
    assert_story(&story, "");
    say(&a, "x");
    loop_tick(story.looping.loop, true);
    assert_int_equal(a.events, LOOP_READABLE);
    loop_tick(story.looping.loop, false); /* it was not read, and is not told of again */
    assert_story(&story, "a");
    say(&a, "y");
    loop_tick(story.looping.loop, true);
    assert_story(&story, "a");
    shutdown(a.other, SHUT_WR);
    loop_tick(story.looping.loop, true);
    assert_story(&story, "a");
    assert_true((a.events & LOOP_READABLE) != 0 && (a.events & LOOP_ENDED) != 0);
    close_end(&a);
    looping_end(&story.looping);
}

/* Until it takes no more. */
static void fill(struct end *end) {
    static const char bytes[4096];
    while (write(end->watch.descriptor, bytes, sizeof bytes) > 0) {
    }
}

static void drain(struct end *end) {
    static char bytes[65536];
    while (read(end->other, bytes, sizeof bytes) > 0) {
    }
}

/* Room that a peer makes is told of while that is asked for, and no longer; room that is
 * there already, when that is asked for. */
static void test_told_of_room(void **state) {
    (void)state;
    struct story story;
    struct end a;
    begin(&story);
    struct loop *loop = story.looping.loop;
    open_end(&story, &a, 'a');
    for (int round = 0; round < 3; round++) {
        fill(&a);
        drain(&a);
        loop_tick(loop, false);
        assert_story(&story, "");
        fill(&a);
        loop_watch_writing(loop, &a.watch, true);
        loop_tick(loop, false);
        assert_story(&story, "");
        drain(&a);
        loop_tick(loop, true);
        assert_story(&story, "a");
        assert_int_equal(a.events, LOOP_WRITABLE);
        fill(&a); /* once more, and it is watched still */
        drain(&a);
        loop_tick(loop, true);
        assert_story(&story, "a");
        loop_watch_writing(loop, &a.watch, false);
        fill(&a);
        drain(&a); /* before it is asked for */
        loop_watch_writing(loop, &a.watch, true);
        loop_tick(loop, true);
        assert_story(&story, "a");
        loop_watch_writing(loop, &a.watch, false);
    }
    say(&a, "x"); /* and it is watched for reading */
    loop_tick(loop, true);
    assert_int_equal(a.events, LOOP_READABLE);
    close_end(&a);
    looping_end(&story.looping);
}

static void again(struct end *end) {
    loop_again(end->story->looping.loop, &end->watch);
    loop_again(end->story->looping.loop, &end->watch);
}

/* Once in each tick, which does not wait; until it asks no more. */
static void test_again(void **state) {
    (void)state;
    struct story story;
    struct end a;
    begin(&story);
    open_end(&story, &a, 'a');
    a.then = again;
    say(&a, "x");
    loop_tick(story.looping.loop, true);
    loop_tick(story.looping.loop, true);
    loop_tick(story.looping.loop, true);
    assert_story(&story, "aaa");
    assert_int_equal(a.events, 0);
    a.then = NULL;
    loop_tick(story.looping.loop, true);
    loop_tick(story.looping.loop, false);
    assert_story(&story, "a");
    close_end(&a);
    looping_end(&story.looping);
}

static void end_victim(struct end *end) {
    if (end->victim->watch.descriptor >= 0) {
        unwatch_end(end->victim);
    }
}

/* Two are ready in one tick; who is called first ends the other, which is then not
 * called, whether it is epoll or the loop itself that knows of it. */
static void test_ends_another(void **state) {
    (void)state;
    for (int asked = 0; asked < 2; asked++) {
        struct story story;
        struct end a, b;
        begin(&story);
        open_end(&story, &a, 'x');
        open_end(&story, &b, 'x');
        a.then = b.then = end_victim;
        a.victim = &b;
        b.victim = &a;
        if (asked) {
            loop_again(story.looping.loop, &a.watch);
            loop_again(story.looping.loop, &b.watch);
        } else {
            say(&a, "x");
            say(&b, "x");
        }
        loop_tick(story.looping.loop, false);
        assert_story(&story, "x");
        loop_tick(story.looping.loop, false);
        assert_story(&story, "");
        close_end(&a);
        close_end(&b);
        looping_end(&story.looping);
    }
}

static void test_watch_fails(void **state) {
    (void)state;
    struct story story;
    struct error error = {0};
    begin(&story);
    struct loop_watch watch = {.ready = end_ready, .descriptor = -1};
    assert_int_equal(loop_watch(story.looping.loop, &watch, &error), STATUS_IO);
    assert_message_has(error, "watching -1");
    points_watch();
    points_arm(FAILPOINT_loop_watch, 1, false);
    assert_int_equal(loop_watch(story.looping.loop, &watch, &error), STATUS_NO_MEMORY);
    points_unwatch();
    looping_end(&story.looping);
}

/* ---- a tick ---------------------------------------------------------------------- */

static void ask_for_all(struct end *end) {
    struct loop *loop = end->story->looping.loop;
    end->then = NULL;
    loop_write(loop, &end->writer);
    loop_write(loop, &end->writer);
    loop_post(loop, &end->task);
}

static void test_order(void **state) {
    (void)state;
    struct story story;
    struct end a, b;
    begin(&story);
    struct loop *loop = story.looping.loop;
    loop_set_hook(loop, hook, &story);
    open_end(&story, &a, 'a');
    open_end(&story, &b, 'a');
    say(&a, "x");
    say(&b, "x");
    a.then = ask_for_all;
    loop_timer_set(loop, &a.timer, story.looping.time.micros);
    loop_tick(loop, true);
    assert_story(&story, "aatd|w");
    loop_tick(loop, false);
    assert_story(&story, "|");
    close_end(&a);
    close_end(&b);
    looping_end(&story.looping);
}

static void write_again(void *context) {
    struct end *end = context;
    tell(end->story, 'W');
    loop_write(end->story->looping.loop, &end->writer);
}

/* Who asks while it writes is called in the next tick, which does not wait. */
static void test_writes_again(void **state) {
    (void)state;
    struct story story;
    struct end a;
    begin(&story);
    open_end(&story, &a, 'a');
    loop_writer_init(&a.writer, write_again, &a);
    loop_write(story.looping.loop, &a.writer);
    loop_tick(story.looping.loop, true);
    assert_story(&story, "W");
    loop_tick(story.looping.loop, true);
    loop_tick(story.looping.loop, true);
    assert_story(&story, "WW");
    loop_unwrite(&a.writer);
    loop_tick(story.looping.loop, false);
    assert_story(&story, "");
    close_end(&a);
    looping_end(&story.looping);
}

static void due_again(void *context) {
    struct end *end = context;
    tell(end->story, 'D');
    loop_timer_set(end->story->looping.loop, &end->timer, 0);
}

static void test_timers(void **state) {
    (void)state;
    struct story story;
    struct end a;
    begin(&story);
    struct loop *loop = story.looping.loop;
    open_end(&story, &a, 'a');
    loop_timer_set(loop, &a.timer, story.looping.time.micros + 500);
    loop_tick(loop, false);
    story.looping.time.micros += 499;
    loop_tick(loop, false);
    assert_story(&story, "");
    story.looping.time.micros += 1;
    loop_tick(loop, true);
    assert_true(loop_now_micros(loop) == story.looping.time.micros);
    loop_tick(loop, false);
    assert_story(&story, "d");
    /* One that is due again at once has to wait for the next tick. */
    a.timer.due = due_again;
    loop_timer_set(loop, &a.timer, 0);
    loop_tick(loop, true);
    assert_story(&story, "D");
    loop_tick(loop, true);
    assert_story(&story, "D");
    loop_timer_set(loop, &a.timer, TIMER_NEVER);
    loop_tick(loop, false);
    assert_story(&story, "");
    close_end(&a);
    looping_end(&story.looping);
}

static void test_no_memory(void **state) {
    (void)state;
    struct looping looping;
    looping_begin(&looping);
    size_t blocks = counted_memory_blocks();
    struct loop *loop = NULL;
    struct error error = {0};
    for (size_t i = 1;; i++) {
        counted_memory_fail(i, false);
        enum status status = loop_open(&looping.world, &loop, &error);
        bool failed = counted_memory_failed();
        counted_memory_fail(0, false);
        if (!failed) {
            assert_ok(status);
            assert_true(i > 1);
            break;
        }
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
    loop_close(loop);
    loop_close(NULL);
    looping_end(&looping);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told_once_of_what_is_new),
        cmocka_unit_test(test_told_of_room),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_ends_another),
        cmocka_unit_test(test_watch_fails),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_writes_again),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

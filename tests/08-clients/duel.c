/* What goes to one connection at once ends with a request whose reply is known and comes
 * nowhere else: so all replies before it are there. It is an unknown command, which has
 * its error without a password, too, and follows a CLIENT REPLY ON, as they may be off.
 * Which reply is whose is known by what CLIENT REPLY and RESET do. */
#include "duel.h"

#include <signal.h>

#include "agreement.h"
#include "clock.h"
#include "reply.h"

/* ---- the two --------------------------------------------------------------------- */

void duel_begin(struct duel *duel, const char *password) {
    const char *const more[] = {"--appendfsync", "no", "--requirepass", password, NULL};
    memset(duel, 0, sizeof *duel);
    make_directory(&duel->served[STRATA]);
    make_directory(&duel->served[REDIS]);
    start_redis(&duel->served[REDIS], more + 2);
    start(&duel->served[STRATA], more);
}

static void call_all(struct duel *duel) {
    for (size_t i = 0; i < STREAM_CONNECTIONS; i++) {
        call(&duel->callers[STRATA][i], &duel->served[STRATA]);
        call(&duel->callers[REDIS][i], &duel->served[REDIS]);
    }
    duel->is_called = true;
}

static void hang_up_all(struct duel *duel) {
    for (size_t i = 0; duel->is_called && i < STREAM_CONNECTIONS; i++) {
        hang_up(&duel->callers[STRATA][i]);
        hang_up(&duel->callers[REDIS][i]);
    }
    duel->is_called = false;
}

void duel_end(struct duel *duel) {
    hang_up_all(duel);
    for (size_t i = 0; i < SIDES; i++) {
        assert_stops(&duel->served[i], SIGTERM);
        remove_directory(&duel->served[i]);
    }
}

void duel_ask(struct duel *duel, enum side side, const char *line, struct buf *reply) {
    if (!duel->is_called) {
        call_all(duel);
    }
    buf_clear(reply);
    say(&duel->callers[side][0], line);
    say(&duel->callers[side][0], "\r\n");
    assert_true(hear_reply(&duel->callers[side][0], reply));
}

/* ---- playing --------------------------------------------------------------------- */

enum { REPLIES_MAX = STREAM_STEPS + 2 };

struct answers {
    size_t count;
    struct buf replies[REPLIES_MAX];
    bool ended, is_late;
};

enum reply_mode { REPLIES_ON, REPLIES_OFF, REPLIES_SKIP };

struct play {
    struct duel *duel;
    const struct stream *stream;
    uint64_t began_micros;
    unsigned rounds;
    struct answers answers[SIDES];
    /* whose the replies are, as far as that is known */
    const struct step *steps[REPLIES_MAX];
    size_t step_count;
    struct slice raw; /* absent: it was no such step */
    struct buf *words;
};

static void clear_answers(struct answers *answers) {
    for (size_t i = 0; i < answers->count; i++) {
        buf_clear(&answers->replies[i]);
    }
    answers->count = 0;
    answers->ended = answers->is_late = false;
}

/* Until the last one, or the end. */
static void hear_answers(struct caller *caller, struct slice last,
                         struct answers *answers) {
    clear_answers(answers);
    while (answers->count < REPLIES_MAX && !answers->ended) {
        struct buf *reply = &answers->replies[answers->count];
        answers->ended = !hear_reply(caller, reply);
        answers->is_late = caller->is_late;
        answers->count += !answers->ended || reply->length > 0;
        if (slice_equal(buf_slice(reply), last)) {
            return;
        }
    }
}

/* Whether there is a reply to it, and what becomes of those that follow. */
static bool has_reply(const struct stream *stream, const struct step *step,
                      enum reply_mode *mode) {
    bool replies = *mode == REPLIES_ON;
    *mode = *mode == REPLIES_SKIP ? REPLIES_ON : *mode;
    if (step->count == 1 && stream_is(stream, step, 0, "RESET")) {
        replies |= *mode == REPLIES_OFF;
        *mode = REPLIES_ON;
    }
    if (step->count != 3 || !stream_is(stream, step, 0, "CLIENT") ||
        !stream_is(stream, step, 1, "REPLY")) {
        return replies;
    }
    if (stream_is(stream, step, 2, "ON")) {
        *mode = REPLIES_ON;
        return true;
    }
    if (stream_is(stream, step, 2, "OFF")) {
        *mode = REPLIES_OFF;
        return false;
    }
    if (stream_is(stream, step, 2, "SKIP")) {
        *mode = *mode == REPLIES_OFF ? REPLIES_OFF : REPLIES_SKIP;
        return false;
    }
    return replies;
}

static void tell_reply(struct play *play, enum side side, size_t i) {
    const struct answers *answers = &play->answers[side];
    assert_ok(buf_append_text(play->words, side == STRATA ? "  Strata: " : "  Redis:  "));
    if (i < answers->count) {
        quote(buf_slice(&answers->replies[i]), play->words);
    } else {
        assert_ok(buf_append_text(play->words, answers->is_late ? "nothing, for a minute"
                                               : answers->ended ? "the end"
                                                                : "nothing"));
    }
    assert_ok(buf_append_text(play->words, "\n"));
}

static bool compare_answers(struct play *play) {
    const struct answers *strata = &play->answers[STRATA], *redis = &play->answers[REDIS];
    uint64_t elapsed = clock_monotonic_micros(&clock_system) - play->began_micros;
    static const struct step unknown = {.kind = STEP_RAW};
    for (size_t i = 0; i < strata->count || i < redis->count; i++) {
        const struct step *step = i < play->step_count ? play->steps[i] : &unknown;
        if (i < strata->count && i < redis->count &&
            replies_agree(play->stream, step, buf_slice(&strata->replies[i]),
                          buf_slice(&redis->replies[i]), elapsed)) {
            continue;
        }
        if (i >= redis->count && slice_present(play->raw) &&
            redis_may_say_less(play->raw)) {
            return true;
        }
        if (step->kind == STEP_REQUEST) {
            assert_ok(buf_append_text(play->words, "to"));
            for (size_t j = 0; j < step->count; j++) {
                assert_ok(buf_append_text(play->words, " "));
                quote(stream_get(play->stream, step, j), play->words);
            }
            assert_ok(buf_append_text(play->words, "\n"));
        }
        tell_reply(play, STRATA, i);
        tell_reply(play, REDIS, i);
        return false;
    }
    if (strata->ended != redis->ended || strata->is_late || redis->is_late) {
        tell_reply(play, STRATA, strata->count);
        tell_reply(play, REDIS, redis->count);
        return false;
    }
    return true;
}

static void send_in_parts(struct caller *caller, struct slice bytes, size_t cuts) {
    size_t part = cuts;
    while (cuts > 0 && part < bytes.length) {
        if (!try_say(caller, slice_make(bytes.data, part))) {
            return;
        }
        slice_advance(&bytes, part);
        part = 1 + part * 7 % (2 * cuts);
    }
    (void)try_say(caller, bytes);
}

/* Sends and hears on one connection of both. */
static bool exchange(struct play *play, uint8_t connection, struct buf *bytes,
                     size_t cuts) {
    char word[32], last[96];
    (void)snprintf(word, sizeof word, "end-of-round-%u", ++play->rounds);
    (void)snprintf(last, sizeof last,
                   "-ERR unknown command '%s', with args beginning with: \r\n", word);
    assert_ok(buf_printf(bytes, "CLIENT REPLY ON\r\n%s\r\n", word));
    for (size_t i = 0; i < SIDES; i++) {
        send_in_parts(&play->duel->callers[i][connection], buf_slice(bytes), cuts);
    }
    for (size_t i = 0; i < SIDES; i++) {
        hear_answers(&play->duel->callers[i][connection], slice_of(last),
                     &play->answers[i]);
    }
    if (!compare_answers(play)) {
        return false;
    }
    for (size_t i = 0; play->answers[STRATA].ended && i < SIDES; i++) {
        hang_up(&play->duel->callers[i][connection]); /* both ended it */
        call(&play->duel->callers[i][connection], &play->duel->served[i]);
    }
    return true;
}

/* The requests from *next on that go to one connection before anything is awaited. */
static bool play_requests(struct play *play, size_t *next) {
    const struct stream *stream = play->stream;
    const struct step *first = &stream->steps[*next];
    struct buf bytes = {0};
    enum reply_mode mode = REPLIES_ON;
    bool awaited = false;
    play->step_count = 0;
    for (; *next < stream->count && !awaited; ++*next) {
        const struct step *step = &stream->steps[*next];
        if (step->removed) {
            continue;
        }
        if (step->kind != STEP_REQUEST || step->connection != first->connection) {
            break;
        }
        stream_encode(stream, step, &bytes);
        if (has_reply(stream, step, &mode)) {
            play->steps[play->step_count++] = step;
        }
        awaited = step->awaited;
    }
    bool agree = exchange(play, first->connection, &bytes, first->cuts);
    buf_free(&bytes);
    return agree;
}

static bool play_raw(struct play *play, const struct step *step) {
    struct slice bytes = stream_get(play->stream, step, 0);
    play->step_count = 0;
    for (size_t i = 0; i < SIDES; i++) {
        struct caller *caller = &play->duel->callers[i][step->connection];
        (void)try_say(caller, bytes);
        say_no_more(caller);
    }
    for (size_t i = 0; i < SIDES; i++) {
        struct caller *caller = &play->duel->callers[i][step->connection];
        hear_answers(caller, slice_of("no reply"), &play->answers[i]);
        hang_up(caller);
        call(caller, &play->duel->served[i]);
    }
    play->raw = bytes;
    bool agree = compare_answers(play);
    play->raw = (struct slice){0};
    return agree;
}

/* ---- SCAN from beginning to end -------------------------------------------------- */

/* The keys, sorted, each once, as one reply. */
static void take_keys(const struct buf *all, struct buf *reply) {
    struct slice elements[ELEMENTS_MAX], rest = buf_slice(all);
    size_t count = 0;
    assert_true(reply_take_elements(&rest, elements, &count));
    buf_clear(reply);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !slice_equal(elements[i], elements[i - 1])) {
            quote(elements[i], reply);
        }
    }
}

/* One call. True: *keys has its keys as well, and *cursor the next one. */
static bool scan_once(struct play *play, struct caller *caller, const struct step *step,
                      char cursor[32], struct buf *keys, size_t *count) {
    struct buf bytes = {0};
    assert_ok(buf_printf(&bytes, "*%zu\r\n$4\r\nSCAN\r\n$%zu\r\n%s\r\n", 2 + step->count,
                         strlen(cursor), cursor));
    for (size_t i = 0; i < step->count; i++) {
        struct slice argument = stream_get(play->stream, step, i);
        assert_ok(buf_printf(&bytes, "$%zu\r\n", argument.length));
        assert_ok(buf_append_slice(&bytes, argument));
        assert_ok(buf_append_text(&bytes, "\r\n"));
    }
    (void)try_say(caller, buf_slice(&bytes));
    buf_clear(&bytes);
    struct slice rest, next;
    bool heard = hear_reply(caller, &bytes) && bytes.data[0] == '*';
    if (heard) {
        rest = buf_slice(&bytes);
        (void)reply_take_line(&rest);
        assert_true(reply_take_string(&rest, &next));
        (void)snprintf(cursor, 32, "%.*s", (int)next.length, (const char *)next.data);
        *count += (size_t)reply_number(reply_take_line(&rest));
        assert_ok(buf_append_slice(keys, rest));
    } else {
        assert_ok(buf_assign(keys, buf_slice(&bytes)));
    }
    buf_free(&bytes);
    return heard;
}

/* All that it tells; or the reply that is no part of a scan. */
static void scan_side(struct play *play, enum side side, const struct step *step,
                      struct buf *told) {
    struct caller *caller = &play->duel->callers[side][step->connection];
    struct buf keys = {0}, all = {0};
    char cursor[32] = "0";
    size_t count = 0, calls = 0;
    bool goes_on = true;
    do {
        goes_on = scan_once(play, caller, step, cursor, &keys, &count);
    } while (goes_on && strcmp(cursor, "0") != 0 && ++calls < 1000);
    if (goes_on && calls < 1000) {
        assert_ok(buf_printf(&all, "*%zu\r\n", count));
        assert_ok(buf_append_slice(&all, buf_slice(&keys)));
        take_keys(&all, told);
    } else {
        assert_ok(buf_assign(told, buf_slice(&keys)));
    }
    buf_free(&keys);
    buf_free(&all);
}

static bool play_scan(struct play *play, const struct step *step) {
    play->step_count = 0;
    for (size_t i = 0; i < SIDES; i++) {
        clear_answers(&play->answers[i]);
        scan_side(play, (enum side)i, step, &play->answers[i].replies[0]);
        play->answers[i].count = 1;
    }
    return compare_answers(play);
}

/* ---- a stream -------------------------------------------------------------------- */

bool duel_play(struct duel *duel, const struct stream *stream, bool *is_late,
               struct buf *words) {
    struct play play = {.duel = duel,
                        .stream = stream,
                        .began_micros = clock_monotonic_micros(&clock_system),
                        .words = words};
    struct buf first = {0};
    hang_up_all(duel);
    call_all(duel);
    assert_ok(buf_append_text(&first, "AUTH default " DUEL_PASSWORD "\r\nFLUSHALL\r\n"));
    bool agree = exchange(&play, 0, &first, 0);
    for (size_t i = 0; agree && i < stream->count;) {
        const struct step *step = &stream->steps[i];
        if (step->removed) {
            i++;
        } else if (step->kind == STEP_REQUEST) {
            agree = play_requests(&play, &i);
        } else {
            agree =
                step->kind == STEP_RAW ? play_raw(&play, step) : play_scan(&play, step);
            i++;
        }
    }
    *is_late = play.answers[STRATA].is_late || play.answers[REDIS].is_late;
    buf_free(&first);
    for (size_t i = 0; i < REPLIES_MAX; i++) {
        buf_free(&play.answers[STRATA].replies[i]);
        buf_free(&play.answers[REDIS].replies[i]);
    }
    return agree;
}

/* ---- shorter --------------------------------------------------------------------- */

static bool still_differs(struct duel *duel, const struct stream *stream) {
    struct buf words = {0};
    bool is_late;
    bool differs = !duel_play(duel, stream, &is_late, &words) && !is_late;
    buf_free(&words);
    return differs;
}

static void remove_steps(struct duel *duel, struct stream *stream) {
    struct stream smaller = *stream;
    for (size_t part = stream->count / 2; part > 0; part /= 2) {
        for (size_t i = 0; i < stream->count; i += part) {
            size_t gone = 0;
            for (size_t j = i; j < i + part && j < stream->count; j++) {
                gone += !smaller.steps[j].removed;
                smaller.steps[j].removed = true;
            }
            if (gone > 0 && still_differs(duel, &smaller)) {
                memcpy(stream->steps, smaller.steps, sizeof stream->steps);
            } else {
                memcpy(smaller.steps, stream->steps, sizeof stream->steps);
            }
        }
    }
}

static void make_plain(struct duel *duel, struct stream *stream) {
    struct stream plain = *stream;
    for (size_t i = 0; i < plain.count; i++) {
        plain.steps[i].awaited = true;
        plain.steps[i].cuts = plain.steps[i].inline_form = 0;
    }
    if (still_differs(duel, &plain)) {
        memcpy(stream->steps, plain.steps, sizeof stream->steps);
    }
}

void duel_fight(struct duel *duel, struct stream *stream, const char *replay) {
    struct buf words = {0};
    bool is_late;
    if (!duel_play(duel, stream, &is_late, &words)) {
        if (!is_late) {
            remove_steps(duel, stream);
            make_plain(duel, stream);
            struct buf shorter = {0};
            if (!duel_play(duel, stream, &is_late, &shorter)) {
                assert_ok(buf_assign(&words, buf_slice(&shorter)));
            }
            buf_free(&shorter);
        }
        printf("Strata and Redis differ, after\n");
        stream_print(stream);
        printf("%.*s%s\n", (int)words.length, (const char *)words.data, replay);
        duel_end(duel);
        fail();
    }
    buf_free(&words);
}

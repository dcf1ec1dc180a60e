#include "crowd.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "caller.h"
#include "memory.h"

enum { WAIT_MILLIS = 60000 };

/* ---- replies --------------------------------------------------------------------- */

/* The line at *at, without its end; false: it is not complete. */
static bool take_line(const struct buf *input, size_t *at, struct slice *line) {
    struct slice rest = slice_make(input->data + *at, input->length - *at);
    const unsigned char *end =
        rest.length > 0 ? memchr(rest.data, '\n', rest.length) : NULL;
    if (end == NULL) {
        return false;
    }
    *line = slice_make(rest.data, (size_t)(end - rest.data) - 1);
    *at += line->length + 2;
    return true;
}

static void add(char reply[REPLY_BYTES], const char *mark, struct slice text) {
    size_t length = strlen(reply);
    int more = snprintf(reply + length, REPLY_BYTES - length, "%s%.*s", mark,
                        (int)text.length, (const char *)text.data);
    assert_true(more >= 0 && (size_t)more < REPLY_BYTES - length);
}

/* What is not an array. */
static bool take_element(const struct buf *input, size_t *at, char reply[REPLY_BYTES]) {
    struct slice line;
    if (!take_line(input, at, &line)) {
        return false;
    }
    if (line.data[0] != '$') {
        add(reply, "", line);
        return true;
    }
    if (line.data[1] == '-') {
        add(reply, "nil", slice_of(""));
        return true;
    }
    size_t length = strtoull((const char *)line.data + 1, NULL, 10);
    if (input->length - *at < length + 2) {
        return false;
    }
    add(reply, "$", slice_make(input->data + *at, length));
    *at += length + 2;
    return true;
}

/* The next reply, which is taken away; false: it is not complete. */
static bool take_reply(struct buf *input, char reply[REPLY_BYTES]) {
    size_t at = 0, count = 1;
    struct slice line;
    reply[0] = '\0';
    if (input->length > 0 && input->data[0] == '*') {
        if (!take_line(input, &at, &line)) {
            return false;
        }
        count = strtoull((const char *)line.data + 1, NULL, 10);
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            add(reply, " ", slice_of(""));
        }
        if (!take_element(input, &at, reply)) {
            return false;
        }
    }
    input->length -= at;
    memmove(input->data, input->data + at, input->length);
    return true;
}

/* Whether the request was done is open: the store, memory or patience gave out. */
static bool leaves_open(const char *reply) {
    return strncmp(reply, "-IOERR ", 7) == 0 || strncmp(reply, "-OOM ", 5) == 0 ||
           strncmp(reply, "-TRYAGAIN ", 10) == 0;
}

static void note_reply(struct crowd *crowd, struct member *member,
                       const char reply[REPLY_BYTES]) {
    assert_true(member->first < member->end);
    struct call *call = member->asked[member->first++];
    call->returned = ++crowd->history->clock;
    call->open = leaves_open(reply);
    (void)snprintf(call->reply, sizeof call->reply, "%s", reply);
    if (call->request.kind == REQUEST_TTL && reply[0] == ':' && reply[1] != '-') {
        (void)snprintf(call->reply, sizeof call->reply, ":1");
    }
    crowd->errors += call->open;
    crowd->replies++;
}

/* ---- members --------------------------------------------------------------------- */

/* One that the server has closed comes again as another; so does one that it refuses. */
static void come(struct crowd *crowd, struct member *member) {
    struct caller caller;
    call(&caller, crowd->served);
    member->descriptor = caller.descriptor;
    member->strand = crowd->history->strands++;
    member->first = member->end = 0;
    buf_clear(&member->input);
}

static void go(struct member *member) {
    close(member->descriptor);
    member->descriptor = -1;
}

static void send_all(struct member *member, const struct buf *text) {
    size_t sent = 0;
    while (sent < text->length) {
        ssize_t more = send(member->descriptor, text->data + sent, text->length - sent,
                            MSG_NOSIGNAL);
        if (more < 0) {
            go(member); /* the replies that were on their way are lost with it */
            return;
        }
        sent += (size_t)more;
    }
}

static struct call *begin_call(struct history *history, const struct member *member,
                               const struct request *request) {
    assert_true(history->count < HISTORY_CALLS);
    struct call *call = &history->calls[history->count++];
    *call = (struct call){
        .request = *request, .strand = member->strand, .invoked = ++history->clock};
    return call;
}

/* Mostly one or two, now and then many. */
static void ask_for_some(struct crowd *crowd, struct member *member) {
    struct buf text = {0};
    size_t most = random_below(&crowd->seed, 4) == 0 ? PIPELINE_MOST : 2;
    size_t count = 1 + (size_t)random_below(&crowd->seed, most);
    member->first = member->end = 0;
    while (member->end < count) {
        struct request request = request_draw(&crowd->seed, &crowd->serial);
        member->asked[member->end++] = begin_call(crowd->history, member, &request);
        request_send(&request, &text);
    }
    send_all(member, &text);
    buf_free(&text);
}

static void hear_some(struct crowd *crowd, struct member *member) {
    char reply[REPLY_BYTES];
    assert_ok(buf_reserve(&member->input, 65536));
    ssize_t got =
        recv(member->descriptor, member->input.data + member->input.length, 65536, 0);
    if (got <= 0) {
        go(member);
        return;
    }
    member->input.length += (size_t)got;
    while (take_reply(&member->input, reply)) {
        note_reply(crowd, member, reply);
    }
}

/* Waits until somebody hears something. False: nobody is connected. */
static bool wait_and_hear(struct crowd *crowd) {
    struct pollfd polled[CROWD];
    struct member *members[CROWD];
    nfds_t count = 0;
    for (size_t i = 0; i < CROWD; i++) {
        struct member *member = &crowd->members[i];
        if (member->descriptor >= 0 && member->first < member->end) {
            members[count] = member;
            polled[count++] = (struct pollfd){.fd = member->descriptor, .events = POLLIN};
        }
    }
    if (count == 0) {
        return false;
    }
    if (poll(polled, count, WAIT_MILLIS) == 0) {
        fail_msg("no reply in a minute");
    }
    for (size_t i = 0; i < count; i++) {
        if (polled[i].revents != 0) {
            hear_some(crowd, members[i]);
        }
    }
    return true;
}

/* ---- lives ----------------------------------------------------------------------- */

void crowd_begin(struct crowd *crowd, const struct served *served,
                 struct history *history) {
    crowd->served = served;
    crowd->history = history;
    crowd->replies = crowd->errors = 0;
    history->count = 0;
    history->strands = 0;
    history->clock = 0;
    for (size_t i = 0; i < CROWD; i++) {
        crowd->members[i] = (struct member){.descriptor = -1};
    }
}

void crowd_end(struct crowd *crowd) {
    for (size_t i = 0; i < CROWD; i++) {
        if (crowd->members[i].descriptor >= 0) {
            go(&crowd->members[i]);
        }
        buf_free(&crowd->members[i].input);
    }
}

void crowd_run(struct crowd *crowd, size_t replies, size_t errors_most) {
    while (crowd->replies < replies) {
        for (size_t i = 0; i < CROWD; i++) {
            struct member *member = &crowd->members[i];
            if (member->descriptor < 0) {
                come(crowd, member);
            }
            if (member->first == member->end) {
                ask_for_some(crowd, member);
            }
        }
        (void)wait_and_hear(crowd);
        if (crowd->errors > errors_most) {
            return;
        }
    }
}

void crowd_drain(struct crowd *crowd) {
    while (wait_and_hear(crowd)) {
    }
}

/* Asks once on a new connection, after a wait on the server's side. */
static bool takes_a_write(const struct served *served) {
    static const char request[] = "DEBUG SLEEP 0.02\r\nSET probe v\r\n";
    struct caller caller;
    char line[512];
    call(&caller, served);
    bool taken = send(caller.descriptor, request, strlen(request), MSG_NOSIGNAL) > 0 &&
                 hear(&caller, line) && hear(&caller, line) && strcmp(line, "+OK") == 0;
    hang_up(&caller);
    return taken;
}

void crowd_wait_for_writes(const struct crowd *crowd) {
    time_t begun = time(NULL);
    while (!takes_a_write(crowd->served)) {
        if (time(NULL) - begun > WAIT_MILLIS / 1000) {
            fail_msg("no write was taken for a minute");
        }
    }
}

/* The state is what the replies of one client say, who asks for one after the other. */
void crowd_look(struct crowd *crowd, struct object_state after[OBJECTS]) {
    static const unsigned objects[KEYS] = {0, 1, 2, 2, 3, 3};
    struct member member = {.descriptor = -1};
    come(crowd, &member);
    memset(after, 0, OBJECTS * sizeof *after);
    for (unsigned key = 0; key < KEYS; key++) {
        struct key_state *state = &after[objects[key]].keys[key >= 2 ? key % 2 : 0];
        static const enum request_kind kinds[] = {REQUEST_GET, REQUEST_TTL};
        struct call *calls[2];
        for (size_t i = 0; i < 2; i++) {
            const struct request request = {.kind = kinds[i], .key = key};
            struct buf text = {0};
            member.first = 0;
            member.end = 1;
            member.asked[0] = calls[i] = begin_call(crowd->history, &member, &request);
            request_send(&request, &text);
            send_all(&member, &text);
            buf_free(&text);
            while (member.descriptor >= 0 && member.first < member.end) {
                hear_some(crowd, &member);
            }
            assert_true(member.descriptor >= 0 && !calls[i]->open);
        }
        state->there = calls[0]->reply[0] == '$';
        state->ends = strcmp(calls[1]->reply, ":1") == 0;
        (void)snprintf(state->value, sizeof state->value, "%s",
                       state->there ? calls[0]->reply + 1 : "");
    }
    go(&member);
    buf_free(&member.input);
}

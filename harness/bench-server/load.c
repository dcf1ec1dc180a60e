/* Nothing is kept of a request but its number: when it is due, its kind and its key
 * follow from that, and the n-th reply of connection c is that to request
 * c + n * connections. */
#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "memory.h"
#include "wire.h"

enum { SECOND = 1000000, FILL_BATCH = 256, EVENTS_MAX = 256 };

struct load {
    const struct load_plan *plan;
    struct load_result *result;
    struct wire *wires;
    int epoll;
    unsigned char *value;
    uint64_t first; /* request that is measured */
    uint64_t total, next;
    uint64_t answered;
    uint64_t begun_micros;
    uint64_t last_micros; /* when the last reply came */
};

static uint64_t now_micros(void) {
    return clock_monotonic_micros(&clock_system);
}

/* ---- requests -------------------------------------------------------------------- */

/* splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
 * 2014). */
static uint64_t scattered(uint64_t i) {
    uint64_t mixed = (i + 1) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

static enum load_kind kind_of(const struct load *load, uint64_t request) {
    uint64_t drawn = scattered(load->plan->seed ^ scattered(request)) % 100;
    return drawn < load->plan->set_percent ? LOAD_SET : LOAD_GET;
}

static uint64_t due_micros(const struct load *load, uint64_t request) {
    uint64_t rate = load->plan->rate;
    return load->begun_micros + request / rate * SECOND + request % rate * SECOND / rate;
}

/* Keys are those of redis-benchmark -r: "key:000000000017". */
static enum status put_request(const struct load *load, struct wire *wire,
                               enum load_kind kind, uint64_t key) {
    struct buf *out = &wire->unsent;
    uint64_t bytes = load->plan->value_bytes;
    if (kind == LOAD_GET) {
        return buf_printf(out, "*2\r\n$3\r\nGET\r\n$16\r\nkey:%012" PRIu64 "\r\n", key);
    }
    enum status status = buf_printf(
        out, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012" PRIu64 "\r\n$%" PRIu64 "\r\n", key,
        bytes);
    if (status == STATUS_OK) {
        status = buf_append(out, load->value, bytes);
    }
    return status == STATUS_OK ? buf_append_text(out, "\r\n") : status;
}

/* ---- filling --------------------------------------------------------------------- */

static void note_filled(void *context, struct wire *wire, const char *error_words) {
    struct load_result *result = context;
    (void)wire;
    if (error_words != NULL && result->first_error[0] == '\0') {
        (void)snprintf(result->first_error, sizeof result->first_error, "%s",
                       error_words);
    }
}

static enum status fill_batch(struct load *load, struct wire *wire, uint64_t from,
                              uint64_t until, struct error *error) {
    enum status status = STATUS_OK;
    for (uint64_t key = from; key < until && status == STATUS_OK; key++) {
        status = put_request(load, wire, LOAD_SET, key);
    }
    if (status != STATUS_OK) {
        return error_no_memory(error, "requests", wire->unsent.length);
    }
    while (wire->answered < until && status == STATUS_OK) {
        short events = wire->unsent.length > 0 ? POLLIN | POLLOUT : POLLIN;
        struct pollfd poller = {.fd = wire->descriptor, .events = events};
        status = wire_send(wire, error);
        if (status == STATUS_OK && poll(&poller, 1, -1) > 0) {
            status = wire_receive(wire, note_filled, load->result, error);
        }
    }
    return status;
}

static enum status fill(struct load *load, struct error *error) {
    struct wire wire;
    uint64_t keys = load->plan->keys;
    enum status status = wire_open(&wire, load->plan->host, load->plan->port, error);
    for (uint64_t key = 0; key < keys && status == STATUS_OK; key += FILL_BATCH) {
        uint64_t left = keys - key;
        status = fill_batch(load, &wire, key,
                            key + (left < FILL_BATCH ? left : FILL_BATCH), error);
    }
    if (status == STATUS_OK && load->result->first_error[0] != '\0') {
        status = error_set(error, STATUS_IO, "a key could not be set before: %s",
                           load->result->first_error);
    }
    wire_close(&wire);
    return status;
}

/* ---- the load -------------------------------------------------------------------- */

static void note_answered(void *context, struct wire *wire, const char *error_words) {
    struct load *load = context;
    struct load_result *result = load->result;
    uint64_t request =
        (uint64_t)(wire - load->wires) + wire->answered * load->plan->connections;
    uint64_t now = now_micros();
    load->answered++;
    if (request < load->first) {
        return;
    }
    load->last_micros = now;
    histogram_add(&result->micros[kind_of(load, request)],
                  now - due_micros(load, request));
    result->errors += error_words != NULL;
    note_filled(result, wire, error_words);
}

/* Sends what is due. */
static enum status send_due(struct load *load, struct error *error) {
    enum status status = STATUS_OK;
    while (load->next < load->total && status == STATUS_OK) {
        uint64_t now = now_micros();
        uint64_t due = due_micros(load, load->next);
        struct wire *wire = &load->wires[load->next % load->plan->connections];
        if (now < due) {
            break;
        }
        if (load->next >= load->first) {
            histogram_add(&load->result->late_micros, now - due);
            load->result->sent++;
        }
        status = put_request(load, wire, kind_of(load, load->next),
                             scattered(load->plan->seed + load->next) % load->plan->keys);
        status = status == STATUS_OK
                     ? wire_send(wire, error)
                     : error_no_memory(error, "requests", wire->unsent.length);
        load->next++;
    }
    return status;
}

/* Until something comes, or something is due; to the microsecond, which epoll_wait does
 * not know. */
static int wait_for_events(const struct load *load, uint64_t until_micros,
                           struct epoll_event events[EVENTS_MAX]) {
    uint64_t now = now_micros();
    uint64_t left = until_micros > now ? until_micros - now : 0;
    struct timespec wait = {.tv_sec = (time_t)(left / SECOND),
                            .tv_nsec = (long)(left % SECOND) * 1000};
    return epoll_pwait2(load->epoll, events, EVENTS_MAX, &wait, NULL);
}

static enum status handle(struct load *load, const struct epoll_event *event,
                          struct error *error) {
    struct wire *wire = event->data.ptr;
    enum status status = STATUS_OK;
    if ((event->events & EPOLLOUT) != 0 && wire->unsent.length > 0) {
        status = wire_send(wire, error);
    }
    if (status == STATUS_OK && (event->events & ~(uint32_t)EPOLLOUT) != 0) {
        status = wire_receive(wire, note_answered, load, error);
    }
    return status;
}

static enum status run(struct load *load, struct error *error) {
    struct epoll_event events[EVENTS_MAX];
    enum status status = STATUS_OK;
    load->begun_micros = now_micros();
    uint64_t end = due_micros(load, load->total) + load->plan->patience_seconds * SECOND;
    while (load->answered < load->total && now_micros() < end && status == STATUS_OK) {
        status = send_due(load, error);
        uint64_t until = load->next < load->total ? due_micros(load, load->next) : end;
        int count = wait_for_events(load, until, events);
        if (count < 0 && errno != EINTR) {
            return error_set_errno(error, errno, "epoll");
        }
        for (int i = 0; i < count && status == STATUS_OK; i++) {
            status = handle(load, &events[i], error);
        }
    }
    return status;
}

/* ---- open and close -------------------------------------------------------------- */

static enum status open_wires(struct load *load, struct error *error) {
    const struct load_plan *plan = load->plan;
    enum status status = STATUS_OK;
    for (uint64_t i = 0; i < plan->connections && status == STATUS_OK; i++) {
        struct wire *wire = &load->wires[i];
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
                                    .data.ptr = wire};
        status = wire_open(wire, plan->host, plan->port, error);
        if (status == STATUS_OK &&
            epoll_ctl(load->epoll, EPOLL_CTL_ADD, wire->descriptor, &event) != 0) {
            status = error_set_errno(error, errno, "epoll");
        }
    }
    return status;
}

static void init(struct load *load) {
    for (uint64_t i = 0; i < load->plan->connections; i++) {
        load->wires[i].descriptor = -1;
    }
    for (uint64_t i = 0; i < load->plan->value_bytes; i++) {
        load->value[i] = (unsigned char)('0' + scattered(load->plan->seed ^ i) % 64);
    }
}

static enum status run_opened(struct load *load, struct error *error) {
    enum status status = load->plan->fill ? fill(load, error) : STATUS_OK;
    if (status == STATUS_OK) {
        status = open_wires(load, error);
    }
    if (status == STATUS_OK) {
        status = run(load, error);
    }
    for (uint64_t i = 0; i < load->plan->connections; i++) {
        wire_close(&load->wires[i]);
    }
    if (status == STATUS_OK && load_answered(load->result) > 0) {
        uint64_t took = load->last_micros - due_micros(load, load->first);
        load->result->answered_per_second =
            (double)load_answered(load->result) * SECOND / (double)(took > 0 ? took : 1);
    }
    return status;
}

enum status load_run(const struct load_plan *plan, struct load_result *result,
                     struct error *error) {
    struct load load = {.plan = plan,
                        .result = result,
                        .first = plan->rate * plan->warmup_seconds,
                        .total = plan->rate * (plan->warmup_seconds + plan->seconds)};
    *result = (struct load_result){0};
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* or each wait is 50 microseconds longer */
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load.epoll < 0) {
        return error_set_errno(error, errno, "epoll");
    }
    load.wires = memory_take_zeroed(plan->connections * sizeof *load.wires);
    load.value = memory_take(plan->value_bytes);
    enum status status = STATUS_NO_MEMORY;
    if (load.wires != NULL && load.value != NULL) {
        init(&load);
        status = run_opened(&load, error);
    } else {
        status = error_no_memory(error, "connections", plan->connections);
    }
    memory_give(load.wires);
    memory_give(load.value);
    (void)close(load.epoll);
    return status;
}

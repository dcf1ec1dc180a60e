#include "hosted.h"

#include <sys/socket.h>
#include <sys/un.h>

enum { TICKS = 6, STOP_TURNS = 200 };

void hosted_begin(struct hosted *hosted) {
    *hosted = (struct hosted){.host = NULL};
    simulation_begin(&hosted->sim);
    config_default(&hosted->config);
    struct config *config = &hosted->config;
    (void)snprintf(hosted->directory, sizeof hosted->directory, "%s",
                   "/tmp/strata-hosted-XXXXXX");
    assert_non_null(mkdtemp(hosted->directory));
    (void)snprintf(config->unixsocket, sizeof config->unixsocket, "%s/socket",
                   hosted->directory);
    (void)snprintf(config->dir, sizeof config->dir, "db");
    (void)snprintf(config->logfile, sizeof config->logfile, "server.log");
    config->port = 0;
    config->worker_threads = 2;
    config->engine = hosted->sim.options;
    config->engine.durability = DURABILITY_NONE;
    config->engine.write_buffer_bytes = 65536;
}

static struct loop *loop_of(struct hosted *hosted) {
    return hosted->host->ios[0].loop;
}

enum status hosted_start(struct hosted *hosted, struct error *error) {
    enum status status = host_open(&hosted->sim.world, &hosted->config, "server.conf",
                                   &hosted->host, error);
    if (status == STATUS_OK) {
        status = host_resume_init(hosted->host);
        if (status == STATUS_OK) {
            status = host_watch_init(hosted->host);
        }
        if (status != STATUS_OK) {
            (void)error_set(error, status, "no timer");
            assert_ok(host_close(hosted->host, NULL));
            hosted->host = NULL;
        }
    }
    return status;
}

void hosted_turn(struct hosted *hosted) {
    for (int i = 0; i < TICKS; i++) {
        loop_tick(loop_of(hosted), false);
        scheduler_settle(hosted->sim.scheduler);
    }
}

void hosted_pass(struct hosted *hosted, uint64_t micros) {
    scheduler_advance(hosted->sim.scheduler, micros);
    hosted_turn(hosted);
}

enum status hosted_stop(struct hosted *hosted, struct error *error) {
    struct host *host = hosted->host;
    host_stop(host, "the test");
    for (int i = 0; i < STOP_TURNS; i++) {
        hosted_turn(hosted);
        if (atomic_u64_load(&host->over, memory_order_acquire) == host->io_count) {
            break;
        }
        scheduler_advance(hosted->sim.scheduler, 100000);
    }
    hosted_pass(hosted, 100000); /* a checkpoint may have been looked at too early */
    assert_int_equal(atomic_u64_load(&host->over, memory_order_acquire), host->io_count);
    assert_false(host_stop_is_cut_short(host));
    loop_run(loop_of(hosted)); /* it was told to stop: once more */
    hosted->host = NULL;
    return host_close(host, error);
}

void hosted_end(struct hosted *hosted) {
    assert_null(hosted->host);
    assert_int_equal(rmdir(hosted->directory), 0);
    simulation_end(&hosted->sim);
}

/* ---- clients --------------------------------------------------------------------- */

int hosted_come(struct hosted *hosted) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(client >= 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/socket",
                   hosted->directory);
    if (connect(client, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(client);
        return -1;
    }
    hosted_turn(hosted);
    return client;
}

bool hosted_say(struct hosted *hosted, int client, const char *line) {
    char text[512];
    int length = snprintf(text, sizeof text, "%s\r\n", line);
    bool sent = send(client, text, (size_t)length, MSG_NOSIGNAL) == length;
    hosted_turn(hosted);
    return sent;
}

bool hosted_hear(int client, struct buf *text) {
    char bytes[4096];
    for (;;) {
        ssize_t count = recv(client, bytes, sizeof bytes, MSG_DONTWAIT);
        if (count <= 0) {
            assert_ok(buf_reserve(text, 1));
            text->data[text->length] = '\0';
            return count == 0 || errno != EAGAIN;
        }
        assert_ok(buf_append(text, bytes, (size_t)count));
    }
}

void hosted_assert_serves(struct hosted *hosted) {
    static const char expected[] = "+OK\r\n$1\r\nv\r\n:1\r\n";
    struct buf text = {0};
    int client = hosted_come(hosted);
    assert_true(client >= 0);
    assert_true(hosted_say(hosted, client, "SET k v\r\nGET k\r\nDEL k"));
    for (int i = 0; i < STOP_TURNS && text.length < sizeof expected - 1; i++) {
        assert_false(hosted_hear(client, &text));
        hosted_pass(hosted, 10000);
    }
    assert_string_equal((const char *)text.data, expected);
    close(client);
    hosted_turn(hosted);
    buf_free(&text);
}

bool hosted_has_logged(struct hosted *hosted, const char *words) {
    struct slice log;
    return disk_read_file(hosted->sim.disk, "server.log", &log) &&
           memmem(log.data, log.length, words, strlen(words)) != NULL;
}

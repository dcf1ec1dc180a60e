#include "metrics_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "memory.h"
#include "metrics.h"

enum { CLIENTS_MOST = 16, IDLE_SECONDS = 10, POOL_BYTES = 64 * 1024 };

struct metrics_http {
    struct server *server;
    struct MHD_Daemon *daemon;
};

/* ---- a request ------------------------------------------------------------------- */

static enum status print(struct server *server, struct buf *out) {
    struct info_facts facts;
    enum status status = info_gather(server, &facts);
    if (status == STATUS_OK) {
        status = metrics_print(&facts, out);
        info_free(&facts);
    }
    return status;
}

/* The library copies the text. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code,
                              struct slice text) {
    struct MHD_Response *response = MHD_create_response_from_buffer(
        text.length, (void *)(uintptr_t)text.data, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) {
        return MHD_NO;
    }
    enum MHD_Result result =
        MHD_add_response_header(response, "Content-Type", METRICS_CONTENT_TYPE);
    if (result == MHD_YES) {
        result = MHD_queue_response(connection, code, response);
    }
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection,
                              const char *url, const char *method, const char *version,
                              const char *upload, size_t *upload_bytes, void **request) {
    (void)version;
    (void)upload;
    (void)request;
    struct metrics_http *http = context;
    if (*upload_bytes > 0) {
        return MHD_NO; /* nobody has asked for that */
    }
    if (strcmp(method, "GET") != 0) {
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, slice_of("GET only\n"));
    }
    if (strcmp(url, "/metrics") != 0) {
        return answer(connection, MHD_HTTP_NOT_FOUND, slice_of("see /metrics\n"));
    }
    struct buf text = {0};
    enum MHD_Result result =
        print(http->server, &text) == STATUS_OK
            ? answer(connection, MHD_HTTP_OK, buf_slice(&text))
            : answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, slice_of("no memory\n"));
    buf_free(&text);
    return result;
}

/* ---- listening ------------------------------------------------------------------- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse_address(const char *text, uint16_t port, union address *address) {
    *address = (union address){0};
    if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(port);
        return true;
    }
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons(port);
    return inet_pton(AF_INET6, text, &address->v6.sin6_addr) == 1;
}

enum status metrics_http_open(struct server *server, const char *address, uint16_t *port,
                              struct metrics_http **out, struct error *error) {
    union address parsed;
    if (!parse_address(address, *port, &parsed)) {
        return error_set(error, STATUS_INVALID, "metrics-bind: \"%s\" is no address",
                         address);
    }
    struct metrics_http *http = memory_take_zeroed(sizeof *http);
    if (http == NULL) {
        return error_no_memory(error, "the metrics", sizeof *http);
    }
    http->server = server;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL |
                     (parsed.any.sa_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    errno = 0;
    http->daemon = MHD_start_daemon(
        flags, *port, NULL, NULL, handle, http, MHD_OPTION_SOCK_ADDR, &parsed.any,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CLIENTS_MOST,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES, MHD_OPTION_END);
    if (http->daemon == NULL) {
        memory_give(http);
        return error_set(error, STATUS_IO, "metrics-port: cannot listen at %s:%u%s%s",
                         address, *port, errno != 0 ? ": " : "",
                         errno != 0 ? strerror(errno) : "");
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
    *port = info != NULL ? info->port : *port;
    *out = http;
    return STATUS_OK;
}

void metrics_http_close(struct metrics_http *http) {
    if (http != NULL) {
        MHD_stop_daemon(http->daemon);
        memory_give(http);
    }
}

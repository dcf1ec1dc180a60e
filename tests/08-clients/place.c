#include "place.h"

#include <signal.h>

#include "memory.h"

int place_set_up(void **state) {
    struct place *place = memory_take_zeroed(sizeof *place);
    assert_non_null(place);
    *state = place;
    (void)setenv("REDISCLI_RCFILE", "/dev/null", 1);
    (void)unsetenv("REDISCLI_AUTH");
    make_directory(&place->served);
    (void)snprintf(place->socket, sizeof place->socket, "%s/s", place->served.dir);
    start(&place->served, (const char *const[]){"--unixsocket", place->socket, NULL});
    (void)snprintf(place->port, sizeof place->port, "%u", place->served.port);
    return 0;
}

/* A sanitizer that has found something says so at the end. */
static bool ends_well(struct served *served) {
    struct buf said = {0};
    char line[512];
    (void)kill(served->process, SIGTERM);
    while (fgets(line, sizeof line, served->log) != NULL) {
        assert_ok(buf_append_text(&said, line));
    }
    assert_ok(buf_append(&said, "", 1));
    int code = end_code(served);
    if (code != 0) {
        print_error("the server ended with %d: %s\n", code, (const char *)said.data);
    }
    buf_free(&said);
    return code == 0;
}

int place_tear_down(void **state) {
    struct place *place = *state;
    bool well = place->served.process == 0 || ends_well(&place->served);
    remove_directory(&place->served);
    client_free(&place->client);
    memory_give(place);
    return well ? 0 : -1;
}

/* A client of one connection that sends text and reads lines, and waits for each a minute
 * at most. Whatever cannot be fails the test. */
#ifndef STRATA_TESTS_CALLER_H
#define STRATA_TESTS_CALLER_H

#include "buf.h"
#include "served.h"

struct caller {
    int descriptor;
    size_t at, end;
    bool is_late; /* nothing came for a minute */
    char bytes[65536];
};

/* What it says goes out at once (TCP_NODELAY). */
void call(struct caller *caller, const struct served *served);

/* The same at an address of IPv4, which is in the order of the network. */
void call_at(struct caller *caller, uint32_t address, unsigned port);

void hang_up(struct caller *caller);

/* Sends all of the text, or of the bytes, as it is. */
void say(struct caller *caller, const char *text);
void say_bytes(struct caller *caller, const void *bytes, size_t count);

/* Hangs up without a farewell: the server finds the connection reset. */
void slam(struct caller *caller);

/* As say_bytes; false: the other side does not take it. */
bool try_say(struct caller *caller, struct slice bytes);

/* The end of what it sends; it hears what comes. */
void say_no_more(struct caller *caller);

/* The next line, without its end; false: there is none to come. */
bool hear(struct caller *caller, char line[512]);

/* Reads so many bytes, whatever they are. */
void skip_bytes(struct caller *caller, size_t count);

/* The next reply, whole, as it came; false: the connection ended before its end, or the
 * server has nothing to say. */
bool hear_reply(struct caller *caller, struct buf *reply);

void expect_line(struct caller *caller, const char *expected);
void expect_end(struct caller *caller);

/* Sends a line, and expects one. */
void ask(struct caller *caller, const char *request, const char *reply);

/* The same with a bulk string as the reply. */
void ask_for(struct caller *caller, const char *request, const char *value);

#endif

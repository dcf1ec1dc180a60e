/* One connection of the load: bytes that are to be sent, and replies that come back. */
#ifndef STRATA_WIRE_H
#define STRATA_WIRE_H

#include "buf.h"
#include "replies.h"

struct wire {
    int descriptor;
    struct buf unsent;
    size_t sent; /* bytes of unsent that are */
    struct replies replies;
    uint64_t answered; /* requests */
};

/* Non-blocking, without Nagle's delay. Host is an address in digits. IO. */
MUST_CHECK enum status wire_open(struct wire *wire, const char *host, uint16_t port,
                                 struct error *error);
void wire_close(struct wire *wire);

/* Sends as much of `unsent` as the socket takes. IO. */
MUST_CHECK enum status wire_send(struct wire *wire, struct error *error);

/* Calls `answered` for each reply that has come. IO: the end, or what is no reply. */
typedef void wire_answered(void *context, struct wire *wire, const char *error_words);
MUST_CHECK enum status wire_receive(struct wire *wire, wire_answered *answered,
                                    void *context, struct error *error);

#endif

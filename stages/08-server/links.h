/* A ring of links, each in the thing that it links: taking one in or out needs no memory
 * and no search. A head is a link without an owner. Not for two threads at once. */
#ifndef STRATA_LINKS_H
#define STRATA_LINKS_H

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *next, *previous; /* itself, when it is in no ring; NULL before init */
    void *owner;
};

static inline void link_init(struct link *link, void *owner) {
    *link = (struct link){link, link, owner};
}

/* Of a head: nothing is in its ring. Of a link: it is in none. */
static inline bool link_alone(const struct link *link) {
    return link->next == link;
}

/* What is in no ring already may be taken out of it. */
static inline void link_remove(struct link *link) {
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->next = link->previous = link;
}

/* What is in a ring stays in that one. */
static inline void link_add(struct link *head, struct link *link) {
    if (link_alone(link)) {
        link->previous = head->previous;
        link->next = head;
        head->previous->next = link;
        head->previous = link;
    }
}

/* Takes out the first; answers its owner, or NULL if there is none. */
static inline void *link_take_first(struct link *head) {
    if (link_alone(head)) {
        return NULL;
    }
    struct link *first = head->next;
    link_remove(first);
    return first->owner;
}

/* All that is in the ring of `from` comes into the ring of `to`, which is empty. */
static inline void link_move_all(struct link *to, struct link *from) {
    if (!link_alone(from)) {
        to->next = from->next;
        to->previous = from->previous;
        to->next->previous = to->previous->next = to;
        from->next = from->previous = from;
    }
}

#endif

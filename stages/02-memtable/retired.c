#include "retired.h"

#include <stddef.h>

void retire(struct retired **list, struct readers *readers, struct retired *retired,
            void (*end)(struct retired *retired)) {
    *retired = (struct retired){*list, readers_watch_begin(readers), end};
    *list = retired;
}

void retired_free(struct retired **list, const struct readers *readers) {
    struct retired **link = list;
    while (*link != NULL) {
        struct retired *retired = *link;
        if (readers_watch_over(readers, &retired->watch)) {
            *link = retired->next;
            retired->end(retired);
        } else {
            link = &retired->next;
        }
    }
}

#include "table_meta.h"

enum status table_meta_copy(struct table_meta *to, const struct table_meta *from) {
    struct table_meta copy = *from;
    copy.smallest = copy.largest = (struct buf){0};
    if (buf_assign(&copy.smallest, buf_slice(&from->smallest)) != STATUS_OK ||
        buf_assign(&copy.largest, buf_slice(&from->largest)) != STATUS_OK) {
        table_meta_free(&copy);
        return STATUS_NO_MEMORY;
    }
    *to = copy;
    return STATUS_OK;
}

void table_meta_free(struct table_meta *meta) {
    buf_free(&meta->smallest);
    buf_free(&meta->largest);
    *meta = (struct table_meta){0};
}

#include "table_meta.h"

enum status table_meta_copy(struct table_meta *to, const struct table_meta *from) {
    struct table_meta copy = *from;
    copy.smallest = copy.largest = (struct buf){0};
    enum status status = buf_assign(&copy.smallest, buf_slice(&from->smallest));
    if (status == STATUS_OK) {
        status = buf_assign(&copy.largest, buf_slice(&from->largest));
    }
    if (status == STATUS_OK) {
        *to = copy;
    } else {
        table_meta_free(&copy);
    }
    return status;
}

void table_meta_free(struct table_meta *meta) {
    buf_free(&meta->smallest);
    buf_free(&meta->largest);
    *meta = (struct table_meta){0};
}

#include "view.h"

#include <assert.h>

#include "memory.h"

struct view *view_open(void) {
    return memory_take_zeroed(sizeof(struct view));
}

void view_add(struct view *view, struct write_buffer *buffer, uint64_t first_log) {
    assert(view->buffer_count < VIEW_BUFFERS_MAX);
    write_buffer_ref(buffer);
    view->buffers[view->buffer_count++] = (struct view_buffer){buffer, first_log};
}

void view_set_version(struct view *view, struct version *version) {
    version_ref(version);
    view->version = version;
}

void view_close(struct view *view) {
    if (view == NULL) {
        return;
    }
    for (size_t i = 0; i < view->buffer_count; i++) {
        write_buffer_unref(view->buffers[i].buffer);
    }
    version_unref(view->version);
    memory_give(view);
}

void view_end(struct retired *retired) {
    view_close((struct view *)retired);
}

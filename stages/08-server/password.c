#include "password.h"

#include "memory.h"

struct password {
    struct mutex mutex;
    /* guarded by mutex */
    struct buf text;
};

enum status password_open(const struct threads *threads, struct password **out) {
    struct password *password = memory_take_zeroed(sizeof *password);
    if (password == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = mutex_init(&password->mutex, threads);
    if (status != STATUS_OK) {
        memory_give(password);
        return status;
    }
    *out = password;
    return STATUS_OK;
}

void password_close(struct password *password) {
    if (password != NULL) {
        buf_free(&password->text);
        mutex_free(&password->mutex);
        memory_give(password);
    }
}

enum status password_set(struct password *password, struct slice text) {
    mutex_lock(&password->mutex);
    enum status status = buf_assign(&password->text, text);
    mutex_unlock(&password->mutex);
    return status;
}

enum status password_get(struct password *password, struct buf *text) {
    mutex_lock(&password->mutex);
    enum status status = buf_append_slice(text, buf_slice(&password->text));
    mutex_unlock(&password->mutex);
    return status;
}

bool password_is_asked(struct password *password) {
    mutex_lock(&password->mutex);
    bool asked = password->text.length > 0;
    mutex_unlock(&password->mutex);
    return asked;
}

/* All bytes of what was given are compared with some byte of the right one, so that time
 * tells its length at most. */
static bool is_equal(struct slice right, struct slice given) {
    unsigned char difference = right.length != given.length;
    for (size_t i = 0; i < given.length; i++) {
        difference |= (unsigned char)(given.data[i] ^ right.data[i % right.length]);
    }
    return difference == 0;
}

bool password_check(struct password *password, struct slice text) {
    mutex_lock(&password->mutex);
    bool right = password->text.length == 0 || is_equal(buf_slice(&password->text), text);
    mutex_unlock(&password->mutex);
    return right;
}

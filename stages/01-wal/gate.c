#include "gate.h"

enum status gate_init(struct gate *gate, const struct threads *threads) {
    *gate = (struct gate){0};
    enum status status = mutex_init(&gate->lock, threads);
    if (status == STATUS_OK) {
        status = condition_init(&gate->changed, threads);
        if (status != STATUS_OK) {
            mutex_free(&gate->lock);
        }
    }
    return status;
}

void gate_free(struct gate *gate) {
    condition_free(&gate->changed);
    mutex_free(&gate->lock);
}

/* Requires lock. */
static void wait_until_open(struct gate *gate) {
    while (gate->closed) {
        condition_wait(&gate->changed, &gate->lock);
    }
}

void gate_enter(struct gate *gate) {
    mutex_lock(&gate->lock);
    wait_until_open(gate);
    gate->inside++;
    mutex_unlock(&gate->lock);
}

void gate_leave(struct gate *gate) {
    mutex_lock(&gate->lock);
    gate->inside--;
    if (gate->closed) {
        condition_broadcast(&gate->changed);
    }
    mutex_unlock(&gate->lock);
}

void gate_enter_alone(struct gate *gate) {
    mutex_lock(&gate->lock);
    wait_until_open(gate);
    gate->closed = true;
    while (gate->inside > 0) {
        condition_wait(&gate->changed, &gate->lock);
    }
    mutex_unlock(&gate->lock);
}

void gate_leave_alone(struct gate *gate) {
    mutex_lock(&gate->lock);
    gate->closed = false;
    condition_broadcast(&gate->changed);
    mutex_unlock(&gate->lock);
}

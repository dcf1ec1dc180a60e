/* Passing takes no lock: a thread counts itself in and then looks whether the gate is
 * closed; who wants to be alone closes the gate and then looks whether anybody is inside.
 * These four are in one order that all threads agree on (seq_cst), so one of the two sees
 * the other. Who passes in vain goes out again and waits. Who goes out looks at the gate
 * after it has counted itself out: either the one who wants to be alone, and looks under
 * the lock, sees that, or it is woken. */
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

static bool is_closed(const struct gate *gate) {
    return atomic_u64_load(&gate->closed, memory_order_seq_cst) != 0;
}

/* Requires lock. */
static void wait_until_open(struct gate *gate) {
    while (is_closed(gate)) {
        condition_wait(&gate->changed, &gate->lock);
    }
}

void gate_enter(struct gate *gate) {
    atomic_u64_add(&gate->inside, 1, memory_order_seq_cst);
    while (is_closed(gate)) {
        gate_leave(gate);
        mutex_lock(&gate->lock);
        wait_until_open(gate);
        mutex_unlock(&gate->lock);
        atomic_u64_add(&gate->inside, 1, memory_order_seq_cst);
    }
}

void gate_leave(struct gate *gate) {
    atomic_u64_subtract(&gate->inside, 1, memory_order_seq_cst);
    if (is_closed(gate)) {
        mutex_lock(&gate->lock);
        condition_broadcast(&gate->changed);
        mutex_unlock(&gate->lock);
    }
}

void gate_enter_alone(struct gate *gate) {
    mutex_lock(&gate->lock);
    wait_until_open(gate);
    atomic_u64_store(&gate->closed, 1, memory_order_seq_cst);
    while (atomic_u64_load(&gate->inside, memory_order_seq_cst) > 0) {
        condition_wait(&gate->changed, &gate->lock);
    }
    mutex_unlock(&gate->lock);
}

void gate_leave_alone(struct gate *gate) {
    mutex_lock(&gate->lock);
    atomic_u64_store(&gate->closed, 0, memory_order_seq_cst);
    condition_broadcast(&gate->changed);
    mutex_unlock(&gate->lock);
}

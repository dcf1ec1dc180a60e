/* Why a watch may be trusted. A slot is empty when what has left equals what had entered.
 * The watch loads `left` first and `entered` after it: both only grow, and no more ever
 * left than entered, so equal values mean that the slot was empty when `left` was loaded.
 *
 * A reader counts itself in, then loads the address; the other side stores the new
 * address, then loads the counts; all four in the one order of memory_order_seq_cst. If
 * the count of `entered` missed a reader, that reader's load comes after the store: it
 * has the new address. If it saw the reader, it also waits until it has left, which is a
 * release, seen by an acquire: what the reader read, it has read by then.
 *
 * A thread that does nothing but read is hardly ever out when the other side looks. So
 * readers look too, as they enter: `left` first, then they count themselves in. If both
 * were equal, the slot was empty just before, by the same argument; and if the reader had
 * loaded the number of the last watch before all that, it was empty after that watch
 * began. It leaves the number in the slot, with a release: whoever loads it there with an
 * acquire has seen what the reader saw. If an older number replaces it, the watch only
 * ends later. */
#include "readers.h"

#include "thread.h"

_Static_assert(READER_SLOTS < 64, "a watch has one bit a slot");

struct reader_slot *readers_enter(struct readers *readers) {
    /* Threads differ in the bits of their mark between the page and the stack's size
     * (Fibonacci hashing: Knuth, volume 3, 6.4). */
    uint64_t mixed = (uint64_t)(thread_mark() >> 6) * 0x9e3779b97f4a7c15u;
    struct reader_slot *slot = &readers->slots[(mixed >> 32) % READER_SLOTS];
    uint64_t watches = atomic_u64_load(&readers->watches, memory_order_seq_cst);
    uint64_t left = atomic_u64_load(&slot->left, memory_order_seq_cst);
    uint64_t entered = atomic_u64_add(&slot->entered, 1, memory_order_seq_cst);
    if (left == entered &&
        atomic_u64_load(&slot->empty_after, memory_order_relaxed) != watches) {
        atomic_u64_store(&slot->empty_after, watches, memory_order_release);
    }
    return slot;
}

void readers_leave(struct reader_slot *slot) {
    atomic_u64_add(&slot->left, 1, memory_order_release);
}

uint64_t readers_total(const struct readers *readers) {
    uint64_t total = 0;
    for (size_t i = 0; i < READER_SLOTS; i++) {
        total += atomic_u64_load(&readers->slots[i].entered, memory_order_relaxed);
    }
    return total;
}

struct readers_watch readers_watch_begin(struct readers *readers) {
    return (struct readers_watch){
        atomic_u64_add(&readers->watches, 1, memory_order_seq_cst) + 1,
        (UINT64_C(1) << READER_SLOTS) - 1};
}

bool readers_watch_over(const struct readers *readers, struct readers_watch *watch) {
    for (size_t i = 0; i < READER_SLOTS; i++) {
        const struct reader_slot *slot = &readers->slots[i];
        uint64_t left = atomic_u64_load(&slot->left, memory_order_seq_cst);
        if (left == atomic_u64_load(&slot->entered, memory_order_seq_cst) ||
            atomic_u64_load(&slot->empty_after, memory_order_acquire) >= watch->number) {
            watch->slots &= ~(UINT64_C(1) << i);
        }
    }
    return watch->slots == 0;
}

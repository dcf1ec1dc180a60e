#include "bench_entries.h"

/* splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
 * 2014). */
uint64_t bench_scattered(uint64_t i) {
    uint64_t mixed = (i + 1) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

void bench_entries_init(struct bench_entries *entries) {
    enum { HALF = BENCH_VALUE_BYTES / 2 };
    for (size_t i = 0; i < BENCH_VALUES; i++) {
        for (size_t at = 0; at < HALF; at++) {
            unsigned char byte = (unsigned char)bench_scattered(i * HALF + at);
            entries->values[i][at] = entries->values[i][at + HALF] = byte;
        }
    }
}

struct slice bench_key(struct bench_entries *entries, uint64_t number) {
    for (size_t digit = BENCH_KEY_BYTES; digit > 0; digit--, number /= 10) {
        entries->key[digit - 1] = (unsigned char)('0' + number % 10);
    }
    return slice_make(entries->key, BENCH_KEY_BYTES);
}

struct slice bench_value(const struct bench_entries *entries, uint64_t number) {
    return slice_make(entries->values[number % BENCH_VALUES], BENCH_VALUE_BYTES);
}

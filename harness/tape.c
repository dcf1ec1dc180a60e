/* The array holds the choices made in [0, made) and the given ones still to be asked for
 * in [made, given): making a choice moves the border by one, so recording costs nothing
 * and what a case asked for stands in front, normalised. */
#include "tape.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"

uint64_t random_next(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The small bias of the remainder is of no account here. */
uint64_t random_below(uint64_t *state, uint64_t bound) {
    return random_next(state) % bound;
}

static void start_over(struct tape *tape) {
    tape->made = 0;
    tape->given = 0;
    tape->span_count = 0;
    tape->depth = 0;
    tape->random = false;
}

void tape_seed(struct tape *tape, uint64_t seed) {
    start_over(tape);
    tape->random = true;
    tape->state = seed;
}

void tape_replay(struct tape *tape, const uint64_t *choices, size_t count) {
    start_over(tape);
    if (count > 0 && choices != tape->choices) {
        tape->choices = grow(tape->choices, &tape->capacity, count, sizeof(uint64_t));
        memcpy(tape->choices, choices, count * sizeof(uint64_t));
    }
    tape->given = count;
}

void tape_free(struct tape *tape) {
    free(tape->choices);
    free(tape->spans);
    *tape = (struct tape){0};
}

void tape_note(struct tape *tape, uint64_t choice) {
    tape->choices =
        grow(tape->choices, &tape->capacity, tape->made + 1, sizeof(uint64_t));
    tape->choices[tape->made++] = choice;
}

uint64_t tape_choose(struct tape *tape, uint64_t bound) {
    uint64_t choice = 0;
    if (tape->made < tape->given) {
        choice = tape->choices[tape->made];
        choice = choice < bound ? choice : bound - 1;
    } else if (tape->random) {
        choice = random_below(&tape->state, bound);
    }
    tape_note(tape, choice);
    return choice;
}

void tape_begin(struct tape *tape) {
    if (tape->depth < TAPE_DEPTH_MAX) {
        tape->open[tape->depth] = tape->made;
    }
    tape->depth++;
}

void tape_end(struct tape *tape) {
    tape->depth--;
    if (tape->depth >= TAPE_DEPTH_MAX) {
        return;
    }
    tape->spans = grow(tape->spans, &tape->span_capacity, tape->span_count + 1,
                       sizeof(struct tape_span));
    tape->spans[tape->span_count++] =
        (struct tape_span){tape->open[tape->depth], tape->made};
}

/* ---- text ------------------------------------------------------------------------ */

static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

enum { BASE = 36, DIGITS_MAX = 13 /* of 2^64 - 1 */ };

static void print_number(uint64_t number, FILE *out) {
    char text[DIGITS_MAX + 1];
    size_t at = DIGITS_MAX;
    text[at] = '\0';
    do {
        text[--at] = digits[number % BASE];
        number /= BASE;
    } while (number > 0);
    fputs(text + at, out);
}

void tape_print(const struct tape *tape, FILE *out) {
    size_t count = tape->made;
    while (count > 0 && tape->choices[count - 1] == 0) {
        count--;
    }
    if (count == 0) {
        fputc('0', out);
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            fputc('.', out);
        }
        print_number(tape->choices[i], out);
    }
}

/* One number off the front of *text. */
static bool parse_number(const char **text, uint64_t *number) {
    const char *start = *text;
    uint64_t value = 0;
    for (; **text != '\0' && **text != '.'; (*text)++) {
        const char *digit = strchr(digits, **text);
        if (digit == NULL || value > (UINT64_MAX - BASE) / BASE) {
            return false;
        }
        value = value * BASE + (uint64_t)(digit - digits);
    }
    *number = value;
    return *text > start;
}

bool tape_parse(struct tape *tape, const char *text) {
    start_over(tape);
    for (bool more = true; more;) {
        uint64_t number;
        if (!parse_number(&text, &number)) {
            start_over(tape);
            return false;
        }
        tape_note(tape, number);
        more = *text == '.';
        text += more;
    }
    tape->given = tape->made;
    tape->made = 0;
    return true;
}

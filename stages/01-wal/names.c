#include "names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *suffix;
    enum name_kind kind;
} numbered[] = {
    {".log", NAME_LOG},         {".ldb", NAME_TABLE},         {".sst", NAME_OLD_TABLE},
    {".dbtmp", NAME_TEMPORARY}, {".repaired", NAME_REPAIRED},
};

static const struct {
    const char *text;
    enum name_kind kind;
} fixed[] = {
    {"CURRENT", NAME_CURRENT},  {"LOCK", NAME_LOCK}, {"LOG", NAME_TEXT_LOG},
    {"LOG.old", NAME_TEXT_LOG}, {"lost", NAME_LOST}, {"lost+found", NAME_LOST_AND_FOUND},
};

/* Reads decimal digits; returns the byte after them, or NULL if there are none or too
 * many. */
static const char *take_number(const char *text, uint64_t *number) {
    const char *at = text;
    uint64_t value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return NULL;
        }
        value = value * 10 + digit;
    }
    *number = value;
    return at == text ? NULL : at;
}

struct name name_parse(const char *text) {
    struct name name = {NAME_FOREIGN, 0};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (strcmp(text, fixed[i].text) == 0) {
            name.kind = fixed[i].kind;
            return name;
        }
    }
    uint64_t number;
    if (strncmp(text, "MANIFEST-", 9) == 0) {
        const char *rest = take_number(text + 9, &number);
        return rest != NULL && *rest == '\0' ? (struct name){NAME_MANIFEST, number}
                                             : name;
    }
    const char *rest = take_number(text, &number);
    if (rest == NULL) {
        return name;
    }
    for (size_t i = 0; i < sizeof numbered / sizeof numbered[0]; i++) {
        if (strcmp(rest, numbered[i].suffix) == 0) {
            return (struct name){numbered[i].kind, number};
        }
    }
    return name;
}

void name_print(char text[NAME_BYTES], enum name_kind kind, uint64_t number) {
    if (kind == NAME_MANIFEST) {
        snprintf(text, NAME_BYTES, "MANIFEST-%06" PRIu64, number);
        return;
    }
    const char *suffix = "";
    for (size_t i = 0; i < sizeof numbered / sizeof numbered[0]; i++) {
        if (numbered[i].kind == kind) {
            suffix = numbered[i].suffix;
            break;
        }
    }
    snprintf(text, NAME_BYTES, "%06" PRIu64 "%s", number, suffix);
}

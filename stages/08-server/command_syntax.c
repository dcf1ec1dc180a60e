#include "command_syntax.h"

#include <assert.h>
#include <ctype.h>

/* What is being read. */
struct reader {
    struct syntax *syntax;
    const char *at;
};

static uint8_t read_list(struct reader *reader);

static uint8_t add(struct reader *reader, struct syntax_node node) {
    struct syntax *syntax = reader->syntax;
    assert(syntax->count + 1 < SYNTAX_NODES);
    syntax->nodes[++syntax->count] = node;
    return syntax->count;
}

static struct syntax_node *node_at(struct reader *reader, uint8_t index) {
    return &reader->syntax->nodes[index];
}

static void skip_spaces(struct reader *reader) {
    while (*reader->at == ' ') {
        reader->at++;
    }
}

static struct slice read_word(struct reader *reader) {
    size_t length = strcspn(reader->at, " []{}|.:");
    struct slice word = slice_make(reader->at, length);
    reader->at += length;
    assert(length > 0);
    return word;
}

/* A list as one node: itself if it is one, else a block of its nodes. */
static uint8_t read_as_one(struct reader *reader) {
    uint8_t first = read_list(reader);
    return node_at(reader, first)->next == SYNTAX_NONE
               ? first
               : add(reader, (struct syntax_node){.kind = SYNTAX_BLOCK, .first = first});
}

static uint8_t read_choices(struct reader *reader) {
    uint8_t first = read_as_one(reader);
    uint8_t last = first;
    while (*reader->at == '|') {
        reader->at++;
        uint8_t next = read_as_one(reader);
        node_at(reader, last)->next = next;
        last = next;
    }
    return first == last
               ? first
               : add(reader, (struct syntax_node){.kind = SYNTAX_ONE_OF, .first = first});
}

/* What stands between braces: choices, or a block, of one item too. */
static uint8_t read_group(struct reader *reader) {
    reader->at++;
    uint8_t item = read_choices(reader);
    if (node_at(reader, item)->kind < SYNTAX_ONE_OF) {
        item = add(reader, (struct syntax_node){.kind = SYNTAX_BLOCK, .first = item});
    }
    reader->at++;
    return item;
}

static uint8_t read_value(struct reader *reader) {
    if (*reader->at == '{') {
        return read_group(reader);
    }
    struct syntax_node node = {.kind = SYNTAX_VALUE, .name = read_word(reader)};
    if (*reader->at == ':') {
        reader->at++;
        node.type = read_word(reader);
    }
    return add(reader, node);
}

static uint8_t read_token(struct reader *reader) {
    struct slice token = read_word(reader);
    skip_spaces(reader);
    uint8_t item =
        islower((unsigned char)*reader->at) || *reader->at == '{'
            ? read_value(reader)
            : add(reader, (struct syntax_node){.kind = SYNTAX_TOKEN, .name = token});
    node_at(reader, item)->token = token;
    return item;
}

static uint8_t read_item(struct reader *reader) {
    uint8_t item;
    if (*reader->at == '[') {
        reader->at++;
        item = read_choices(reader);
        node_at(reader, item)->optional = true;
        reader->at++;
    } else {
        item =
            isupper((unsigned char)*reader->at) ? read_token(reader) : read_value(reader);
    }
    if (strncmp(reader->at, "...", 3) == 0) {
        reader->at += 3;
        node_at(reader, item)->multiple = true;
    }
    return item;
}

static uint8_t read_list(struct reader *reader) {
    uint8_t first = SYNTAX_NONE;
    uint8_t last = SYNTAX_NONE;
    skip_spaces(reader);
    while (*reader->at != '\0' && strchr("]}|", *reader->at) == NULL) {
        uint8_t item = read_item(reader);
        if (first == SYNTAX_NONE) {
            first = item;
        } else {
            node_at(reader, last)->next = item;
        }
        last = item;
        skip_spaces(reader);
    }
    return first;
}

void syntax_parse(struct syntax *syntax, const char *text) {
    struct reader reader = {syntax, text};
    *syntax = (struct syntax){0};
    syntax->first = read_list(&reader);
    assert(*reader.at == '\0');
}

struct slice syntax_type(const struct syntax_node *node) {
    static const struct {
        const char *name;
        const char *type;
    } types[] = {
        {"key", "key"},
        {"newkey", "key"},
        {"source", "key"},
        {"destination", "key"},
        {"pattern", "pattern"},
        {"unix-time-seconds", "unix-time"},
        {"unix-time-milliseconds", "unix-time"},
        {"seconds", "integer"},
        {"milliseconds", "integer"},
        {"count", "integer"},
        {"cursor", "integer"},
        {"decrement", "integer"},
        {"offset", "integer"},
        {"protover", "integer"},
        {"index", "integer"},
        {"client-id", "integer"},
        {"destination-db", "integer"},
        {"numreplicas", "integer"},
        {"timeout", "integer"},
    };
    if (node->kind != SYNTAX_VALUE) {
        return slice_of(node->kind == SYNTAX_TOKEN    ? "pure-token"
                        : node->kind == SYNTAX_ONE_OF ? "oneof"
                                                      : "block");
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (slice_equal(node->name, slice_of(types[i].name))) {
            return slice_of(types[i].type);
        }
    }
    return slice_present(node->type) ? node->type : slice_of("string");
}

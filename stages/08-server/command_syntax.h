/* The arguments of a command as a row of the table writes them (redis_command.h), taken
 * apart for COMMAND DOCS:
 *
 *     list   := item*
 *     item   := ( "[" choices "]" | TOKEN | [TOKEN] value ) ["..."]
 *     value  := name [":" type] | "{" choices "}"
 *     choices := list ( "|" list )*
 *
 * TOKEN is a word in capitals; one with a value behind it introduces that. The type of
 * most values goes by the name; it is told where one name stands for several. */
#ifndef STRATA_COMMAND_SYNTAX_H
#define STRATA_COMMAND_SYNTAX_H

#include <stdint.h>

#include "slice.h"

enum syntax_kind { SYNTAX_VALUE, SYNTAX_TOKEN, SYNTAX_ONE_OF, SYNTAX_BLOCK };

enum { SYNTAX_NODES = 40, SYNTAX_NONE = 0 };

struct syntax_node {
    enum syntax_kind kind;
    struct slice name;  /* of a value */
    struct slice type;  /* absent: by the name */
    struct slice token; /* absent: none */
    bool optional;
    bool multiple;
    uint8_t first; /* of its parts; an index, SYNTAX_NONE: none */
    uint8_t next;  /* beside it */
};

struct syntax {
    uint8_t count;
    uint8_t first;
    struct syntax_node nodes[SYNTAX_NODES]; /* from 1 on */
};

/* The slices are the text's. It is one of the table's: no error is looked for. */
void syntax_parse(struct syntax *syntax, const char *text);

/* What Redis calls the kind: "key", "integer", "oneof" and so on; as long as the text. */
struct slice syntax_type(const struct syntax_node *node);

#endif

/* The table of commands: that its rows make sense, that names are found, what COMMAND
 * tells of it, and that notes/protocol.md shows it as it is. */
#include "../01-wal/simulation.h"

#include <ctype.h>

#include "client.h"
#include "command_syntax.h"

/* ---- rows ------------------------------------------------------------------------ */

static void rows_make_sense(void **state) {
    struct command_index index;
    (void)state;
    command_index_init(&index);
    assert_true(index.count > 60);
    for (size_t i = 0; i < index.count; i++) {
        const struct redis_command *row = index.by_number[i];
        size_t least = (size_t)abs(row->arity);
        const char *bar = strchr(row->name, '|');
        for (const char *at = row->name; *at != '\0'; at++) {
            assert_false(isupper((unsigned char)*at));
        }
        assert_true(least >= (bar != NULL ? 2 : 1));
        assert_true(row->run != NULL || row->subcommand_count > 0);
        assert_true(row->words[0] != '\0' && row->words[strlen(row->words) - 1] == '.');
        assert_int_equal(row->first_key > 0, row->key_step > 0);
        if (row->first_key > 0) {
            assert_true(command_last_key(row, least) < least);
            assert_true(command_last_key(row, least) >= (size_t)row->first_key);
        }
        for (size_t j = 0; j < row->subcommand_count; j++) {
            const char *name = row->subcommands[j].name;
            size_t length = strlen(row->name);
            assert_memory_equal(name, row->name, length);
            assert_int_equal(name[length], '|');
        }
    }
}

static void names_are_found(void **state) {
    struct command_index index;
    (void)state;
    command_index_init(&index);
    for (size_t i = 0; i < index.count; i++) {
        const char *name = index.by_number[i]->name;
        char capitals[64];
        snprintf(capitals, sizeof capitals, "%s", name);
        for (char *at = capitals; *at != '\0'; at++) {
            *at = (char)toupper((unsigned char)*at);
        }
        assert_int_equal(command_index_find(&index, slice_of(name)), i);
        assert_int_equal(command_index_find(&index, slice_of(capitals)), i);
        assert_int_equal(
            command_index_find(&index, slice_make(name, strlen(name) - 1)) == i, false);
    }
    static const char *const none[] = {"", "ge", "gets1", "get ", "object|", "|"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(command_index_find(&index, slice_of(none[i])), index.count);
    }
    assert_int_equal(command_index_find(&index, slice_make("get\0", 4)), index.count);
}

/* ---- arguments ------------------------------------------------------------------- */

static void tell(const struct syntax *syntax, uint8_t first, struct buf *text) {
    for (uint8_t i = first; i != SYNTAX_NONE; i = syntax->nodes[i].next) {
        const struct syntax_node *node = &syntax->nodes[i];
        assert_ok(buf_append_text(text, i == first ? "" : " "));
        assert_ok(buf_append_slice(text, syntax_type(node)));
        if (slice_present(node->token)) {
            assert_ok(buf_printf(text, "'%.*s'", (int)node->token.length,
                                 (const char *)node->token.data));
        }
        assert_ok(buf_printf(text, "%s%s", node->optional ? "?" : "",
                             node->multiple ? "+" : ""));
        if (node->first != SYNTAX_NONE) {
            assert_ok(buf_append_text(text, "("));
            tell(syntax, node->first, text);
            assert_ok(buf_append_text(text, ")"));
        }
    }
}

static void arguments_are_taken_apart(void **state) {
    static const struct {
        const char *text;
        const char *told;
    } examples[] = {
        {"", ""},
        {"key", "key"},
        {"key...", "key+"},
        {"{key value}...", "block+(key string)"},
        {"key [NX | XX] [GET]",
         "key oneof?(pure-token'NX' pure-token'XX') pure-token'GET'?"},
        {"[EX seconds | PERSIST]", "oneof?(integer'EX' pure-token'PERSIST')"},
        {"[DB destination-db] [REPLACE]", "integer'DB'? pure-token'REPLACE'?"},
        {"[a [AUTH {b c}]...]", "block?(string block'AUTH'?+(string string))"},
        {"A {B | C}... {count...}",
         "oneof'A'+(pure-token'B' pure-token'C') block(integer+)"},
        {"key start:integer A by:double...", "key integer double'A'+"},
        {"[A b c | D]", "oneof?(block(string'A' string) pure-token'D')"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        struct syntax syntax;
        struct buf text = {0};
        syntax_parse(&syntax, examples[i].text);
        tell(&syntax, syntax.first, &text);
        assert_ok(buf_append(&text, "", 1));
        assert_string_equal((const char *)text.data, examples[i].told);
        buf_free(&text);
    }
}

/* ---- COMMAND --------------------------------------------------------------------- */

static void what_clients_are_told(void **state) {
    struct simulation sim;
    struct service service;
    struct client asking;
    struct client *client = &asking;
    struct kv *kv;
    char reply[100];
    (void)state;
    simulation_begin(&sim);
    assert_ok(kv_open("db", &sim.options, &kv, NULL));
    assert_ok(service_begin(&service, kv, &sim.world));
    client_begin(client, &service);
    EXPECT("command info get nosuch",
           "*2|*10|$3|get|:2|*2|+readonly|+fast|:1|:1|:1|*3|+@string|+@read|+@fast|*0|*0|"
           "*0|$-1|");
    EXPECT("command docs strlen nosuch",
           "*2|$6|strlen|*8|$7|summary|$23|The length of a string.|$5|since|$5|2.2.0|"
           "$5|group|$6|string|$9|arguments|*1|*4|$4|name|$3|key|$4|type|$3|key|");
    EXPECT("command getkeys mset a b c d", "*2|$1|a|$1|c|");
    EXPECT("command getkeys object encoding k", "*1|$1|k|");
    EXPECT("command getkeys get a b",
           "-ERR Invalid number of arguments specified for command|");
    EXPECT("command getkeys ping a", "-ERR The command has no key arguments|");
    EXPECT("command getkeys nosuch a", "-ERR Invalid command specified|");
    EXPECT("command getkeys get",
           "-ERR wrong number of arguments for 'command|getkeys' command|");
    EXPECT("command list filterby pattern M*X", "*1|$6|msetnx|");
    EXPECT("command list filterby module x", "*0|");
    EXPECT("command list filterby x y", "-ERR syntax error|");
    EXPECT("command list x", "-ERR syntax error|");
    EXPECT("function help",
           "*5|+FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:|"
           "+FLUSH [ASYNC | SYNC]|+    Nothing: there are no functions.|+HELP|"
           "+    The subcommands.|");
    snprintf(reply, sizeof reply, "*%zu|", service.index.count);
    assert_memory_equal(client_ask(client, "command list"), reply, strlen(reply));
    const char *count = client_ask(client, "command count");
    snprintf(reply, sizeof reply, "*%s", count + 1);
    assert_memory_equal(client_ask(client, "command"), reply, strlen(reply));
    assert_true(strlen(client_ask(client, "command docs")) > 10000);
    (void)client_ask(client, "hello 3");
    EXPECT("command docs mset nosuch",
           "%1|$4|mset|%4|$7|summary|$23|Sets keys, all at once.|$5|since|$5|1.0.1|"
           "$5|group|$6|string|$9|arguments|*1|%4|$4|name|$5|block|$4|type|$5|block|"
           "$5|flags|~1|+multiple|$9|arguments|*2|%2|$4|name|$3|key|$4|type|$3|key|"
           "%2|$4|name|$5|value|$4|type|$6|string|");
    client_end(client);
    service_end(&service);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* ---- notes ----------------------------------------------------------------------- */

/* Letters of what the notes say at the head of the table. */
static void print_row(struct buf *out, const struct redis_command *row) {
    char name[64];
    snprintf(name, sizeof name, "%s", row->name);
    for (char *at = name; *at != '\0'; at++) {
        *at = *at == '|' ? ' ' : (char)toupper((unsigned char)*at);
    }
    assert_ok(buf_printf(out, "%s%s%s  %s%s%s\n    %s\n", name,
                         row->arguments[0] == '\0' ? "" : " ", row->arguments,
                         (row->flags & COMMAND_READS) != 0    ? "r"
                         : (row->flags & COMMAND_WRITES) != 0 ? "w"
                                                              : "-",
                         (row->flags & COMMAND_MAY_BLOCK) != 0 ? "b" : "",
                         (row->flags & COMMAND_NO_AUTH) != 0 ? "n" : "", row->words));
}

static void read_note(const char *path, struct buf *text) {
    FILE *file = fopen(path, "r");
    char bytes[4096];
    size_t count;
    assert_non_null(file);
    while ((count = fread(bytes, 1, sizeof bytes, file)) > 0) {
        assert_ok(buf_append(text, bytes, count));
    }
    assert_ok(buf_append(text, "", 1));
    fclose(file);
}

static void notes_show_the_table(void **state) {
    struct command_index index;
    struct buf table = {0};
    struct buf note = {0};
    (void)state;
    command_index_init(&index);
    for (size_t i = 0; i < index.count; i++) {
        if (index.by_number[i]->run != NULL) {
            print_row(&table, index.by_number[i]);
        }
    }
    assert_ok(buf_append(&table, "", 1));
    read_note("notes/protocol.md", &note);
    if (strstr((const char *)note.data, (const char *)table.data) == NULL) {
        FILE *file = fopen("build/commands.txt", "w");
        assert_non_null(file);
        fputs((const char *)table.data, file);
        fclose(file);
        fail_msg("notes/protocol.md has not got the table of build/commands.txt");
    }
    buf_free(&table);
    buf_free(&note);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_make_sense),
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(arguments_are_taken_apart),
        cmocka_unit_test(what_clients_are_told),
        cmocka_unit_test(notes_show_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The shell: commands from a script, over one open database. */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "run.h"

static void run_script(struct result *result, const char *dir, const char *script) {
    RUN_WITH(result, slice_of(script), "-d", dir, "shell");
}

static size_t lines_of(const struct buf *text) {
    size_t count = 0;
    for (size_t i = 0; i < text->length; i++) {
        count += text->data[i] == '\n';
    }
    return count;
}

static void every_command(void **state) {
    (void)state;
    if (!has_shell()) {
        return;
    }
    struct result result = {0};
    write_file("more.tsv", slice_of("pear\tgreen\nplum\tblue\n"));
    run_script(&result, "all",
               "# a comment, and an empty line\n\n"
               "put apple red\nget apple\nimport more.tsv\nscan\n"
               "scan --from b --to pf\nscan --prefix p --keys --reverse --limit 1\n"
               "export --json\ndel apple pear\nsync\nscan --keys\nput plum -\nget plum");
    expect_out(&result, "red\napple\tred\npear\tgreen\nplum\tblue\npear\tgreen\nplum\n"
                        "{\"key\":\"apple\",\"value\":\"red\"}\n"
                        "{\"key\":\"pear\",\"value\":\"green\"}\n"
                        "{\"key\":\"plum\",\"value\":\"blue\"}\nplum\n-\n");
    RUN(&result, "-d", "all", "export"); /* it was closed, and holds what was said */
    expect_out(&result, "plum\t-\n");
    run_script(&result, "all", "put a b\nstats --json\n");
    expect_code(&result, 0);
    assert_non_null(strstr(out_text(&result), "\"writes\": 1,"));
    result_free(&result);
}

static void help_and_exit(void **state) {
    (void)state;
    if (!has_shell()) {
        return;
    }
    struct result result = {0};
    run_script(&result, "help", ".help\n.exit\nput a b\n");
    expect_code(&result, 0);
    static const char *const here[] = {"put KEY VALUE", "get KEY", "del KEY...", "scan",
                                       "import",        "export",  "sync",       "stats",
                                       ".begin",        ".at",     ".help",      ".exit"};
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++) {
        assert_non_null(strstr(out_text(&result), here[i]));
    }
    assert_null(strstr(out_text(&result), "verify"));
    RUN(&result, "-d", "help", "get", "a");
    expect_error(&result, 1, "not found"); /* nothing runs behind .exit */
    run_script(&result, "help", ".help scan\nput --help\nput a b\nget a");
    expect_code(&result, 0);
    assert_non_null(strstr(out_text(&result), "Usage: strata-"));
    assert_non_null(strstr(out_text(&result), "--prefix"));
    assert_non_null(strstr(out_text(&result), "KEY VALUE"));
    assert_non_null(strstr(out_text(&result), "\nb\n"));
    result_free(&result);
}

static void words(void **state) {
    (void)state;
    if (!has_shell()) {
        return;
    }
    struct result result = {0};
    run_script(&result, "words",
               "put 'dark red' \"a\\tb\\x41\\\"\\\\q\"\r\n"
               "put '' empty\nput back\\slash '\\x41'\n put \t x'y z'\"w\"  \"\"\n"
               "put -e '\\x00' 'n\\x00'\nscan\nget 'dark red'\n");
    expect_out(&result, "\tempty\n\\x00\tn\\x00\nback\\\\slash\t\\\\x41\n"
                        "dark red\ta\\tbA\"\\\\q\nxy zw\t\na\tbA\"\\q\n");
    static const char *const bad[][2] = {
        {"put x 'open", "the quotation that begins at 7 (') has no end"},
        {"put \"x y", "the quotation that begins at 5 (\") has no end"},
        {"put x \"y\\\"", "the quotation that begins at 7 (\") has no end"},
        {"put x \"\\q\"", "in the quotation at 7: column 1"},
        {"put x \"\\x4\"", "in the quotation at 7: column 1"},
        {"put x a\"\\x00\"", "the word that begins at 7 holds a zero byte"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char script[200];
        snprintf(script, sizeof script, "put k%zu v\n%s\nget k%zu\n", i, bad[i][0], i);
        run_script(&result, "bad", script);
        expect_error(&result, 2, bad[i][1]);
        assert_string_equal(out_text(&result), "v\n"); /* and it went on */
    }
    result_free(&result);
}

/* Each line that fails says why on one line or two, and the next one runs. */
static void errors_go_on(void **state) {
    (void)state;
    if (!has_shell()) {
        return;
    }
    struct result result = {0};
    const struct {
        const char *line, *words;
        int code;
    } rows[] = {
        {"get nothing", "get: not found", 1},
        {"put k", "put: too few arguments, it takes KEY VALUE", 2},
        {"get k k", "get: too many arguments", 2},
        {"scan --limit 0", "scan: --limit 0: not a whole number", 2},
        {"scan --frob", "scan: unrecognized option '--frob'", 2},
        {"get --dir other k", "get: unrecognized option '--dir'", 2},
        {"frob", "frob: unknown command; .help lists them", 2},
        {".help frob", "frob: unknown command", 2},
        {"server",
         stage_number(&result) < 8 ? "it comes with stage 08"
                                   : "server: not in the shell",
         2},
        {"verify", "verify: not in the shell", 2},
        {"shell", "shell: not in the shell", 2},
        {"import", "import: standard input is the shell's own", 2},
        {"import no-such-file", "import: no-such-file", 2},
        {"put -e '\\q' v", "put: argument 1", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char script[200];
        snprintf(script, sizeof script, "%s\nput k v\nget k\n", rows[i].line);
        run_script(&result, "errors", script);
        expect_error(&result, rows[i].code, rows[i].words);
        assert_string_equal(out_text(&result), "v\n");
        assert_in_range(lines_of(&result.err), 1, 2);
    }
    run_script(&result, "errors", "frob\nget nothing\nput k v\n");
    expect_code(&result, 1); /* the last that failed */
    RUN(&result, "-d", "errors", "shell", "argument");
    expect_error(&result, 2, "shell: too many arguments");
    result_free(&result);
}

/* Lines that fail, and what they say; the shell goes on. */
static void expect_refusals(struct result *result, const char *const rows[][2],
                            size_t count) {
    for (size_t i = 0; i < count; i++) {
        char script[300];
        snprintf(script, sizeof script, "put k v\n%s\nget k\n", rows[i][0]);
        run_script(result, "refusals", script);
        expect_error(result, 2, rows[i][1]);
        assert_string_equal(out_text(result), "v\n");
    }
}

/* Nobody sees anything of a batch before it is committed, and then all of it. */
static void batches(void **state) {
    (void)state;
    static const char *const refusals[][2] = {
        {".commit", "shell: .commit: no batch has begun"},
        {".abandon", "shell: .abandon: no batch has begun"},
        {".begin now", "shell: .begin: usage: .begin"},
        {".begin\n.begin", "shell: .begin: a batch has begun already"},
        {".begin\nimport refused.tsv", "import: not into a batch that has begun"},
    };
    struct result result = {0};
    if (!has_shell()) {
        return;
    }
    if (stage_number(&result) < 6) {
        run_script(&result, "batches", ".begin\n");
        expect_error(&result, 2, "has no batches, it comes with stage 06");
        result_free(&result);
        return;
    }
    run_script(&result, "batches",
               "put pear green\n.begin\nput apple red\nput apple \"dark red\"\n"
               "del pear plum\nscan\n.commit\nscan\nstats --json\n");
    expect_code(&result, 0);
    assert_non_null(strstr(out_text(&result), "pear\tgreen\napple\tdark red\n{"));
    assert_non_null(strstr(out_text(&result), "\"writes\": 2,"));
    assert_non_null(strstr(out_text(&result), "\"write_ops\": 5,"));
    run_script(&result, "batches",
               ".begin\n.commit\n.begin\nput plum blue\n.abandon\nput fig green\n");
    expect_out(&result, "");
    run_script(&result, "batches", ".begin\nput plum blue\ndel fig apple\n");
    expect_error(&result, 2, "the batch of 3 puts and deletes was not committed");
    RUN(&result, "-d", "batches", "scan");
    expect_out(&result, "apple\tdark red\nfig\tgreen\n");
    write_file("refused.tsv", slice_of("k\tw\n"));
    expect_refusals(&result, refusals, sizeof refusals / sizeof refusals[0]);
    result_free(&result);
}

/* A snapshot reads as it was, whatever becomes of the database, until it is released. */
static void snapshots(void **state) {
    (void)state;
    static const char *const refusals[][2] = {
        {".snapshot", "shell: .snapshot: usage: .snapshot NAME"},
        {".at now", "shell: .at: usage: .at NAME COMMAND..."},
        {".at now get k", "shell: .at: there is no snapshot \"now\""},
        {".release now", "shell: .release: there is no snapshot \"now\""},
        {".snapshot now\n.snapshot now", "there is a snapshot \"now\" already"},
        {".snapshot now\n.at now put k w", ".at: put: what can be done at a snapshot is"},
        {".snapshot now\n.at now get --frob", "get: unrecognized option '--frob'"},
        {".snapshot now\n.release now\n.at now get k", "there is no snapshot \"now\""},
    };
    struct result result = {0};
    if (!has_shell()) {
        return;
    }
    if (stage_number(&result) < 7) {
        run_script(&result, "moments", ".snapshot now\n");
        expect_error(&result, 2, "has no snapshots, it comes with stage 07");
        result_free(&result);
        return;
    }
    run_script(
        &result, "moments",
        ".snapshot void\nput apple red\nput pear green\n.snapshot \"one day\"\n"
        "put apple brown\ndel pear\ncompact\n.snapshot later\nput fig blue\n"
        ".at \"one day\" get apple\n.at \"one day\" scan --reverse\n.at void scan\n"
        ".release \"one day\"\n.at later export --json\nscan --limit 1\n");
    expect_out(&result, "red\npear\tgreen\napple\tred\n"
                        "{\"key\":\"apple\",\"value\":\"brown\"}\napple\tbrown\n");
    run_script(&result, "moments",
               ".snapshot a\ndel apple\n.begin\nput apple new\n.at a get apple\n.commit\n"
               ".at a get apple\nget apple\n");
    expect_out(&result, "brown\nbrown\nnew\n");
    run_script(&result, "moments", ".snapshot a\n.at a get plum\n");
    expect_error(&result, 1, "get: not found");
    expect_refusals(&result, refusals, sizeof refusals / sizeof refusals[0]);
    result_free(&result);
}

/* What is started goes on beside the lines behind it, and has ended before the shell. */
static void started(void **state) {
    (void)state;
    static const char *const refusals[][2] = {
        {".start", "shell: .start: usage: .start COMMAND..."},
        {".wait now", "shell: .wait: usage: .wait"},
        {".start frob", "frob: unknown command"},
        {".start verify", "verify: not in the shell"},
        {".start put k", "put: too few arguments"},
        {".start import no-such-file\n.wait", "import: no-such-file: No such file"},
        {".start import no-such-file", "import: no-such-file: No such file"},
    };
    struct result result = {0};
    struct buf lines = {0};
    if (!has_shell()) {
        return;
    }
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(buf_printf(&lines, "k%d\t%d\n", i, i), STATUS_OK);
    }
    write_file("many.tsv", buf_slice(&lines));
    RUN_WITH(
        &result,
        slice_of(".start import many.tsv\n.start put \"a b\" 'c d'\n.wait\nget k2999\n"
                 "get 'a b'\n"),
        "-d", "started", "--durability", "none", "shell");
    expect_out(&result, "2999\nc d\n");
    RUN_WITH(&result, slice_of("del k2999\n.start import many.tsv\n"), "-d", "started",
             "--durability", "none", "shell");
    expect_out(&result, "");
    RUN(&result, "-d", "started", "get", "k2999");
    expect_out(&result, "2999");
    expect_refusals(&result, refusals, sizeof refusals / sizeof refusals[0]);
    if (stage_number(&result) >= 6) {
        run_script(&result, "refusals", ".begin\n.start sync\n");
        expect_error(&result, 2, "shell: .start: a batch has begun");
    }
    if (stage_number(&result) >= 7) { /* a backup beside a writer */
        run_script(&result, "started",
                   ".start import many.tsv\nbackup row\n.wait\nbackup row\n");
        expect_out(&result, "000001\n000002\n");
        RUN(&result, "-d", "row/000001", "get", "a b");
        expect_out(&result, "c d");
    }
    buf_free(&lines);
    result_free(&result);
}

static void output_that_fails(void **state) {
    (void)state;
    if (!has_shell()) {
        return;
    }
    struct child child;
    CHILD_START(&child, "-d", "gone", "shell");
    child_say(&child, "put k v\nget k\n");
    child_expect_line(&child, "v");
    close(child.output);
    child_say(&child, "get k\n");
    child.output = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(child_end(&child, 0), 4);
}

static void signals_end_a_script(void **state) {
    (void)state;
    if (!has_shell()) {
        return;
    }
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct child child;
        CHILD_START(&child, "-d", "signals", "--durability", "none", "shell");
        child_say(&child, "put k v\nget k\n");
        child_expect_line(&child, "v");
        assert_int_equal(child_end(&child, numbers[i]), 130);
        struct result result = {0};
        RUN(&result, "-d", "signals", "stats");
        expect_code(&result, 0); /* closed cleanly: nothing was to be written again */
        const char *line = strstr(out_text(&result), "recovered_rewritten ");
        unsigned rewritten = 1;
        assert_non_null(line);
        assert_int_equal(sscanf(line, "%*s %u", &rewritten), 1);
        assert_int_equal(rewritten, 0);
        result_free(&result);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command),
        cmocka_unit_test(help_and_exit),
        cmocka_unit_test(words),
        cmocka_unit_test(errors_go_on),
        cmocka_unit_test(batches),
        cmocka_unit_test(snapshots),
        cmocka_unit_test(started),
        cmocka_unit_test(output_that_fails),
        cmocka_unit_test(signals_end_a_script),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}

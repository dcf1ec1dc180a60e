/* A request is made after its shape: a name, and a letter for each argument. One in ten
 * has then an argument too many, too few, or one that is out of place. */
#include "requests.h"

#include "request_arguments.h"
#include "served.h"

#define BYTES(literal)                                                                   \
    { (const unsigned char *)(literal), sizeof(literal) - 1 }
#define LONG_NAME                                                                        \
    "a name that is far longer than what an error tells of it, for that is so many "     \
    "bytes as fit into one line of a terminal, and a half of them"
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct shape {
    const char *name;      /* and the first arguments, if they are plain */
    const char *arguments; /* letters (request_arguments.h), and + for the one before,
                            * again, up to four times, or not */
};

static const struct shape of_keys[] = {
    /* what makes keys, oftener than the others */
    {"SET", "kv"},
    {"SET", "kv"},
    {"SET", "kvO"},
    {"SET", "kvO"},
    {"SET", "kvO"},
    {"SET", "kvO"},
    {"SET", "ki"},
    {"SET", "kf"},
    {"MSET", "kvkv"},
    {"GET", "k"},
    {"GET", "k"},
    {"MGET", "k+"},
    {"GETDEL", "k"},
    {"GETEX", "kX"},
    {"GETEX", "kX"},
    {"GETEX", "kX"},
    {"GETSET", "kv"},
    {"MSET", "kvw"},
    {"MSETNX", "kvkv"},
    {"PSETEX", "kmv"},
    {"SETEX", "ksv"},
    {"SETNX", "kv"},
    {"APPEND", "kv"},
    {"DECR", "k"},
    {"DECRBY", "ki"},
    {"GETRANGE", "koo"},
    {"GETRANGE", "koo"},
    {"INCR", "k"},
    {"INCR", "k"},
    {"INCRBY", "ki"},
    {"INCRBY", "ki"},
    {"INCRBYFLOAT", "kf"},
    {"INCRBYFLOAT", "kf"},
    {"SETRANGE", "kov"},
    {"SETRANGE", "kov"},
    {"STRLEN", "k"},
    {"SUBSTR", "koo"},
    {"COPY", "kkD"},
    {"COPY", "kkD"},
    {"DEL", "k+"},
    {"EXISTS", "k+"},
    {"FLUSHDB", "F"},
    {"OBJECT ENCODING", "k"},
    {"OBJECT FREQ", "k"},
    {"OBJECT IDLETIME", "k"},
    {"OBJECT REFCOUNT", "k"},
    {"RENAME", "kk"},
    {"RENAME", "kk"},
    {"RENAMENX", "kk"},
    {"TOUCH", "k+"},
    {"TYPE", "k"},
    {"UNLINK", "k+"},
    {"EXPIRE", "ksC"},
    {"EXPIRE", "ksC"},
    {"EXPIRE", "ksC"},
    {"EXPIREAT", "kSC"},
    {"EXPIREAT", "kSC"},
    {"EXPIREAT", "kSC"},
    {"EXPIRETIME", "k"},
    {"PERSIST", "k"},
    {"PEXPIRE", "kmC"},
    {"PEXPIREAT", "kMC"},
    {"PEXPIREAT", "kMC"},
    {"PEXPIREAT", "kMC"},
    {"PEXPIRETIME", "k"},
    {"PTTL", "k"},
    {"TTL", "k"},
    {"TTL", "k"},
    {"KEYS", "p"},
    {"KEYS", "p"},
    {"RANDOMKEY", ""},
    {"SCAN 0 COUNT 1000", "N"},
    {"SCAN", "w"},
    {"SCAN 0", "ww"},
};

static const struct shape of_connections[] = {
    {"CLIENT GETNAME", ""},
    {"CLIENT SETNAME", "w"},
    {"CLIENT ID", ""},
    {"CLIENT INFO", ""},
    {"CLIENT LIST", "ww"},
    {"CLIENT LIST TYPE", "w"},
    {"CLIENT LIST ID", "i+"},
    {"CLIENT KILL", "w"},
    {"CLIENT KILL ID", "w"},
    {"CLIENT KILL TYPE", "w"},
    {"CLIENT KILL TYPE pubsub SKIPME", "w"},
    {"CLIENT KILL USER", "w"},
    {"CLIENT KILL ADDR", "w"},
    {"CLIENT KILL LADDR", "w"},
    {"CLIENT NO-EVICT", "w"},
    {"CLIENT REPLY", "w"},
    {"CLIENT REPLY ON", ""},
    {"CLIENT REPLY OFF", ""},
    {"CLIENT REPLY SKIP", ""},
    {"CLIENT", "w+"},
    {"AUTH", "w"},
    {"AUTH default", "w"},
    {"AUTH", "www"},
    {"AUTH", "ww"},
    {"ECHO", "v"},
    {"HELLO", "H"},
    {"HELLO 2", "H"},
    {"HELLO 3", "H"},
    {"HELLO 3", ""},
    {"HELLO", "iH"},
    {"PING", ""},
    {"PING", "v"},
    {"RESET", ""},
    {"SELECT 0", ""},
    {"SELECT", "i"},
    {"TIME", ""},
    {"LASTSAVE", ""},
    {"FUNCTION FLUSH", "F"},
    {"FUNCTION", "w"},
    {"MEMORY USAGE", "k"},
    {"MEMORY USAGE", "kww"},
    {"MEMORY USAGE", "kw"},
    {"MEMORY USAGE", "kwi"},
    {"OBJECT", "wk"},
    {"OBJECT", "w+"},
    {"MEMORY", "w+"},
    {"CONFIG", "ww"},
    {"CONFIG RESETSTAT", ""},
    {"SLOWLOG LEN", ""},
    {"SLOWLOG GET", "w"},
    {"SLOWLOG", "w"},
    {"LATENCY", "w"},
    {"LATENCY RESET", "w"},
    {"LATENCY LATEST", ""},
    {"LATENCY HISTORY", "w"},
    {"COMMAND", "w+"},
    {"COMMAND COUNT", ""},
    {"COMMAND GETKEYS", "w"},
    {"COMMAND LIST FILTERBY", "ww"},
    {"COMMAND LIST FILTERBY MODULE", "w"},
    {"COMMAND LIST FILTERBY PATTERN", "w"},
    {"COMMAND INFO GET", "w"},
    {"INFO", "w"},
    {"NONSENSE", "w+"},
    {"GET\r\nSET", "v+"},
    {"get|set", "w"},
    {"client|id", ""},
    {"", "v+"},
    {LONG_NAME, "v+"},
};

/* What must not be there at all, or could not be awaited: only with arguments of which
 * there are too many or too few. */
static const struct shape misused[] = {
    {"BGSAVE", "www"},  {"SAVE", "w+"},      {"DEBUG", ""},
    {"MONITOR", "w"},   {"DBSIZE", "w"},     {"CONFIG REWRITE", "w"},
    {"CONFIG GET", ""}, {"CONFIG SET", "w"}, {"SHUTDOWN ABORT", ""},
    {"WAIT 0", "i"},    {"WAIT 0", "w"},     {"WAIT foo 0", ""},
    {"WAIT 0", ""},     {"LASTSAVE", "w"},   {"TIME", "w"},
    {"RANDOMKEY", "w"}, {"SHUTDOWN", "w"},   {"COMMAND COUNT", "w"},
    {"RESET", "w"},     {"HELLO", "w"},
};

static const struct shape logins[] = {
    {"AUTH", "P"},
    {"AUTH default", "P"},
    {"HELLO 3 AUTH default", "PH"},
    {"HELLO 2 AUTH default", "PH"},
};

/* ---- requests -------------------------------------------------------------------- */

/* The words of the name, and what the letters say. */
static void put_shape(struct maker *maker, const struct shape *shape) {
    char name[256];
    (void)snprintf(name, sizeof name, "%s", shape->name);
    char *rest = name, *word;
    while ((word = strsep(&rest, " ")) != NULL) {
        maker_put_word(maker, word);
    }
    for (const char *at = shape->arguments; *at != '\0'; at++) {
        for (size_t i = *at == '+' ? maker_below(maker, 5) : 1; i > 0; i--) {
            maker_put(maker, *at == '+' ? at[-1] : *at);
        }
    }
}

/* One more word, one less, or one in place of another. */
static void put_out_of_place(struct maker *maker) {
    struct step *step = maker->step;
    size_t how = maker_below(maker, 3);
    if (how == 0 && step->count > 1) {
        step->count--;
    } else if (how == 1 || step->count < 2) {
        maker_put(maker, 'w');
    } else {
        size_t last = step->count, instead_of = 1 + maker_below(maker, last - 1);
        if (last < STEP_ARGUMENTS) {
            maker_put(maker, 'w');
            step->arguments[instead_of] = step->arguments[last];
            step->count = last;
        }
    }
}

static void put_request(struct maker *maker) {
    if (maker_one_in(maker, 30)) {
        put_shape(maker, &misused[maker_below(maker, COUNT(misused))]);
        return;
    }
    if (maker->stream->has_password && maker_one_in(maker, 15)) {
        put_shape(maker, &logins[maker_below(maker, COUNT(logins))]);
        return;
    }
    if (maker_one_in(maker, 25)) {
        maker_put_word(maker, "COMMAND");
        maker_put_word(maker, "GETKEYS");
    }
    const struct shape *shape = &of_keys[maker_below(maker, COUNT(of_keys))];
    if (maker_one_in(maker, 4)) {
        shape = &of_connections[maker_below(maker, COUNT(of_connections))];
    }
    if (maker->stream->has_password && strncmp(shape->name, "CLIENT REPLY", 12) == 0) {
        shape = &of_keys[0];
    }
    put_shape(maker, shape);
    if (maker_one_in(maker, 10)) {
        put_out_of_place(maker);
    }
}

/* ---- faults of the protocol ------------------------------------------------------ */

/* What is no request, or not quite; and what comes before the end of a connection. */
static const struct slice faults[] = {
    BYTES("*-10\r\n"),
    BYTES("*0\r\n"),
    BYTES("*-1\r\nPING\r\n"),
    BYTES("*3000000000\r\n"),
    BYTES("*2147483648\r\n"),
    BYTES("*9223372036854775808\r\n"),
    BYTES("*abc\r\n"),
    BYTES("*\r\n"),
    BYTES("*1 \r\n"),
    BYTES("*+1\r\n$4\r\nPING\r\n"),
    BYTES("*01\r\n$4\r\nPING\r\n"),
    BYTES("* 1\r\n$4\r\nPING\r\n"),
    BYTES("*1\n$4\nPING\n"),
    BYTES("*1\rx$4\rxPING\rx"),
    BYTES("*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n"),
    BYTES("*1\r\n$-10\r\n"),
    BYTES("*1\r\n$-1\r\n"),
    BYTES("*1\r\n$2000000000\r\n"),
    BYTES("*1\r\n$536870913\r\n"),
    BYTES("*1\r\n$blabla\r\n"),
    BYTES("*1\r\n$\r\n"),
    BYTES("*1\r\n$04\r\nPING\r\n"),
    BYTES("*1\r\n4\r\nPING\r\n"),
    BYTES("*2\r\n$4\r\nECHO\r\n:5\r\n"),
    BYTES("*1\r\n*1\r\n$4\r\nPING\r\n"),
    BYTES("*1\r\n\r\n"),
    BYTES("*1\r\n\0\r\n"),
    BYTES("*1\r\n\xff\r\n"),
    BYTES("*1\r\n\n"),
    BYTES("*1\r\n$0\r\n\r\n"),
    BYTES("*2\r\n$4\r\nECHO\r\n$0\r\n\r\n"),
    BYTES("*2\r\n$4\r\nPING\r\n$3\r\nab"),
    BYTES("*2\r\n$4\r\nPING\r\n"),
    BYTES("*1\r\n$4\r\nPI"),
    BYTES("*1"),
    BYTES("PING"),
    BYTES("\r\n\r\nPING\r\n"),
    BYTES("\n \n\t\r\n\v\f\nPING\n"),
    BYTES("PING\r\r\n"),
    BYTES("  PING  x  \r\n"),
    BYTES("ECHO\v5\r\n"),
    BYTES("ECHO a\vb\r\n"),
    BYTES("ECHO a\rb\r\n"),
    BYTES("ECHO \"a\r\n"),
    BYTES("ECHO \"a\"b\r\n"),
    BYTES("ECHO 'a\r\n"),
    BYTES("ECHO 'a'b\r\n"),
    BYTES("ECHO a\"b\"\r\n"),
    BYTES("ECHO a\"b\" c\r\n"),
    BYTES("ECHO a'b'\"c\"\r\n"),
    BYTES("ECHO \"\\x41\\x4\\xg1\\q\\n\\\"\"\r\n"),
    BYTES("ECHO 'a\\'b\\n\\\\'\r\n"),
    BYTES("ECHO a\\nb\r\n"),
    BYTES("ECHO \"\\\r\n"),
    BYTES("ECHO \"a\\\"\r\n"),
    BYTES("ECHO '\\'\r\n"),
    BYTES("\"ECHO\" \"\"\r\n"),
    BYTES("\"\"\r\n"),
    BYTES("''\r\n"),
    BYTES("ECHO \0\r\n"),
    BYTES("ECHO a\0b\r\n"),
    BYTES("ECHO \"a\0b\"\r\n"),
    BYTES("\0\r\n"),
    BYTES("\0PING\r\n"),
    BYTES("PING\0PING\r\nPING x\r\n"),
    BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\n"),
    BYTES("+OK\r\n"),
    BYTES("$4\r\nPING\r\n"),
    BYTES(":1\r\n"),
    BYTES("-ERR x\r\n"),
    BYTES("_\r\n"),
    BYTES("QUIT\r\n"),
    BYTES("QUIT now\r\nPING\r\n"),
    BYTES("PING\r\nQUIT\r\nPING\r\n"),
    BYTES("CLIENT REPLY OFF\r\nQUIT\r\n"),
    BYTES("CLIENT REPLY OFF\r\n*-x\r\n"),
    BYTES("CLIENT REPLY SKIP\r\n*1\r\n$-5\r\n"),
    BYTES("CLIENT REPLY SKIP\r\nHELLO 3\r\nGET\r\nGET \"\"\r\n*1\r\n$-5\r\n"),
    BYTES("GET / HTTP/1.1\r\n"),
    BYTES("POST / HTTP/1.1\r\nPING\r\n"),
    BYTES("PING\r\nHost: x\r\nPING\r\n"),
    BYTES("host:\r\nPING\r\n"),
    BYTES("\x16\x03\x01\x02\n"),
};

/* Requests with some bytes changed, or cut off. Their replies must be the same, byte by
 * byte: those of the plain ones are. */
enum { PLAIN_SHAPES = 30 };

static void put_damaged(struct maker *maker, struct buf *bytes) {
    struct stream scratch = {0};
    for (size_t i = 1 + maker_below(maker, 3); i > 0; i--) {
        struct step *step = stream_add(&scratch, STEP_REQUEST);
        struct maker inner = {&scratch, step, random_next(&maker->random), 0};
        step->inline_form = (uint8_t)(maker_below(maker, 2) * maker_below(maker, 50));
        put_shape(&inner, &of_keys[maker_below(maker, PLAIN_SHAPES)]);
        stream_encode(&scratch, step, bytes);
    }
    for (size_t i = 1 + maker_below(maker, 2); i > 0 && bytes->length > 1; i--) {
        static const unsigned char replaced[] = "\0\r\n \"'*$-09a\xff\\";
        size_t at = maker_below(maker, bytes->length);
        switch (maker_below(maker, 4)) {
        case 0:
            bytes->length = at;
            break;
        case 1:
            memmove(bytes->data + at, bytes->data + at + 1, --bytes->length - at);
            break;
        default:
            bytes->data[at] = replaced[maker_below(maker, sizeof replaced - 1)];
            break;
        }
    }
    for (size_t i = 0; i < bytes->length; i++) {
        bytes->data[i] |=
            bytes->data[i] == '\0'; /* where it stops Redis, Strata writes */
    }
    stream_free(&scratch);
}

static void put_fault(struct maker *maker) {
    struct buf bytes = {0};
    if (maker_one_in(maker, 2)) {
        put_damaged(maker, &bytes);
    } else {
        assert_ok(buf_append_text(&bytes, maker_one_in(maker, 3) ? "PING\r\n" : ""));
        assert_ok(buf_append_slice(&bytes, faults[maker_below(maker, COUNT(faults))]));
    }
    stream_argument(maker->stream, maker->step, buf_slice(&bytes));
    buf_free(&bytes);
}

/* ---- streams --------------------------------------------------------------------- */

static struct step *add_request(struct maker *maker, uint8_t connection,
                                const char *name) {
    struct step *step = maker->step = stream_add(maker->stream, STEP_REQUEST);
    step->connection = connection;
    maker_put_word(maker, name);
    return step;
}

/* What has become of the keys that most requests are about, and how many keys there are.
 * Redis counts those that are over until it finds them: so it is made to look first. */
enum { LOOK_STEPS = 10 };

static void add_look(struct maker *maker, uint8_t connection) {
    static const char *const keys[] = {"a", "b", "k1", "k2"};
    for (size_t i = 0; i < COUNT(keys); i++) {
        add_request(maker, connection, "PEXPIRETIME");
        maker_put_text(maker, keys[i]);
        add_request(maker, connection, "GET");
        maker_put_text(maker, keys[i]);
    }
    add_request(maker, connection, "SCAN");
    maker_put_text(maker, "0");
    maker_put_text(maker, "COUNT");
    maker_put_text(maker, "1000");
    add_request(maker, connection, "DBSIZE")->awaited = true;
}

static void put_full_scan(struct maker *maker) {
    maker_put(maker, 'N');
    if (maker_one_in(maker, 2)) {
        static const char *const counts[] = {"1", "2", "3", "100"};
        maker_put_word(maker, "COUNT");
        maker_put_text(maker, counts[maker_below(maker, COUNT(counts))]);
    }
}

void requests_make(struct stream *stream) {
    struct maker maker = {.stream = stream, .random = stream->seed};
    uint8_t connection = 0;
    size_t pipelined = 0; /* still to come on this connection */
    while (stream->count + LOOK_STEPS <= STREAM_STEPS) {
        if (pipelined == 0) {
            connection = (uint8_t)maker_below(&maker, STREAM_CONNECTIONS);
            pipelined = maker_one_in(&maker, 3)
                            ? 1 + maker_below(&maker, stream->has_password ? 2 : 20)
                            : 1;
        }
        pipelined--;
        if (maker_one_in(&maker, 25)) {
            add_look(&maker, connection);
            continue;
        }
        enum step_kind kind = maker_one_in(&maker, 30)   ? STEP_RAW
                              : maker_one_in(&maker, 60) ? STEP_SCAN
                                                         : STEP_REQUEST;
        struct step *step = maker.step = stream_add(stream, kind);
        step->connection = connection;
        step->awaited = pipelined == 0;
        if (kind == STEP_RAW) {
            put_fault(&maker);
        } else if (kind == STEP_SCAN) {
            put_full_scan(&maker);
        } else {
            put_request(&maker);
            step->inline_form =
                (uint8_t)(maker_one_in(&maker, 4) ? 1 + maker_below(&maker, 250) : 0);
            step->cuts = (uint8_t)(!stream->has_password && maker_one_in(&maker, 4)
                                       ? 1 + maker_below(&maker, 40)
                                       : 0);
        }
    }
}

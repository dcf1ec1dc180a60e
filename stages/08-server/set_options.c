/* Which options go together is as in Redis 7.0 (t_string.c:
 * parseExtendedStringArgumentsOrReply): one of the ends, KEEPTTL and PERSIST, though the
 * same one may come again, and the last one counts. */
#include "set_options.h"

struct end_option {
    const char *word;
    enum time_unit unit;
    bool from_now;
};

static const struct end_option end_options[] = {
    {"EX", UNIT_SECONDS, true},
    {"PX", UNIT_MILLIS, true},
    {"EXAT", UNIT_SECONDS, false},
    {"PXAT", UNIT_MILLIS, false},
};

static const struct end_option *end_option_of(struct slice argument) {
    for (size_t i = 0; i < sizeof end_options / sizeof end_options[0]; i++) {
        if (argument_is(argument, end_options[i].word)) {
            return &end_options[i];
        }
    }
    return NULL;
}

/* One that stands alone; false: it is none, or does not go with those before. */
static bool take_word(struct set_options *options, struct slice argument,
                      enum set_options_of whose) {
    bool of_set = whose == OPTIONS_OF_SET;
    if (of_set && argument_is(argument, "NX") && !options->xx) {
        options->nx = true;
    } else if (of_set && argument_is(argument, "XX") && !options->nx) {
        options->xx = true;
    } else if (of_set && argument_is(argument, "GET")) {
        options->get = true;
    } else if (of_set && argument_is(argument, "KEEPTTL") && options->end == NULL) {
        options->keep_ttl = true;
    } else if (!of_set && argument_is(argument, "PERSIST") && options->end == NULL) {
        options->persist = true;
    } else {
        return false;
    }
    return true;
}

bool set_options_parse(struct session *session, const struct resp_request *request,
                       size_t first, enum set_options_of whose,
                       struct set_options *options) {
    *options = (struct set_options){0};
    for (size_t i = first; i < request->count; i++) {
        const struct end_option *end = end_option_of(request->arguments[i]);
        if (end == NULL) {
            if (!take_word(options, request->arguments[i], whose)) {
                session_error(session, syntax_error);
                return false;
            }
            continue;
        }
        bool goes = !options->keep_ttl && !options->persist &&
                    (options->end == NULL || options->end == end);
        if (!goes || i + 1 == request->count) {
            session_error(session, syntax_error);
            return false;
        }
        options->end = end;
        options->end_argument = request->arguments[++i];
    }
    return true;
}

bool set_options_end(struct session *session, const struct set_options *options,
                     uint64_t *expires_at_millis) {
    return argument_end(session, options->end_argument, options->end->unit,
                        options->end->from_now, expires_at_millis);
}

/* Every setting of the database, in one table: name, unit, range, default, help. The
 * table feeds kv_options_default(), the program's options (--log-bytes 64m), the
 * environment (STRATA_LOG_BYTES) and configuration files (`log-bytes 64m`, one a line,
 * `#` comments, the syntax of redis.conf). A later source overrides an earlier one:
 * defaults, file, environment, options.
 *
 * Sizes take the suffixes k, m, g, t (1024), times ms, s; a bare number is in the
 * setting's own unit. Nothing here is shared: a settings struct is the caller's value. */
#ifndef STRATA_SETTINGS_H
#define STRATA_SETTINGS_H

#include "kv.h"

enum setting_kind { SETTING_COUNT, SETTING_BYTES, SETTING_MILLIS, SETTING_CHOICE };

struct setting {
    const char *name; /* "log-bytes" */
    enum setting_kind kind;
    uint64_t smallest;
    uint64_t largest;
    const char *initial; /* the default, as a user would write it */
    const char *choices; /* SETTING_CHOICE: "none|interval|always", NULL otherwise */
    const char *help;    /* one sentence */
};

extern const struct setting settings[];
extern const size_t setting_count;

/* The settings named like the fields of kv_options: durability, interval-millis,
 * interval-bytes, log-region, and so on. */

/* Sets one by name. INVALID, with the name, the range and, for an unknown name, the
 * nearest one; options are then unchanged. */
MUST_CHECK enum status settings_set(struct kv_options *options, const char *name,
                                    const char *value, struct error *error);

/* The value as a user would write it, for the setting at `index`. */
MUST_CHECK enum status settings_print(const struct kv_options *options, size_t index,
                                      struct buf *out);

/* A file of `name value` lines; an error names the file and the line. */
MUST_CHECK enum status settings_read(struct kv_options *options, const char *path,
                                     struct error *error);

/* Every STRATA_<NAME> that `environment` (as in environ) has; an unknown STRATA_ name is
 * an error. */
MUST_CHECK enum status settings_from_environment(struct kv_options *options,
                                                 char *const environment[],
                                                 struct error *error);

#endif

/* dump for the files of a database with tables (kv_dump in kv.h), by their names: logs,
 * tables, CURRENT. */
#ifndef STRATA_DUMP_ENGINE_H
#define STRATA_DUMP_ENGINE_H

#include "kv.h"
#include "names.h"

/* INVALID: none of those. */
MUST_CHECK enum status engine_dump(const char *path, const struct kv_options *options,
                                   kv_report *report, void *context, struct error *error);

/* What the last part of a path names. */
struct name dump_name(const char *path);

#endif

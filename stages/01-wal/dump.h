/* dump for logs (kv_dump in kv.h): every record, mark and damage of one log, in words. */
#ifndef STRATA_DUMP_H
#define STRATA_DUMP_H

#include "kv.h"

MUST_CHECK enum status log_dump(const char *path, const struct kv_options *options,
                                kv_report *report, void *context, struct error *error);

#endif

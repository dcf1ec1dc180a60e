/* dump for manifests, and for all that engine_dump decodes (kv_dump in kv.h): every edit
 * of one manifest, field by field. */
#ifndef STRATA_DUMP_MANIFEST_H
#define STRATA_DUMP_MANIFEST_H

#include "kv.h"

MUST_CHECK enum status manifest_dump(const char *path, const struct kv_options *options,
                                     kv_report *report, void *context,
                                     struct error *error);

#endif

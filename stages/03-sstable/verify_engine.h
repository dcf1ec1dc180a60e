/* verify for a database with tables (kv_verify in kv.h): every block of every table in
 * force, what the tables say of themselves, then the logs, as recovery would judge them.
 * Files that are no part of the database are told, and are no fault. */
#ifndef STRATA_VERIFY_ENGINE_H
#define STRATA_VERIFY_ENGINE_H

#include "catalog.h"

MUST_CHECK enum status engine_verify(const char *dir, const struct kv_options *options,
                                     const struct catalog_ops *catalog, kv_report *report,
                                     void *context, struct error *error);

/* The same for a directory that is held, and whole (listing_must_be_whole). */
MUST_CHECK enum status engine_verify_held(struct directory *directory,
                                          const struct catalog_ops *catalog,
                                          kv_report *report, void *context,
                                          struct error *error);

#endif

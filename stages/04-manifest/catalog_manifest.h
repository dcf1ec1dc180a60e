/* The catalog of stage 04: a table is part of the database because the manifest names it.
 * Any number of tables can come and go with one edit, and after any crash the edit is
 * there or is not. */
#ifndef STRATA_CATALOG_MANIFEST_H
#define STRATA_CATALOG_MANIFEST_H

#include "catalog.h"

extern const struct catalog_ops catalog_manifest;

#endif

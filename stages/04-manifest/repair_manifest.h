/* The parts of a repair (stages/03-sstable/repair_engine.h) for a database with a
 * manifest: all tables become one sorted run in the lowest level, where nothing is older,
 * and a new manifest names them. Levels and ages of the tables that there were do not
 * matter for that: which version of a key is its newest, sequences tell. */
#ifndef STRATA_REPAIR_MANIFEST_H
#define STRATA_REPAIR_MANIFEST_H

#include "repair_engine.h"

extern const struct repair_parts repair_manifest;

#endif

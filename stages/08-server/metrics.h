/* The numbers of INFO in the text format of Prometheus, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats): a family of each, with
 * its help; commands and levels as labels. */
#ifndef STRATA_METRICS_H
#define STRATA_METRICS_H

#include "info.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends them. NO_MEMORY. */
MUST_CHECK enum status metrics_print(const struct info_facts *facts, struct buf *out);

#endif

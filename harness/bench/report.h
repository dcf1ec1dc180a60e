/* What a campaign found, for a person or as one JSON object. Both add to `out`. */
#ifndef STRATA_REPORT_H
#define STRATA_REPORT_H

#include "campaign.h"

/* Two tables, of time and of what it took, within 100 columns. NO_MEMORY. */
MUST_CHECK enum status report_text(const struct campaign *campaign,
                                   const struct findings *findings, struct buf *out);

/* NO_MEMORY. */
MUST_CHECK enum status report_json(const struct campaign *campaign,
                                   const struct findings *findings, struct buf *out);

#endif

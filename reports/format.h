/* Values and times as people read them. */
#ifndef CRUMBLE_REPORTS_FORMAT_H
#define CRUMBLE_REPORTS_FORMAT_H

#include "reports/result.h"

#define FORMAT_BYTES 96

/* "t+42.1s" */
void format_t(int64_t ns, char out[FORMAT_BYTES]);
/* "1.84s ±0.05s"; ">= 3s" when high is infinite; without bounds "99.41%", "12", "19.8/s". unit:
 * "%", "ns", "/s", "" or NULL. NAN: "-". */
void format_value(const char *unit, double value, double low, double high, char out[FORMAT_BYTES]);
/* The measured value of a case. */
void format_measured(const struct result_case *c, char out[FORMAT_BYTES]);
/* The length of an outage, from its bounds. */
void format_outage(const struct result_outage *o, char out[FORMAT_BYTES]);

#endif

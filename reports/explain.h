/* What is told beside a verdict: the window, its worst outage, the bite behind it. */
#ifndef CRUMBLE_REPORTS_EXPLAIN_H
#define CRUMBLE_REPORTS_EXPLAIN_H

#include "base/buf.h"
#include "reports/judge.h"

/* "eat-keystone/7: pod openstack/keystone-api-6c5f of deployment openstack/keystone-api, at
 * t+41.9s": what a bite hit and when. To be freed. */
char *bite_text(const struct story_bite *bite);

/* "longest outage 5.3s ±0.05s at t+42.1s (refused), caused by ...": nothing without an outage. */
void explain_worst(struct buf *text, const struct judge *j, const struct tally *t);

/* The window in counts and the worst outage, into the case's text and bite. -1 without memory. */
int explain_window(const struct judge *j, const struct tally *t, struct result_case *c);

#endif

/*
 * From Rally's own report (`rally task report --json`, format 1.2 of Rally 3) to samples and
 * cases, with what Rally is silent about: iterations that it lost, tasks that crashed and look
 * green, contexts and hooks that failed. A function of its input alone, so that recorded reports
 * test it.
 */
#ifndef CRUMBLE_VERIFIERS_RALLY_REPORT_H
#define CRUMBLE_VERIFIERS_RALLY_REPORT_H

#include "base/err.h"
#include "base/json.h"
#include "verifiers/sink.h"

struct rally_report {
	const cJSON *report;    /* of one task */
	const cJSON *sla;       /* what `task sla-check --json` printed */
	int sla_exit;           /* its exit status */
	unsigned died;          /* threads of Rally that died: "Exception in thread" on its stderr */
	int64_t wall_offset_ns; /* clock_wall_ns() - clock_now_ns(), while it ran */
	const char *verifier;   /* its name */
	int64_t timeout_ns;
	unsigned phases;        /* PHASE_* */
};

/* Tells the sink everything that the report holds: one samples file a workload, one case an SLA
 * criterion, broken cases for contexts and hooks. -1 when the task as a whole cannot be judged
 * (it crashed, was killed, ran nothing, contradicts itself): what there was is told all the same. */
int rally_report_emit(const struct rally_report *report, struct sink *sink, struct err *err);

#endif

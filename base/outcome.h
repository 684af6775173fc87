/*
 * What became of one sample: the classes of a record's `outcome` byte (numbers are part of the
 * file format and never change meaning).
 */
#ifndef CRUMBLE_BASE_OUTCOME_H
#define CRUMBLE_BASE_OUTCOME_H

enum outcome {
	OUTCOME_OK = 0,
	OUTCOME_REFUSED = 1,   /* no connection: refused, unreachable */
	OUTCOME_RESET = 2,     /* the connection broke before the answer was whole */
	OUTCOME_DNS = 3,       /* the name did not resolve, or not in time */
	OUTCOME_TLS = 4,       /* handshake or certificate */
	OUTCOME_TIMEOUT = 5,   /* no whole answer within the timeout, counted from sent */
	OUTCOME_HTTP_4XX = 6,
	OUTCOME_HTTP_5XX = 7,
	OUTCOME_STATUS = 8,    /* any other status than the expected one */
	OUTCOME_BODY = 9,      /* right status, wrong content */
	OUTCOME_AUTH = 10,     /* credentials were refused */
	OUTCOME_FAILED = 11,   /* a command or a Rally iteration; the text is in `detail` */
	OUTCOME_UNSENT = 12,   /* its slot came while the concurrency cap was held: not ok */
	OUTCOME_MISSED = 13,   /* the runner was late by more than a period: neither ok nor bad */
	OUTCOME_LOST = 14,     /* an iteration that Rally lost: not ok, without a place in time */
	OUTCOME_CANCELLED = 15, /* in flight when a run was stopped: neither */
	OUTCOME_COUNT
};

/* "ok", "refused", ... "http-4xx"; "unknown" for anything else. Never NULL. */
const char *outcome_name(enum outcome outcome);

#endif

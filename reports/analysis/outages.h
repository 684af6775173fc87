/*
 * Outages: maximal runs of samples that are not ok, in due order, each with the bounds of its
 * length (shared definitions: a request sent within [first bad sent, last bad sent] was not
 * answered ok; the truth is at most as long as from the last ok sent before to the first ok sent
 * behind). Pure: fed one sample at a time in the order of seq.
 */
#ifndef CRUMBLE_REPORTS_ANALYSIS_OUTAGES_H
#define CRUMBLE_REPORTS_ANALYSIS_OUTAGES_H

#include "base/record.h"

#include <stdbool.h>
#include <stdint.h>

enum sample_class { SAMPLE_OK, SAMPLE_BAD, SAMPLE_NEITHER };
/* BAD: not ok, also unsent. NEITHER: missed, cancelled. Lost is BAD where it counts, but has no
 * place in time: outages pass it over. */
enum sample_class sample_class(const struct sample *s);
/* When it was sent and done, ns since the run began; -1: never. */
int64_t sample_sent_ns(const struct sample *s);
int64_t sample_done_ns(const struct sample *s);

/* Times are ns since the run began, -1 where there is none. */
struct outage {
	int64_t due_ns;        /* of the first bad sample: decides the phase */
	int64_t begin_ns;      /* first bad sent; its due time when none was sent */
	int64_t ok_before_ns;  /* last ok sent before; -1: the begin is censored */
	int64_t ok_behind_ns;  /* first ok sent behind; -1: the end is censored */
	int64_t last_sent_ns;  /* last bad sent */
	int64_t last_done_ns;  /* when the last bad one failed */
	int64_t first_done_ns; /* when the first bad one failed (its due time if it was unsent) */
	int64_t min_ns, max_ns; /* bounds of the length; max INT64_MAX when censored */
	uint64_t bad;          /* samples */
	bool first_sent;       /* the first bad one was sent, not `unsent` */
	enum outcome outcome;  /* of the first bad sample */
	uint16_t detail;
};

/* The middle of the bounds; min when censored. */
int64_t outage_length_ns(const struct outage *o);

struct outages {
	unsigned flap; /* outages apart by fewer ok samples are joined; 0 and 1: off */
	void (*each)(void *arg, const struct outage *outage); /* when it has ended */
	void *arg;
	/* inner */
	bool open;
	struct outage now;
	int64_t first_bad_sent_ns, ok_sent_ns;
	unsigned oks_behind;
};

void outages_init(struct outages *o, unsigned flap, void (*each)(void *, const struct outage *),
	void *arg);
void outages_add(struct outages *o, const struct sample *s);
/* No more samples: an open outage is told, its end censored. */
void outages_end(struct outages *o);

#endif

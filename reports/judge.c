/* Limits against measured values. */
#include "reports/judge.h"

#include "base/buf.h"
#include "reports/explain.h"
#include "reports/format.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int case_set(struct result_case *c, enum verdict verdict, const char *type, const char *format, ...)
{
	va_list args;
	int len;

	free(c->message);
	c->message = NULL;
	va_start(args, format);
	len = vasprintf(&c->message, format, args);
	va_end(args);
	if (len < 0)
		c->message = NULL;
	c->verdict = verdict;
	free(c->type);
	c->type = type ? strdup(type) : NULL;
	return c->message && (c->type || !type) ? 0 : -1;
}

/* ---- a limit ---- */

static bool holds(enum op op, double value, double limit)
{
	switch (op) {
	case OP_GE:
		return value >= limit;
	case OP_LE:
		return value <= limit;
	case OP_GT:
		return value > limit;
	case OP_LT:
		return value < limit;
	case OP_EQ:
		return value == limit;
	}
	return false;
}

struct value {
	double value, low, high; /* bounds NAN: the value is exact */
};

/* Kept, broken, or undecided: kept needs both bounds; broken the middle, and where there is no
 * upper bound that too. */
static enum verdict judge_value(const struct expectation *e, const struct value *v)
{
	bool middle = holds(e->op, v->value, e->value);

	if (isnan(v->low))
		return middle ? VERDICT_PASS : VERDICT_FAIL;
	if (middle && holds(e->op, v->low, e->value) && holds(e->op, v->high, e->value))
		return VERDICT_PASS;
	if (!middle && !(isinf(v->high) && holds(e->op, v->high, e->value)))
		return VERDICT_FAIL;
	return VERDICT_BROKEN;
}

/* ---- values ---- */

static double ns_value(int64_t ns)
{
	return ns == INT64_MAX ? INFINITY : (double)ns;
}

static struct value longest_of(const struct outage_tally *t)
{
	return (struct value){ (double)t->longest_mid_ns, (double)t->longest_min_ns,
		ns_value(t->longest_max_ns) };
}

static struct value downtime_of(const struct outage_tally *t)
{
	return (struct value){ (double)t->sum_mid_ns, (double)t->sum_min_ns,
		ns_value(t->sum_max_ns) };
}

static double percent(uint64_t ok, uint64_t bad)
{
	return ok + bad ? 100.0 * (double)ok / (double)(ok + bad) : NAN;
}

static double achieved_rate(const struct judge *j, const struct tally *t, enum window window)
{
	const struct story_verifier *v = j->m->verifier;
	int64_t from, to;

	window_times(j->story, window, &from, &to);
	if (v->begin_ns > from)
		from = v->begin_ns;
	if (v->end_ns >= 0 && v->end_ns < to)
		to = v->end_ns;
	return to > from ? (double)t->sent * 1e9 / (double)(to - from) : NAN;
}

static double quantile_of(enum metric metric)
{
	switch (metric) {
	case METRIC_P50:
		return 0.5;
	case METRIC_P90:
		return 0.9;
	case METRIC_P95:
		return 0.95;
	case METRIC_P99:
		return 0.99;
	case METRIC_P999:
		return 0.999;
	default:
		return 1;
	}
}

/* `unobserved`: as if what the observer alone did had not been. */
static struct value value_of(const struct judge *j, const struct tally *t, bool unobserved)
{
	const struct expectation *e = &j->expect->parsed;
	const struct outage_tally *o = unobserved ? &t->unobserved : &t->outages;
	uint64_t excused = t->outages.bad - o->bad, bad = t->bad > excused ? t->bad - excused : 0;
	struct value v = { NAN, NAN, NAN };

	switch (e->metric) {
	case METRIC_AVAILABILITY:
		v.value = percent(t->ok, bad);
		break;
	case METRIC_ERRORS:
		v.value = (double)bad;
		break;
	case METRIC_LONGEST_OUTAGE:
		return longest_of(o);
	case METRIC_DOWNTIME:
		return downtime_of(o);
	case METRIC_RATE:
		v.value = achieved_rate(j, t, e->window);
		break;
	case METRIC_SAMPLES:
		v.value = (double)(t->ok + t->bad);
		break;
	default:
		if (t->latency.total)
			v.value = (double)histogram_quantile_ns(
				&t->latency, quantile_of(e->metric));
	}
	return v;
}

static const char *unit_of(enum metric metric)
{
	switch (metric) {
	case METRIC_AVAILABILITY:
		return "%";
	case METRIC_ERRORS:
	case METRIC_SAMPLES:
	case METRIC_BITES:
		return "";
	case METRIC_RATE:
		return "/s";
	case METRIC_SLA:
	case METRIC_RECOVERED:
		return NULL;
	default:
		return "ns";
	}
}

static bool is_percentile(enum metric metric)
{
	return metric >= METRIC_P50 && metric <= METRIC_MAX;
}

/* ---- verdicts of limits ---- */

/* The message of a broken limit, with the worst outage in it where outages are the matter. */
static int set_broken_limit(const struct judge *j, const struct tally *t, struct result_case *c)
{
	const struct expectation *e = &j->expect->parsed;
	OWN_BUF struct buf worst;
	char measured[FORMAT_BYTES];

	buf_init(&worst, 16384);
	format_measured(c, measured);
	if (!is_percentile(e->metric) && e->metric != METRIC_RATE)
		explain_worst(&worst, j, t);
	return case_set(c, VERDICT_FAIL, "crumble.AssertionFailed", "%s is %s, expected %s%s%s",
		metric_name(e->metric), measured, c->limit, worst.len ? "; " : "", buf_str(&worst));
}

static int set_observer(const struct judge *j, const struct tally *t, struct result_case *c)
{
	char measured[FORMAT_BYTES];

	format_measured(c, measured);
	return case_set(c, VERDICT_BROKEN, "crumble.Observer",
		"%s is %s, expected %s, but the control probe failed in %" PRIu64 " of %" PRIu64
		" outages: the observer may be to blame",
		metric_name(j->expect->parsed.metric), measured, c->limit,
		t->outages.n - t->unobserved.n, t->outages.n);
}

/* How many may fail is the scenario's to say; where it does, percentiles are of the others. */
static bool failures_limited(const struct story_verifier *v)
{
	for (size_t i = 0; i < v->n_expects; i++) {
		enum metric metric = v->expects[i].parsed.metric;

		if (v->expects[i].readable &&
			(metric == METRIC_AVAILABILITY || metric == METRIC_ERRORS))
			return true;
	}
	return false;
}

/* Latencies are of ok samples. A request that failed stayed within no limit: where more failed than
 * a percentile leaves aside, no latency of the others keeps it. */
static bool fails_beyond(enum metric metric, uint64_t ok, uint64_t bad)
{
	return is_percentile(metric) && metric != METRIC_MAX &&
	       (double)bad > (1 - quantile_of(metric)) * (double)(ok + bad) + 1e-9;
}

static int judge_failed_ones(const struct judge *j, const struct tally *t, struct result_case *c)
{
	enum metric metric = j->expect->parsed.metric;
	uint64_t observed = t->outages.bad - t->unobserved.bad;
	uint64_t bad = t->bad > observed ? t->bad - observed : 0;
	OWN_BUF struct buf worst;

	if (explain_window(j, t, c))
		return -1;
	if (!fails_beyond(metric, t->ok, bad))
		return set_observer(j, t, c);
	buf_init(&worst, 16384);
	explain_worst(&worst, j, t);
	return case_set(c, VERDICT_FAIL, "crumble.AssertionFailed",
		"%s, expected %s, is not kept: %" PRIu64 " of %" PRIu64
		" samples failed and have no latency%s%s",
		metric_name(metric), c->limit, t->bad, t->ok + t->bad, worst.len ? "; " : "",
		buf_str(&worst));
}

static int set_undecided(const struct judge *j, const struct value *v, struct result_case *c)
{
	char low[FORMAT_BYTES];

	if (isinf(v->high)) {
		format_value("ns", v->low, NAN, NAN, low);
		return case_set(c, VERDICT_BROKEN, "crumble.Undecided",
			"%s is at least %s (an outage has no end or no begin in the record), "
			"expected %s: cannot tell",
			metric_name(j->expect->parsed.metric), low, c->limit);
	}
	format_measured(c, low);
	return case_set(c, VERDICT_BROKEN, "crumble.Undecided",
		"%s is %s, expected %s: its bounds lie on both sides of the limit; sample more often",
		metric_name(j->expect->parsed.metric), low, c->limit);
}

static const char *metric_instead(enum metric metric, uint64_t n)
{
	for (int i = (int)metric - 1; is_percentile(metric) && i >= METRIC_P50; i--)
		if (metric_needs((enum metric)i) <= n)
			return metric_name((enum metric)i);
	return is_percentile(metric) && n ? metric_name(METRIC_MAX) : NULL;
}

/* No data, or too little: never satisfied. */
static bool too_little(
	const struct judge *j, const struct tally *t, struct result_case *c, int *ret_result)
{
	const struct expectation *e = &j->expect->parsed;
	uint64_t needs = metric_needs(e->metric);
	const char *instead = metric_instead(e->metric, c->n);

	if (e->metric == METRIC_SAMPLES)
		return false;
	if (!(t->ok + t->bad)) {
		*ret_result = case_set(c, VERDICT_BROKEN, "crumble.NoData",
			"no samples in %s: %s cannot be told", window_name(e->window),
			metric_name(e->metric));
		return true;
	}
	if (c->n >= needs && !isnan(c->value))
		return false;
	c->value = NAN; /* a figure that means nothing is not shown */
	*ret_result = case_set(c, VERDICT_BROKEN, "crumble.NoData",
		"%" PRIu64 " of %" PRIu64 " %ssamples needed for %s%s%s", c->n, needs ? needs : 1,
		is_percentile(e->metric) ? "ok " : "", metric_name(e->metric),
		instead ? "; use " : "", instead ? instead : "");
	return true;
}

static int judge_limit(const struct judge *j, const struct tally *t, struct result_case *c)
{
	const struct expectation *e = &j->expect->parsed;
	struct value v = value_of(j, t, false), other = value_of(j, t, true);
	enum verdict verdict;
	int result = 0;

	c->value = v.value;
	c->low = v.low;
	c->high = v.high;
	c->n = is_percentile(e->metric) ? t->latency.total : t->ok + t->bad;
	if (too_little(j, t, c, &result))
		return result;
	verdict = judge_value(e, &v);
	if (verdict == VERDICT_PASS && !failures_limited(j->m->verifier) &&
		fails_beyond(e->metric, t->ok, t->bad))
		return judge_failed_ones(j, t, c);
	if (verdict == VERDICT_PASS && judge_value(e, &other) == VERDICT_PASS) {
		c->verdict = VERDICT_PASS;
		return 0;
	}
	if (e->metric == METRIC_SAMPLES)
		return case_set(c, VERDICT_BROKEN, "crumble.TooFew",
			"%.0f samples, expected %s: the runner fell short, not the service",
			v.value, c->limit);
	if (explain_window(j, t, c))
		return -1;
	if (t->outages.n != t->unobserved.n && judge_value(e, &other) != verdict)
		return set_observer(j, t, c);
	return verdict == VERDICT_FAIL ? set_broken_limit(j, t, c) : set_undecided(j, &v, c);
}

int judge_expectation(const struct judge *j, struct result_case *c)
{
	const struct expectation *e = &j->expect->parsed;
	char why[ERR_TEXT_BYTES];
	int result;

	c->value = c->low = c->high = NAN;
	if (!j->expect->readable)
		return case_set(c, VERDICT_BROKEN, "crumble.Unreadable",
			"this expectation is not understood: %s", j->expect->text);
	if (unit_of(e->metric) && !(c->unit = strdup(unit_of(e->metric))))
		return -1;
	if (judge_unusable(j, why))
		return case_set(c, VERDICT_BROKEN, "crumble.NoData", "%s", why);
	if (e->metric == METRIC_SLA)
		return judge_sla(j, c);
	if (e->metric == METRIC_RECOVERED)
		return judge_recovered(j, c);

	struct tally *t = malloc(sizeof(*t));

	if (!t)
		return -1;
	measure_window(j->m, e->window, t);
	result = judge_limit(j, t, c);
	free(t);
	return result;
}

/* Expectations: `metric op value [during window]`, from text to a limit and back. */
#include "reports/expect.h"

#include "base/clock.h"
#include "base/near.h"
#include "base/own.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum unit { UNIT_NONE, UNIT_PERCENT, UNIT_COUNT, UNIT_DURATION, UNIT_RATE };

static const struct {
	const char *name;
	enum unit unit;
	bool of_cookies;
	uint64_t needs;
	const char *doc;
} metrics[METRIC_COUNT] = {
	[METRIC_AVAILABILITY] = { "availability", UNIT_PERCENT, false, 1,
		"ok samples over ok and not-ok ones" },
	[METRIC_ERRORS] = { "errors", UNIT_COUNT, false, 1, "samples that were not ok" },
	[METRIC_LONGEST_OUTAGE] = { "longest_outage", UNIT_DURATION, false, 1,
		"the longest run of samples that are not ok, from the first that fails to the next ok" },
	[METRIC_DOWNTIME] = { "downtime", UNIT_DURATION, false, 1, "the sum of all outages" },
	[METRIC_P50] = { "p50", UNIT_DURATION, false, 1,
		"median latency, from the intended send time" },
	[METRIC_P90] = { "p90", UNIT_DURATION, false, 10, "latency that 90% stay within" },
	[METRIC_P95] = { "p95", UNIT_DURATION, false, 20, "latency that 95% stay within" },
	[METRIC_P99] = { "p99", UNIT_DURATION, false, 100, "latency that 99% stay within" },
	[METRIC_P999] = { "p999", UNIT_DURATION, false, 1000, "latency that 99.9% stay within" },
	[METRIC_MAX] = { "max", UNIT_DURATION, false, 1, "the longest latency" },
	[METRIC_RATE] = { "rate", UNIT_RATE, false, 1, "samples achieved per second, like 20/s" },
	[METRIC_SAMPLES] = { "samples", UNIT_COUNT, false, 0, "how many samples there are" },
	[METRIC_SLA] = { "sla", UNIT_NONE, false, 0,
		"every criterion of its own (Rally's SLA) passed; takes no limit" },
	[METRIC_RECOVERED] = { "recovered", UNIT_NONE, false, 0,
		"back to its baseline at the end (without a baseline: its last 10 samples are ok; a "
		"finite one: it ended by itself with success); takes no limit" },
	[METRIC_BITES] = { "bites", UNIT_COUNT, true, 0, "proved bites" },
};

static const char *const windows[] = {
	[WINDOW_CHAOS] = "chaos",
	[WINDOW_BASELINE] = "baseline",
	[WINDOW_FAULTS] = "faults",
	[WINDOW_RECOVERY] = "recovery",
	[WINDOW_RUN] = "run",
};

/* Longer ones before their own beginnings. */
static const struct {
	const char *text;
	enum op op;
} ops[] = { { ">=", OP_GE }, { "<=", OP_LE }, { "==", OP_EQ }, { ">", OP_GT }, { "<", OP_LT } };

const char *metric_name(enum metric metric)
{
	return (size_t)metric < METRIC_COUNT ? metrics[metric].name : "unknown";
}

const char *metric_doc(enum metric metric)
{
	return (size_t)metric < METRIC_COUNT ? metrics[metric].doc : "";
}

bool metric_of_cookies(enum metric metric)
{
	return (size_t)metric < METRIC_COUNT && metrics[metric].of_cookies;
}

uint64_t metric_needs(enum metric metric)
{
	return (size_t)metric < METRIC_COUNT ? metrics[metric].needs : 0;
}

const char *window_name(enum window window)
{
	return (size_t)window < ARRAY_LEN(windows) ? windows[window] : "unknown";
}

/* ---- close names ---- */

/* Metrics of the other kind are no candidates: an empty name is near to nothing. */
static const char *metric_candidate(void *arg, size_t i)
{
	bool of_cookie = *(bool *)arg;

	if (i >= METRIC_COUNT)
		return NULL;
	return metrics[i].of_cookies == of_cookie ? metrics[i].name : "";
}

static const char *window_candidate(void *arg, size_t i)
{
	(void)arg;
	return i < ARRAY_LEN(windows) ? windows[i] : NULL;
}

/* ---- reading ---- */

static const char *skip_space(const char *at)
{
	while (isspace((unsigned char)*at))
		at++;
	return at;
}

/* The next word into out; names are short, so a longer one is cut and then simply unknown. */
static const char *take_word(const char *at, char *out, size_t size)
{
	size_t len = 0;

	at = skip_space(at);
	for (; *at && !isspace((unsigned char)*at) && !strchr("<>=!", *at); at++)
		if (len + 1 < size)
			out[len++] = *at;
	out[len] = '\0';
	return at;
}

static int read_metric(const char *word, bool of_cookie, enum metric *ret, struct err *err)
{
	const char *near;

	for (size_t i = 0; i < METRIC_COUNT; i++) {
		if (strcmp(word, metrics[i].name))
			continue;
		*ret = (enum metric)i;
		if (metrics[i].of_cookies != of_cookie)
			return err_set(err, ERR_CONFIG, "\"%s\" is a metric of %s", word,
				of_cookie ? "verifiers, not of cookies"
					  : "cookies, not of verifiers");
		return 0;
	}
	near = name_near(word, metric_candidate, &of_cookie);
	return err_set(err, ERR_CONFIG, "unknown metric \"%s\"%s%s%s", word,
		near ? "; did you mean \"" : " (`crumble list` names them)", near ? near : "",
		near ? "\"?" : "");
}

static int read_op(const char **at, enum op *ret, struct err *err)
{
	*at = skip_space(*at);
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		size_t len = strlen(ops[i].text);

		if (strncmp(*at, ops[i].text, len))
			continue;
		*at += len;
		*ret = ops[i].op;
		return 0;
	}
	return err_set(err, ERR_CONFIG, "expected >=, <=, >, < or == %s%.20s%s",
		**at ? "before \"" : "at the end", *at, **at ? "\"" : "");
}

static int read_number(const char *word, const char *suffix, double *ret)
{
	char *end;

	if (!isdigit((unsigned char)*word) || word[strcspn(word, "xX")])
		return -1;
	*ret = strtod(word, &end);
	return isfinite(*ret) && !strcmp(end, suffix) ? 0 : -1;
}

static int read_percent(const char *word, double *ret, struct err *err)
{
	if (read_number(word, "%", ret))
		return err_set(err, ERR_CONFIG, "\"%s\" is not a percentage, like 99.9%%", word);
	return *ret <= 100 ? 0 : err_set(err, ERR_CONFIG, "%s is more than 100%%", word);
}

static int read_count(const char *word, double *ret, struct err *err)
{
	if (read_number(word, "", ret) || *ret != floor(*ret) || *ret > 1e15)
		return err_set(err, ERR_CONFIG, "\"%s\" is not a count, like 8", word);
	return 0;
}

static int read_duration(const char *word, double *ret, struct err *err)
{
	int64_t ns;

	if (clock_parse_duration(word, &ns, err))
		return -1;
	*ret = (double)ns;
	return 0;
}

static int read_value(enum metric metric, const char *word, double *ret, struct err *err)
{
	if (!*word)
		return err_set(err, ERR_CONFIG, "the limit is missing at the end");
	switch (metrics[metric].unit) {
	case UNIT_PERCENT:
		return read_percent(word, ret, err);
	case UNIT_COUNT:
		return read_count(word, ret, err);
	case UNIT_DURATION:
		return read_duration(word, ret, err);
	case UNIT_RATE:
		return !read_number(word, "/s", ret)
			       ? 0
			       : err_set(err, ERR_CONFIG, "\"%s\" is not a rate, like 20/s", word);
	case UNIT_NONE:
		break;
	}
	return 0;
}

static int read_window(const char *at, enum window *ret, struct err *err)
{
	char during[16], word[32];
	const char *near;

	at = take_word(at, during, sizeof(during));
	if (!*during && !*at)
		return 0;
	if (strcmp(during, "during"))
		return err_set(err, ERR_CONFIG,
			"expected \"during\" and a window, or the end, instead of \"%s\"",
			*during ? during : at);
	at = skip_space(take_word(at, word, sizeof(word)));
	if (*at)
		return err_set(err, ERR_CONFIG, "text behind the expectation: \"%.40s\"", at);
	for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
		if (!strcmp(word, windows[i])) {
			*ret = (enum window)i;
			return 0;
		}
	}
	near = name_near(word, window_candidate, NULL);
	return err_set(err, ERR_CONFIG,
		"unknown window \"%s\" (baseline, faults, recovery, chaos, run)%s%s%s", word,
		near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

int expectation_parse(const char *text, bool of_cookie, struct expectation *ret, struct err *err)
{
	struct expectation e = { .window = WINDOW_CHAOS, .op = OP_GE };
	const char *at = text;
	char word[64];

	at = take_word(at, word, sizeof(word));
	if (!*word)
		return err_set(err, ERR_CONFIG,
			"expected \"metric op value [during window]\", like availability >= 99.5%%");
	if (read_metric(word, of_cookie, &e.metric, err))
		return -1;
	if (metrics[e.metric].unit == UNIT_NONE) {
		at = skip_space(at);
		if (*at)
			return err_set(err, ERR_CONFIG,
				"\"%s\" stands alone, without a limit or a window", word);
		*ret = e;
		return 0;
	}
	if (read_op(&at, &e.op, err))
		return -1;
	at = take_word(at, word, sizeof(word));
	if (read_value(e.metric, word, &e.value, err) || read_window(at, &e.window, err))
		return -1;
	if (of_cookie && (e.window == WINDOW_BASELINE || e.window == WINDOW_RECOVERY))
		return err_set(err, ERR_CONFIG, "cookies bite in the faults phase: no %s during %s",
			metric_name(e.metric), window_name(e.window));
	*ret = e;
	return 0;
}

/* ---- writing ---- */

static const char *op_text(enum op op)
{
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (ops[i].op == op)
			return ops[i].text;
	return "?";
}

/* The usual short form where it is exact. */
static void format_duration(int64_t ns, char *out, size_t size)
{
	char text[CLOCK_DURATION_BYTES];
	int64_t back;

	clock_format_duration(ns, text);
	if (clock_parse_duration(text, &back, NULL) || back != ns)
		snprintf(out, size, "%.15gms", (double)ns / (double)NS_PER_MS);
	else
		snprintf(out, size, "%s", text);
}

void expectation_format(const struct expectation *e, char out[EXPECTATION_BYTES])
{
	char value[CLOCK_DURATION_BYTES + 8];
	const char *during = e->window == WINDOW_CHAOS ? "" : " during ";

	switch (metrics[e->metric].unit) {
	case UNIT_NONE:
		snprintf(out, EXPECTATION_BYTES, "%s", metric_name(e->metric));
		return;
	case UNIT_DURATION:
		format_duration((int64_t)e->value, value, sizeof(value));
		break;
	case UNIT_PERCENT:
		snprintf(value, sizeof(value), "%.15g%%", e->value);
		break;
	case UNIT_COUNT:
		snprintf(value, sizeof(value), "%.15g", e->value);
		break;
	case UNIT_RATE:
		snprintf(value, sizeof(value), "%.15g/s", e->value);
		break;
	}
	snprintf(out, EXPECTATION_BYTES, "%s %s %s%s%s", metric_name(e->metric), op_text(e->op),
		value, during, *during ? window_name(e->window) : "");
}

static int direction(enum op op)
{
	if (op == OP_EQ)
		return 0;
	return op == OP_GE || op == OP_GT ? 1 : -1;
}

bool expectation_collides(const struct expectation *a, const struct expectation *b)
{
	return a->metric == b->metric && a->window == b->window &&
	       (direction(a->op) == direction(b->op) || !direction(a->op) || !direction(b->op));
}

/* Values and times as people read them. */
#include "reports/format.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Three or four figures are enough for people; report.json has all of them. */
static void format_ns(double ns, char *out, size_t size)
{
	double s = ns / (double)NS_PER_S;
	int64_t whole = (int64_t)(s + 0.5);

	if (!(ns < 9e18))
		snprintf(out, size, "unknown");
	else if (ns == 0)
		snprintf(out, size, "0s");
	else if (s < 0.001)
		snprintf(out, size, "%.3gus", ns / 1e3);
	else if (s < 0.9995)
		snprintf(out, size, "%.3gms", ns / 1e6);
	else if (s < 99.995)
		snprintf(out, size, "%.4gs", s);
	else if (whole < 3600)
		snprintf(out, size, "%dm%ds", (int)(whole / 60), (int)(whole % 60));
	else
		snprintf(out, size, "%lldh%dm%ds", (long long)(whole / 3600),
			(int)(whole % 3600 / 60), (int)(whole % 60));
}

void format_t(int64_t ns, char out[FORMAT_BYTES])
{
	snprintf(out, FORMAT_BYTES, "t+%.1fs", (double)ns / (double)NS_PER_S);
}

static void format_duration(double value, double low, double high, char *out)
{
	char middle[32], half[32];

	format_ns(value, middle, sizeof(middle));
	if (isinf(high)) {
		snprintf(out, FORMAT_BYTES, ">= %s", middle);
	} else if (isnan(low) || isnan(high) || high <= low) {
		snprintf(out, FORMAT_BYTES, "%s", middle);
	} else {
		format_ns((high - low) / 2, half, sizeof(half));
		snprintf(out, FORMAT_BYTES, "%s ±%s", middle, half);
	}
}

void format_value(const char *unit, double value, double low, double high, char out[FORMAT_BYTES])
{
	if (isnan(value))
		snprintf(out, FORMAT_BYTES, "-");
	else if (unit && !strcmp(unit, "ns"))
		format_duration(value, low, high, out);
	else if (unit && !strcmp(unit, "%"))
		snprintf(out, FORMAT_BYTES, "%.6g%%", value);
	else if (unit && !strcmp(unit, "/s"))
		snprintf(out, FORMAT_BYTES, "%.4g/s", value);
	else
		snprintf(out, FORMAT_BYTES, "%.15g", value);
}

void format_measured(const struct result_case *c, char out[FORMAT_BYTES])
{
	format_value(c->unit, c->value, c->low, c->high, out);
}

void format_outage(const struct result_outage *o, char out[FORMAT_BYTES])
{
	bool open = o->censored_begin || o->censored_end;
	double low = (double)o->min_ns, high = open ? INFINITY : (double)o->max_ns;

	format_value("ns", open ? low : (low + high) / 2, low, high, out);
}

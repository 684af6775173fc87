/* Time: monotonic and wall clocks, durations with units. */
#include "base/clock.h"

#include "base/own.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_now_ns(void)
{
	return now(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void)
{
	return now(CLOCK_REALTIME);
}

void clock_rfc3339(int64_t wall_ns, int millis, char out[CLOCK_RFC3339_BYTES])
{
	time_t seconds = (time_t)(wall_ns / NS_PER_S);
	int ms = (int)(wall_ns / NS_PER_MS % 1000);
	struct tm tm;
	size_t len;

	gmtime_r(&seconds, &tm);
	len = strftime(out, CLOCK_RFC3339_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	if (millis)
		snprintf(out + len, CLOCK_RFC3339_BYTES - len, ".%03dZ", ms);
	else
		snprintf(out + len, CLOCK_RFC3339_BYTES - len, "Z");
}

static const struct {
	const char *name;
	int64_t ns;
} units[] = { { "ms", NS_PER_MS }, { "us", 1000 }, { "s", NS_PER_S }, { "m", 60 * NS_PER_S },
	{ "h", 3600 * NS_PER_S } };

/* One "NUMBER[.FRACTION]UNIT"; moves *text behind it. Returns its ns, or -1. */
static int64_t parse_part(const char **text)
{
	const char *p = *text;
	double value = 0, scale = 1;

	if (!isdigit((unsigned char)*p))
		return -1;
	while (isdigit((unsigned char)*p))
		value = value * 10 + (*p++ - '0');
	if (*p == '.') {
		p++;
		if (!isdigit((unsigned char)*p))
			return -1;
		while (isdigit((unsigned char)*p)) {
			scale /= 10;
			value += (*p++ - '0') * scale;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		size_t len = strlen(units[i].name);

		if (strncmp(p, units[i].name, len) || isalpha((unsigned char)p[len]))
			continue;
		value *= (double)units[i].ns;
		if (value > 9e18)
			return -1;
		*text = p + len;
		return (int64_t)(value + 0.5);
	}
	return -1;
}

int clock_parse_duration(const char *text, int64_t *ret_ns, struct err *err)
{
	const char *p = text;
	int64_t total = 0;

	do {
		int64_t part = parse_part(&p);

		if (part < 0 || total > INT64_MAX - part)
			return err_set(err, ERR_CONFIG,
				"\"%s\" is not a duration: write a number with a unit, like 250ms, 30s, 10m, 1h30m",
				text);
		total += part;
	} while (*p);
	*ret_ns = total;
	return 0;
}

void clock_format_duration(int64_t ns, char out[CLOCK_DURATION_BYTES])
{
	int64_t s = ns / NS_PER_S;
	size_t n = CLOCK_DURATION_BYTES;

	if (ns < NS_PER_S && ns % NS_PER_MS == 0 && ns)
		snprintf(out, n, "%" PRId64 "ms", ns / NS_PER_MS);
	else if (ns % NS_PER_S || !ns)
		snprintf(out, n, "%.3gs", (double)ns / 1e9);
	else if (s % 60 && s < 120)
		snprintf(out, n, "%" PRId64 "s", s);
	else if (s % 60)
		snprintf(out, n, "%" PRId64 "m%" PRId64 "s", s / 60, s % 60);
	else if (s % 3600 == 0)
		snprintf(out, n, "%" PRId64 "h", s / 3600);
	else if (s > 3600)
		snprintf(out, n, "%" PRId64 "h%" PRId64 "m", s / 3600, s % 3600 / 60);
	else
		snprintf(out, n, "%" PRId64 "m", s / 60);
}

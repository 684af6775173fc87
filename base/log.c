/* The log: one line a change of state, on standard error. */
#include "base/log.h"

#include "base/clock.h"
#include "base/own.h"

#include <pthread.h>
#include <stdio.h>

static struct {
	pthread_mutex_t lock;
	enum log_level least;
	bool json;
	int64_t t0_ns;
	void (*around)(bool show);
} state = { .lock = PTHREAD_MUTEX_INITIALIZER, .least = LOG_INFO };

void log_setup(enum log_level least, bool json)
{
	pthread_mutex_lock(&state.lock);
	state.least = least;
	state.json = json;
	pthread_mutex_unlock(&state.lock);
}

void log_set_origin(int64_t t0_ns)
{
	pthread_mutex_lock(&state.lock);
	state.t0_ns = t0_ns;
	pthread_mutex_unlock(&state.lock);
}

void log_set_footer(void (*around)(bool show))
{
	pthread_mutex_lock(&state.lock);
	state.around = around;
	pthread_mutex_unlock(&state.lock);
}

static void print_json(enum log_level level, const char *word, const char *text)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	char wall[CLOCK_RFC3339_BYTES];
	OWN_JSON cJSON *line = cJSON_CreateObject();
	OWN_MEM char *out = NULL;

	clock_rfc3339(clock_wall_ns(), 1, wall);
	cJSON_AddStringToObject(line, "time", wall);
	cJSON_AddStringToObject(line, "level", names[level]);
	if (*word)
		cJSON_AddStringToObject(line, "event", word);
	cJSON_AddStringToObject(line, "message", text);
	out = cJSON_PrintUnformatted(line);
	fprintf(stderr, "%s\n", out ? out : "{}");
}

static void print_text(const char *word, const char *text)
{
	if (state.t0_ns)
		fprintf(stderr, "[%7.1fs] ", (double)(clock_now_ns() - state.t0_ns) / 1e9);
	if (*word)
		fprintf(stderr, "%-7s ", word);
	fprintf(stderr, "%s\n", text);
}

void log_line(enum log_level level, const char *word, const char *format, ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	pthread_mutex_lock(&state.lock);
	if (level >= state.least) {
		if (state.around)
			state.around(false);
		if (state.json)
			print_json(level, word, text);
		else
			print_text(word, text);
		if (state.around)
			state.around(true);
	}
	pthread_mutex_unlock(&state.lock);
}

/*
 * The log: standard error, one line a change of state; JSON lines on request. Standard output is
 * for asked-for data alone. Secrets never reach it. Any thread.
 */
#ifndef CRUMBLE_BASE_LOG_H
#define CRUMBLE_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Once, at the start of the program. */
void log_setup(enum log_level least, bool json);

/* Times in lines count from here (clock_now_ns); 0 until a run begins: then lines carry none. */
void log_set_origin(int64_t t0_ns);

/* A terminal footer hides itself while a line is written: `around(false)` before, `around(true)`
 * behind. NULL: none. Called with the log's lock held: it must not log. */
void log_set_footer(void (*around)(bool show));

/* `word` is the kind of event in capitals ("BITE", "OUTAGE", "PHASE"), or "". */
void log_line(enum log_level level, const char *word, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_debug(...) log_line(LOG_DEBUG, "", __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, "", __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, "WARN", __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, "ERROR", __VA_ARGS__)

#endif

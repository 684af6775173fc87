/* The names of the outcomes. */
#include "base/outcome.h"

const char *outcome_name(enum outcome outcome)
{
	static const char *const names[OUTCOME_COUNT] = { "ok", "refused", "reset", "dns", "tls",
		"timeout", "http-4xx", "http-5xx", "status", "body", "auth", "failed", "unsent",
		"missed", "lost", "cancelled" };

	return (unsigned)outcome < OUTCOME_COUNT ? names[outcome] : "unknown";
}

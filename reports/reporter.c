/* The list of reporters. */
#include "reports/reporter.h"

#include <string.h>

#define REPORTER(name) extern const struct reporter_ops reporter_##name;
#include "reports/reporters.def"
#undef REPORTER

const struct reporter_ops *const reporters[] = {
#define REPORTER(name) &reporter_##name,
#include "reports/reporters.def"
#undef REPORTER
	NULL,
};

const struct reporter_ops *reporter_find(const char *name)
{
	for (size_t i = 0; reporters[i]; i++)
		if (!strcmp(reporters[i]->name, name))
			return reporters[i];
	return NULL;
}

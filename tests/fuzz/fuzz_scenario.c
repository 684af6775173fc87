/*
 * Any bytes as a scenario: refused with at least one line, or loaded. Above all, libcyaml never
 * sees what the checks let pass by mistake (ERR_BUG): that would be an error without a place.
 */
#include "runner/scenario.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWN_FD int fd = memfd_create("scenario", MFD_CLOEXEC);
	OWN_MEM char *path = str_format("/proc/self/fd/%d", fd);
	struct scenario *scenario = NULL;
	OWN_BUF struct buf problems;
	struct err err = { 0 };

	buf_init(&problems, 1 << 20);
	if (fd < 0 || !path || (size && write(fd, data, size) != (ssize_t)size))
		abort();
	if (scenario_load(path, &scenario, &problems, &err)) {
		if (!err.code || !problems.len || scenario || err.code == ERR_BUG)
			abort();
		return 0;
	}
	if (!scenario->name || !scenario->namespace ||
		(!scenario->faults_ns && !scenario->n_verify))
		abort();
	scenario_needs_cluster(scenario);
	scenario_free(scenario);
	return 0;
}

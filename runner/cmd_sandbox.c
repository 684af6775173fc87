/* crumble sandbox: the sandbox takes this process's place. */
#include "runner/commands.h"

#include "base/own.h"
#include "reports/result.h"
#include "runner/cluster.h"

#include <stdio.h>
#include <string.h>

int cmd_sandbox(int argc, char **argv)
{
	OWN_MEM char *path = NULL;
	struct err err;

	(void)argc;
	if (cluster_find_sandbox(&path, &err)) {
		fprintf(stderr, "crumble: %s\n", err.text);
		return EXIT_USAGE;
	}
	argv[0] = path;
	execv(path, argv);
	err_errno(&err, "%s: start", path);
	fprintf(stderr, "crumble: %s\n", err.text);
	return EXIT_BROKEN;
}

/* crumble heal: undoes from the journals alone what dead runs left. Any number of times. */
#include "runner/commands.h"

#include "base/log.h"
#include "base/own.h"
#include "reports/result.h"
#include "runner/folder.h"
#include "runner/leftovers.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
	"crumble heal DIR: undo what a dead run left behind\n"
	"\n"
	"DIR is OUT or OUT/NAME. Works from the journal alone, any number of times.\n"
	"\n"
	"Exit: 0 nothing is left, 2 usage, or a live run holds the record,\n"
	"      4 something is left\n";

static int heal_one(const char *dir, struct signals *signals)
{
	struct err err = { ERR_NONE, "" };
	size_t left = 0;

	if (!leftovers_heal(dir, signals_stop(signals), &left, &err)) {
		printf("%s: nothing is left\n", dir);
		return EXIT_PASS;
	}
	fprintf(stderr, "crumble: %s\n", err.text);
	if (left)
		fprintf(stderr, "crumble: %s: %zu thing%s left\n", dir, left,
			left == 1 ? " is" : "s are");
	return err.code == ERR_CONFLICT && !left ? EXIT_USAGE : EXIT_UNHEALED;
}

int cmd_heal(int argc, char **argv, struct signals *signals)
{
	char **dirs = NULL;
	struct err err;
	size_t n = 0;
	int worst = EXIT_PASS;

	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(help, stdout);
		return EXIT_PASS;
	}
	if (argc != 2 || *argv[1] == '-') {
		fprintf(stderr, "crumble: heal takes one folder; see crumble heal --help\n");
		return EXIT_USAGE;
	}
	log_setup(LOG_INFO, false);
	if (folder_records(argv[1], &dirs, &n, &err)) {
		fprintf(stderr, "crumble: %s\n", err.text);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < n; i++) {
		int code = heal_one(dirs[i], signals);

		worst = code > worst ? code : worst;
	}
	folder_list_free(dirs, n);
	return worst;
}

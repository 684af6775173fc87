/* crumble check FILE|DIR...: all mistakes of scenario files, with their places. */
#include "reports/result.h"
#include "runner/commands.h"
#include "runner/scenario.h"

#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char usage[] =
	"Usage: crumble check FILE|DIR...\n"
	"\n"
	"Checks scenario files, all mistakes at once. Of a folder: its *.yaml and "
	"*.yml files.\n"
	"Exit: 0 all are good (there may be warnings), 2 otherwise.\n"
	"\n"
	"  -h, --help  this text\n";

static int check_file(const char *path)
{
	struct scenario *scenario = NULL;
	OWN_BUF struct buf problems;
	struct err err = { 0 };
	int ret;

	buf_init(&problems, 1 << 20);
	ret = scenario_load(path, &scenario, &problems, &err);
	scenario_free(scenario);
	fputs(buf_str(&problems), stderr);
	if (ret && !problems.len)
		fprintf(stderr, "%s\n", err.text);
	if (!ret)
		printf("%s: ok\n", path);
	return ret;
}

static int is_scenario(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '.');

	return end && entry->d_name[0] != '.' && (!strcmp(end, ".yaml") || !strcmp(end, ".yml"));
}

static int check_folder(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, is_scenario, alphasort), ret = 0;

	if (n < 0) {
		fprintf(stderr, "%s: %m\n", path);
		return -1;
	}
	if (!n) {
		fprintf(stderr, "%s: no scenario (*.yaml, *.yml) in this folder\n", path);
		ret = -1;
	}
	for (int i = 0; i < n; i++) {
		OWN_MEM char *file = str_format("%s/%s", path, names[i]->d_name);

		if (!file || check_file(file))
			ret = -1;
		free(names[i]);
	}
	free(names);
	return ret;
}

static int check_path(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode) ? check_folder(path) : check_file(path);
}

int cmd_check(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	int option, failed = 0;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		fputs(usage, option == 'h' ? stdout : stderr);
		return option == 'h' ? EXIT_PASS : EXIT_USAGE;
	}
	if (optind == argc) {
		fprintf(stderr, "crumble check: no file given\n%s", usage);
		return EXIT_USAGE;
	}
	for (int i = optind; i < argc; i++)
		if (check_path(argv[i]))
			failed = 1;
	return failed ? EXIT_USAGE : EXIT_PASS;
}

/* `crumble report DIR`: makes all reports again from the record of one run, or of all runs of a
 * call, and prints the summary. The exit code is the verdict's. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "reports/report.h"
#include "runner/commands.h"

#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void usage(FILE *to)
{
	fputs("usage: crumble report DIR\n"
	      "Makes junit.xml, report.json and summary.txt again from the record in DIR\n"
	      "(OUT/NAME of one run, or OUT of a call) and prints the summary.\n",
		to);
}

static bool holds_record(const char *dir)
{
	OWN_MEM char *path = str_format("%s/journal.jsonl", dir);

	return path && !access(path, F_OK);
}

/* In the file of all runs, one whose record cannot be read is an error, and not missing. Told
 * with the record's own time, so that the file comes out the same each time. */
static struct result *unreadable(const char *dir, const char *why)
{
	OWN_MEM char *path = str_format("%s/journal.jsonl", dir);
	const char *name = strrchr(dir, '/');
	struct result *result = result_without_record(
		name ? name + 1 : dir, "run completed", "crumble.DamagedRecord", why);
	struct stat st;

	if (result && path && !stat(path, &st))
		result->wall_ns = st.st_mtim.tv_sec * NS_PER_S;
	return result;
}

/* A run that is alive writes its files itself: then the summary is all. */
static int report_one(const char *dir, struct result **ret_result)
{
	OWN_MEM char *text = NULL;
	struct err err = { 0 };

	if (report_build(dir, false, ret_result, &err)) {
		log_error("%s", err.text);
		*ret_result = unreadable(dir, err.text);
		return EXIT_BROKEN;
	}
	if ((*ret_result)->live)
		log_warn("%s: this run is alive: its files are left to it", dir);
	else if (report_write(dir, *ret_result, false, &err)) {
		log_error("%s", err.text);
		return exit_code_worse(EXIT_BROKEN, (*ret_result)->exit_code);
	}
	text = report_text(*ret_result, isatty(STDOUT_FILENO) && !getenv("NO_COLOR"));
	if (text)
		fputs(text, stdout);
	return (*ret_result)->exit_code;
}

static int is_run(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int report_all(const char *out)
{
	struct dirent **names = NULL;
	int n = scandir(out, &names, is_run, alphasort), code = 0;
	struct result **results = n > 0 ? calloc((size_t)n, sizeof(struct result *)) : NULL;
	struct err err = { 0 };
	size_t found = 0, built = 0;
	bool live = false;

	for (int i = 0; i < n; i++) {
		OWN_MEM char *dir = str_format("%s/%s", out, names[i]->d_name);

		if (results && dir && holds_record(dir)) {
			found++;
			code = exit_code_worse(code, report_one(dir, &results[built]));
			live |= results[built] && results[built]->live;
			built += results[built] != NULL;
		}
		free(names[i]);
	}
	free(names);
	if (!found) {
		log_error("%s: no record of a run in it (journal.jsonl)", out);
		code = EXIT_USAGE;
	} else if (built && !live &&
		   report_write_merged(out, (const struct result *const *)results, built, &err)) {
		log_error("%s", err.text);
		code = exit_code_worse(code, EXIT_BROKEN);
	}
	for (size_t i = 0; i < built; i++)
		result_free(results[i]);
	free(results);
	return code;
}

int cmd_report(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	struct result *result = NULL;
	int option, code;

	optind = 0;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		usage(option == 'h' ? stdout : stderr);
		return option == 'h' ? 0 : EXIT_USAGE;
	}
	if (optind + 1 != argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!holds_record(argv[optind]))
		return report_all(argv[optind]);
	code = report_one(argv[optind], &result);
	result_free(result);
	return code;
}

/* The command table. Commands return the program's exit code; signals are taken here alone. */
#include "base/own.h"
#include "base/version.h"
#include "reports/result.h"
#include "runner/commands.h"

#include <stdio.h>
#include <string.h>

struct command {
	const char *name, *args, *doc;
	int (*plain)(int argc, char **argv);
	int (*acting)(int argc, char **argv, struct signals *signals); /* stops on a signal */
};

static const struct command commands[] = {
	{ "run", "FILE|DIR...", "feed the cookies, verify meanwhile, judge", NULL, cmd_run },
	{ "check", "FILE|DIR...", "say all that is wrong with scenario files", cmd_check, NULL },
	{ "list", "[--markdown]", "the kinds and their parameters", cmd_list, NULL },
	{ "report", "DIR", "make a run's reports again from its record", cmd_report, NULL },
	{ "heal", "DIR", "undo what a dead run left behind", NULL, cmd_heal },
	{ "sandbox", "[--dir DIR]", "a small cluster for trying things out", cmd_sandbox, NULL },
};

static void print_help(FILE *to)
{
	fprintf(to, "crumble breaks a cloud on purpose and says, in JUnit XML, whether its users "
		    "noticed.\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(to, "  crumble %-8s %-14s %s\n", commands[i].name, commands[i].args,
			commands[i].doc);
	fprintf(to, "\n"
		    "  crumble COMMAND --help   a command's options\n"
		    "  crumble --version        this build\n\n"
		    "Exit: 0 pass, 1 fail, 2 usage or configuration, 3 broken (could not tell),\n"
		    "      4 something is left unhealed, 130/143 ended by SIGINT/SIGTERM\n"
		    "      (SIGHUP, a terminal or agent that goes, counts as SIGTERM)\n");
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int act(const struct command *command, int argc, char **argv)
{
	struct signals *signals = NULL;
	struct err err;
	int code;

	if (signals_start(&signals, &err)) {
		fprintf(stderr, "crumble: %s\n", err.text);
		return EXIT_BROKEN;
	}
	code = command->acting(argc, argv, signals);
	signals_end(signals);
	return code;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;
	const struct command *command;

	if (!word) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help")) {
		print_help(stdout);
		return EXIT_PASS;
	}
	if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
		printf("crumble %s (%s)\n", version_number, version_commit);
		return EXIT_PASS;
	}
	command = find(word);
	if (!command) {
		fprintf(stderr, "crumble: unknown command \"%s\"; see crumble --help\n", word);
		return EXIT_USAGE;
	}
	return command->acting ? act(command, argc - 1, argv + 1)
			       : command->plain(argc - 1, argv + 1);
}

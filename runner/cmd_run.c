/*
 * crumble run: several scenarios one after another, each into OUT/NAME. Nothing is begun while
 * anything is wrong with any of them; whatever is wrong is in OUT/junit.xml too, if OUT can be
 * written.
 */
#include "runner/commands.h"

#include "base/buf.h"
#include "base/log.h"
#include "runner/folder.h"
#include "runner/leftovers.h"
#include "runner/run.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PROBLEMS_MAX (1 << 20)

static const char help[] =
	"crumble run FILE|DIR...: feed the cookies, verify meanwhile, judge\n"
	"\n"
	"  --out DIR            where records and reports go (results): junit.xml, NAME/...\n"
	"  --cluster WHERE      sandbox, kubeconfig, kubeconfig:CONTEXT or in-cluster. Default: the\n"
	"                       context that the scenario names, else a sandbox. $KUBECONFIG says\n"
	"                       where contexts are looked up, and alone never selects a cluster\n"
	"  --dry-run            print the plan with resolved targets; touch nothing\n"
	"  --keep               leave what was deployed\n"
	"  --heal-first         undo what an earlier run in OUT left, instead of refusing\n"
	"  --seed N             for all draws; default: the scenario's, else a random one\n"
	"  --log-json           the log as JSON lines\n"
	"  --exit-zero-on-failure   exit 0 instead of 1: for pipelines that read junit.xml\n"
	"  --color WHEN         auto, always, never (auto honours NO_COLOR)\n"
	"\n"
	"Exit: 0 pass, 1 fail, 2 usage or configuration, 3 broken, 4 something is left unhealed,\n"
	"      130/143 ended by SIGINT/SIGTERM\n";

/* ---- options ---- */

enum {
	OPT_OUT = 256,
	OPT_CLUSTER,
	OPT_DRY,
	OPT_KEEP,
	OPT_HEAL,
	OPT_SEED,
	OPT_JSON,
	OPT_ZERO,
	OPT_COLOR,
	OPT_HELP
};

static const struct option long_options[] = {
	{ "out", required_argument, NULL, OPT_OUT },
	{ "cluster", required_argument, NULL, OPT_CLUSTER },
	{ "dry-run", no_argument, NULL, OPT_DRY },
	{ "keep", no_argument, NULL, OPT_KEEP },
	{ "heal-first", no_argument, NULL, OPT_HEAL },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "log-json", no_argument, NULL, OPT_JSON },
	{ "exit-zero-on-failure", no_argument, NULL, OPT_ZERO },
	{ "color", required_argument, NULL, OPT_COLOR },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

struct request {
	struct run_options options;
	bool json, help;
	const char *color;
};

static int parse_seed(const char *text, uint64_t *ret_seed, struct err *err)
{
	char *end;

	errno = 0;
	*ret_seed = strtoull(text, &end, 10);
	if (errno || *end || end == text || *text == '-')
		return err_set(err, ERR_USAGE, "--seed %s: not a number below 2^64", text);
	return 0;
}

static int take_option(struct request *request, int option, struct err *err)
{
	struct run_options *o = &request->options;

	switch (option) {
	case OPT_OUT:
		o->out = optarg;
		return *optarg ? 0 : err_set(err, ERR_USAGE, "--out: is empty");
	case OPT_CLUSTER:
		o->has_cluster = true;
		return cluster_parse(optarg, &o->cluster, &o->context, err);
	case OPT_DRY:
		o->dry_run = true;
		return 0;
	case OPT_KEEP:
		o->keep = true;
		return 0;
	case OPT_HEAL:
		o->heal_first = true;
		return 0;
	case OPT_SEED:
		o->has_seed = true;
		return parse_seed(optarg, &o->seed, err);
	case OPT_JSON:
		request->json = true;
		return 0;
	case OPT_ZERO:
		o->exit_zero = true;
		return 0;
	case OPT_COLOR:
		request->color = optarg;
		if (!strcmp(optarg, "auto") || !strcmp(optarg, "always") ||
			!strcmp(optarg, "never"))
			return 0;
		return err_set(err, ERR_USAGE, "--color %s: give auto, always or never", optarg);
	case OPT_HELP:
		request->help = true;
		return 0;
	default:
		return -1;
	}
}

static bool wants_color(const struct request *request)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (!strcmp(request->color, "always"))
		return true;
	if (!strcmp(request->color, "never") || (no_color && *no_color))
		return false;
	return isatty(STDERR_FILENO) && term && strcmp(term, "dumb");
}

static int parse(int argc, char **argv, struct request *request, struct err *err)
{
	const char *term = getenv("TERM");
	int option;

	*request = (struct request){ .options.out = "results", .color = "auto" };
	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == '?')
			return err_set(err, ERR_USAGE,
				"%s: no such option, or its value is missing or too much; see "
				"crumble run --help",
				argv[optind - 1]);
		if (take_option(request, option, err))
			return -1;
	}
	if (request->help)
		return 0;
	if (optind == argc)
		return err_set(err, ERR_USAGE, "no scenario given; see crumble run --help");
	request->options.colour = wants_color(request);
	request->options.footer = isatty(STDERR_FILENO) && !request->json && term &&
				  strcmp(term, "dumb");
	return 0;
}

/* ---- the files ---- */

struct loading {
	struct batch *batch;
	struct buf problems; /* of all files */
	size_t n_bad;
	struct result **bad; /* one made by hand for each file that has mistakes */
};

static char *slug(const char *path)
{
	const char *base = strrchr(path, '/');
	char *name = strdup(base ? base + 1 : path), *dot;

	if (!name)
		return NULL;
	dot = strrchr(name, '.');
	if (dot && dot != name)
		*dot = '\0';
	for (char *at = name; *at; at++)
		if (!(*at >= 'a' && *at <= 'z') && !(*at >= '0' && *at <= '9'))
			*at = '-';
	return name;
}

static bool is_told(const struct loading *l, const char *name)
{
	for (size_t i = 0; i < l->n_bad; i++)
		if (!strcmp(l->bad[i]->scenario, name))
			return true;
	return false;
}

/* Suites need names of their own: files of one name in two folders are told apart by number. */
static void add_bad(struct loading *l, const char *name, const char *path, const char *message,
	const char *text)
{
	OWN_MEM char *other = is_told(l, name) ? str_format("%s-%zu", name, l->n_bad + 1) : NULL;
	struct result **grown = realloc(l->bad, (l->n_bad + 1) * sizeof(*grown));
	struct result *result = grown ? result_without_record(other ? other : name, "preflight",
						"crumble.ConfigError", message)
				      : NULL;

	if (grown)
		l->bad = grown;
	if (!result)
		return;
	result->file = strdup(path);
	result->exit_code = EXIT_USAGE;
	result->wall_ns = clock_wall_ns();
	result->cases[0].text = text && *text ? strdup(text) : NULL;
	grown[l->n_bad++] = result;
}

static int add_entry(struct batch *batch, struct scenario *scenario)
{
	struct batch_entry *grown = realloc(batch->entries, (batch->n + 1) * sizeof(*grown));
	char *dir = str_format("%s/%s", batch->out, scenario->name);

	if (grown)
		batch->entries = grown;
	if (!grown || !dir) {
		free(dir);
		return -1;
	}
	grown[batch->n++] = (struct batch_entry){ .scenario = scenario, .dir = dir };
	return 0;
}

static int load_file(struct loading *l, const char *path, struct err *err)
{
	struct scenario *scenario = NULL;
	struct buf OWN(buf_done) problems;
	OWN_MEM char *name = NULL;

	buf_init(&problems, PROBLEMS_MAX);
	if (!scenario_load(path, &scenario, &problems, err)) {
		fputs(buf_str(&problems), stderr); /* warnings */
		if (!add_entry(l->batch, scenario))
			return 0;
		scenario_free(scenario);
		return err_set(err, ERR_NOMEM, "no memory for %s", path);
	}
	name = slug(path);
	if (!problems.len)
		buf_addf(&problems, "%s\n", err->text);
	add_bad(l, name ? name : "scenario", path, err->text, buf_str(&problems));
	buf_add_str(&l->problems, buf_str(&problems));
	return 0;
}

static int is_yaml(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return *entry->d_name != '.' && dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"));
}

static int load_folder(struct loading *l, const char *path, struct err *err)
{
	struct dirent **entries = NULL;
	int n = scandir(path, &entries, is_yaml, alphasort), failed = 0;

	if (n < 0) {
		err_errno(err, "%s: read folder", path);
		buf_addf(&l->problems, "%s\n", err->text);
		add_bad(l, "scenario", path, err->text, NULL);
		return 0;
	}
	for (int i = 0; i < n; i++) {
		OWN_MEM char *file = str_format("%s/%s", path, entries[i]->d_name);

		if (!failed && file)
			failed = load_file(l, file, err);
		free(entries[i]);
	}
	free(entries);
	if (!n) {
		buf_addf(&l->problems, "%s: no scenario (*.yaml) in it\n", path);
		add_bad(l, "scenario", path, "no scenario (*.yaml) in this folder", NULL);
	}
	return failed;
}

static int load_all(struct loading *l, char **paths, int n, struct err *err)
{
	for (int i = 0; i < n; i++) {
		struct stat st;
		bool folder = !stat(paths[i], &st) && S_ISDIR(st.st_mode);

		if (folder ? load_folder(l, paths[i], err) : load_file(l, paths[i], err))
			return -1;
	}
	return 0;
}

/* ---- refusals ---- */

static void find_namesakes(struct loading *l)
{
	struct batch *b = l->batch;

	for (size_t i = 0; i < b->n; i++)
		for (size_t k = 0; k < i; k++) {
			const struct scenario *one = b->entries[k].scenario;
			const struct scenario *two = b->entries[i].scenario;
			OWN_MEM char *text = NULL;

			if (strcmp(one->name, two->name))
				continue;
			text = str_format("%s: name: %s is the name of %s too: one folder cannot "
					  "hold both records",
				two->path, two->name, one->path);
			buf_addf(&l->problems, "%s\n", text);
			if (!is_told(l, two->name))
				add_bad(l, two->name, two->path, text ? text : "", NULL);
		}
}

static int check_leftovers(struct batch_entry *entry, const struct run_options *options,
	struct stop *stop, struct err *err)
{
	struct leftovers left;
	char text[200];
	size_t remaining;
	int result = 0;

	if (folder_check(entry->dir, err))
		return -1;
	if (!folder_has(entry->dir, "journal.jsonl"))
		return 0;
	if (leftovers_read(entry->dir, &left, err))
		return -1;
	leftovers_text(&left, text, sizeof(text));
	if (left.locked)
		result = err_set(err, ERR_USAGE,
			"%s: a run writes into it now: wait for its end, or give another --out",
			entry->dir);
	else if (left.n && options->heal_first)
		result = leftovers_heal(entry->dir, stop, &remaining, err);
	else if (left.n)
		result = err_set(err, ERR_USAGE,
			"%s: an earlier run left %s: undo with \"crumble heal %s\" or --heal-first",
			entry->dir, text, entry->dir);
	else if (left.damaged)
		result = err_set(err, ERR_USAGE,
			"%s/journal.jsonl is damaged: nobody knows what that run left; see \"crumble "
			"heal %s\", or give another --out",
			entry->dir, entry->dir);
	leftovers_done(&left);
	return result;
}

static void find_leftovers(struct loading *l, const struct run_options *options, struct stop *stop)
{
	for (size_t i = 0; i < l->batch->n; i++) {
		struct batch_entry *entry = &l->batch->entries[i];
		struct err err;

		if (!check_leftovers(entry, options, stop, &err))
			continue;
		buf_addf(&l->problems, "%s\n", err.text);
		add_bad(l, entry->scenario->name, entry->scenario->path, err.text, NULL);
	}
}

/* Every file of the call is in the merged report, also those that nothing is wrong with. */
static int write_refusal(struct loading *l)
{
	struct batch *b = l->batch;
	struct err err;

	for (size_t i = 0; i < b->n; i++) {
		const struct scenario *s = b->entries[i].scenario;

		if (!is_told(l, s->name))
			add_bad(l, s->name, s->path,
				"not run: another scenario of this call has mistakes", NULL);
	}
	if (!folder_make(b->out, &err) &&
		!report_write_merged(b->out, (const struct result *const *)l->bad, l->n_bad, &err))
		return 0;
	fprintf(stderr, "crumble: no %s/junit.xml: %s\n", b->out, err.text);
	return -1;
}

/* ---- running ---- */

static const char *word_for(int code)
{
	switch (code) {
	case EXIT_PASS:
		return "PASS";
	case EXIT_FAILED:
		return "FAIL";
	case EXIT_USAGE:
		return "REFUSED";
	case EXIT_BROKEN:
		return "BROKEN";
	case EXIT_UNHEALED:
		return "UNHEALED";
	default:
		return "ABORTED";
	}
}

static void print_table(const struct batch_entry *entry, bool colour)
{
	OWN_MEM char *text = entry->result ? report_text(entry->result, colour) : NULL;

	if (text)
		fprintf(stderr, "\n%s\n", text);
}

/* The very last line, for whoever sees only that. */
static int last_line(const struct batch *batch, const struct run_options *options, int code)
{
	int exit_code = code == EXIT_FAILED && options->exit_zero ? 0 : code;

	fprintf(stderr, "crumble: %s (exit %d)  %s/junit.xml\n", word_for(code), exit_code,
		batch->out);
	return exit_code;
}

static int announce_all(struct batch *batch, const struct run_options *options)
{
	struct err err;

	for (size_t i = 0; batch->n > 1 && i < batch->n; i++)
		if (run_announce(batch, i, options, &err)) {
			log_error("%s", err.text);
			return err.code == ERR_USAGE ? EXIT_USAGE : EXIT_BROKEN;
		}
	return 0;
}

static int run_all(struct batch *batch, const struct run_options *options, struct signals *signals)
{
	int refused = announce_all(batch, options), worst = refused;

	for (size_t i = 0; !refused && i < batch->n; i++) {
		int code = run_scenario(batch, i, options, signals);

		print_table(&batch->entries[i], options->colour);
		worst = exit_code_worse(worst, code);
		if (stop_requested(signals_stop(signals)))
			break;
	}
	return worst;
}

static int dry_run(struct batch *batch, const struct run_options *options, struct signals *signals)
{
	struct err err;
	int code = EXIT_PASS;

	for (size_t i = 0; i < batch->n; i++) {
		if (!run_print_plan(batch->entries[i].scenario, options, signals, &err))
			continue;
		fflush(stdout);
		fprintf(stderr, "crumble: %s\n", err.text);
		code = err.code == ERR_CONFIG || err.code == ERR_USAGE ? EXIT_USAGE : EXIT_BROKEN;
	}
	return code;
}

/* In place of the last line: a report that an earlier call left must not be taken for this one's.
 */
static int no_report(void)
{
	fprintf(stderr, "crumble: REFUSED (exit %d)  without a report\n", EXIT_USAGE);
	return EXIT_USAGE;
}

/* Whole sentences only: every mistake of every file at once. */
static int refuse(struct loading *l, const struct run_options *options)
{
	fputs(buf_str(&l->problems), stderr);
	if (options->dry_run)
		return EXIT_USAGE;
	return write_refusal(l) ? no_report() : last_line(l->batch, options, EXIT_USAGE);
}

static int make_out(struct loading *l, struct err *err)
{
	if (folder_make(l->batch->out, err))
		return -1;
	if (access(l->batch->out, W_OK | X_OK))
		return err_errno(err, "%s: write", l->batch->out);
	return 0;
}

/* The file of an earlier call says nothing of this one, however soon it ends. */
static int drop_stale(const struct batch *batch, struct err *err)
{
	OWN_MEM char *path = str_format("%s/junit.xml", batch->out);

	if (!path)
		return err_set(err, ERR_NOMEM, "%s: no memory", batch->out);
	if (unlink(path) && errno != ENOENT)
		return err_errno(err, "%s: remove the report of an earlier call", path);
	return 0;
}

static int go(struct loading *l, const struct run_options *options, struct signals *signals)
{
	struct err err;

	find_namesakes(l);
	if (l->problems.len)
		return refuse(l, options);
	if (options->dry_run)
		return dry_run(l->batch, options, signals);
	if (make_out(l, &err)) {
		fprintf(stderr, "crumble: --out %s: give a folder that can be written\n", err.text);
		return no_report();
	}
	find_leftovers(l, options, signals_stop(signals));
	if (l->problems.len)
		return refuse(l, options);
	if (drop_stale(l->batch, &err)) {
		fprintf(stderr, "crumble: --out %s: remove it\n", err.text);
		return EXIT_USAGE;
	}
	return last_line(l->batch, options, run_all(l->batch, options, signals));
}

static void free_all(struct loading *l)
{
	for (size_t i = 0; i < l->batch->n; i++) {
		scenario_free(l->batch->entries[i].scenario);
		result_free(l->batch->entries[i].result);
		free(l->batch->entries[i].dir);
	}
	for (size_t i = 0; i < l->n_bad; i++)
		result_free(l->bad[i]);
	free(l->batch->entries);
	free(l->bad);
	buf_done(&l->problems);
	pthread_mutex_destroy(&l->batch->lock);
}

int cmd_run(int argc, char **argv, struct signals *signals)
{
	struct batch batch = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct loading l = { .batch = &batch };
	struct request request;
	struct err err;
	int code;

	if (parse(argc, argv, &request, &err)) {
		fprintf(stderr, "crumble: %s\n", err.text);
		return EXIT_USAGE;
	}
	if (request.help) {
		fputs(help, stdout);
		return EXIT_PASS;
	}
	log_setup(LOG_INFO, request.json);
	batch.out = request.options.out;
	buf_init(&l.problems, PROBLEMS_MAX);
	if (load_all(&l, argv + optind, argc - optind, &err)) {
		fprintf(stderr, "crumble: %s\n", err.text);
		code = EXIT_BROKEN;
	} else {
		code = go(&l, &request.options, signals);
	}
	free_all(&l);
	return code;
}

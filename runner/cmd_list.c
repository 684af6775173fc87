/* crumble list [--markdown]: every kind, parameter and metric, from the tables. */
#include "base/clock.h"
#include "reports/expect.h"
#include "reports/result.h"
#include "runner/commands.h"
#include "runner/scenario_form.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char usage[] = "Usage: crumble list [--markdown]\n"
			    "\n"
			    "The scenario format: sections, kinds, parameters, metrics.\n"
			    "\n"
			    "      --markdown  as tables, for a README\n"
			    "  -h, --help      this text\n";

#define CELL_BYTES 256

static void limit_text(const struct param *param, double limit, char *out, size_t size)
{
	char text[CLOCK_DURATION_BYTES];

	if (param->type != PARAM_DURATION) {
		snprintf(out, size, "%.15g%s", limit, param->type == PARAM_PERCENT ? "%" : "");
		return;
	}
	clock_format_duration((int64_t)(limit * (double)NS_PER_S), text);
	snprintf(out, size, "%s", text);
}

/* "1 to 256", "a, b, c", or nothing. */
static void limits_text(const struct param *param, char out[CELL_BYTES])
{
	char min[64], max[64];
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; param->type == PARAM_ENUM && param->choices[i] && len < CELL_BYTES; i++)
		len += (size_t)snprintf(
			out + len, CELL_BYTES - len, "%s%s", i ? ", " : "", param->choices[i]);
	if (param->type == PARAM_ENUM || (param->min == 0 && param->max == 0))
		return;
	limit_text(param, param->min, min, sizeof(min));
	limit_text(param, param->max, max, sizeof(max));
	if (param->max < param->min)
		snprintf(out, CELL_BYTES, "at least %s", min);
	else
		snprintf(out, CELL_BYTES, "%s to %s", min, max);
}

static const char *default_text(const struct param *param)
{
	return param->required ? "required" : param->def ? param->def : "";
}

/* Cells are cut off by bars: those inside are escaped. */
static void put_cell(const char *text)
{
	for (; *text; text++)
		printf(*text == '|' ? "\\|" : "%c", *text);
}

static void list_params(const struct param *table, bool markdown)
{
	if (markdown && table && table->name)
		puts("\n| key | type | default | limits | |\n|---|---|---|---|---|");
	for (; table && table->name; table++) {
		char limits[CELL_BYTES];

		limits_text(table, limits);
		if (!markdown) {
			printf("    %-14s %-16s %-10s %-24s %s\n", table->name,
				param_type_name(table->type), default_text(table), limits,
				table->doc ? table->doc : "");
			continue;
		}
		printf("| `%s` | %s | %s | %s | ", table->name, param_type_name(table->type),
			default_text(table), limits);
		put_cell(table->doc ? table->doc : "");
		puts(" |");
	}
	if (markdown)
		puts("");
}

static void list_section(enum section_id id, bool markdown)
{
	const struct section *section = &sections[id];
	const char *key = section->key ? section->key : "the file";
	struct kind kind;

	if (markdown)
		printf("### `%s`%s\n\n%s.\n", key, section->list ? " (a list)" : "", section->doc);
	else
		printf("%s%s: %s\n", key, section->list ? "[]" : "", section->doc);
	list_params(section->params, markdown);
	for (size_t i = 0; id != SECTION_CONTROL && kind_at(section->kinds, i, &kind); i++) {
		if (markdown)
			printf("#### %s `%s`\n\n%s.\n", kind_set_name(section->kinds), kind.name,
				kind.doc);
		else
			printf("  %s %s: %s\n", kind_set_name(section->kinds), kind.name, kind.doc);
		list_params(kind.params, markdown);
	}
}

static void list_metrics(bool markdown)
{
	puts(markdown ? "### Metrics of `expect`\n\n`metric op value [during "
			"baseline|faults|recovery|chaos|run]`; chaos (faults and recovery) is the "
			"default.\n\n| metric | of | needs samples | |\n|---|---|---|---|"
		      : "expect[]: metric op value [during baseline|faults|recovery|chaos|run]");
	for (int i = 0; i < METRIC_COUNT; i++) {
		enum metric metric = (enum metric)i;

		printf(markdown ? "| `%s` | %s | %llu | %s |\n" : "    %-14s %-10s %-6llu %s\n",
			metric_name(metric), metric_of_cookies(metric) ? "cookies" : "verifiers",
			(unsigned long long)metric_needs(metric), metric_doc(metric));
	}
}

int cmd_list(int argc, char **argv)
{
	static const struct option options[] = { { "markdown", no_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	bool markdown = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option != 'm') {
			fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? EXIT_PASS : EXIT_USAGE;
		}
		markdown = true;
	}
	if (optind != argc) {
		fprintf(stderr, "crumble list: takes no \"%s\"\n%s", argv[optind], usage);
		return EXIT_USAGE;
	}
	for (int id = 0; id < SECTION_COUNT; id++)
		list_section((enum section_id)id, markdown);
	list_metrics(markdown);
	return fflush(stdout) ? EXIT_BROKEN : EXIT_PASS;
}

/* summary.txt, and what the terminal shows at the end: verdicts first, then what explains them. */
#include "reports/clean.h"
#include "reports/format.h"
#include "reports/report.h"
#include "reports/reporter.h"

#include <inttypes.h>
#include <string.h>

#define ROWS_MAX 40 /* of bites and outages: all of them are in report.json */

struct page {
	const struct result *r;
	struct buf *b;
	bool colour;
};

static void add_clean(struct page *p, const char *text, size_t max)
{
	clean_add(p->b, text ? text : "-", strlen(text ? text : "-"), max, true);
}

static void paint(struct page *p, const char *code)
{
	if (p->colour)
		buf_addf(p->b, "\x1b[%sm", code);
}

static void add_verdict(struct page *p, enum verdict verdict)
{
	static const char *const colours[] = { "32", "31;1", "35;1", "33" };

	paint(p, colours[verdict]);
	buf_addf(p->b, "%-6s", verdict_name(verdict));
	paint(p, "0");
}

/* Characters, not bytes: what a column is wide. */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static void add_column(struct page *p, const char *text, size_t width)
{
	OWN_MEM char *clean = clean_copy(text, 200, true);

	buf_addf(p->b, "%s", clean ? clean : "?");
	for (size_t n = clean ? width_of(clean) : 1; n < width; n++)
		buf_add_str(p->b, " ");
	buf_add_str(p->b, "  ");
}

/* ---- the verdict table ---- */

static size_t name_width(const struct result *r)
{
	size_t width = strlen("check");

	for (size_t i = 0; i < r->n_cases; i++)
		if (width_of(r->cases[i].name) > width)
			width = width_of(r->cases[i].name);
	return width;
}

static void case_row(struct page *p, const struct result_case *c, size_t width)
{
	char measured[FORMAT_BYTES];

	format_measured(c, measured);
	add_verdict(p, c->verdict);
	buf_add_str(p->b, "  ");
	add_column(p, c->name, width);
	add_column(p, c->limit ? c->limit : "", 12);
	add_column(p, c->metric ? measured : "", 16);
	if (c->n)
		buf_addf(p->b, "n=%" PRIu64, c->n);
	while (p->b->len && p->b->data[p->b->len - 1] == ' ')
		p->b->data[--p->b->len] = '\0';
	buf_add_str(p->b, "\n");
	if (c->verdict == VERDICT_PASS || !c->message)
		return;
	buf_add_str(p->b, "        ");
	add_clean(p, c->message, 2000);
	buf_add_str(p->b, "\n");
}

static void verdict_table(struct page *p)
{
	static const enum verdict order[] = { VERDICT_FAIL, VERDICT_BROKEN, VERDICT_SKIP,
		VERDICT_PASS };
	size_t width = name_width(p->r);

	buf_add_str(p->b, "        ");
	add_column(p, "check", width);
	add_column(p, "limit", 12);
	buf_add_str(p->b, "measured\n");
	for (size_t k = 0; k < ARRAY_LEN(order); k++)
		for (size_t i = 0; i < p->r->n_cases; i++)
			if (p->r->cases[i].verdict == order[k])
				case_row(p, &p->r->cases[i], width);
}

/* ---- what explains it ---- */

static void verifier_rows(struct page *p)
{
	for (size_t i = 0; i < p->r->n_verifiers; i++) {
		const struct result_verifier *v = &p->r->verifiers[i];
		char p50[FORMAT_BYTES], p99[FORMAT_BYTES], available[FORMAT_BYTES];

		if (!i)
			buf_add_str(p->b, "\nSamples\n");
		format_value("%", v->availability, 0, 0, available);
		format_value("ns", v->p50_ns < 0 ? __builtin_nan("") : (double)v->p50_ns,
			__builtin_nan(""), 0, p50);
		format_value("ns", v->p99_ns < 0 ? __builtin_nan("") : (double)v->p99_ns,
			__builtin_nan(""), 0, p99);
		buf_add_str(p->b, "  ");
		add_column(p, v->name, 20);
		buf_addf(p->b, "%" PRIu64 " samples, %s ok, p50 %s, p99 %s", v->samples, available,
			p50, p99);
		for (int k = 1; k < OUTCOME_COUNT; k++)
			if (v->by_outcome[k])
				buf_addf(p->b, ", %s %" PRIu64, outcome_name((enum outcome)k),
					v->by_outcome[k]);
		buf_addf(p->b, "%s\n", v->control ? " (control)" : "");
	}
}

static void outage_rows(struct page *p)
{
	const struct result *r = p->r;

	if (r->outages_total)
		buf_addf(p->b, "\nOutages (%" PRIu64 ")\n", r->outages_total);
	for (size_t i = 0; i < r->n_outages && i < ROWS_MAX; i++) {
		const struct result_outage *o = &r->outages[i];
		char at[FORMAT_BYTES], length[FORMAT_BYTES];

		format_t(o->begin_ns, at);
		format_outage(o, length);
		buf_add_str(p->b, "  ");
		add_column(p, at, 10);
		add_column(p, o->verifier, 16);
		add_column(p, length, 18);
		buf_addf(p->b, "%s", o->class);
		for (size_t k = 0; k < o->n_bites; k++) {
			buf_add_str(p->b, k ? ", " : " ");
			add_clean(p, o->bites[k], 100);
		}
		buf_addf(p->b, "; %s%s", outcome_name(o->outcome), o->detail ? ": " : "");
		if (o->detail)
			add_clean(p, o->detail, 200);
		buf_add_str(p->b, "\n");
	}
	if (r->outages_total > ROWS_MAX)
		buf_addf(p->b, "  ... %" PRIu64 " more, in report.json\n",
			r->outages_total - ROWS_MAX);
}

static void target_part(struct page *p, const struct result_bite *b, const struct result_target *t)
{
	char took[FORMAT_BYTES];

	add_clean(p, t->kind ? t->kind : "pod", 40);
	buf_add_str(p->b, " ");
	add_clean(p, t->ns, 64);
	buf_add_str(p->b, "/");
	add_clean(p, t->name, 200);
	if (t->gone_ns >= 0 && b->sent_ns >= 0) {
		format_value("ns", (double)(t->gone_ns - b->sent_ns), __builtin_nan(""), 0, took);
		buf_addf(p->b, ", gone after %s", took);
	}
	if (t->ready_ns >= 0 && b->sent_ns >= 0) {
		format_value("ns", (double)(t->ready_ns - b->sent_ns), __builtin_nan(""), 0, took);
		buf_addf(p->b, ", replacement ");
		add_clean(p, t->new_name, 200);
		buf_addf(p->b, " Ready after %s", took);
	} else {
		buf_add_str(p->b, ", no replacement Ready");
	}
}

static void bite_rows(struct page *p)
{
	const struct result *r = p->r;

	if (r->n_bites)
		buf_addf(p->b, "\nBites (%zu)\n", r->n_bites);
	for (size_t i = 0; i < r->n_bites && i < ROWS_MAX; i++) {
		const struct result_bite *b = &r->bites[i];
		char at[FORMAT_BYTES];

		format_t(b->sent_ns >= 0 ? b->sent_ns : b->due_ns, at);
		buf_add_str(p->b, "  ");
		add_column(p, at, 10);
		add_column(p, b->id, 20);
		for (size_t k = 0; k < b->n_targets; k++) {
			buf_add_str(p->b, k ? "; " : "");
			target_part(p, b, &b->targets[k]);
		}
		buf_addf(p->b, "%s%s\n", b->sent_ns < 0 ? " (never sent)" : "",
			b->proved ? "" : " (not proved)");
	}
	if (r->n_bites > ROWS_MAX)
		buf_addf(p->b, "  ... %zu more, in report.json\n", r->n_bites - ROWS_MAX);
}

static void skip_rows(struct page *p)
{
	for (size_t i = 0; i < p->r->n_skips; i++) {
		const struct result_skip *s = &p->r->skips[i];

		if (!i)
			buf_add_str(p->b, "\nWhat chaos could not touch\n");
		buf_add_str(p->b, "  ");
		if (s->name) {
			add_clean(p, s->kind ? s->kind : "workload", 40);
			buf_add_str(p->b, " ");
			add_clean(p, s->ns, 64);
			buf_add_str(p->b, "/");
			add_clean(p, s->name, 200);
		} else {
			add_clean(p, s->cookie, 64);
		}
		buf_add_str(p->b, ": ");
		add_clean(p, s->reason, 300);
		buf_addf(p->b, " (%" PRIu64 " time%s)\n", s->times, s->times == 1 ? "" : "s");
	}
}

static void lines(struct page *p, const char *title, char *const *v, size_t n)
{
	if (n)
		buf_addf(p->b, "\n%s\n", title);
	for (size_t i = 0; i < n; i++) {
		buf_add_str(p->b, "  ");
		add_clean(p, v[i], 1000);
		buf_add_str(p->b, "\n");
	}
}

static void title(struct page *p)
{
	const struct result *r = p->r;
	char length[FORMAT_BYTES];

	add_clean(p, r->scenario, 80);
	if (r->title && r->scenario && strcmp(r->title, r->scenario)) {
		buf_add_str(p->b, ": ");
		add_clean(p, r->title, 200);
	}
	format_value("ns", (double)r->length_ns, __builtin_nan(""), 0, length);
	buf_add_str(p->b, "\nrun ");
	add_clean(p, r->run_id, 80);
	buf_addf(p->b, ", %s, seed ", length);
	add_clean(p, r->seed, 24);
	buf_add_str(p->b, ", crumble ");
	add_clean(p, r->tool, 24);
	buf_add_str(p->b, " (");
	add_clean(p, r->commit, 40);
	buf_add_str(p->b, ")\n");
	if (r->cluster) {
		buf_add_str(p->b, "cluster ");
		add_clean(p, r->cluster, 300);
		buf_add_str(p->b, "\n");
	}
	if (!r->complete)
		buf_add_str(p->b, "INCOMPLETE: no end of this run is on record\n");
	buf_add_str(p->b, "\n");
}

static void page(struct page *p)
{
	const struct result *r = p->r;

	title(p);
	verdict_table(p);
	verifier_rows(p);
	outage_rows(p);
	bite_rows(p);
	skip_rows(p);
	lines(p, "Left behind", r->left, r->n_left);
	lines(p, "Notes", r->notes, r->n_notes);
	buf_add_str(p->b, "\nFiles in ");
	add_clean(p, r->dir, 1000);
	buf_add_str(p->b, ": junit.xml report.json summary.txt journal.jsonl samples/ logs/\n");
	buf_add_str(p->b, "Verdict ");
	add_verdict(p, r->verdict);
	buf_addf(p->b, " exit %d\n", r->exit_code);
}

char *report_text(const struct result *result, bool colour)
{
	OWN_BUF struct buf b;
	struct page p = { .r = result, .b = &b, .colour = colour };

	buf_init(&b, REPORT_MAX_BYTES);
	page(&p);
	return buf_failed(&b) ? NULL : buf_take(&b);
}

static int write_text(const struct result *result, struct buf *out, struct err *err)
{
	struct page p = { .r = result, .b = out };

	page(&p);
	return buf_failed(out) ? err_set(err, ERR_NOMEM, "summary.txt: no memory") : 0;
}

const struct reporter_ops reporter_text = {
	.name = "text",
	.doc = "the verdict table, outages, bites and files, for people",
	.file = "summary.txt",
	.write = write_text,
};

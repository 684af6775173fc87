/*
 * For people who watch: a footer on a terminal, a heartbeat elsewhere (so that no CI ends a job for
 * its silence). Both are made from the sampler's recent figures; nothing here changes the run.
 */
#include "runner/run.h"

#include "base/log.h"
#include "runner/bites.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define BEAT_NS (20 * NS_PER_S)
#define FOOTER_MS 250
#define ROWS 5 /* verifiers shown */

/* What the sampler and the bites said last. Lines are logged by threads that hold their locks, so
 * that whoever shows the footer around a line must not ask them: the live thread alone does. */
struct figures {
	struct bites_count count;
	struct sampler_now rows[ROWS];
	size_t n;
};

struct live {
	struct run *run;
	struct stop *end;
	pthread_t thread;
	pthread_mutex_t
		sources; /* guards the two below; taken before `lock`, never around a line */
	struct sampler *sampler;
	struct bites *bites_in_force;
	pthread_mutex_t lock; /* guards all below; held from hiding the footer to showing it */
	char phase[16];
	int64_t begin_ns, until_ns;
	struct figures figures;
	unsigned bites, shown;
};

/* The log's hook has no argument: one run is shown at a time. */
static struct live *on_terminal;

/* ---- text ---- */

static int add_phase(const struct live *l, char *out, size_t size)
{
	const struct bites_count *count = &l->figures.count;
	int64_t now_ns = clock_now_ns();
	char left[48] = "";

	if (l->until_ns > now_ns)
		snprintf(left, sizeof(left), ", %.0f s left", (double)(l->until_ns - now_ns) / 1e9);
	return snprintf(out, size, "%s %.0f s%s; bites %u, proved %u, awaiting a pod %u", l->phase,
		(double)(now_ns - l->begin_ns) / 1e9, left, l->bites, count->proved,
		count->unready);
}

static void format_row(const struct sampler_now *row, char *out, size_t size)
{
	uint64_t all = row->ok + row->bad;
	int len;

	if (!all)
		len = snprintf(out, size, "%s: no sample in 10 s", row->name);
	else
		len = snprintf(out, size, "%s: %.2f%% ok, p99 %.0f ms", row->name,
			100.0 * (double)row->ok / (double)all, row->p99_ms);
	if (row->outage_since_ns >= 0 && (size_t)len < size)
		snprintf(out + len, size - (size_t)len, ", OUTAGE (%s)", row->detail);
}

/* ---- figures ---- */

/* On the live thread, with no lock held. */
static void refresh(struct live *l)
{
	struct figures now = { .n = 0 };

	pthread_mutex_lock(&l->sources);
	if (l->bites_in_force)
		bites_count(l->bites_in_force, &now.count);
	if (l->sampler)
		now.n = sampler_now(l->sampler, now.rows, ROWS);
	if (now.n > ROWS)
		now.n = ROWS;
	pthread_mutex_lock(&l->lock);
	l->figures = now;
	pthread_mutex_unlock(&l->lock);
	pthread_mutex_unlock(&l->sources);
}

/* ---- the footer ---- */

static void print_cut(const char *text)
{
	struct winsize size = { .ws_col = 0 };
	int width = 79;

	if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col > 1)
		width = size.ws_col - 1;
	fprintf(stderr, "%.*s\n", width, text);
}

static void footer_hide(struct live *l)
{
	if (l->shown) /* what was typed meanwhile, as a ^C, stands in this line */
		fputs("\r\033[2K", stderr);
	while (l->shown) {
		fputs("\033[1A\033[2K", stderr);
		l->shown--;
	}
}

static void footer_show(struct live *l)
{
	const struct figures *f = &l->figures;
	char text[256];

	add_phase(l, text, sizeof(text));
	print_cut(text);
	for (size_t i = 0; i < f->n; i++) {
		format_row(&f->rows[i], text, sizeof(text));
		print_cut(text);
	}
	l->shown = 1 + (unsigned)f->n;
	fflush(stderr);
}

static void around_line(bool show)
{
	struct live *l = on_terminal;

	if (show) {
		footer_show(l);
		pthread_mutex_unlock(&l->lock);
	} else {
		pthread_mutex_lock(&l->lock);
		footer_hide(l);
	}
}

static void draw(struct live *l)
{
	refresh(l);
	pthread_mutex_lock(&l->lock);
	footer_hide(l);
	footer_show(l);
	pthread_mutex_unlock(&l->lock);
}

/* ---- the heartbeat ---- */

static void beat(struct live *l)
{
	char text[1024], row[256];
	size_t len;

	refresh(l);
	pthread_mutex_lock(&l->lock);
	len = (size_t)add_phase(l, text, sizeof(text));
	for (size_t i = 0; i < l->figures.n && len < sizeof(text); i++) {
		format_row(&l->figures.rows[i], row, sizeof(row));
		len += (size_t)snprintf(text + len, sizeof(text) - len, "; %s", row);
	}
	pthread_mutex_unlock(&l->lock);
	log_line(LOG_INFO, "ALIVE", "%s", text);
}

static void *show_life(void *arg)
{
	struct live *l = arg;
	bool footer = l->run->options->footer;

	while (!stop_wait(l->end, footer ? FOOTER_MS : BEAT_NS / NS_PER_MS)) {
		if (footer)
			draw(l);
		else
			beat(l);
	}
	return NULL;
}

/* ---- for the run ---- */

int live_start(struct run *run, struct err *err)
{
	struct live *l = calloc(1, sizeof(*l));

	if (!l)
		return err_set(err, ERR_NOMEM, "no memory for the live output");
	l->run = run;
	l->begin_ns = run->t0_ns;
	pthread_mutex_init(&l->sources, NULL);
	pthread_mutex_init(&l->lock, NULL);
	snprintf(l->phase, sizeof(l->phase), "start");
	if (stop_new(NULL, &l->end, err) || pthread_create(&l->thread, NULL, show_life, l)) {
		stop_free(l->end);
		pthread_mutex_destroy(&l->lock);
		pthread_mutex_destroy(&l->sources);
		free(l);
		return err_set(err, ERR_NOMEM, "no thread for the live output");
	}
	run->live = l;
	if (run->options->footer) {
		on_terminal = l;
		log_set_footer(around_line);
	}
	return 0;
}

void live_phase(struct live *l, const char *name, int64_t until_ns)
{
	pthread_mutex_lock(&l->lock);
	snprintf(l->phase, sizeof(l->phase), "%s", name);
	l->begin_ns = clock_now_ns();
	l->until_ns = until_ns;
	pthread_mutex_unlock(&l->lock);
}

void live_show(struct live *l, struct sampler *sampler, struct bites *bites)
{
	pthread_mutex_lock(&l->sources);
	l->sampler = sampler;
	l->bites_in_force = bites;
	pthread_mutex_unlock(&l->sources);
}

void live_bite(struct live *l)
{
	pthread_mutex_lock(&l->lock);
	l->bites++;
	pthread_mutex_unlock(&l->lock);
}

void live_outage(void *arg, const char *verifier, bool begins, int64_t length_ns, const char *what)
{
	(void)arg;
	if (begins)
		log_line(LOG_WARN, "OUTAGE", "%s began (%s)", verifier, what);
	else
		log_line(LOG_INFO, "OUTAGE", "%s ended after %.2f s", verifier,
			(double)length_ns / 1e9);
}

void live_end(struct live *l)
{
	if (!l)
		return;
	stop_request(l->end, 1);
	pthread_join(l->thread, NULL);
	if (l->run->options->footer) {
		log_set_footer(NULL);
		footer_hide(l);
		fflush(stderr);
		on_terminal = NULL;
	}
	stop_free(l->end);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->sources);
	free(l);
}

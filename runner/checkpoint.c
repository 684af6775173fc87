/*
 * The JUnit file while a run lives: written at its first second and behind every change, so that a
 * run killed at any instant leaves a file that says so. A thread of its own: neither a slow disk
 * nor a long record holds up what is measured.
 */
#include "runner/run.h"

#include "base/buf.h"
#include "base/log.h"

#include <string.h>

struct checkpoint {
	struct run *run;
	pthread_t thread;
	pthread_mutex_t writing; /* one at a time */
	struct stop *end;
	pthread_mutex_t lock; /* guards asked */
	pthread_cond_t cond;
	bool asked, over;
};

static void write_scenario(struct run *run)
{
	OWN_MEM char *path = str_format("%s/scenario.yaml", run->dir);
	struct err err;

	if (path && buf_write_file(path, run->scenario->text, run->scenario->text_len, &err))
		log_warn("%s", err.text);
}

static void write_once(struct checkpoint *c)
{
	struct run *run = c->run;
	struct err err;

	pthread_mutex_lock(&c->writing);
	recorder_flush(run->recorder);
	if (batch_build(run->batch, run->index, false, NULL, &err) ||
		batch_write(run->batch, run->index, true, &err))
		log_warn("checkpoint: %s", err.text);
	pthread_mutex_unlock(&c->writing);
}

/* False: the run is over. */
static bool await_change(struct checkpoint *c)
{
	bool more;

	pthread_mutex_lock(&c->lock);
	while (!c->asked && !c->over)
		pthread_cond_wait(&c->cond, &c->lock);
	more = !c->over;
	c->asked = false;
	pthread_mutex_unlock(&c->lock);
	return more;
}

/* No more than a twentieth of the time goes into checkpoints. */
static void *keep_writing(void *arg)
{
	struct checkpoint *c = arg;
	struct err err;

	if (report_reserve(c->run->dir, &err))
		log_warn("%s", err.text);
	write_scenario(c->run);
	do {
		int64_t begin_ns = clock_now_ns(), took_ns;

		write_once(c);
		took_ns = clock_now_ns() - begin_ns;
		stop_wait_until(
			c->end, begin_ns + (took_ns * 20 > NS_PER_S ? took_ns * 20 : NS_PER_S));
	} while (await_change(c));
	return NULL;
}

/* On the recorder's thread. */
static void seen(void *arg, const cJSON *event)
{
	static const char *const worth[] = { "run", "phase", "preflight", "deploy.done", "gate",
		"bite.proof", "heal.proof", "undo.done", "case", "error", "signal", "sweep" };
	const char *e = json_str(event, "e", NULL);

	for (size_t i = 0; e && i < ARRAY_LEN(worth); i++)
		if (!strcmp(e, worth[i]))
			checkpoint_ask(arg);
}

void checkpoint_free(struct checkpoint *c)
{
	if (!c)
		return;
	stop_free(c->end);
	pthread_mutex_destroy(&c->writing);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->cond);
	free(c);
}

int checkpoint_start(struct run *run, struct err *err)
{
	struct checkpoint *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(err, ERR_NOMEM, "no memory for checkpoints");
	c->run = run;
	pthread_mutex_init(&c->writing, NULL);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->cond, NULL);
	recorder_on_event(run->recorder, seen, c);
	if (stop_new(NULL, &c->end, err) || pthread_create(&c->thread, NULL, keep_writing, c)) {
		recorder_on_event(run->recorder, NULL, NULL);
		checkpoint_free(c);
		return err_set(err, ERR_NOMEM, "no thread for checkpoints");
	}
	run->checkpoint = c;
	return 0;
}

void checkpoint_ask(struct checkpoint *c)
{
	pthread_mutex_lock(&c->lock);
	c->asked = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

void checkpoint_now(struct run *run)
{
	write_once(run->checkpoint);
}

void checkpoint_end(struct checkpoint *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->over = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
	stop_request(c->end, 1);
	pthread_join(c->thread, NULL);
}

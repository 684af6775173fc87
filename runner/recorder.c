/* The record's one writer, as other threads see it. */
#include "runner/recorder_impl.h"

#include "base/buf.h"
#include "base/clock.h"

#include <string.h>

void recorder_item_free(void *arg)
{
	struct item *item = arg;

	if (!item)
		return;
	cJSON_Delete(item->event);
	free(item->path);
	free(item->verifier);
	free(item);
}

void recorder_tell(struct waiter *waiter, int result, const struct err *err)
{
	if (!waiter)
		return;
	pthread_mutex_lock(&waiter->lock);
	waiter->done = true;
	waiter->result = result;
	if (result)
		waiter->err = *err;
	pthread_cond_signal(&waiter->cond);
	pthread_mutex_unlock(&waiter->lock);
}

/* ---- for other threads ---- */

static void push(struct recorder *r, struct item *item)
{
	struct err err;

	if (item && queue_push(r->queue, item))
		return;
	err_set(&err, ERR_NOMEM, "no memory for an event of the record");
	if (item)
		recorder_tell(item->waiter, -1, &err);
	recorder_item_free(item);
	pthread_mutex_lock(&r->lock);
	if (!r->failed)
		r->why = err;
	r->failed = true;
	pthread_mutex_unlock(&r->lock);
}

static struct item *item_new(enum what what, size_t n)
{
	struct item *item = calloc(1, sizeof(*item) + n * sizeof(struct sample));

	if (item) {
		item->what = what;
		item->n = n;
	}
	return item;
}

/* Times and places in the queue are given together: the journal is in the order of its times. */
static void push_event(struct recorder *r, cJSON *event, struct waiter *waiter)
{
	struct item *item = event ? item_new(ITEM_EVENT, 0) : NULL;

	if (item) {
		item->event = event;
		item->waiter = waiter;
	} else {
		cJSON_Delete(event);
	}
	pthread_mutex_lock(&r->lock);
	if (item && !cJSON_HasObjectItem(event, "t"))
		json_add_int(event, "t", clock_now_ns() - r->sink.t0_ns);
	if (item && queue_push(r->queue, item)) {
		pthread_mutex_unlock(&r->lock);
		return;
	}
	pthread_mutex_unlock(&r->lock);
	if (!item && waiter) {
		struct err err;

		err_set(&err, ERR_NOMEM, "no memory for an event of the record");
		recorder_tell(waiter, -1, &err);
	}
	push(r, item);
}

cJSON *recorder_make(const char *name)
{
	return json_object("e", name, (char *)NULL);
}

void recorder_event(struct recorder *r, cJSON *event)
{
	push_event(r, event, NULL);
}

static int wait_for(struct waiter *waiter, struct err *err)
{
	pthread_mutex_lock(&waiter->lock);
	while (!waiter->done)
		pthread_cond_wait(&waiter->cond, &waiter->lock);
	pthread_mutex_unlock(&waiter->lock);
	pthread_mutex_destroy(&waiter->lock);
	pthread_cond_destroy(&waiter->cond);
	if (waiter->result && err)
		*err = waiter->err;
	return waiter->result;
}

int recorder_commit(struct recorder *r, cJSON *event, struct err *err)
{
	struct waiter waiter = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.cond = PTHREAD_COND_INITIALIZER,
	};

	push_event(r, event, &waiter);
	return wait_for(&waiter, err);
}

void recorder_flush(struct recorder *r)
{
	struct waiter waiter = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.cond = PTHREAD_COND_INITIALIZER,
	};
	struct item *item = item_new(ITEM_FLUSH, 0);

	if (!item)
		return;
	item->waiter = &waiter;
	push(r, item);
	wait_for(&waiter, NULL);
}

bool recorder_failed(struct recorder *r, char text[ERR_TEXT_BYTES])
{
	bool failed;

	pthread_mutex_lock(&r->lock);
	failed = r->failed;
	if (failed && text)
		memcpy(text, r->why.text, ERR_TEXT_BYTES);
	pthread_mutex_unlock(&r->lock);
	return failed;
}

static void sink_event(struct sink *sink, cJSON *event)
{
	recorder_event((struct recorder *)sink, event);
}

static int sink_open(struct sink *sink, const char *path, const char *verifier, int64_t period_ns)
{
	struct recorder *r = (struct recorder *)sink;
	struct item *item = item_new(ITEM_OPEN, 0);
	int number;

	if (item) {
		item->path = strdup(path);
		item->verifier = strdup(verifier);
		item->period_ns = period_ns;
	}
	if (!item || !item->path || !item->verifier) {
		recorder_item_free(item);
		push(r, NULL);
		return -1;
	}
	/* Numbers are given in the order of the queue. */
	pthread_mutex_lock(&r->lock);
	number = queue_push(r->queue, item) ? r->n_opened++ : -1;
	pthread_mutex_unlock(&r->lock);
	if (number < 0)
		recorder_item_free(item);
	return number;
}

static void sink_samples(struct sink *sink, int file, const struct sample *samples, size_t n)
{
	struct item *item = item_new(ITEM_SAMPLES, n);

	if (item) {
		item->file = file;
		memcpy(item->samples, samples, n * sizeof(*samples));
	}
	push((struct recorder *)sink, item);
}

struct sink *recorder_sink(struct recorder *r)
{
	return &r->sink;
}

void recorder_on_event(struct recorder *r, void (*seen)(void *arg, const cJSON *event), void *arg)
{
	r->seen = seen;
	r->seen_arg = arg;
}

/* ---- life ---- */

static void free_all(struct recorder *r)
{
	for (size_t i = 0; i < r->n_files; i++) {
		samples_close(r->files[i]->writer);
		free(r->files[i]->path);
		free(r->files[i]);
	}
	for (size_t i = 0; i < r->n_kept; i++)
		cJSON_Delete(r->kept[i]);
	free(r->files);
	free(r->kept);
	journal_close(r->journal);
	queue_free(r->queue, recorder_item_free);
	if (r->reserve)
		unlink(r->reserve);
	free(r->reserve);
	free(r->dir);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

int recorder_new(const char *dir, int64_t t0_ns, int64_t wall_t0_ns, struct recorder **ret_recorder,
	struct err *err)
{
	struct recorder *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(err, ERR_NOMEM, "no memory for a recorder");
	pthread_mutex_init(&r->lock, NULL);
	r->sink = (struct sink){ t0_ns, sink_event, sink_open, sink_samples };
	r->wall_t0_ns = wall_t0_ns;
	r->clock_due_ns = t0_ns + 60 * NS_PER_S;
	r->dir = strdup(dir);
	r->reserve = str_format("%s/.journal.reserve", dir);
	if (!r->dir || !r->reserve || queue_new(&r->queue, err)) {
		free_all(r);
		return err_set(err, ERR_NOMEM, "no memory for a recorder");
	}
	if (pthread_create(&r->thread, NULL, recorder_thread, r)) {
		free_all(r);
		return err_set(err, ERR_NOMEM, "no thread for the recorder");
	}
	*ret_recorder = r;
	return 0;
}

void recorder_free(struct recorder *r)
{
	if (!r)
		return;
	queue_close(r->queue);
	pthread_join(r->thread, NULL);
	free_all(r);
}

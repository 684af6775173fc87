/* The record's one writer. */
#include "runner/recorder.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/record.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>

/* Space set aside for the last words of a run whose disk is full. */
#define RESERVE_BYTES (128 << 10)
#define KEPT_MAX 100000

enum what { ITEM_EVENT, ITEM_OPEN, ITEM_SAMPLES, ITEM_FLUSH };

/* Who waits for an item, on its own stack. */
struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	int result;
	struct err err;
};

struct item {
	enum what what;
	cJSON *event;
	struct waiter *waiter;
	int file;
	char *path, *verifier;
	int64_t period_ns;
	size_t n;
	struct sample samples[];
};

struct samples_file {
	struct samples_writer *writer;
	char *path;
	size_t n;
	struct sample waiting[SAMPLES_BLOCK];
};

struct recorder {
	struct sink sink; /* first: a sink is a recorder */
	char *dir, *reserve;
	int64_t wall_t0_ns;
	struct queue *queue;
	pthread_t thread;
	pthread_mutex_t lock; /* guards the order of `t`, and what follows */
	int n_opened;
	bool failed;
	struct err why;
	/* The thread's own. */
	struct journal *journal;
	struct samples_file **files;
	size_t n_files;
	cJSON **kept; /* events that the disk did not take yet */
	size_t n_kept;
	bool unsynced;
	int64_t clock_due_ns;
	void (*seen)(void *arg, const cJSON *event);
	void *seen_arg;
};

static void item_free(void *arg)
{
	struct item *item = arg;

	if (!item)
		return;
	cJSON_Delete(item->event);
	free(item->path);
	free(item->verifier);
	free(item);
}

static void waiter_tell(struct waiter *waiter, int result, const struct err *err)
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

/* ---- the thread: failure ---- */

/* The first refusal: told once, kept for good, and the space set aside is given back, so that the
 * record can still say what happened. */
static void fail(struct recorder *r, const struct err *err)
{
	OWN_JSON cJSON *event = NULL;
	bool first;

	pthread_mutex_lock(&r->lock);
	first = !r->failed;
	if (first)
		r->why = *err;
	r->failed = true;
	pthread_mutex_unlock(&r->lock);
	if (!first)
		return;
	log_error("record: %s", err->text);
	unlink(r->reserve);
	event = recorder_make("error");
	json_add_int(event, "t", clock_now_ns() - r->sink.t0_ns);
	json_add_str(event, "text", err->text);
	if (event && r->journal && !journal_append(r->journal, event, NULL))
		journal_sync(r->journal, NULL);
}

/* The order of events is kept: nothing overtakes one that waits. */
static int drain_kept(struct recorder *r, struct err *err)
{
	size_t done = 0;

	while (done < r->n_kept && !journal_append(r->journal, r->kept[done], err))
		cJSON_Delete(r->kept[done++]);
	r->n_kept -= done;
	memmove(r->kept, r->kept + done, r->n_kept * sizeof(cJSON *));
	r->unsynced |= done > 0;
	return r->n_kept ? -1 : 0;
}

static void keep(struct recorder *r, cJSON *event)
{
	cJSON **grown = NULL;

	if (r->n_kept < KEPT_MAX)
		grown = realloc(r->kept, (r->n_kept + 1) * sizeof(cJSON *));
	if (!grown) {
		cJSON_Delete(event);
		return;
	}
	r->kept = grown;
	r->kept[r->n_kept++] = event;
}

static int write_event(struct recorder *r, const cJSON *event, struct err *err)
{
	if (!r->journal)
		return err_set(err, ERR_IO, "%s: the journal could not be made", r->dir);
	if (drain_kept(r, err) || journal_append(r->journal, event, err)) {
		fail(r, err);
		return -1;
	}
	r->unsynced = true;
	if (r->seen)
		r->seen(r->seen_arg, event);
	return 0;
}

static int sync_now(struct recorder *r, struct err *err)
{
	if (!r->unsynced || !r->journal)
		return 0;
	if (journal_sync(r->journal, err)) {
		fail(r, err);
		return -1;
	}
	r->unsynced = false;
	return 0;
}

/* ---- the thread: events ---- */

static bool is_phase(const cJSON *event)
{
	const char *name = json_str(event, "e", NULL);

	return name && !strcmp(name, "phase");
}

static int commit_event(struct recorder *r, const cJSON *event, struct err *err)
{
	if (recorder_failed(r, NULL)) {
		write_event(r, event, err);
		return err_set(err, ERR_IO, "the record cannot be written: %s", r->why.text);
	}
	if (write_event(r, event, err))
		return -1;
	return sync_now(r, err);
}

static void do_event(struct recorder *r, struct item *item)
{
	struct err err = { ERR_NONE, "" };

	if (item->waiter) {
		int result = commit_event(r, item->event, &err);

		waiter_tell(item->waiter, result, &err);
	} else if (write_event(r, item->event, &err)) {
		keep(r, TAKE(item->event));
	} else if (is_phase(item->event)) {
		sync_now(r, &err);
	}
}

static void add_clock(struct recorder *r)
{
	OWN_JSON cJSON *event = recorder_make("clock");
	struct err err;

	json_add_int(event, "t", clock_now_ns() - r->sink.t0_ns);
	json_add_int(event, "wall_ns", clock_wall_ns());
	if (event)
		write_event(r, event, &err);
	r->clock_due_ns += 60 * NS_PER_S;
}

/* ---- the thread: samples ---- */

static void flush_file(struct recorder *r, struct samples_file *file)
{
	struct err err;

	if (!file->n)
		return;
	if (file->writer && samples_append(file->writer, file->waiting, file->n, &err)) {
		err_wrap(&err, "%s", file->path);
		fail(r, &err);
	}
	file->n = 0;
}

static void do_open(struct recorder *r, struct item *item)
{
	struct samples_file **grown = realloc(r->files, (r->n_files + 1) * sizeof(*grown));
	struct samples_file *file = grown ? calloc(1, sizeof(*file)) : NULL;
	struct err err;

	if (grown)
		r->files = grown;
	if (!file) {
		err_set(&err, ERR_NOMEM, "%s: no memory for samples", item->path);
		fail(r, &err);
		return;
	}
	file->path = TAKE(item->path);
	if (samples_create(r->dir, file->path, item->verifier, r->wall_t0_ns, item->period_ns,
		    &file->writer, &err))
		fail(r, &err);
	r->files[r->n_files++] = file;
}

static void do_samples(struct recorder *r, struct item *item)
{
	struct samples_file *file = (size_t)item->file < r->n_files ? r->files[item->file] : NULL;

	for (size_t i = 0; file && i < item->n; i++) {
		file->waiting[file->n++] = item->samples[i];
		if (file->n == SAMPLES_BLOCK)
			flush_file(r, file);
	}
}

static void flush_all(struct recorder *r)
{
	for (size_t i = 0; i < r->n_files; i++)
		flush_file(r, r->files[i]);
}

/* ---- the thread ---- */

static void handle(struct recorder *r, struct item *item)
{
	switch (item->what) {
	case ITEM_EVENT:
		do_event(r, item);
		break;
	case ITEM_OPEN:
		do_open(r, item);
		break;
	case ITEM_SAMPLES:
		do_samples(r, item);
		break;
	case ITEM_FLUSH:
		flush_all(r);
		waiter_tell(item->waiter, 0, NULL);
		break;
	}
	item_free(item);
}

static void each_second(struct recorder *r)
{
	struct err err;

	if (clock_now_ns() >= r->clock_due_ns)
		add_clock(r);
	if (r->n_kept && r->journal)
		drain_kept(r, &err);
	flush_all(r);
	sync_now(r, &err);
}

static void set_aside(struct recorder *r)
{
	OWN_FD int fd = open(r->reserve, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	/* Where this fails, the disk is full already, and the first event will say so. */
	if (fd >= 0 && posix_fallocate(fd, 0, RESERVE_BYTES))
		unlink(r->reserve);
}

static void *record(void *arg)
{
	struct recorder *r = arg;
	int64_t tick_ns = clock_now_ns() + NS_PER_S;
	struct err err;

	if (journal_create(r->dir, &r->journal, &err))
		fail(r, &err);
	set_aside(r);
	while (!queue_ended(r->queue)) {
		struct item *item = queue_pop(r->queue, tick_ns);

		if (item)
			handle(r, item);
		if (clock_now_ns() < tick_ns)
			continue;
		each_second(r);
		tick_ns = clock_now_ns() + NS_PER_S;
	}
	flush_all(r);
	if (r->n_kept && r->journal)
		drain_kept(r, &err);
	sync_now(r, &err);
	return NULL;
}

/* ---- for other threads ---- */

static void push(struct recorder *r, struct item *item)
{
	struct err err;

	if (item && queue_push(r->queue, item))
		return;
	err_set(&err, ERR_NOMEM, "no memory for an event of the record");
	if (item)
		waiter_tell(item->waiter, -1, &err);
	item_free(item);
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
		waiter_tell(waiter, -1, &err);
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
		item_free(item);
		push(r, NULL);
		return -1;
	}
	/* Numbers are given in the order of the queue. */
	pthread_mutex_lock(&r->lock);
	number = queue_push(r->queue, item) ? r->n_opened++ : -1;
	pthread_mutex_unlock(&r->lock);
	if (number < 0)
		item_free(item);
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
	queue_free(r->queue, item_free);
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
	if (pthread_create(&r->thread, NULL, record, r)) {
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

/* The recorder's thread: events and samples onto the disk, in order, and what to do when it is
 * full. */
#include "runner/recorder_impl.h"

#include "base/clock.h"
#include "base/log.h"

#include <fcntl.h>
#include <string.h>

/* Space set aside for the last words of a run whose disk is full. */
#define RESERVE_BYTES (128 << 10)
#define KEPT_MAX 100000

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
	if (r->n_kept)
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

		recorder_tell(item->waiter, result, &err);
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
		recorder_tell(item->waiter, 0, NULL);
		break;
	}
	recorder_item_free(item);
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

void *recorder_thread(void *arg)
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

/*
 * The journal of a run: one checked line an event, appended whole by one thread, read by anybody.
 * The format is in record.h.
 */
#include "base/buf.h"
#include "base/crc32c.h"
#include "base/own.h"
#include "base/record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define LINE_MAX_BYTES ((size_t)4 << 20)
#define PREFIX_BYTES 9 /* eight hex digits and a space */

struct journal {
	int fd;
	off_t size;
	char *path;
	struct buf line;
};

static char *journal_path(const char *dir)
{
	return str_format("%s/journal.jsonl", dir);
}

/* Readers hold a shared lock for an instant to see whether a run lives: that is waited for. */
static int lock_file(int fd, const char *path, struct err *err)
{
	for (int pause_ms = 1;; pause_ms *= 2) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_errno(err, "%s: lock", path);
		if (pause_ms > 256)
			return err_set(err, ERR_CONFLICT,
				"%s: locked: the run that writes it is still alive; wait for its end "
				"or stop it",
				path);
		poll(NULL, 0, pause_ms);
	}
}

/* Takes fd and path over. */
static int journal_make(int *fd, char **path, off_t size, struct journal **ret, struct err *err)
{
	struct journal *journal = calloc(1, sizeof(*journal));

	if (!journal)
		return err_set(err, ERR_NOMEM, "%s: no memory", *path);
	journal->fd = TAKE_FD(*fd);
	journal->path = TAKE(*path);
	journal->size = size;
	buf_init(&journal->line, LINE_MAX_BYTES);
	*ret = journal;
	return 0;
}

/* The name itself must survive a crash too. */
static int sync_folder(const char *dir, struct err *err)
{
	OWN_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd))
		return err_errno(err, "%s: sync", dir);
	return 0;
}

int journal_create(const char *dir, struct journal **ret_journal, struct err *err)
{
	OWN_MEM char *path = journal_path(dir);
	OWN_FD int fd = -1;

	if (!path)
		return err_set(err, ERR_NOMEM, "%s: no memory", dir);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0) {
		int why = errno;

		err_errno(err, "%s: create", path);
		if (err && why == EEXIST)
			err->code = ERR_CONFLICT;
		return -1;
	}
	if (lock_file(fd, path, err) || sync_folder(dir, err))
		return -1;
	return journal_make(&fd, &path, 0, ret_journal, err);
}

/* The offset behind the last newline. */
static int last_line_end(int fd, const char *path, off_t *ret_end, struct err *err)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char chunk[4096];

	while (end > 0) {
		size_t want = end < (off_t)sizeof(chunk) ? (size_t)end : sizeof(chunk);
		ssize_t got = pread(fd, chunk, want, end - (off_t)want);
		const char *newline;

		if (got != (ssize_t)want)
			return err_errno(err, "%s: read", path);
		newline = memrchr(chunk, '\n', want);
		if (newline) {
			*ret_end = end - (off_t)want + (newline - chunk) + 1;
			return 0;
		}
		end -= (off_t)want;
	}
	if (end < 0)
		return err_errno(err, "%s: seek", path);
	*ret_end = 0;
	return 0;
}

int journal_open(const char *dir, struct journal **ret_journal, struct err *err)
{
	OWN_MEM char *path = journal_path(dir);
	OWN_FD int fd = -1;
	off_t end = 0;

	if (!path)
		return err_set(err, ERR_NOMEM, "%s: no memory", dir);
	fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	if (fd < 0) {
		int why = errno;

		err_errno(err, "%s: open", path);
		if (err && why == ENOENT)
			err->code = ERR_NOT_FOUND;
		return -1;
	}
	if (lock_file(fd, path, err) || last_line_end(fd, path, &end, err))
		return -1;
	if (ftruncate(fd, end))
		return err_errno(err, "%s: cut off a torn last line", path);
	return journal_make(&fd, &path, end, ret_journal, err);
}

int journal_append(struct journal *journal, const cJSON *event, struct err *err)
{
	OWN_MEM char *text = json_print(event);

	if (!text)
		return err_set(err, ERR_NOMEM, "%s: no memory for an event", journal->path);
	if (!json_at(event, "t", NULL) || !json_str(event, "e", NULL))
		return err_set(
			err, ERR_BUG, "%s: an event without t or e: %.200s", journal->path, text);
	buf_reset(&journal->line);
	if (buf_addf(&journal->line, "%08x %s\n", crc32c(0, text, strlen(text)), text))
		return err_set(err, ERR_NOMEM, "%s: an event of more than %zu bytes", journal->path,
			LINE_MAX_BYTES);
	return buf_append_file(journal->fd, journal->path, journal->line.data, journal->line.len,
		&journal->size, err);
}

int journal_sync(struct journal *journal, struct err *err)
{
	if (fdatasync(journal->fd))
		return err_errno(err, "%s: sync", journal->path);
	return 0;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	close(journal->fd);
	free(journal->path);
	buf_done(&journal->line);
	free(journal);
}

/* ---- reading ---- */

struct reading {
	const char *path;
	int (*each)(void *arg, const cJSON *event);
	void *arg;
	struct journal_state state;
	bool ended; /* by `each`, or at a bad line */
};

static bool crc_matches(const char *line, size_t len)
{
	char digits[PREFIX_BYTES] = { 0 };
	char *end = NULL;
	unsigned long crc;

	if (len < PREFIX_BYTES || line[PREFIX_BYTES - 1] != ' ')
		return false;
	for (size_t i = 0; i < PREFIX_BYTES - 1; i++)
		if (!strchr("0123456789abcdef", line[i]) || !line[i])
			return false;
	memcpy(digits, line, PREFIX_BYTES - 1);
	crc = strtoul(digits, &end, 16);
	return crc == crc32c(0, line + PREFIX_BYTES, len - PREFIX_BYTES);
}

/* A line without its newline. -1 only for a format that is too new. */
static int read_line(struct reading *r, const char *line, size_t len, struct err *err)
{
	OWN_JSON cJSON *event = NULL;
	const char *name;
	int64_t format;

	if (!crc_matches(line, len) ||
		json_parse(r->path, line + PREFIX_BYTES, len - PREFIX_BYTES, &event, NULL) ||
		!(name = json_str(event, "e", NULL)) ||
		!cJSON_IsNumber(json_at(event, "t", NULL))) {
		r->state.bad_line = r->state.lines + 1;
		r->ended = true;
		return 0;
	}
	format = json_int(event, 1, "format", NULL);
	if (!strcmp(name, "run") && format > RECORD_FORMAT)
		return err_set(err, ERR_FORMAT,
			"%s: written in format %lld by a newer crumble; this one reads up to %d",
			r->path, (long long)format, RECORD_FORMAT);
	r->state.lines++;
	if (r->each(r->arg, event))
		r->ended = true;
	return 0;
}

/* Hands out the whole lines in b and drops them from it. */
static int read_lines(struct reading *r, struct buf *b, struct err *err)
{
	size_t at = 0;
	const char *newline;

	while (!r->ended && at < b->len && (newline = memchr(b->data + at, '\n', b->len - at))) {
		size_t len = (size_t)(newline - (b->data + at));

		if (read_line(r, b->data + at, len, err))
			return -1;
		at += len + 1;
	}
	buf_drop(b, at);
	return 0;
}

static int read_all(struct reading *r, int fd, struct err *err)
{
	OWN_BUF struct buf b;
	char chunk[65536];
	ssize_t got = 0;

	buf_init(&b, LINE_MAX_BYTES + sizeof(chunk));
	while (!r->ended && (got = read(fd, chunk, sizeof(chunk))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, "%s: read", r->path);
		if (buf_add(&b, chunk, (size_t)got)) { /* no such line was ever written */
			r->state.bad_line = r->state.lines + 1;
			return 0;
		}
		if (memchr(chunk, '\n', (size_t)got) && read_lines(r, &b, err))
			return -1;
	}
	r->state.torn = !r->ended && b.len > 0;
	return 0;
}

static bool is_locked(int fd)
{
	if (flock(fd, LOCK_SH | LOCK_NB))
		return errno == EWOULDBLOCK;
	flock(fd, LOCK_UN);
	return false;
}

int journal_read(const char *dir, int (*each)(void *arg, const cJSON *event), void *arg,
	struct journal_state *ret_state, struct err *err)
{
	OWN_MEM char *path = journal_path(dir);
	struct reading r = { .path = path, .each = each, .arg = arg };
	OWN_FD int fd = -1;

	if (!path)
		return err_set(err, ERR_NOMEM, "%s: no memory", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		int why = errno;

		err_errno(err, "%s: open", path);
		if (err && why == ENOENT)
			err->code = ERR_NOT_FOUND;
		return -1;
	}
	r.state.locked = is_locked(fd);
	if (read_all(&r, fd, err))
		return -1;
	if (ret_state)
		*ret_state = r.state;
	return 0;
}

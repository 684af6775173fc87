/* Reports onto the disk, each atomically; and the space that is set aside for a full one. */
#include "reports/report.h"

#include "reports/reporter.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define RESERVE_BYTES (1 << 20)

static char *reserve_path(const char *dir)
{
	return str_format("%s/.reserve", dir);
}

int report_reserve(const char *dir, struct err *err)
{
	OWN_MEM char *path = reserve_path(dir);
	OWN_FD int fd = -1;
	int why;

	if (!path)
		return err_set(err, ERR_NOMEM, "%s: no memory", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, "%s: create", path);
	why = posix_fallocate(fd, 0, RESERVE_BYTES);
	if (!why)
		return 0;
	unlink(path);
	return err_set(err, ERR_IO, "%s: set %d bytes aside for the report: %s", path,
		RESERVE_BYTES, strerror(why));
}

void report_release(const char *dir)
{
	OWN_MEM char *path = reserve_path(dir);

	if (path)
		unlink(path);
}

/* What does not fit is tried again with the space that was set aside. */
static int write_file(const char *dir, const char *name, const struct buf *b, struct err *err)
{
	OWN_MEM char *path = str_format("%s/%s", dir, name), *reserve = reserve_path(dir);

	if (!path || !reserve)
		return err_set(err, ERR_NOMEM, "%s: no memory", dir);
	if (!buf_write_file(path, buf_str(b), b->len, err))
		return 0;
	if (unlink(reserve))
		return -1;
	return buf_write_file(path, buf_str(b), b->len, err);
}

static int write_one(const char *dir, const struct reporter_ops *reporter,
	const struct result *result, struct err *err)
{
	OWN_BUF struct buf b;

	buf_init(&b, REPORT_MAX_BYTES);
	if (reporter->write(result, &b, err) || write_file(dir, reporter->file, &b, err))
		return -1;
	return 0;
}

int report_write(const char *dir, const struct result *result, bool checkpoint, struct err *err)
{
	struct err first = { 0 };

	for (size_t i = 0; reporters[i]; i++) {
		struct err mine = { 0 };

		if (checkpoint && !reporters[i]->checkpoint)
			continue;
		if (write_one(dir, reporters[i], result, &mine) && !first.code)
			first = mine;
	}
	return first.code ? err_set(err, first.code, "%s", first.text) : 0;
}

int report_write_merged(
	const char *out_dir, const struct result *const *results, size_t n, struct err *err)
{
	OWN_BUF struct buf b;

	buf_init(&b, REPORT_MAX_BYTES);
	if (junit_write_all(results, n, &b, err))
		return -1;
	return write_file(out_dir, "junit.xml", &b, err);
}

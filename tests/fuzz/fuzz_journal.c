/* Any bytes as a journal, and as the story and report that are made from it. Bytes that begin with
 * '#' are lines without checksums: right ones are put in front, so that events are reached. */
#include "base/buf.h"
#include "base/crc32c.h"
#include "reports/report.h"
#include "reports/reporter.h"
#include "tests/fuzz/fuzz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void add_checked(struct buf *b, const char *line, size_t len)
{
	buf_addf(b, "%08x ", crc32c(0, line, len));
	buf_add(b, line, len);
	buf_add_str(b, "\n");
}

static void make_journal(struct buf *b, const uint8_t *data, size_t size)
{
	const char *at = (const char *)data + 1, *end = (const char *)data + size;

	if (!size || data[0] != '#') {
		buf_add(b, data, size);
		return;
	}
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;

		add_checked(b, at, (size_t)(stop - at));
		at = stop + 1;
	}
}

static void report(const char *dir)
{
	struct result *result = NULL;
	struct err err = { 0 };
	OWN_BUF struct buf out;

	buf_init(&out, REPORT_MAX_BYTES);
	if (report_build(dir, true, &result, &err))
		return;
	if (result->record_damaged && result->verdict == VERDICT_PASS)
		abort(); /* never green on a damaged record */
	for (size_t i = 0; reporters[i]; i++) {
		buf_reset(&out);
		if (reporters[i]->write(result, &out, &err))
			abort();
	}
	result_free(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char dir[] = "/tmp/crumble-fuzz-journal-XXXXXX";
	static bool made;
	OWN_MEM char *path = NULL;
	OWN_BUF struct buf b;

	if (!made && !mkdtemp(dir))
		abort();
	made = true;
	path = str_format("%s/journal.jsonl", dir);
	buf_init(&b, 1 << 22);
	make_journal(&b, data, size);
	if (!path || buf_failed(&b) || buf_write_file(path, buf_str(&b), b.len, NULL))
		return 0;
	report(dir);
	unlink(path);
	return 0;
}

/* Any bytes as a samples file: never a crash, always ascending seq, and lost bytes within the
 * file. */
#include "base/buf.h"
#include "base/record.h"
#include "tests/fuzz/fuzz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct seen {
	int64_t last;
	uint64_t n;
};

static int see(void *arg, const struct sample *s)
{
	struct seen *seen = arg;

	if ((int64_t)s->seq <= seen->last)
		abort();
	seen->last = s->seq;
	seen->n++;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char dir[] = "/tmp/crumble-fuzz-samples-XXXXXX";
	static bool made;
	struct samples_info info = { 0 };
	struct seen seen = { .last = -1 };
	OWN_MEM char *folder = NULL, *path = NULL;

	if (!made && !mkdtemp(dir))
		abort();
	folder = str_format("%s/samples", dir);
	path = str_format("%s/samples/x", dir);
	if (!folder || !path || (!made && mkdir(folder, 0700)))
		abort();
	made = true;
	if (buf_write_file(path, data, size, NULL))
		return 0;
	if (!samples_read(dir, "x", see, &seen, &info, NULL)) {
		if (info.records != seen.n || info.lost_bytes > size ||
			info.lost_bytes + 32 * seen.n > size)
			abort();
	}
	unlink(path);
	return 0;
}

/*
 * Samples on disk: a header, then blocks of up to 1,024 records, each written whole and checked by
 * CRC-32C. Written in the order of completion, read back in the order of `seq`.
 *
 * Block: u32 count, u32 crc32c, i64 due of its first record, records. The CRC is over all of the
 * block but itself. A block begins at a multiple of 16 bytes: behind damage the next good one is
 * found by looking for it there.
 */
#include "base/buf.h"
#include "base/crc32c.h"
#include "base/own.h"
#include "base/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "samples are little-endian on disk");

#define MAGIC "CRSAMP1\n"
#define BYTE_ORDER_MARK UINT32_C(0x01020304)
/* Records that are read but must wait for one of a smaller seq: 32 MiB, far more than any
 * concurrency cap makes. */
#define WAITING_MAX ((size_t)1 << 20)

struct header {
	char magic[8];
	uint32_t order, record_bytes;
	int64_t wall_t0_ns, period_ns;
	char name[SAMPLES_NAME_BYTES + 1];
};
_Static_assert(sizeof(struct header) == 64, "the header is 64 bytes on disk");

struct block_head {
	uint32_t count, crc;
	int64_t first_due_ns;
};
_Static_assert(sizeof(struct block_head) == 16, "a block's head is 16 bytes on disk");

struct block {
	struct block_head head;
	struct sample samples[SAMPLES_BLOCK];
};

static size_t block_bytes(uint32_t count)
{
	return sizeof(struct block_head) + count * sizeof(struct sample);
}

static uint32_t block_crc(const struct block *block)
{
	uint32_t crc = crc32c(0, &block->head.count, sizeof(block->head.count));

	crc = crc32c(crc, &block->head.first_due_ns, sizeof(block->head.first_due_ns));
	return crc32c(crc, block->samples, block->head.count * sizeof(struct sample));
}

uint32_t sample_us(int64_t due_ns, int64_t at_ns)
{
	int64_t us = (at_ns - due_ns) / 1000;

	if (!at_ns)
		return SAMPLE_NEVER;
	if (us < 0)
		return 0;
	return us < (int64_t)SAMPLE_LONG ? (uint32_t)us : SAMPLE_LONG;
}

/* ---- writing ---- */

struct samples_writer {
	int fd;
	off_t size;
	char *path;
	struct block block;
};

static char *samples_path(const char *dir, const char *file)
{
	return str_format("%s/samples/%s", dir, file);
}

static int make_folder(const char *dir, struct err *err)
{
	OWN_MEM char *path = samples_path(dir, "");

	if (!path)
		return err_set(err, ERR_NOMEM, "%s: no memory", dir);
	if (mkdir(path, 0700) && errno != EEXIST)
		return err_errno(err, "%s: create", path);
	return 0;
}

int samples_create(const char *dir, const char *file, const char *name, int64_t wall_t0_ns,
	int64_t period_ns, struct samples_writer **ret_writer, struct err *err)
{
	struct header header = { MAGIC, BYTE_ORDER_MARK, sizeof(struct sample), wall_t0_ns,
		period_ns, "" };
	struct samples_writer *w;

	if (strlen(name) >= SAMPLES_NAME_BYTES)
		return err_set(err, ERR_CONFIG, "verifier name %s: longer than %d bytes", name,
			SAMPLES_NAME_BYTES - 1);
	memcpy(header.name, name, strlen(name));
	if (make_folder(dir, err))
		return -1;
	w = calloc(1, sizeof(*w));
	if (!w)
		return err_set(err, ERR_NOMEM, "%s: no memory", file);
	w->path = samples_path(dir, file);
	w->fd = w->path ? open(w->path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600)
			: -1;
	if (w->fd < 0) {
		err_errno(err, "%s: create", w->path ? w->path : file);
		samples_close(w);
		return -1;
	}
	if (buf_append_file(w->fd, w->path, &header, sizeof(header), &w->size, err)) {
		samples_close(w);
		return -1;
	}
	*ret_writer = w;
	return 0;
}

int samples_append(
	struct samples_writer *w, const struct sample *samples, size_t n, struct err *err)
{
	if (!n)
		return 0;
	if (n > SAMPLES_BLOCK)
		return err_set(err, ERR_BUG, "%s: %zu samples in one block", w->path, n);
	memcpy(w->block.samples, samples, n * sizeof(*samples));
	w->block.head.count = (uint32_t)n;
	w->block.head.first_due_ns = samples[0].due_ns;
	w->block.head.crc = block_crc(&w->block);
	return buf_append_file(w->fd, w->path, &w->block, block_bytes((uint32_t)n), &w->size, err);
}

void samples_close(struct samples_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	free(w->path);
	free(w);
}

/* ---- reading ----
 *
 * First pass: find the good blocks and the smallest seq in each. Second pass: take the blocks in
 * the order of that; a record is delivered when it is the next one, or when no block that is still
 * to come can hold a smaller one. Until then it waits in a heap, which is as large as the run's
 * disorder (requests in flight), not as the file.
 */

struct found {
	off_t at;
	uint32_t min_seq, count;
};

struct reader {
	int fd;
	const char *path;
	off_t size, good_end; /* good_end: behind the last good block */
	struct found *blocks;
	size_t n_blocks, room;
	struct sample *heap;
	size_t n_heap, heap_room;
	uint64_t next;  /* the seq that is due */
	uint64_t twice; /* records whose seq was there already */
	int (*each)(void *arg, const struct sample *sample);
	void *arg;
	struct samples_info info;
	bool ended;
	struct block block;
};

static int read_header(struct reader *r, struct err *err)
{
	struct header h;

	if (pread(r->fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		return err_set(err, ERR_FORMAT, "%s: no whole header", r->path);
	if (memcmp(h.magic, MAGIC, sizeof(h.magic)))
		return err_set(err, ERR_FORMAT, "%s: not a samples file of format 1", r->path);
	if (h.order != BYTE_ORDER_MARK || h.record_bytes != sizeof(struct sample))
		return err_set(
			err, ERR_FORMAT, "%s: byte order or record size is not ours", r->path);
	memcpy(r->info.name, h.name, SAMPLES_NAME_BYTES);
	r->info.name[SAMPLES_NAME_BYTES - 1] = '\0';
	r->info.wall_t0_ns = h.wall_t0_ns;
	r->info.period_ns = h.period_ns;
	return 0;
}

/* Reads what may be a block at `at`. True when it is a good one. */
static bool block_at(struct reader *r, off_t at)
{
	ssize_t got = pread(r->fd, &r->block, sizeof(r->block), at);
	const struct block_head *head = &r->block.head;

	if (got < (ssize_t)block_bytes(1) || !head->count || head->count > SAMPLES_BLOCK)
		return false;
	if (got < (ssize_t)block_bytes(head->count))
		return false;
	/* cheap, and true by chance only once in 2^64: what makes looking for a block fast */
	if (head->first_due_ns != r->block.samples[0].due_ns)
		return false;
	return block_crc(&r->block) == head->crc;
}

/* Behind damage: the next offset that may begin a block, judged by a window of the file. */
static off_t look_further(struct reader *r, off_t at)
{
	char window[65536];

	while (at + (off_t)block_bytes(1) <= r->size) {
		ssize_t got = pread(r->fd, window, sizeof(window), at);
		struct block block;

		if (got < (ssize_t)block_bytes(1))
			break;
		for (ssize_t i = 0; i + (ssize_t)block_bytes(1) <= got; i += 16, at += 16) {
			memcpy(&block.head, window + i, sizeof(block.head));
			memcpy(&block.samples[0], window + i + sizeof(block.head), 32);
			if (block.head.count && block.head.count <= SAMPLES_BLOCK &&
				block.head.first_due_ns == block.samples[0].due_ns)
				return at;
		}
	}
	return r->size;
}

static int block_found(struct reader *r, off_t at, struct err *err)
{
	struct found found = { at, UINT32_MAX, r->block.head.count };

	for (uint32_t i = 0; i < found.count; i++)
		if (r->block.samples[i].seq < found.min_seq)
			found.min_seq = r->block.samples[i].seq;
	if (r->n_blocks == r->room) {
		size_t room = r->room ? r->room * 2 : 64;
		struct found *blocks = realloc(r->blocks, room * sizeof(*blocks));

		if (!blocks)
			return err_set(err, ERR_NOMEM, "%s: no memory", r->path);
		r->blocks = blocks;
		r->room = room;
	}
	r->blocks[r->n_blocks++] = found;
	return 0;
}

static int find_blocks(struct reader *r, struct err *err)
{
	off_t at = sizeof(struct header);

	r->good_end = at;
	while (at < r->size) {
		if (block_at(r, at)) {
			if (block_found(r, at, err))
				return -1;
			at += (off_t)block_bytes(r->block.head.count);
			r->good_end = at;
		} else {
			off_t next = look_further(r, at + 16);

			r->info.lost_bytes += (uint64_t)((next < r->size ? next : r->size) - at);
			at = next;
		}
	}
	return 0;
}

static int by_min_seq(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->min_seq != y->min_seq)
		return x->min_seq < y->min_seq ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static void deliver(struct reader *r, const struct sample *s)
{
	if (s->seq < r->next) {
		r->twice++;
		return;
	}
	r->info.lost_records += s->seq - r->next;
	r->next = (uint64_t)s->seq + 1;
	r->info.records++;
	if (r->each(r->arg, s))
		r->ended = true;
}

static int heap_push(struct reader *r, const struct sample *s, struct err *err)
{
	size_t i = r->n_heap;

	if (i == WAITING_MAX)
		return err_set(err, ERR_FORMAT, "%s: %zu samples are out of order", r->path, i);
	if (i == r->heap_room) {
		size_t room = r->heap_room ? r->heap_room * 2 : 2 * SAMPLES_BLOCK;
		struct sample *heap = realloc(r->heap, room * sizeof(*heap));

		if (!heap)
			return err_set(err, ERR_NOMEM, "%s: no memory", r->path);
		r->heap = heap;
		r->heap_room = room;
	}
	r->n_heap++;
	for (; i && r->heap[(i - 1) / 2].seq > s->seq; i = (i - 1) / 2)
		r->heap[i] = r->heap[(i - 1) / 2];
	r->heap[i] = *s;
	return 0;
}

static struct sample heap_pop(struct reader *r)
{
	struct sample top = r->heap[0], last = r->heap[--r->n_heap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < r->n_heap) {
		if (child + 1 < r->n_heap && r->heap[child + 1].seq < r->heap[child].seq)
			child++;
		if (r->heap[child].seq >= last.seq)
			break;
		r->heap[i] = r->heap[child];
		i = child;
	}
	r->heap[i] = last;
	return top;
}

/* Delivers what waits and is below `limit`, or due. */
static void heap_drain(struct reader *r, uint64_t limit)
{
	while (!r->ended && r->n_heap && (r->heap[0].seq < limit || r->heap[0].seq <= r->next)) {
		struct sample s = heap_pop(r);

		deliver(r, &s);
	}
}

static int deliver_block(struct reader *r, const struct found *found, struct err *err)
{
	size_t bytes = block_bytes(found->count);

	if (pread(r->fd, &r->block, bytes, found->at) != (ssize_t)bytes)
		return err_set(err, ERR_IO, "%s: changed while it was read", r->path);
	for (uint32_t i = 0; i < found->count && !r->ended; i++) {
		const struct sample *s = &r->block.samples[i];

		if (s->seq == r->next)
			deliver(r, s);
		else if (heap_push(r, s, err))
			return -1;
		heap_drain(r, 0);
	}
	return 0;
}

static int deliver_all(struct reader *r, struct err *err)
{
	if (r->n_blocks)
		qsort(r->blocks, r->n_blocks, sizeof(*r->blocks), by_min_seq);
	for (size_t i = 0; i < r->n_blocks && !r->ended; i++) {
		heap_drain(r, r->blocks[i].min_seq);
		if (deliver_block(r, &r->blocks[i], err))
			return -1;
	}
	heap_drain(r, UINT64_MAX);
	return 0;
}

static int reader_run(struct reader *r, struct err *err)
{
	r->size = lseek(r->fd, 0, SEEK_END);
	if (r->size < 0)
		return err_errno(err, "%s: seek", r->path);
	if (read_header(r, err) || find_blocks(r, err) || deliver_all(r, err))
		return -1;
	/* gaps in seq count what was lost inside; what was torn off the end left no gap */
	r->info.lost_records += (uint64_t)(r->size - r->good_end) / sizeof(struct sample);
	r->info.lost_records += r->twice;
	return 0;
}

int samples_read(const char *dir, const char *file,
	int (*each)(void *arg, const struct sample *sample), void *arg,
	struct samples_info *ret_info, struct err *err)
{
	OWN_MEM char *path = samples_path(dir, file);
	OWN_MEM struct reader *r = calloc(1, sizeof(*r));
	OWN_FD int fd = -1;
	int result;

	if (!path || !r)
		return err_set(err, ERR_NOMEM, "%s: no memory", file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		int why = errno;

		err_errno(err, "%s: open", path);
		if (err && why == ENOENT)
			err->code = ERR_NOT_FOUND;
		return -1;
	}
	*r = (struct reader){ .fd = fd, .path = path, .each = each, .arg = arg };
	result = reader_run(r, err);
	free(r->blocks);
	free(r->heap);
	if (!result && ret_info)
		*ret_info = r->info;
	return result;
}

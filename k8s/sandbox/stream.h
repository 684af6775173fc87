/* An answer that goes on: a watch, or a log that is followed. */
#ifndef CRUMBLE_K8S_SANDBOX_STREAM_H
#define CRUMBLE_K8S_SANDBOX_STREAM_H

#include "base/buf.h"

#include <stdint.h>

struct stream {
	/* Adds what there is to `out`; waits for it, at most about until `until_ns`. False: that
	 * was all. Called by the one thread of its connection. */
	bool (*next)(struct stream *stream, struct buf *out, int64_t until_ns);
	void (*free)(struct stream *stream);
	const char *content_type;
};

static inline void stream_free(struct stream *stream)
{
	if (stream)
		stream->free(stream);
}

#endif

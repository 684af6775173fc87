/* Paths of volumes in texts. */
#include "base/buf.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/volumes.h"

#include <ctype.h>
#include <string.h>

void mounts_add(struct mounts *mounts, const char *path, const char *dir)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	mounts->v = must_grow(mounts->v, (mounts->n + 1) * sizeof(*mounts->v));
	mounts->v[mounts->n++] = (struct mount){ must_format("%.*s", (int)len, path),
		must_dup(dir) };
}

void mounts_done(struct mounts *mounts)
{
	for (size_t i = 0; i < mounts->n; i++) {
		free(mounts->v[i].path);
		free(mounts->v[i].dir);
	}
	free(mounts->v);
	*mounts = (struct mounts){ 0 };
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("_.-", c));
}

/* May a path begin at `at`, or are we inside another one (/var/data), a relative one (x/data), or
 * a host (http://data)? An option's letters may stand right in front (-S/data). */
static bool may_begin(const char *text, const char *at)
{
	const char *word = at;
	size_t slashes = 1;

	while (word > text && is_name_char(word[-1]))
		word--;
	if (word != at)
		return *word == '-' && (word == text || word[-1] != '/');
	while (at - slashes >= text && at[-(ssize_t)slashes] == '/')
		slashes++;
	at -= slashes;
	return !(slashes == 2 && at >= text && *at == ':');
}

/* The longest mount whose path stands at `at`. */
static const struct mount *mount_at(const struct mounts *mounts, const char *text, const char *at)
{
	const struct mount *best = NULL;
	size_t best_len = 0;

	if (*at != '/' || !may_begin(text, at))
		return NULL;
	for (size_t i = 0; i < mounts->n; i++) {
		size_t len = strlen(mounts->v[i].path);

		if (len > best_len && !strncmp(at, mounts->v[i].path, len) &&
			!is_name_char(at[len])) {
			best = &mounts->v[i];
			best_len = len;
		}
	}
	return best;
}

char *mounts_apply(const struct mounts *mounts, const char *text)
{
	OWN_BUF struct buf out = { .max_bytes = (size_t)16 << 20 };
	const char *at = text;

	while (*at) {
		const struct mount *mount = mount_at(mounts, text, at);

		if (mount) {
			buf_add_str(&out, mount->dir);
			at += strlen(mount->path);
		} else {
			buf_add(&out, at++, 1);
		}
	}
	return out.len ? buf_take(&out) : must_dup("");
}

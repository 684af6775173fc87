/* Paths and queries of the API, encoded. */
#include "k8s/k8s_internal.h"

#include <ctype.h>
#include <string.h>

static void add_encoded(struct buf *path, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr("-._~", c))
			buf_add(path, text, 1);
		else
			buf_addf(path, "%%%02X", c);
	}
}

/* An empty name would turn the deletion of one object into that of all, and ".." would walk to
 * another kind: no name of Kubernetes is like that. */
static int add_segment(struct buf *path, const char *what, const char *text, struct err *err)
{
	if (!text || !*text)
		return err_set(err, ERR_BUG, "a request without the %s", what);
	if (!strcmp(text, ".") || !strcmp(text, "..") || strpbrk(text, "/%"))
		return err_set(err, ERR_CONFIG,
			"\"%s\" cannot be a %s: \".\", \"..\", \"/\" and "
			"\"%%\" are not allowed",
			text, what);
	buf_add_str(path, "/");
	add_encoded(path, text);
	return 0;
}

int path_of(struct buf *path, const struct k8s_kind *kind, const char *ns, const char *name,
	const char *subresource, struct err *err)
{
	bool all = !ns || !*ns;

	buf_addf(
		path, "/%s/%s", strchr(kind->api_version, '/') ? "apis" : "api", kind->api_version);
	if (kind->namespaced && (!all || name)) {
		buf_add_str(path, "/namespaces");
		if (add_segment(path, "namespace", ns, err))
			return -1;
	}
	buf_addf(path, "/%s", kind->plural);
	if (name && add_segment(path, "name", name, err))
		return -1;
	if (subresource)
		buf_addf(path, "/%s", subresource);
	if (buf_failed(path))
		return err_set(err, ERR_NOMEM, "%s %s: the path is too long", kind->kind,
			name ? name : "");
	return 0;
}

void path_query(struct buf *path, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	buf_addf(path, "%c%s=", strchr(buf_str(path), '?') ? '&' : '?', key);
	add_encoded(path, value);
}

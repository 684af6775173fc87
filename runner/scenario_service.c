/* ${service:NAMESPACE/NAME:PORT} in strings. */
#include "runner/scenario_service.h"

#include "base/buf.h"
#include "runner/scenario.h"
#include "runner/scenario_draft.h"

#include <stdlib.h>
#include <string.h>

#define BEGIN "${service:"
#define LABEL_CHARS "abcdefghijklmnopqrstuvwxyz0123456789-"
#define LABEL_BYTES 64

struct reference {
	char ns[LABEL_BYTES], name[LABEL_BYTES], port[LABEL_BYTES];
	const char *end; /* behind the brace */
};

/* A DNS label up to `stop`; moves *at behind it. */
static int take_label(const char **at, char stop, char out[LABEL_BYTES])
{
	size_t len = strspn(*at, LABEL_CHARS);

	if (!len || len >= LABEL_BYTES || (*at)[len] != stop || **at == '-' ||
		(*at)[len - 1] == '-')
		return -1;
	memcpy(out, *at, len);
	out[len] = '\0';
	*at += len + 1;
	return 0;
}

/* `at` stands on the dollar sign. */
static int parse(const char *at, struct reference *ret, struct err *err)
{
	const char *p = at + strlen(BEGIN);
	size_t len = strcspn(at, "}") + 1;

	if (take_label(&p, '/', ret->ns) || take_label(&p, ':', ret->name) ||
		take_label(&p, '}', ret->port))
		return err_set(err, ERR_CONFIG,
			"\"%.*s\" is not a service: write ${service:NAMESPACE/NAME:PORT}",
			(int)(len < 100 ? len : 100), at);
	ret->end = p;
	return 0;
}

bool service_in(const char *text)
{
	return text && strstr(text, BEGIN);
}

int service_check(const char *text, struct err *err)
{
	struct reference reference;

	while ((text = strstr(text, BEGIN))) {
		if (parse(text, &reference, err))
			return -1;
		text = reference.end;
	}
	return 0;
}

int service_replace(const char *text,
	int (*service)(void *arg, const char *ns, const char *name, const char *port,
		char **ret_host_port, struct err *err),
	void *arg, char **ret_text, struct err *err)
{
	OWN_BUF struct buf b;
	const char *at;

	buf_init(&b, 1 << 20);
	while ((at = strstr(text, BEGIN))) {
		OWN_MEM char *host_port = NULL;
		struct reference r;

		if (parse(at, &r, err) || service(arg, r.ns, r.name, r.port, &host_port, err))
			return -1;
		buf_add(&b, text, (size_t)(at - text));
		buf_add_str(&b, host_port);
		text = r.end;
	}
	buf_add_str(&b, text);
	*ret_text = buf_take(&b);
	return *ret_text ? 0 : err_set(err, ERR_NOMEM, "no memory for a string");
}

/* ---- params ---- */

struct resolver {
	int (*service)(void *arg, const char *ns, const char *name, const char *port,
		char **ret_host_port, struct err *err);
	void *arg;
};

static int copy_string(const struct resolver *r, const struct param *param, const char *text,
	void *params, struct err *err)
{
	OWN_MEM char *replaced = NULL;

	if (!text)
		return 0;
	if (service_replace(text, r->service, r->arg, &replaced, err))
		return err_wrap(err, "%s", param->name);
	if (param->type == PARAM_STRINGS)
		return param_append(param, params, replaced, err);
	return param_set(param, params, replaced, err);
}

static int copy_strings(const struct resolver *r, const struct param *param, const void *from,
	void *params, struct err *err)
{
	const struct strings *list = (const void *)((const char *)from + param->offset);

	for (size_t i = 0; i < list->n; i++)
		if (copy_string(r, param, list->v[i], params, err))
			return -1;
	return 0;
}

/* The copy must own nothing of the original's before anything can fail. */
static void forget_strings(const struct param *table, void *params)
{
	for (; table && table->name; table++) {
		void *at = (char *)params + table->offset;

		if (table->type == PARAM_STRING)
			*(char **)at = NULL;
		else if (table->type == PARAM_STRINGS)
			*(struct strings *)at = (struct strings){ 0 };
	}
}

int scenario_resolve_params(const struct param *table, const void *params, size_t size,
	int (*service)(void *arg, const char *ns, const char *name, const char *port,
		char **ret_host_port, struct err *err),
	void *arg, void **ret_params, struct err *err)
{
	const struct resolver r = { service, arg };
	OWN_MEM void *copy = malloc(size ? size : 1);
	int failed = 0;

	if (!copy)
		return err_set(err, ERR_NOMEM, "no memory for parameters");
	if (size)
		memcpy(copy, params, size);
	forget_strings(table, copy);
	for (const struct param *p = table; p && p->name && !failed; p++) {
		const void *at = (const char *)params + p->offset;

		if (p->type == PARAM_STRING)
			failed = copy_string(&r, p, *(char *const *)at, copy, err);
		else if (p->type == PARAM_STRINGS)
			failed = copy_strings(&r, p, params, copy, err);
	}
	if (failed) {
		param_done(table, copy);
		return -1;
	}
	*ret_params = TAKE(copy);
	return 0;
}

/* Files that a scenario names may hold references too (clouds.yaml, Rally's tasks). One that cannot
 * be read is for those who open it to complain about. */
static bool file_names_service(const char *dir, const char *name)
{
	OWN_MEM char *path = path_in(dir, name), *text = NULL;

	return path && !buf_read_file(path, YAML_MAX_BYTES, &text, NULL, NULL) && service_in(text);
}

static bool params_name_service(const struct param *table, const void *params, const char *dir)
{
	for (; table && table->name; table++) {
		const void *at = (const char *)params + table->offset;
		const struct strings *list = at;
		const char *text = table->type == PARAM_STRING ? *(char *const *)at : NULL;

		if (service_in(text) || (text && table->file && file_names_service(dir, text)))
			return true;
		for (size_t i = 0; table->type == PARAM_STRINGS && i < list->n; i++)
			if (service_in(list->v[i]))
				return true;
	}
	return false;
}

bool scenario_needs_cluster(const struct scenario *scenario)
{
	if (scenario->cluster_named || scenario->n_cookies)
		return true;
	if (scenario->clouds_file && file_names_service(".", scenario->clouds_file))
		return true;
	for (size_t i = 0; i < scenario->n_deploy; i++) {
		const struct scenario_deploy *d = &scenario->deploy[i];

		if (d->ops->needs_cluster ||
			params_name_service(d->ops->params, d->params, scenario->dir))
			return true;
	}
	for (size_t i = 0; i < scenario->n_verify; i++) {
		const struct verifier *v = &scenario->verify[i].v;

		if (params_name_service(v->ops->params, v->params, scenario->dir))
			return true;
	}
	return false;
}

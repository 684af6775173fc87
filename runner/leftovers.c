/* What a run left behind, read from its journal alone. */
#include "runner/leftovers.h"

#include "base/record.h"
#include "runner/cookies/cookie.h"
#include "runner/deployers/deployer.h"

#include <stdio.h>
#include <string.h>

struct reading {
	struct leftovers *l;
	cJSON *kinds; /* cookie's name -> kind, as journalled */
	bool failed;
};

static void leftover_done(struct leftover *leftover)
{
	free(leftover->name);
	free(leftover->kind);
	cJSON_Delete(leftover->undo);
}

static void add(struct reading *reading, const char *name, const char *kind, bool is_bite,
	const cJSON *undo)
{
	struct leftovers *l = reading->l;
	struct leftover *grown = realloc(l->v, (l->n + 1) * sizeof(*grown)), *added;

	if (!grown) {
		reading->failed = true;
		return;
	}
	l->v = grown;
	added = &grown[l->n++];
	*added = (struct leftover){
		.name = strdup(name),
		.kind = strdup(kind),
		.is_bite = is_bite,
		.undo = undo ? cJSON_Duplicate(undo, 1) : NULL,
	};
	reading->failed |= !added->name || !added->kind;
}

static void strike(struct reading *reading, const char *name, bool is_bite)
{
	struct leftovers *l = reading->l;

	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].is_bite != is_bite || strcmp(l->v[i].name, name))
			continue;
		leftover_done(&l->v[i]);
		memmove(&l->v[i], &l->v[i + 1], (l->n - i - 1) * sizeof(*l->v));
		l->n--;
		return;
	}
}

static void take_bite(struct reading *reading, const cJSON *event)
{
	const char *bite = json_str(event, "bite", NULL), *cookie = json_str(event, "cookie", NULL);
	const char *kind = cookie ? json_str(reading->kinds, cookie, NULL) : NULL;
	const struct cookie_ops *ops = kind ? cookie_find(kind) : NULL;

	/* A kind that this build does not know may be a held one: it counts as left. */
	if (bite && (!ops || !ops->instant))
		add(reading, bite, kind ? kind : "unknown", true, json_at(event, "undo", NULL));
}

static void take_undone(struct reading *reading, const cJSON *event, const char *name)
{
	if (json_bool(event, 0, "ok", NULL) || json_bool(event, 0, "kept", NULL))
		strike(reading, name, false);
}

static int take(void *arg, const cJSON *event)
{
	struct reading *reading = arg;
	const char *e = json_str(event, "e", NULL), *name = json_str(event, "name", NULL);
	const char *kind = json_str(event, "kind", NULL), *bite = json_str(event, "bite", NULL);

	if (!e)
		return 0;
	if (!strcmp(e, "run")) {
		cJSON_Delete(reading->l->run);
		reading->l->run = cJSON_Duplicate(event, 1);
	} else if (!strcmp(e, "cluster")) {
		cJSON_Delete(reading->l->last);
		reading->l->last = cJSON_Duplicate(event, 1);
	} else if (!strcmp(e, "cookie") && name && kind) {
		cJSON_DeleteItemFromObjectCaseSensitive(reading->kinds, name);
		cJSON_AddStringToObject(reading->kinds, name, kind);
	} else if (!strcmp(e, "deploy.intent") && name) {
		const char *deployer = json_str(event, "deployer", NULL);

		add(reading, name, deployer ? deployer : "unknown", false,
			json_at(event, "undo", NULL));
	} else if (!strcmp(e, "undo.done") && name) {
		take_undone(reading, event, name);
	} else if (!strcmp(e, "bite.intent")) {
		take_bite(reading, event);
	} else if (!strcmp(e, "heal.proof") && bite) {
		strike(reading, bite, true);
	}
	return reading->failed;
}

/* The sandbox ended with its runner, and what stood on it. */
static void strike_sandboxed(struct reading *reading)
{
	struct leftovers *l = reading->l;
	const char *cluster = json_str(l->run, "cluster", "kind", NULL);

	if (!cluster || strcmp(cluster, "sandbox"))
		return;
	for (size_t i = l->n; i-- > 0;) {
		const struct deployer_ops *ops = l->v[i].is_bite ? NULL
								 : deployer_find(l->v[i].kind);

		if (l->v[i].is_bite || (ops && ops->needs_cluster))
			strike(reading, l->v[i].name, l->v[i].is_bite);
	}
}

int leftovers_read(const char *dir, struct leftovers *ret, struct err *err)
{
	struct reading reading = { .l = ret, .kinds = cJSON_CreateObject() };
	struct journal_state state = { .lines = 0 };
	int failed;

	memset(ret, 0, sizeof(*ret));
	failed = journal_read(dir, take, &reading, &state, err);
	cJSON_Delete(reading.kinds);
	if (!failed && reading.failed)
		failed = err_set(err, ERR_NOMEM, "%s: no memory for its journal", dir);
	if (failed) {
		leftovers_done(ret);
		return -1;
	}
	ret->locked = state.locked;
	ret->damaged = state.bad_line > 0;
	if (!ret->locked)
		strike_sandboxed(&reading);
	return 0;
}

void leftovers_done(struct leftovers *l)
{
	for (size_t i = 0; i < l->n; i++)
		leftover_done(&l->v[i]);
	free(l->v);
	cJSON_Delete(l->run);
	cJSON_Delete(l->last);
	memset(l, 0, sizeof(*l));
}

void leftovers_text(const struct leftovers *l, char *out, size_t size)
{
	size_t len = 0;

	*out = '\0';
	for (size_t i = 0; i < l->n && len + 1 < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s %s", i ? ", " : "",
			l->v[i].is_bite ? "bite" : "deployment", l->v[i].name);
}

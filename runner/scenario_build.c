/* From a good draft to struct scenario: defaults, derived values, Cookiemonster's files. */
#include "runner/scenario_build.h"

#include "base/clock.h"
#include "runner/cookiemonster.h"

#include <stdlib.h>
#include <string.h>

static int no_memory(struct err *err)
{
	return err_set(err, ERR_NOMEM, "no memory for the scenario");
}

static int set_text(char **at, const char *text, struct err *err)
{
	*at = strdup(text);
	return *at ? 0 : no_memory(err);
}

static unsigned line_of(const struct draft *marks, enum section_id id, size_t i)
{
	const struct draft_section *section = &marks->sections[id];

	return i < section->n && section->v[i].node ? section->v[i].node->line : 0;
}

/* ---- expectations ---- */

static int add_expect(struct scenario_expect **list, size_t *n, const char *text, bool of_cookie,
	unsigned line, struct err *err)
{
	struct scenario_expect *v = realloc(*list, (*n + 1) * sizeof(*v));

	if (!v)
		return no_memory(err);
	*list = v;
	v[*n] = (struct scenario_expect){ .line = line };
	if (expectation_parse(text, of_cookie, &v[*n].parsed, err))
		return err_wrap(err, "%s", text);
	if (set_text(&v[*n].text, text, err))
		return -1;
	(*n)++;
	return 0;
}

static int add_expects(struct scenario_expect **list, size_t *n, const struct strings *texts,
	bool of_cookie, const struct yaml_node *entry, struct err *err)
{
	const struct yaml_node *nodes = yaml_get(entry, "expect");

	for (size_t i = 0; i < texts->n; i++) {
		unsigned line = nodes && i < nodes->n ? nodes->values[i]->line : 0;

		if (add_expect(list, n, texts->v[i], of_cookie, line, err))
			return -1;
	}
	return 0;
}

static int add_defaults(struct scenario_verify *verify, struct err *err)
{
	static const char *const sampled[] = { "recovered", "samples >= 1", NULL };
	static const char *const finite[] = { "sla", "samples >= 1", NULL };
	static const char *const control[] = { "samples >= 1", NULL };
	const char *const *texts = verify->v.control    ? control
				   : verify->v.ops->run ? finite
							: sampled;

	for (; *texts; texts++)
		if (add_expect(&verify->expect, &verify->n_expect, *texts, false, 0, err))
			return -1;
	return 0;
}

/* ---- deployments ---- */

static int build_deploy(
	struct scenario *s, struct draft *draft, const struct draft *marks, struct err *err)
{
	struct draft_section *section = &draft->sections[SECTION_DEPLOY];

	s->deploy = calloc(section->n + 1, sizeof(*s->deploy));
	if (!s->deploy)
		return no_memory(err);
	for (size_t i = 0; i < section->n; i++) {
		struct draft_entry *entry = &section->v[i];
		struct scenario_deploy *d = &s->deploy[s->n_deploy++];

		d->ops = deployer_kinds[entry->kind];
		d->params = TAKE(entry->params);
		d->line = line_of(marks, SECTION_DEPLOY, i);
		if (set_text(&d->name, ((struct form_deploy *)entry->form)->name, err))
			return -1;
	}
	return 0;
}

/* ---- cookies ---- */

static int add_cookie(struct scenario *s, const struct draft_entry *entry,
	struct scenario_cookie new, char *name, const struct yaml_node *node, struct err *err)
{
	const struct form_cookie *form = entry->form;
	struct scenario_cookie *v = realloc(s->cookies, (s->n_cookies + 1) * sizeof(*v)), *cookie;

	if (!v || !name) {
		if (v)
			s->cookies = v;
		param_done(new.ops->params, new.params);
		free(new.params);
		free(name);
		return no_memory(err);
	}
	s->cookies = v;
	cookie = &v[s->n_cookies++];
	*cookie = new;
	cookie->name = name;
	cookie->start_ns = form->start_ns;
	cookie->settle_ns = form->settle_ns;
	cookie->line = node ? node->line : 0;
	if (form->expect.n)
		return add_expects(
			&cookie->expect, &cookie->n_expect, &form->expect, true, node, err);
	return add_expect(&cookie->expect, &cookie->n_expect, "bites >= 1", true, 0, err);
}

static int add_monster(struct scenario *s, const struct draft_entry *entry,
	const struct yaml_node *node, struct err *err)
{
	const struct form_cookie *form = entry->form;
	OWN(cookiemonster_done) struct cookiemonster monster = { 0 };
	OWN_MEM char *file = path_in(s->dir, form->file);

	if (!file)
		return no_memory(err);
	if (cookiemonster_load(file, &monster, err))
		return -1;
	for (size_t i = 0; i < monster.n; i++) {
		struct scenario_cookie cookie = { .ops = monster.ops,
			.params = TAKE(monster.v[i].params),
			.timing = monster.v[i].timing };
		char *name = monster.numbered ? str_format("%s-%zu", form->name, i + 1)
					      : strdup(form->name);

		if (add_cookie(s, entry, cookie, name, node, err))
			return -1;
	}
	return 0;
}

static int build_cookies(
	struct scenario *s, struct draft *draft, const struct draft *marks, struct err *err)
{
	struct draft_section *section = &draft->sections[SECTION_COOKIES];

	for (size_t i = 0; i < section->n; i++) {
		struct draft_entry *entry = &section->v[i];
		const struct form_cookie *form = entry->form;
		const struct yaml_node *node = marks->sections[SECTION_COOKIES].v[i].node;
		struct scenario_cookie cookie = { 0 };

		if (form->file) {
			if (add_monster(s, entry, node, err))
				return -1;
			continue;
		}
		cookie.ops = cookie_kinds[entry->kind];
		cookie.ops->timing(entry->params, &cookie.timing);
		cookie.params = TAKE(entry->params);
		if (add_cookie(s, entry, cookie, strdup(form->name), node, err))
			return -1;
	}
	return 0;
}

/* ---- verifiers ---- */

static int keep_service(void *arg, const char *ns, const char *name, const char *port,
	char **ret_text, struct err *err)
{
	(void)arg;
	*ret_text = str_format("${service:%s/%s:%s}", ns, name, port);
	return *ret_text ? 0 : no_memory(err);
}

static int add_verify(struct scenario *s, const struct draft_entry *entry, const char *name,
	enum verifier_connection connection, const struct yaml_node *node, struct err *err)
{
	const struct form_verify *form = entry->form;
	struct scenario_verify *v = realloc(s->verify, (s->n_verify + 1) * sizeof(*v)), *verify;
	const struct verifier_ops *ops = verifier_kinds[entry->kind];
	bool control = !form->name;

	if (!v)
		return no_memory(err);
	s->verify = v;
	verify = &v[s->n_verify];
	*verify = (struct scenario_verify){ .flap = form->flap ? (unsigned)form->flap : 1,
		.warmup_ns = form->warmup_ns,
		.line = node ? node->line : 0 };
	verify->v = (struct verifier){ .ops = ops,
		.connection = connection,
		.control = control,
		.period_ns = ops->run ? 0 : draft_period_ns(form),
		.timeout_ns = draft_timeout_ns(entry),
		.concurrency = ops->run ? 1 : draft_concurrency(entry),
		.phases = draft_phases(entry) };
	if (strlen(name) >= sizeof(verify->v.name))
		return err_set(err, ERR_BUG, "the verifier's name %s is too long", name);
	strcpy(verify->v.name, name);
	if (scenario_resolve_params(ops->params, entry->params, ops->params_size, keep_service,
		    NULL, &verify->v.params, err))
		return -1;
	s->n_verify++;
	if (form->expect.n)
		return add_expects(
			&verify->expect, &verify->n_expect, &form->expect, false, node, err);
	return add_defaults(verify, err);
}

static int build_verify(struct scenario *s, const struct draft *draft, enum section_id id,
	const struct draft *marks, struct err *err)
{
	const struct draft_section *section = &draft->sections[id];

	for (size_t i = 0; i < section->n; i++) {
		const struct draft_entry *entry = &section->v[i];
		const struct form_verify *form = entry->form;
		const struct yaml_node *node = marks->sections[id].v[i].node;
		const char *name = form->name ? form->name : "control";
		OWN_MEM char *again = str_format("%s-new", name);

		if (!again)
			return no_memory(err);
		if (add_verify(s, entry, name,
			    form->connection == FORM_NEW ? CONNECTION_NEW : CONNECTION_REUSED, node,
			    err))
			return -1;
		if (form->connection == FORM_BOTH &&
			add_verify(s, entry, again, CONNECTION_NEW, node, err))
			return -1;
	}
	return 0;
}

/* ---- the rest ---- */

static int build_top(struct scenario *s, struct draft *draft, struct err *err)
{
	struct form_top *top = draft_form(draft, SECTION_TOP);
	struct form_cluster *cluster = draft_form(draft, SECTION_CLUSTER);
	struct form_cloud *cloud = draft_form(draft, SECTION_CLOUD);
	const struct form_phases *phases = draft_form(draft, SECTION_PHASES);

	s->name = TAKE(top->name);
	s->title = top->title ? TAKE(top->title) : strdup(s->name);
	s->has_seed = top->seed;
	s->seed = top->seed ? strtoull(top->seed, NULL, 10) : 0;
	s->cluster_named = cluster->context;
	s->context = TAKE(cluster->context);
	s->namespace = TAKE(cluster->namespace);
	s->cloud = TAKE(cloud->name);
	s->clouds_file = cloud->file ? path_in(s->dir, cloud->file) : NULL;
	s->baseline_ns = phases->baseline_ns;
	s->recovery_ns = phases->recovery_ns;
	s->faults_limit_ns = phases->faults_limit_ns;
	s->faults_ns = draft_faults_ns(phases, err);
	if (s->faults_ns < 0)
		return -1;
	return s->title && s->namespace && (!cloud->file || s->clouds_file) ? 0 : no_memory(err);
}

int scenario_build(
	struct scenario *s, struct draft *draft, const struct draft *marks, struct err *err)
{
	return build_top(s, draft, err) || build_deploy(s, draft, marks, err) ||
			       build_cookies(s, draft, marks, err) ||
			       build_verify(s, draft, SECTION_VERIFY, marks, err) ||
			       build_verify(s, draft, SECTION_CONTROL, marks, err)
		       ? -1
		       : 0;
}

static void free_expects(struct scenario_expect *expect, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(expect[i].text);
	free(expect);
}

static void free_params(const struct param *table, void *params)
{
	param_done(table, params);
	free(params);
}

void scenario_free(struct scenario *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_deploy; i++) {
		free_params(s->deploy[i].ops->params, s->deploy[i].params);
		free(s->deploy[i].name);
	}
	for (size_t i = 0; i < s->n_cookies; i++) {
		free_params(s->cookies[i].ops->params, s->cookies[i].params);
		free_expects(s->cookies[i].expect, s->cookies[i].n_expect);
		free(s->cookies[i].name);
	}
	for (size_t i = 0; i < s->n_verify; i++) {
		free_params(s->verify[i].v.ops->params, s->verify[i].v.params);
		free_expects(s->verify[i].expect, s->verify[i].n_expect);
	}
	free(s->deploy);
	free(s->cookies);
	free(s->verify);
	free(s->path);
	free(s->dir);
	free(s->text);
	free(s->name);
	free(s->title);
	free(s->context);
	free(s->namespace);
	free(s->cloud);
	free(s->clouds_file);
	free(s);
}

/* The fixed part of the scenario format, and the kinds behind one face. */
#include "runner/scenario_form.h"

#include "base/own.h"
#include "runner/cookies/cookie.h"
#include "runner/deployers/deployer.h"
#include "verifiers/verifier.h"

#include <string.h>

static const char *const connections[] = { "reused", "new", "both", NULL };

#define AT(member) offsetof(struct form_top, member)
static const struct param top_params[] = {
	{ "name", PARAM_STRING, AT(name), .required = true,
		.doc = "the suite's name and key of its history: a-z, 0-9 and -, at most 40" },
	{ "title", PARAM_STRING, AT(title), .doc = "one line for people (default: the name)" },
	{ "seed", PARAM_STRING, AT(seed),
		.doc = "of every draw: an integer; absent: drawn, and always reported" },
	PARAM_END,
};
#undef AT

#define AT(member) offsetof(struct form_cluster, member)
static const struct param cluster_params[] = {
	{ "context", PARAM_STRING, AT(context),
		.doc = "of the kubeconfig: a real cluster; absent: the sandbox" },
	{ "namespace", PARAM_STRING, AT(namespace), .def = "default",
		.doc = "where kinds act that name none" },
	PARAM_END,
};
#undef AT

#define AT(member) offsetof(struct form_cloud, member)
static const struct param cloud_params[] = {
	{ "name", PARAM_STRING, AT(name), .doc = "entry of clouds.yaml (default: OS_CLOUD, OS_*)" },
	{ "file", PARAM_STRING, AT(file), .file = true,
		.doc = "a clouds.yaml beside the scenario (default: the usual places)" },
	PARAM_END,
};
#undef AT

#define AT(member) offsetof(struct form_phases, member)
static const struct param phases_params[] = {
	{ "baseline", PARAM_DURATION, AT(baseline_ns), .def = "30s", .max = 86400,
		.doc = "steady state, before any fault; 0s: none" },
	{ "faults", PARAM_STRING, AT(faults), .required = true,
		.doc = "a duration, or until-done: as long as verifiers run that end by themselves" },
	{ "faults_limit", PARAM_DURATION, AT(faults_limit_ns), .def = "2h", .min = 1, .max = 604800,
		.doc = "the longest that until-done may take" },
	{ "recovery", PARAM_DURATION, AT(recovery_ns), .def = "1m", .max = 86400,
		.doc = "after the last fault was healed" },
	PARAM_END,
};
#undef AT

static const struct param deploy_params[] = {
	{ "name", PARAM_STRING, offsetof(struct form_deploy, name), .required = true,
		.doc = "a-z, 0-9 and -" },
	PARAM_END,
};

#define AT(member) offsetof(struct form_cookie, member)
static const struct param cookie_params[] = {
	{ "name", PARAM_STRING, AT(name), .required = true, .doc = "a-z, 0-9 and -" },
	{ "file", PARAM_STRING, AT(file), .file = true,
		.doc = "instead of a kind: a Cookiemonster file (cookies.d/*.json, config.yaml)" },
	{ "start", PARAM_DURATION, AT(start_ns), .def = "0s", .max = 604800,
		.doc = "after the faults phase begins" },
	{ "settle", PARAM_DURATION, AT(settle_ns), .def = "5s", .max = 3600,
		.doc = "how long after its end a bite still explains an outage" },
	{ "expect", PARAM_STRINGS, AT(expect), .doc = "expectations (default: bites >= 1)" },
	PARAM_END,
};
#undef AT

#define AT(member) offsetof(struct form_verify, member)
#define PACE                                                                                            \
	{ "rate", PARAM_STRING, AT(rate), .doc = "open loop, like 20/s or 30/m (default: 1/s)" },       \
		{ "every", PARAM_DURATION, AT(every_ns), .min = 0.001, .max = 3600,                     \
			.doc = "instead of a rate: the time between two samples" },                     \
	{                                                                                               \
		"timeout", PARAM_DURATION, AT(timeout_ns),                                              \
			.min = 0.001, .max = 86400,                                                     \
			.doc = "of one sample, from its sending on (default: 5s); of one that ends by " \
			       "itself: of the whole (default: none)"                                   \
	}

static const struct param verify_params[] = {
	{ "name", PARAM_STRING, AT(name), .required = true, .doc = "a-z, 0-9 and -, at most 30" },
	PACE,
	{ "concurrency", PARAM_INT, AT(concurrency), .min = 1, .max = 256,
		.doc = "cap on samples under way (default: rate x timeout + 1, at most 256)" },
	{ "flap", PARAM_INT, AT(flap), .def = "1", .min = 1, .max = 1000000,
		.doc = "outages with fewer ok samples between them are one; 1: off" },
	{ "warmup", PARAM_DURATION, AT(warmup_ns), .given = AT(has_warmup), .max = 3600,
		.doc = "left out of the baseline's statistics (default: 0s)" },
	{ "connection", PARAM_ENUM, AT(connection), .given = AT(has_connection),
		.choices = connections,
		.doc = "reused (default), new for each sample, or both: two verifiers, NAME and "
		       "NAME-new" },
	{ "phases", PARAM_STRINGS, AT(phases),
		.doc = "baseline, faults, recovery (default: all; one that ends by itself: faults)" },
	{ "expect", PARAM_STRINGS, AT(expect),
		.doc = "expectations (default: recovered, samples >= 1; one that ends by itself: sla, "
		       "samples >= 1)" },
	PARAM_END,
};

static const struct param control_params[] = {
	PACE,
	PARAM_END,
};
#undef AT

const struct section sections[SECTION_COUNT] = {
	[SECTION_TOP] = { .params = top_params,
		.size = sizeof(struct form_top),
		.required = true,
		.doc = "the file itself" },
	[SECTION_CLUSTER] = { "cluster", .params = cluster_params,
		.size = sizeof(struct form_cluster),
		.doc = "where it happens (default: the embedded sandbox)" },
	[SECTION_CLOUD] = { "cloud", .params = cloud_params, .size = sizeof(struct form_cloud),
		.doc = "the OpenStack cloud that is verified" },
	[SECTION_PHASES] = { "phases", .required = true, .params = phases_params,
		.size = sizeof(struct form_phases), .doc = "how long each phase lasts" },
	[SECTION_DEPLOY] = { "deploy", .list = true, .kinds = KINDS_DEPLOYERS,
		.params = deploy_params, .size = sizeof(struct form_deploy),
		.doc = "what is put there, in order; taken away in reverse" },
	[SECTION_COOKIES] = { "cookies", .list = true, .kinds = KINDS_COOKIES,
		.params = cookie_params, .size = sizeof(struct form_cookie), .doc = "the faults" },
	[SECTION_VERIFY] = { "verify", .list = true, .kinds = KINDS_VERIFIERS,
		.params = verify_params, .size = sizeof(struct form_verify),
		.doc = "what is checked meanwhile" },
	[SECTION_CONTROL] = { "control", .kinds = KINDS_VERIFIERS, .params = control_params,
		.size = sizeof(struct form_verify),
		.doc = "a thing that no cookie touches: if it fails too, the observer is to blame" },
};

/* ---- kinds ---- */

static bool deployer_at(size_t i, struct kind *ret)
{
	const struct deployer_ops *ops = deployer_kinds[i];

	if (ops)
		*ret = (struct kind){ ops->name, ops->doc, ops->params, ops->params_size };
	return ops;
}

static bool cookie_at(size_t i, struct kind *ret)
{
	const struct cookie_ops *ops = cookie_kinds[i];

	if (ops)
		*ret = (struct kind){ ops->name, ops->doc, ops->params, ops->params_size };
	return ops;
}

static bool verifier_at(size_t i, struct kind *ret)
{
	const struct verifier_ops *ops = verifier_kinds[i];

	if (ops)
		*ret = (struct kind){ ops->name, ops->doc, ops->params, ops->params_size };
	return ops;
}

bool kind_at(enum kind_set set, size_t i, struct kind *ret)
{
	switch (set) {
	case KINDS_DEPLOYERS:
		return deployer_at(i, ret);
	case KINDS_COOKIES:
		return cookie_at(i, ret);
	case KINDS_VERIFIERS:
		return verifier_at(i, ret);
	case KINDS_NONE:
		break;
	}
	return false;
}

size_t kind_count(enum kind_set set)
{
	struct kind kind;
	size_t n = 0;

	while (kind_at(set, n, &kind))
		n++;
	return n;
}

int kind_find(enum kind_set set, const char *name)
{
	struct kind kind;

	for (size_t i = 0; kind_at(set, i, &kind); i++)
		if (!strcmp(kind.name, name))
			return (int)i;
	return -1;
}

const char *kind_set_name(enum kind_set set)
{
	static const char *const names[] = { "none", "deployer", "cookie", "verifier" };

	return (size_t)set < ARRAY_LEN(names) ? names[set] : "unknown";
}

size_t param_count(const struct param *table)
{
	size_t n = 0;

	while (table && table[n].name)
		n++;
	return n;
}

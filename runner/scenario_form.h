/*
 * The fixed part of the scenario format, as parameter tables: its sections, the keys that every
 * entry of a section has, and where a kind (deployer, cookie, verifier) comes in. The checks, the
 * loader's schema and `crumble list` are all made from these.
 */
#ifndef CRUMBLE_RUNNER_SCENARIO_FORM_H
#define CRUMBLE_RUNNER_SCENARIO_FORM_H

#include "base/param.h"

struct form_top {
	char *name, *title, *seed;
};

struct form_cluster {
	char *context, *namespace;
};

struct form_cloud {
	char *name, *file;
};

struct form_phases {
	int64_t baseline_ns, recovery_ns, faults_limit_ns;
	char *faults;
};

struct form_deploy {
	char *name;
};

struct form_cookie {
	char *name, *file;
	int64_t start_ns, settle_ns;
	struct strings expect;
};

enum form_connection { FORM_REUSED, FORM_NEW, FORM_BOTH };

/* An entry of `verify`, and `control` (which has fewer keys). */
struct form_verify {
	char *name, *rate;
	int64_t every_ns, timeout_ns, warmup_ns; /* every and timeout 0: absent */
	int64_t concurrency, flap;               /* concurrency 0: absent */
	int connection;                          /* enum form_connection */
	bool has_connection, has_warmup;
	struct strings phases, expect;
};

enum section_id {
	SECTION_TOP,
	SECTION_CLUSTER,
	SECTION_CLOUD,
	SECTION_PHASES,
	SECTION_DEPLOY,
	SECTION_COOKIES,
	SECTION_VERIFY,
	SECTION_CONTROL,
	SECTION_COUNT
};

enum kind_set { KINDS_NONE, KINDS_DEPLOYERS, KINDS_COOKIES, KINDS_VERIFIERS };

struct section {
	const char *key;            /* in the file; NULL: the file itself */
	bool list, required;
	enum kind_set kinds;        /* each entry holds one of these */
	const struct param *params; /* of each entry */
	size_t size;                /* of the form struct */
	const char *doc;
};

extern const struct section sections[SECTION_COUNT];

/* What the three kinds have in common. */
struct kind {
	const char *name, *doc;
	const struct param *params;
	size_t params_size;
};

/* The i-th kind of a set; false behind the last. */
bool kind_at(enum kind_set set, size_t i, struct kind *ret);
size_t kind_count(enum kind_set set);
/* Its place in the set, or -1. */
int kind_find(enum kind_set set, const char *name);
/* "verifier", ... */
const char *kind_set_name(enum kind_set set);

size_t param_count(const struct param *table);

#endif

/*
 * Cookiemonster's own files, unchanged: `cookies.d/killpod/NAME.json` (v1) and `config.yaml` (v2),
 * mapped onto killpod. Numbers are seconds there; keys are matched without regard to case; unknown
 * keys are ignored, and told.
 */
#ifndef CRUMBLE_RUNNER_COOKIEMONSTER_H
#define CRUMBLE_RUNNER_COOKIEMONSTER_H

#include "runner/cookies/cookie.h"

struct monster_cookie {
	void *params; /* killpod's */
	struct cookie_timing timing;
};

struct cookiemonster {
	const struct cookie_ops *ops;
	bool numbered; /* v2: one file may hold several, each with a number behind its name */
	struct monster_cookie *v;
	size_t n;
	struct strings notes; /* what is ignored, one line each */
};

int cookiemonster_load(const char *path, struct cookiemonster *ret, struct err *err);
/* NULL and zeroed are fine. */
void cookiemonster_done(struct cookiemonster *monster);

#endif

/* From a good draft to struct scenario. */
#ifndef CRUMBLE_RUNNER_SCENARIO_BUILD_H
#define CRUMBLE_RUNNER_SCENARIO_BUILD_H

#include "runner/scenario.h"
#include "runner/scenario_draft.h"

/* `draft` holds the values and gives up its params; `marks` (the checked one, of the same file)
 * the lines. scenario->dir is set. */
int scenario_build(struct scenario *scenario, struct draft *draft, const struct draft *marks,
	struct err *err);

#endif

/* The three kinds of patches that change an object. */
#ifndef CRUMBLE_K8S_SANDBOX_PATCH_H
#define CRUMBLE_K8S_SANDBOX_PATCH_H

#include "base/json.h"

/* RFC 7386: null removes, objects merge, all else replaces. */
void patch_merge(cJSON *target, const cJSON *patch);
/* The same, but lists of named things (containers, ports, env, volumes, ...) merge by their key. */
void patch_strategic(cJSON *target, const cJSON *patch);
/* RFC 6902. -1: it does not apply, with the reason. */
int patch_json(cJSON *target, const cJSON *operations, struct err *err);

#endif

/* The kinds of verifiers, from verifiers.def. */
#include "verifiers/verifier.h"

#include <string.h>

#define VERIFIER(name) extern const struct verifier_ops verifier_##name;
#include "verifiers/verifiers.def"
#undef VERIFIER

#define VERIFIER(name) &verifier_##name,
const struct verifier_ops *const verifier_kinds[] = {
#include "verifiers/verifiers.def"
	NULL
};
#undef VERIFIER

const struct verifier_ops *verifier_find(const char *name)
{
	for (const struct verifier_ops *const *ops = verifier_kinds; *ops; ops++)
		if (!strcmp((*ops)->name, name))
			return *ops;
	return NULL;
}

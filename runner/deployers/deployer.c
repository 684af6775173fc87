/* The kinds of deployers, from deployers.def. */
#include "runner/deployers/deployer.h"

#include <string.h>

#define DEPLOYER(name) extern const struct deployer_ops deployer_##name;
#include "runner/deployers/deployers.def"
#undef DEPLOYER

#define DEPLOYER(name) &deployer_##name,
const struct deployer_ops *const deployer_kinds[] = {
#include "runner/deployers/deployers.def"
	NULL
};
#undef DEPLOYER

const struct deployer_ops *deployer_find(const char *name)
{
	for (const struct deployer_ops *const *ops = deployer_kinds; *ops; ops++)
		if (!strcmp((*ops)->name, name))
			return *ops;
	return NULL;
}

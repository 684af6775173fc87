/* The command table and exit codes. */
#include "base/version.h"

#include <stdio.h>

int main(void)
{
	printf("crumble %s (%s)\n", version_number, version_commit);
	return 0;
}

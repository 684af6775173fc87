/* What this build is: "0.1.0" and the git commit it was built from ("unknown" outside a checkout). */
#ifndef CRUMBLE_BASE_VERSION_H
#define CRUMBLE_BASE_VERSION_H

extern const char version_number[];
extern const char version_commit[];

#endif

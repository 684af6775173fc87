/* The environment of deployers' and undo commands: no more than they need. */
#ifndef CRUMBLE_RUNNER_ENVIRONMENT_H
#define CRUMBLE_RUNNER_ENVIRONMENT_H

/* PATH, HOME, LANG and the like, proxies, OS_* and KUBECONFIG of ours; `kubeconfig` (may be NULL)
 * in place of the latter; CRUMBLE_RUN. NULL-terminated, to be freed with environment_free; NULL
 * when there is no memory. */
char **environment_make(const char *kubeconfig, const char *run_id);
void environment_free(char **env);

#endif

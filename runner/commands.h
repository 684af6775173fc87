/*
 * The commands, one file each (cmd_NAME.c). Each gets its own argv (argv[0] is the command's name),
 * reads its options with getopt_long, prints its own mistakes and returns the exit code of the
 * program (enum exit_code in reports/result.h; 128 + n for signal n).
 */
#ifndef CRUMBLE_RUNNER_COMMANDS_H
#define CRUMBLE_RUNNER_COMMANDS_H

#include "runner/signals.h"

int cmd_run(int argc, char **argv, struct signals *signals);
int cmd_heal(int argc, char **argv, struct signals *signals);
int cmd_sandbox(int argc, char **argv);

int cmd_check(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_report(int argc, char **argv);

#endif

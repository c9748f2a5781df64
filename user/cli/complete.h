/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a shell may put at the end of a command line. All of it is taken from the subcommands
 * themselves, from their tables of options (args.h) and the first lines of their usage, so that
 * it is never older than they are.
 */
#ifndef WEIR_CLI_COMPLETE_H
#define WEIR_CLI_COMPLETE_H

#include <stdio.h>

#include "cli/cmds.h"

/* Alone on a line: file names, which the shell knows better. */
#define COMPLETE_FILES ":files"

/*
 * words[0..n-1] are what follows `weir`, the last one is being typed and may be empty. A
 * candidate a line on f, with a tab and what it is where that is known.
 */
void complete(const struct cmd *table, char **words, int n, FILE *f);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The terminal of `weir top`: the only file that knows curses is behind this. */
#ifndef WEIR_CLI_CMD_TOP_CURSES_H
#define WEIR_CLI_CMD_TOP_CURSES_H

#include <stdbool.h>

#include "cli/top_screen.h"

/* 0; -ENOTTY: this terminal has no cursor to move. */
int terminal_open(bool color);
/* As it was before. May be called again, and without an opened one. */
void terminal_close(void);

void terminal_size(unsigned *rows, unsigned *cols);
/* Only what has changed is sent. */
void terminal_show(const struct top_screen *s);
/* As enum top_key; never waits. *resized: it has another size now. */
unsigned terminal_key(bool *resized);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
#include <curses.h>
#include <errno.h>
#include <term.h>

#include "cli/cmd_top_curses.h"
#include "cli/top_ui.h"

static SCREEN *screen;
static attr_t looks[TOP_NLOOKS];

static attr_t pair(short n, short fg, short bg)
{
	init_pair(n, fg, bg);
	return COLOR_PAIR(n);
}

static void choose_looks(bool color)
{
	looks[TOP_PLAIN] = A_NORMAL;
	looks[TOP_TITLE] = A_REVERSE;
	looks[TOP_LABEL] = A_BOLD;
	looks[TOP_DIM] = A_DIM;
	looks[TOP_STRONG] = A_BOLD;
	looks[TOP_KEY] = A_BOLD;
	looks[TOP_WARN] = looks[TOP_BAD] = A_BOLD;
	looks[TOP_GOOD] = looks[TOP_BAR] = looks[TOP_FLOOD] = A_NORMAL;
	if (!color || !has_colors() || start_color() == ERR)
		return;
	use_default_colors();
	looks[TOP_TITLE] = pair(1, COLOR_WHITE, COLOR_BLUE) | A_BOLD;
	looks[TOP_LABEL] = pair(2, COLOR_CYAN, -1);
	looks[TOP_GOOD] = pair(3, COLOR_GREEN, -1);
	looks[TOP_WARN] = pair(4, COLOR_YELLOW, -1) | A_BOLD;
	looks[TOP_BAD] = pair(5, COLOR_WHITE, COLOR_RED) | A_BOLD;
	looks[TOP_BAR] = pair(6, COLOR_CYAN, -1);
	looks[TOP_FLOOD] = pair(7, COLOR_RED, -1);
	looks[TOP_KEY] = pair(8, COLOR_YELLOW, -1);
}

int terminal_open(bool color)
{
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return -ENOTTY;
	if (!cursor_address) {
		terminal_close();
		return -ENOTTY;
	}
	choose_looks(color);
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	return 0;
}

void terminal_close(void)
{
	if (!screen)
		return;
	endwin();
	delscreen(screen);
	screen = NULL;
}

void terminal_size(unsigned *rows, unsigned *cols)
{
	*rows = LINES > 0 ? (unsigned)LINES : 1;
	*cols = COLS > 0 ? (unsigned)COLS : 1;
}

static void show_row(const struct top_screen *s, unsigned row)
{
	const struct top_cell *c = s->cell + (size_t)row * s->cols;
	char text[4 * TOP_COLS_MAX + 1];

	for (unsigned col = 0, end; col < s->cols; col = end) {
		size_t n = 0;

		for (end = col; end < s->cols && c[end].look == c[col].look; end++)
			n += top_utf8(c[end].ch, text + n);
		attrset(looks[c[col].look]);
		mvaddnstr((int)row, (int)col, text, (int)n);
	}
}

void terminal_show(const struct top_screen *s)
{
	for (unsigned row = 0; row < s->rows; row++)
		show_row(s, row);
	refresh();
}

unsigned terminal_key(bool *resized)
{
	int c = getch();

	switch (c) {
	case ERR:
		return TOP_KEY_NONE;
	case KEY_RESIZE:
		*resized = true;
		return TOP_KEY_CHAR; /* a character that means nothing */
	case KEY_UP:
		return TOP_KEY_UP;
	case KEY_DOWN:
		return TOP_KEY_DOWN;
	case KEY_PPAGE:
		return TOP_KEY_PAGE_UP;
	case KEY_NPAGE:
		return TOP_KEY_PAGE_DOWN;
	case 12: /* ^L: the terminal shows something else */
		clearok(stdscr, TRUE);
		return TOP_KEY_CHAR;
	default:
		return TOP_KEY_CHAR + (c < 256 ? (unsigned)c : 0);
	}
}

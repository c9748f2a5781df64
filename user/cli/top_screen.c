/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/canvas.h"
#include "cli/top_screen.h"

int top_screen_init(struct top_screen *s, unsigned rows, unsigned cols)
{
	s->rows = rows < TOP_ROWS_MAX ? rows : TOP_ROWS_MAX;
	s->cols = cols < TOP_COLS_MAX ? cols : TOP_COLS_MAX;
	s->cell = calloc((size_t)s->rows * s->cols + 1, sizeof(*s->cell));
	if (!s->cell)
		return -ENOMEM;
	for (size_t i = 0; i < (size_t)s->rows * s->cols; i++)
		s->cell[i].ch = ' ';
	return 0;
}

void top_screen_free(struct top_screen *s)
{
	free(s->cell);
	s->cell = NULL;
}

/* The next code point; what is not UTF-8, and controls, are '?'. */
static uint32_t decode(const unsigned char **at)
{
	const unsigned char *p = *at;
	unsigned more = *p >= 0xf0 && *p < 0xf8 ? 3 : *p >= 0xe0 ? 2 : *p >= 0xc2 ? 1 : 0;
	uint32_t ch = *p;

	*at = p + 1;
	if (*p < 0x80)
		return *p < 0x20 || *p == 0x7f ? '?' : *p;
	if (!more || *p >= 0xf8)
		return '?';
	ch &= 0x3fu >> more;
	for (unsigned i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return '?';
		ch = ch << 6 | (p[i] & 0x3f);
	}
	*at = p + 1 + more;
	return ch < 0xa0 ? '?' : ch;
}

void top_put_char(struct top_screen *s, unsigned row, unsigned col, enum top_look look, uint32_t ch)
{
	if (row < s->rows && col < s->cols)
		s->cell[(size_t)row * s->cols + col] = (struct top_cell){ch, (uint8_t)look};
}

unsigned top_put(struct top_screen *s, unsigned row, unsigned col, enum top_look look,
		 const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at)
		top_put_char(s, row, col++, look, decode(&at));
	return col;
}

unsigned top_putf(struct top_screen *s, unsigned row, unsigned col, enum top_look look,
		  const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	return top_put(s, row, col, look, buf);
}

void top_put_right(struct top_screen *s, unsigned row, unsigned end, enum top_look look,
		   const char *text)
{
	unsigned w = text_width(text);

	if (w <= end)
		top_put(s, row, end - w, look, text);
}

void top_paint(struct top_screen *s, unsigned row, unsigned col, unsigned n, enum top_look look)
{
	for (; n > 0 && row < s->rows && col < s->cols; n--, col++)
		s->cell[(size_t)row * s->cols + col].look = (uint8_t)look;
}

unsigned top_utf8(uint32_t ch, char *buf)
{
	if (ch < 0x80) {
		buf[0] = (char)ch;
		return 1;
	}
	if (ch < 0x800) {
		buf[0] = (char)(0xc0 | ch >> 6);
		buf[1] = (char)(0x80 | (ch & 0x3f));
		return 2;
	}
	if (ch < 0x10000) {
		buf[0] = (char)(0xe0 | ch >> 12);
		buf[1] = (char)(0x80 | (ch >> 6 & 0x3f));
		buf[2] = (char)(0x80 | (ch & 0x3f));
		return 3;
	}
	buf[0] = (char)(0xf0 | (ch >> 18 & 7));
	buf[1] = (char)(0x80 | (ch >> 12 & 0x3f));
	buf[2] = (char)(0x80 | (ch >> 6 & 0x3f));
	buf[3] = (char)(0x80 | (ch & 0x3f));
	return 4;
}

void top_row_text(const struct top_screen *s, unsigned row, char *buf)
{
	unsigned end = s->cols;
	size_t n = 0;

	while (end > 0 && s->cell[(size_t)row * s->cols + end - 1].ch == ' ')
		end--;
	for (unsigned col = 0; col < end; col++)
		n += top_utf8(s->cell[(size_t)row * s->cols + col].ch, buf + n);
	buf[n] = '\0';
}

void top_print(const struct top_screen *s, FILE *out)
{
	char buf[4 * TOP_COLS_MAX + 1];
	unsigned end = s->rows;

	for (; end > 0; end--) {
		top_row_text(s, end - 1, buf);
		if (*buf)
			break;
	}
	for (unsigned row = 0; row < end; row++) {
		top_row_text(s, row, buf);
		fprintf(out, "%s\n", buf);
	}
}

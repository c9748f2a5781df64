/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <string.h>

#include "cli/canvas.h"

unsigned text_width(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void canvas_start(struct canvas *c, bool color)
{
	c->n = 0;
	c->col = 0;
	c->color = color;
}

static void append(struct canvas *c, const char *text)
{
	size_t len = strlen(text);

	if (c->n + len >= sizeof(c->buf))
		return;
	memcpy(c->buf + c->n, text, len);
	c->n += len;
}

void canvas_put(struct canvas *c, const char *text)
{
	append(c, text);
	c->col += text_width(text);
}

void canvas_putf(struct canvas *c, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	canvas_put(c, text);
}

void canvas_fill(struct canvas *c, const char *text, unsigned col)
{
	while (c->col < col)
		canvas_put(c, text);
}

void canvas_style(struct canvas *c, const char *sgr)
{
	if (!c->color)
		return;
	append(c, "\033[");
	append(c, sgr);
	append(c, "m");
}

void canvas_flush(struct canvas *c, FILE *out)
{
	while (c->n > 0 && c->buf[c->n - 1] == ' ')
		c->n--;
	fwrite(c->buf, 1, c->n, out);
	fputc('\n', out);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/ladder_text.h"
#include "engine/engine.h"

#define JOIN_MAX 26 /* fits beside the rails of the narrowest ladder */

static void __attribute__((format(printf, 2, 3)))
word(struct ladder_words *out, const char *fmt, ...)
{
	va_list ap;

	if (out->n == LADDER_WORDS)
		return;
	va_start(ap, fmt);
	vsnprintf(out->w[out->n++], LADDER_WORD_MAX, fmt, ap);
	va_end(ap);
}

void ladder_flags(uint8_t flags, char buf[LADDER_WORD_MAX])
{
	static const struct {
		uint8_t bit;
		const char *name;
	} names[] = {
		{TCP_SYN, "SYN"}, {TCP_FIN, "FIN"}, {TCP_RST, "RST"}, {TCP_PSH, "PSH"},
		{TCP_URG, "URG"}, {TCP_ECE, "ECE"}, {TCP_CWR, "CWR"}, {TCP_ACK, "ACK"},
	};

	buf[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(flags & names[i].bit))
			continue;
		if (buf[0])
			strcat(buf, "+");
		strcat(buf, names[i].name);
	}
	if (!buf[0])
		strcpy(buf, "no flags");
}

static void number(struct ladder_words *out, const char *name, uint32_t rel, uint32_t abs,
		   enum ladder_numbers how)
{
	if (how == LADDER_RELATIVE)
		word(out, "%s=%u", name, rel);
	else if (how == LADDER_ABSOLUTE)
		word(out, "%s=%u", name, abs);
	else
		word(out, "%s=%u (%u)", name, rel, abs);
}

/* SACK blocks lie in the numbers that the frame acknowledges. */
static void sack_words(struct ladder_words *out, const struct ladder_step *s,
		       const struct ladder_opts *opts)
{
	uint32_t base = opts->numbers == LADDER_ABSOLUTE ? 0 : s->f.ack - s->rel_ack;

	for (unsigned i = 0; i < s->f.nsack; i++)
		word(out, "<sack %u:%u,", s->f.sack[i].start - base, s->f.sack[i].end - base);
}

/* Sets the list from word `first` on as one word where it is short enough. */
static void join(struct ladder_words *out, unsigned first)
{
	char all[LADDER_WORDS * LADDER_WORD_MAX] = "";

	for (unsigned i = first; i < out->n; i++)
		strcat(all, out->w[i]);
	if (strlen(all) > JOIN_MAX)
		return;
	strcpy(out->w[first], all);
	out->n = first + 1;
}

static void option_words(struct ladder_words *out, const struct ladder_step *s,
			 const struct ladder_opts *opts)
{
	const struct trace_frame *f = &s->f;
	unsigned first = out->n;
	char *last;

	if (f->has_mss)
		word(out, "<mss %u,", f->mss);
	if (f->sack_permitted)
		word(out, "<sack,");
	sack_words(out, s, opts);
	if (f->has_ts && opts->verbose)
		word(out, "<ts %u/%u,", f->tsval, f->tsecr);
	else if (f->has_ts && f->flags & TCP_SYN)
		word(out, "<ts,");
	if (f->has_wscale)
		word(out, "<ws %u,", f->wscale);
	if (f->malformed)
		word(out, "<malformed,");
	if (out->n == first)
		return;
	/* Each word came with the bracket that only the first keeps. */
	for (unsigned i = first + 1; i < out->n; i++)
		memmove(out->w[i], out->w[i] + 1, LADDER_WORD_MAX - 1);
	last = out->w[out->n - 1];
	last[strlen(last) - 1] = '>';
	join(out, first);
}

void ladder_words(struct ladder_words *out, const struct ladder_step *s,
		  const struct ladder_opts *opts)
{
	out->n = 0;
	ladder_flags(s->f.flags, out->w[out->n++]);
	number(out, "seq", s->rel_seq, s->f.seq, opts->numbers);
	if (s->f.flags & TCP_ACK)
		number(out, "ack", s->rel_ack, s->f.ack, opts->numbers);
	if (s->scaled || !s->win)
		word(out, "win=%u", s->win);
	else
		word(out, "win=%u<<?", s->win);
	word(out, "len=%u", s->f.len);
	option_words(out, s, opts);
}

void ladder_sentence(struct ladder_words *out, const char *mark, const char *text)
{
	out->n = 0;
	word(out, "%s", mark);
	while (*text) {
		int n = (int)strcspn(text, " ");

		word(out, "%.*s", n, text);
		text += n;
		text += strspn(text, " ");
	}
}

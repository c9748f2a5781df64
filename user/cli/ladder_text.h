/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of a segment, to be set on one or more lines of a ladder. */
#ifndef WEIR_CLI_LADDER_TEXT_H
#define WEIR_CLI_LADDER_TEXT_H

#include "cli/ladder.h"
#include "cli/ladder_track.h"

#define LADDER_WORDS	24
#define LADDER_WORD_MAX 48

struct ladder_words {
	unsigned n;
	char w[LADDER_WORDS][LADDER_WORD_MAX];
};

/* "SYN+ACK", "seq=0 (12345)", "ack=1 (777)", "win=64240", "len=5", "<mss 1460," … */
void ladder_words(struct ladder_words *out, const struct ladder_step *s,
		  const struct ladder_opts *opts);
/* The words of a sentence, behind a mark. */
void ladder_sentence(struct ladder_words *out, const char *mark, const char *text);

void ladder_flags(uint8_t flags, char buf[LADDER_WORD_MAX]);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where `weir top` has its numbers from: three questions to the control socket at a time,
 * whose answers go into the model when all are there. Never waits; a weir that goes is
 * looked for again, under the same name, with every question.
 */
#ifndef WEIR_CLI_TOP_FEED_H
#define WEIR_CLI_TOP_FEED_H

#include <limits.h>

#include "cli/ctlclient.h"
#include "cli/top_model.h"

#define TOP_ANSWERS 3

struct top_feed {
	struct ctlclient cc;
	const char *cmd;
	char path[PATH_MAX];
	bool open;
	uint64_t asked_us, lost_us; /* 0: nothing is asked; it has not gone */
	json_t *answer[TOP_ANSWERS];
	unsigned answers;
};

enum top_news {
	TOP_NOTHING,
	TOP_UPDATED,
	TOP_RESTARTED, /* updated, from another process than before */
	TOP_LOST,      /* it has just gone */
};

/* 0 or the exit status, having said why. */
int top_feed_open(struct top_feed *f, const char *cmd, const struct ctl_target *t);
void top_feed_close(struct top_feed *f);

/* To be polled for reading; -1: not connected. */
int top_feed_fd(const struct top_feed *f);
/* Asks, unless an answer is still waited for; connects anew first where it has to. */
void top_feed_ask(struct top_feed *f, const struct top_model *m, uint64_t now_us);
/* When top_feed_fd() is readable, or at any time. */
enum top_news top_feed_take(struct top_feed *f, struct top_model *m, uint64_t now_us);
/* How long it has been silent or gone, in us; 0: it has not. */
uint64_t top_feed_silent(const struct top_feed *f, uint64_t now_us);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "cli/top_feed.h"
#include "control/ctl.h"

int top_feed_open(struct top_feed *f, const char *cmd, const struct ctl_target *t)
{
	int rc;

	memset(f, 0, sizeof(*f));
	f->cmd = cmd;
	rc = ctlclient_open(&f->cc, cmd, t);
	if (rc)
		return rc;
	f->open = true;
	f->cc.quiet = true;
	/* By the name that led to it, though others may have come by then. */
	if (t->ctl)
		snprintf(f->path, sizeof(f->path), "%s", t->ctl);
	else if (ctl_default_path(f->path, sizeof(f->path), t->iface))
		f->path[0] = '\0';
	return 0;
}

static void forget_answers(struct top_feed *f)
{
	for (unsigned i = 0; i < f->answers; i++)
		json_decref(f->answer[i]);
	f->answers = 0;
	f->asked_us = 0;
}

void top_feed_close(struct top_feed *f)
{
	forget_answers(f);
	if (f->open)
		ctlclient_close(&f->cc);
	f->open = false;
}

int top_feed_fd(const struct top_feed *f)
{
	return f->open ? f->cc.fd : -1;
}

static bool reconnect(struct top_feed *f)
{
	const struct ctl_target t = {.ctl = f->path, .quiet = true};

	if (!f->open && *f->path)
		f->open = !ctlclient_open(&f->cc, f->cmd, &t);
	return f->open;
}

void top_feed_ask(struct top_feed *f, const struct top_model *m, uint64_t now_us)
{
	/* Another process has another history. */
	unsigned seconds = f->lost_us ? 0 : top_model_wants(m, now_us);
	json_t *history = json_pack("{ss}", "cmd", "history");

	if (f->asked_us || !reconnect(f)) {
		json_decref(history);
		return;
	}
	if (seconds)
		json_object_set_new(history, "seconds", json_integer(seconds));
	/* What cannot be sent is found out by the reading. */
	if (!ctlclient_send(&f->cc, json_pack("{ss}", "cmd", "status")) &&
	    !ctlclient_send(&f->cc, json_pack("{ss}", "cmd", "counters")))
		ctlclient_send(&f->cc, json_incref(history));
	json_decref(history);
	f->asked_us = now_us;
}

static enum top_news lost(struct top_feed *f, uint64_t now_us)
{
	top_feed_close(f);
	if (f->lost_us)
		return TOP_NOTHING;
	f->lost_us = now_us;
	return TOP_LOST;
}

static enum top_news update(struct top_feed *f, struct top_model *m, uint64_t now_us)
{
	bool other;

	if (ctl_error_of(f->answer[0]) || ctl_error_of(f->answer[1]))
		return lost(f, now_us);
	/* The moment of the answer to the first question would be best; that of all will do. */
	other = top_model_update(m, now_us, f->answer[0], f->answer[1]);
	/* One that does not know the question keeps no history. */
	if (!ctl_error_of(f->answer[2]))
		top_model_history(m, f->answer[2]);
	forget_answers(f);
	f->lost_us = 0;
	return other ? TOP_RESTARTED : TOP_UPDATED;
}

enum top_news top_feed_take(struct top_feed *f, struct top_model *m, uint64_t now_us)
{
	char *line;
	size_t len;
	int rc;

	if (!f->open)
		return lost(f, now_us);
	if (!f->asked_us)
		return TOP_NOTHING;
	while (f->answers < TOP_ANSWERS) {
		rc = ctlclient_line(&f->cc, &line, &len, 0);
		if (rc == 0)
			return TOP_NOTHING;
		if (rc > 0)
			f->answer[f->answers] = json_loadb(line, len, 0, NULL);
		if (rc < 0 || !f->answer[f->answers])
			return lost(f, now_us);
		f->answers++;
	}
	return update(f, m, now_us);
}

uint64_t top_feed_silent(const struct top_feed *f, uint64_t now_us)
{
	uint64_t since = f->lost_us ? f->lost_us : f->asked_us;

	return since && now_us > since ? now_us - since : 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "control/keywatch.h"

#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ATTRIB | IN_ONLYDIR)

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void look(struct stat *st, const char *path)
{
	if (stat(path, st))
		memset(st, 0, sizeof(*st));
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mode == b->st_mode && a->st_uid == b->st_uid &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

void keywatch_open(struct keywatch *w, const char *path)
{
	char dir[PATH_MAX];
	size_t len = (size_t)(base_of(path) - path);

	memset(w, 0, sizeof(*w));
	snprintf(w->path, sizeof(w->path), "%s", path);
	snprintf(dir, sizeof(dir), "%.*s", (int)len, len ? path : ".");
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd >= 0 && inotify_add_watch(w->fd, len ? dir : ".", EVENTS) < 0)
		keywatch_close(w);
	look(&w->read, path);
	w->seen = w->read;
}

void keywatch_close(struct keywatch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

/* Whether something of the file's name was finished in its directory. */
static bool told(struct keywatch *w)
{
	union {
		struct inotify_event ev;
		char bytes[4096];
	} buf;
	bool ours = false;
	ssize_t n;

	if (w->fd < 0)
		return false;
	while ((n = read(w->fd, &buf, sizeof(buf))) > 0) {
		for (char *p = buf.bytes; p < buf.bytes + n;) {
			const struct inotify_event *ev = (const struct inotify_event *)(void *)p;

			if (ev->mask & IN_Q_OVERFLOW)
				ours = true;
			if (ev->mask & (IN_CLOSE_WRITE | IN_MOVED_TO) && ev->len)
				ours |= !strcmp(ev->name, base_of(w->path));
			p += sizeof(*ev) + ev->len;
		}
	}
	return ours;
}

enum keywatch_news keywatch_look(struct keywatch *w)
{
	bool finished = told(w), settled;
	struct stat now;

	look(&now, w->path);
	settled = same(&now, &w->seen);
	w->seen = now;
	if (!now.st_ino) {
		/* Between a removal and what comes in its place there may be a look. */
		if (!settled || w->missing)
			return KEYWATCH_SAME;
		w->missing = true;
		return KEYWATCH_GONE;
	}
	if (!finished && (!settled || same(&now, &w->read)))
		return KEYWATCH_SAME;
	w->read = now;
	w->missing = false;
	return KEYWATCH_CHANGED;
}

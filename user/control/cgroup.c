/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cgroup.h"

#define LINE_MAX_LEN 4096

static FILE *open_in(const char *dir, const char *name)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return fopen(path, "re");
}

uint64_t cgroup_number(const char *dir, const char *name, const char *key)
{
	char line[256];
	uint64_t value = UINT64_MAX;
	size_t len = strlen(key);
	FILE *f = open_in(dir, name);

	if (!f)
		return UINT64_MAX;
	while (value == UINT64_MAX && fgets(line, sizeof(line), f)) {
		char *end;

		if (strncmp(line, key, len))
			continue;
		value = strtoull(line + len, &end, 10);
		if (end == line + len) /* "max" */
			value = UINT64_MAX;
	}
	fclose(f);
	return value;
}

bool cgroup_line(const char *dir, const char *name, char *buf, size_t len)
{
	FILE *f = open_in(dir, name);
	bool read = f && fgets(buf, (int)len, f);

	if (read)
		buf[strcspn(buf, "\n")] = '\0';
	if (f)
		fclose(f);
	return read;
}

/* Whether `word` is in a list with commas. */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += len) {
		if ((p == list || p[-1] == ',') && (!p[len] || p[len] == ','))
			return true;
	}
	return false;
}

/* The group of this process, from a line "number:controllers:path". */
static bool own_group(const char *controller, const char *proc, char *group, size_t len)
{
	char line[LINE_MAX_LEN];
	bool found = false;
	FILE *f = open_in(proc, "self/cgroup");

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *name = strchr(line, ':'), *where = name ? strchr(name + 1, ':') : NULL;

		if (!where)
			continue;
		*where++ = '\0';
		where[strcspn(where, "\n")] = '\0';
		found = controller ? has_word(name + 1, controller) : !name[1];
		if (found)
			snprintf(group, len, "%s", where);
	}
	if (f)
		fclose(f);
	return found;
}

/* Where the groups are mounted, from a line "... root point options ... - type source super". */
static bool mounted_at(const char *controller, const char *proc, char *root, char *point)
{
	char line[LINE_MAX_LEN], type[32], super[1024];
	bool found = false;
	FILE *f = open_in(proc, "self/mountinfo");

	while (f && !found && fgets(line, sizeof(line), f)) {
		const char *tail = strstr(line, " - ");

		if (!tail || sscanf(tail, " - %31s %*s %1023s", type, super) != 2 ||
		    sscanf(line, "%*s %*s %*s %1023s %1023s", root, point) != 2)
			continue;
		found = controller ? !strcmp(type, "cgroup") && has_word(super, controller)
				   : !strcmp(type, "cgroup2");
	}
	if (f)
		fclose(f);
	return found;
}

bool cgroup_own(struct cgroup *g, const char *proc, const char *controller)
{
	char group[1024], root[1024], point[1024];
	const char *below = group;
	size_t len;

	if (!own_group(controller, proc, group, sizeof(group)) ||
	    !mounted_at(controller, proc, root, point))
		return false;
	/* In a container a part of the path lies above what is mounted. */
	len = strcmp(root, "/") ? strlen(root) : 0;
	if (!strncmp(group, root, len))
		below += len;
	g->top = strlen(point);
	snprintf(g->dir, sizeof(g->dir), "%s%s", point, strcmp(below, "/") ? below : "");
	return true;
}

bool cgroup_up(struct cgroup *g)
{
	char *slash = strrchr(g->dir, '/');

	if (strlen(g->dir) <= g->top || !slash)
		return false;
	*slash = '\0';
	return true;
}

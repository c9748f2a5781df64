/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a file should be read again. It may be written in place, replaced by rename, or be
 * the end of symbolic links of which any is swapped: so it is looked at (stat) at every call.
 * What a look cannot see, a file written twice within one tick of its clock, inotify on its
 * directory tells, where there is inotify. A file that is just being written is left alone
 * until two looks agree, or its writer has closed it.
 */
#ifndef WEIR_CONTROL_KEYWATCH_H
#define WEIR_CONTROL_KEYWATCH_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

struct keywatch {
	int fd; /* inotify; -1: looks alone */
	char path[PATH_MAX];
	struct stat read; /* the file as it was last read, */
	struct stat seen; /* and last seen; st_ino 0: there was none */
	bool missing;
};

/* Before the file is read: what changes from now on is told. */
void keywatch_open(struct keywatch *w, const char *path);
void keywatch_close(struct keywatch *w);

enum keywatch_news { KEYWATCH_SAME, KEYWATCH_CHANGED, KEYWATCH_GONE };
/* Some times a second. Each change, and each going, is told once. */
enum keywatch_news keywatch_look(struct keywatch *w);

#endif

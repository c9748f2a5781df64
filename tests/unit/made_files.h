/* SPDX-License-Identifier: BSD-2-Clause */
/* Files as the kernel has them in /proc and /sys, made for a test. */
#ifndef TESTS_UNIT_MADE_FILES_H
#define TESTS_UNIT_MADE_FILES_H

/* Writes dir/name and makes the directories on the way to it. */
void made_file(const char *dir, const char *name, const char *text);

#endif

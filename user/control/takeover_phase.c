/* SPDX-License-Identifier: BSD-2-Clause */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/takeover.h"

void takeover_phase(const char *name)
{
	const char *stop = secure_getenv("WEIR_TAKEOVER_STOP");

	if (stop && !strcmp(stop, name))
		raise(SIGSTOP);
}

bool takeover_anew(void)
{
	const char *sockets = secure_getenv("WEIR_TAKEOVER_SOCKETS");

	return sockets && !strcmp(sockets, "anew");
}

uint64_t takeover_netns(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : (uint64_t)st.st_ino;
}

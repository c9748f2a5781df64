/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate's bpf_link in a BPF file system, by which it outlives a process that is killed:
 * one file for an interface, DIR/<inode of the network namespace>-<ifindex>.
 *
 * Whoever removes or makes it later, confined and maybe another user, does so by a descriptor
 * of the directory.
 */
#ifndef WEIR_CONTROL_PIN_H
#define WEIR_CONTROL_PIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/err.h"

#define PIN_DIR "/sys/fs/bpf/weir"

struct hook;

struct pin {
	int dir_fd; /* -1: there is no directory, and no pin */
	unsigned ifindex;
	char name[48];
};

#define PIN_NONE                                                                                   \
	{                                                                                          \
		.dir_fd = -1                                                                       \
	}

/*
 * Opens the directory; with `make` it is made where it is not there, and it is an error
 * where there is no BPF file system. Without, what is not there has no pin.
 */
int pin_open(struct pin *p, const char *dir, unsigned ifindex, bool make, struct weir_err *err);
void pin_close(struct pin *p);

/*
 * The link that is pinned, if it is what is on the hook: a descriptor, or -ENOENT: no pin,
 * or it was of something that has gone, and is removed (*stale).
 */
int pin_find(const struct pin *p, const struct hook *h, bool *stale);

int pin_make(const struct pin *p, int link_fd);
int pin_remove(const struct pin *p); /* 0 too when there is none */

/* Takes that link off the hook and removes the pin. 0, -ENOENT as pin_find(), or -errno. */
int pin_detach(const struct pin *p, const struct hook *h, bool *stale);

/* The directory to another user, who will remove the pin; root's group has it too. */
int pin_give(const struct pin *p, uid_t uid);

#endif

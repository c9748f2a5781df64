/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a load or a flood may go without being told twice: inside a namespace made by
 * tools/lab, whose other end is the lab's, or to the machine itself.
 */
#ifndef LAB_GUARD_H
#define LAB_GUARD_H

#include <stdbool.h>
#include <sys/socket.h>

/* Is this process in a namespace that tools/lab made and still knows? */
bool lab_guard_inside(void);
/* 127.0.0.0/8 or ::1? */
bool lab_guard_loopback(const struct sockaddr *to);

#endif

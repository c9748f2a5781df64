/* SPDX-License-Identifier: BSD-2-Clause */
/* The descriptors that are open, for tests of who closes them. */
#ifndef WEIR_TEST_FDS_H
#define WEIR_TEST_FDS_H

unsigned count_fds(void);

#endif

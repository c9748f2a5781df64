/* SPDX-License-Identifier: BSD-2-Clause */
/* A test by each way to wait for descriptors: NAME_uring and NAME_epoll. */
#ifndef TESTS_BIO_BOTH_H
#define TESTS_BIO_BOTH_H

#include "proxy/bio.h"

/* Of a function (enum bio_kind). */
#define BIO_BOTH(name) BIO_BOTH_OF(name, name)
#define BIO_BOTH_OF(name, body)                                                                    \
	static void name##_uring(void **state)                                                     \
	{                                                                                          \
		(void)state;                                                                       \
		body(BIO_URING);                                                                   \
	}                                                                                          \
	static void name##_epoll(void **state)                                                     \
	{                                                                                          \
		(void)state;                                                                       \
		body(BIO_EPOLL);                                                                   \
	}

#define BIO_TESTS(name) cmocka_unit_test(name##_uring), cmocka_unit_test(name##_epoll)

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may speak to the control socket, how many, and whose file it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/ctl_request.h"
#include "control/ctl_socket.h"
#include "ctl_fixture.h"

static void many_clients(void **state)
{
	struct ctl_bed *b = *state;
	int fd[CTL_MAX_CLIENTS + 1];
	json_t *o;

	for (int i = 0; i < CTL_MAX_CLIENTS; i++)
		fd[i] = bed_dial(b);
	json_decref(bed_ask(b, fd[0], "{\"cmd\":\"ping\"}"));
	/* the one silent longest, not the one just served, gives way */
	fd[CTL_MAX_CLIENTS] = bed_dial(b);
	json_decref(bed_ask(b, fd[CTL_MAX_CLIENTS], "{\"cmd\":\"ping\"}"));
	json_decref(bed_ask(b, fd[0], "{\"cmd\":\"ping\"}"));
	assert_null(bed_hear(b, fd[1]));
	for (int i = 0; i <= CTL_MAX_CLIENTS; i++)
		close(fd[i]);
	for (int i = 0; i < 10; i++)
		bed_step(b);
	/* with all of them at work a new one is refused, in words */
	for (int i = 0; i < CTL_MAX_CLIENTS; i++) {
		fd[i] = bed_dial(b);
		json_decref(bed_ask(b, fd[i], "{\"cmd\":\"trace\"}"));
	}
	fd[CTL_MAX_CLIENTS] = bed_dial(b);
	o = bed_hear_json(b, fd[CTL_MAX_CLIENTS]);
	assert_string_equal(json_string_value(json_object_get(o, "error")), "too many clients");
	json_decref(o);
	assert_null(bed_hear(b, fd[CTL_MAX_CLIENTS]));
	for (int i = 0; i <= CTL_MAX_CLIENTS; i++)
		close(fd[i]);
}

static void modes_and_names(void **state)
{
	struct ctl_source src;
	struct ctl_bed *b = *state;
	struct weir_err err;
	struct ctl *second;
	struct stat st;
	char path[300];
	int fd;

	src = bed_source(b);
	assert_int_equal(stat(b->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	/* a live one is left alone */
	assert_int_equal(ctl_server_open(&second, &src, b->path, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "another weir"));
	fd = bed_dial(b);
	json_decref(bed_ask(b, fd, "{\"cmd\":\"ping\"}"));
	close(fd);
	/* a dead one is replaced: what kill -9 leaves behind */
	snprintf(path, sizeof(path), "%s/dead", b->dir);
	fd = ctl_socket_listen(path, &err);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(ctl_socket_connect(path), -ECONNREFUSED);
	assert_int_equal(ctl_server_open(&second, &src, path, &err), 0);
	ctl_server_close(second);
	assert_int_equal(stat(path, &st), -1);
	/* what is no socket is not removed */
	snprintf(path, sizeof(path), "%s/file", b->dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(ctl_server_open(&second, &src, path, &err), -EEXIST);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/none/sock", b->dir);
	assert_int_equal(ctl_server_open(&second, &src, path, &err), -ENOENT);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(ctl_server_open(&second, &src, path, &err), -ENAMETOOLONG);
}

static void directory(void **state)
{
	struct ctl_bed *b = *state;
	struct weir_err err;
	struct stat st;
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/run", b->dir);
	assert_int_equal(ctl_socket_dir(dir, &err), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(ctl_socket_dir(dir, &err), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(ctl_socket_dir(dir, &err), -EPERM);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(symlink(b->dir, dir), 0);
	assert_int_equal(ctl_socket_dir(dir, &err), -EPERM);
	assert_int_equal(unlink(dir), 0);
}

#define bed_test(f) cmocka_unit_test_setup_teardown(f, bed_open, bed_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(many_clients),
		bed_test(modes_and_names),
		bed_test(directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

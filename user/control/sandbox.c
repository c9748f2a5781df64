/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "control/sandbox_priv.h"

/* ---- what is needed, and why -------------------------------------------------- */

const struct sandbox_cap sandbox_caps[] = {
	/* A new RX queue: its AF_XDP socket and the AF_PACKET one for bursts. */
	{CAP_NET_RAW, 0},
	/* The memory of that socket, where RLIMIT_MEMLOCK would count it. */
	{CAP_IPC_LOCK, SANDBOX_MEMLOCK},
	/* To leave the dispatcher, or enter it again, libxdp loads a new one and pins it. */
	{CAP_NET_ADMIN, SANDBOX_DISPATCHER},
	{CAP_BPF, SANDBOX_DISPATCHER},
	{CAP_PERFMON, SANDBOX_DISPATCHER},
	{CAP_SYS_ADMIN, SANDBOX_DISPATCHER},
	{CAP_DAC_OVERRIDE, SANDBOX_DISPATCHER},
	{-1, 0},
};

#define CALL(name_)                                                                                \
	{                                                                                          \
		.name = (name_)                                                                    \
	}
#define CALL_IF(name_, needs_)                                                                     \
	{                                                                                          \
		.name = (name_), .needs = (needs_)                                                 \
	}
/* Argument n & mask == value */
#define WHEN(name_, n_, mask_, value_)                                                             \
	{                                                                                          \
		.name = (name_), .nwhen = 1, .when = { {(n_), (mask_), (uint64_t)(value_)} }       \
	}
#define IS(name_, n_, value_) WHEN(name_, n_, 0xffffffff, value_)

#define SOCKET(family_, type_)                                                                     \
	{                                                                                          \
		.name = "socket", .nwhen = 2, .when = {                                            \
			{0, 0xffffffff, (family_)},                                                \
			{1, 0xf, (type_)}                                                          \
		}                                                                                  \
	}

/* Of open()'s flags: all that make or change a file. */
#define OPEN_WRITES (O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))

/*
 * A call that is allowed whatever its arguments costs least: the kernel (5.11) notes that in a
 * bitmap and does not run the filter. What workers call while they move data is like that.
 */
const struct sandbox_call sandbox_calls[] = {
	/* The C library: memory, threads, time, the end. Nothing of it may become code. */
	CALL("brk"),
	CALL("munmap"),
	CALL("mremap"),
	CALL("madvise"),
	WHEN("mmap", 2, PROT_EXEC, 0),
	WHEN("mprotect", 2, PROT_EXEC, 0),
	CALL("futex"),
	CALL("futex_waitv"),
	CALL("set_robust_list"),
	CALL("rseq"),
	CALL("set_tid_address"),
	WHEN("clone", 0, CLONE_THREAD, CLONE_THREAD),
	CALL("sched_yield"),
	CALL("sched_getaffinity"),
	CALL("sched_getparam"), /* what pthread_getattr_np() asks */
	CALL("sched_getscheduler"),
	CALL("getcpu"),
	CALL("getpid"),
	CALL("gettid"),
	CALL("getuid"),
	CALL("geteuid"),
	CALL("getgid"),
	CALL("getegid"),
	IS("prctl", 0, PR_SET_NAME),
	CALL("getrandom"),
	CALL("clock_gettime"),
	CALL("clock_getres"),
	CALL("clock_nanosleep"),
	CALL("nanosleep"),
	CALL("gettimeofday"),
	CALL("time"),
	CALL("rt_sigaction"),
	CALL("rt_sigprocmask"),
	CALL("rt_sigreturn"),
	CALL("sigaltstack"),
	CALL("restart_syscall"),
	CALL("tgkill"), /* abort(); of others, CAP_KILL and the same user say no */
	CALL("exit"),
	CALL("exit_group"),
	CALL("sysinfo"),
	CALL("uname"),
	CALL("getrusage"),
	CALL("prlimit64"),
	/* Workers that begin again, when a hand-over has failed, give up what the main thread has:
	 * these only ever take away. */
	CALL("capset"),
	CALL("landlock_create_ruleset"),
	CALL("landlock_add_rule"),
	CALL("landlock_restrict_self"),

	/* Descriptors and waiting: main loop, workers, control socket. */
	CALL("read"),
	CALL("readv"),
	CALL("pread64"),
	CALL("preadv"),
	CALL("write"), /* the log; sockets and pipes */
	CALL("writev"),
	CALL("close"),
	CALL("close_range"),
	CALL("dup"),
	CALL("dup2"),
	CALL("dup3"),
	CALL("fcntl"),
	CALL("lseek"),
	CALL("pipe2"),
	CALL("poll"),
	CALL("ppoll"),
	CALL("select"),
	CALL("pselect6"),
	CALL("epoll_create1"),
	CALL("epoll_ctl"),
	CALL("epoll_wait"),
	CALL("epoll_pwait"),
	CALL("epoll_pwait2"),
	CALL("eventfd2"),
	CALL("signalfd4"),
	CALL("timerfd_create"),
	CALL("timerfd_settime"),
	CALL("timerfd_gettime"),
	/* Workers whose applications have descriptors: a ring each, made as the first comes. */
	CALL("io_uring_setup"),
	CALL("io_uring_enter"),
	CALL("io_uring_register"),

	/* Files, for reading: what http serves, key files, /proc, port ranges. Where the kernel
	 * has Landlock, openat2() does not write either. */
	WHEN("open", 1, OPEN_WRITES, 0),
	WHEN("openat", 2, OPEN_WRITES, 0),
	CALL_IF("open", SANDBOX_FILES),
	CALL_IF("openat", SANDBOX_FILES),
	CALL("openat2"),
	CALL("stat"),
	CALL("lstat"),
	CALL("fstat"),
	CALL("newfstatat"),
	CALL("statx"),
	CALL("statfs"),
	CALL("fstatfs"),
	CALL("access"),
	CALL("faccessat"),
	CALL("faccessat2"),
	CALL("readlink"),
	CALL("readlinkat"),
	CALL("getdents64"),
	CALL("getcwd"),
	CALL("fadvise64"),
	CALL("flock"),
	CALL("inotify_init1"), /* key files, configuration */
	CALL("inotify_add_watch"),
	CALL("inotify_rm_watch"),
	/* The control socket's name goes at the end. */
	CALL("unlink"),
	CALL("unlinkat"),
	CALL_IF("mkdir", SANDBOX_DISPATCHER | SANDBOX_FILES), /* libxdp's pins; histories */
	CALL_IF("mkdirat", SANDBOX_DISPATCHER | SANDBOX_FILES),
	CALL_IF("rmdir", SANDBOX_DISPATCHER),
	CALL_IF("rename", SANDBOX_DISPATCHER | SANDBOX_FILES),
	CALL_IF("renameat2", SANDBOX_DISPATCHER | SANDBOX_FILES),
	CALL_IF("fchmodat", SANDBOX_PIN), /* of a new pin, as far as its owner may */
	/* The frames of a new RX queue: a file without a name. Others are not open for writing. */
	CALL("memfd_create"),
	CALL("ftruncate"),
	CALL_IF("fsync", SANDBOX_FILES),

	/* Sockets. */
	IS("socket", 0, AF_UNIX),     /* control socket, log, service manager, back ends */
	SOCKET(AF_INET, SOCK_STREAM), /* ports held, back ends */
	SOCKET(AF_INET6, SOCK_STREAM),
	SOCKET(AF_INET, SOCK_DGRAM), /* questions to the interface */
	SOCKET(AF_INET6, SOCK_DGRAM),
	IS("socket", 0, AF_NETLINK), /* routes, neighbours, links */
	IS("socket", 0, AF_XDP),     /* a new RX queue */
	/* Bursts of a new queue: it sends and, of protocol 0, receives nothing. */
	{.name = "socket", .nwhen = 2, .when = {{0, 0xffffffff, AF_PACKET}, {2, 0xffffffff, 0}}},
	CALL("socketpair"),
	CALL("bind"),
	CALL("listen"),
	CALL("connect"),
	CALL("accept"),
	CALL("accept4"),
	CALL("shutdown"),
	CALL("getsockname"),
	CALL("getpeername"),
	CALL("getsockopt"),
	CALL("setsockopt"),
	CALL("sendto"), /* workers: this is how an AF_XDP ring is kicked */
	CALL("sendmsg"),
	CALL("sendmmsg"),
	CALL("recvfrom"),
	CALL("recvmsg"),
	CALL("recvmmsg"),

	/* Questions to the interface, and to the log whether it is a terminal. */
	IS("ioctl", 1, SIOCETHTOOL),
	IS("ioctl", 1, SIOCGIFINDEX),
	IS("ioctl", 1, SIOCGIFNAME),
	IS("ioctl", 1, SIOCGIFFLAGS),
	IS("ioctl", 1, SIOCGIFMTU),
	IS("ioctl", 1, TCGETS),
	IS("ioctl", 1, FIONREAD),
	IS("ioctl", 1, FIONBIO),

	/* The gate's maps, the link, its clock; nothing new but for the dispatcher. */
	IS("bpf", 0, BPF_MAP_LOOKUP_ELEM),
	IS("bpf", 0, BPF_MAP_UPDATE_ELEM),
	IS("bpf", 0, BPF_MAP_DELETE_ELEM),
	IS("bpf", 0, BPF_MAP_GET_NEXT_KEY),
	IS("bpf", 0, BPF_MAP_LOOKUP_BATCH),
	IS("bpf", 0, BPF_MAP_LOOKUP_AND_DELETE_BATCH),
	IS("bpf", 0, BPF_MAP_UPDATE_BATCH),
	IS("bpf", 0, BPF_MAP_DELETE_BATCH),
	IS("bpf", 0, BPF_OBJ_GET_INFO_BY_FD),
	IS("bpf", 0, BPF_PROG_TEST_RUN), /* the gate's clock is compared with ours */
	IS("bpf", 0, BPF_LINK_CREATE),	 /* the hook was lost: put back */
	IS("bpf", 0, BPF_LINK_UPDATE),
	IS("bpf", 0, BPF_LINK_DETACH),
	{.name = "bpf", .needs = SANDBOX_PIN, .nwhen = 1, .when = {{0, 0xffffffff, BPF_OBJ_PIN}}},
	/* Who has the hook now: without a privilege they say no, and so do we. */
	IS("bpf", 0, BPF_PROG_GET_FD_BY_ID),
	IS("bpf", 0, BPF_LINK_GET_NEXT_ID),
	IS("bpf", 0, BPF_LINK_GET_FD_BY_ID),
	CALL_IF("bpf", SANDBOX_DISPATCHER),

	{.name = NULL},
};

/* ---- the order of things -------------------------------------------------------- */

int sandbox_init(struct sandbox *sb, bool on, const char *user, weir_log_fn log,
		 struct weir_err *err)
{
	const struct passwd *pw;

	memset(sb, 0, sizeof(*sb));
	sb->on = on;
	sb->log = log;
	if (!user)
		return 0;
	errno = 0;
	pw = getpwnam(user);
	if (!pw)
		return err_unsuited(err, -ENOENT, "--user %s: %s", user,
				    errno ? strerror(errno) : "no such user");
	if (geteuid() == pw->pw_uid)
		return 0;
	if (geteuid())
		return err_unsuited(err, -EPERM,
				    "--user %s: only root can become somebody else; start weir as "
				    "root",
				    user);
	sb->user = user;
	sb->uid = pw->pw_uid;
	sb->gid = pw->pw_gid;
	return 0;
}

void sandbox_dir(struct sandbox *sb, const char *path, enum sandbox_access how)
{
	struct sandbox_dir *d = &sb->dirs[sb->ndirs];

	if (sb->ndirs == SANDBOX_DIRS || strlen(path) >= sizeof(d->path))
		return;
	strcpy(d->path, path);
	d->how = how;
	sb->ndirs++;
}

void sandbox_dir_of(struct sandbox *sb, const char *file, enum sandbox_access how)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", file);
	sandbox_dir(sb, dirname(copy), how);
}

struct spawn {
	const struct sandbox *sb;
	int (*start)(void *arg);
	void *arg;
	int rc;
};

static void *spawn_thread(void *arg)
{
	struct spawn *s = arg;

	s->rc = s->sb->entered ? sandbox_rights_again(s->sb) : sandbox_rights(s->sb, NULL, false);
	if (s->rc)
		s->sb->log(LOG_ERR,
			   "the workers cannot be confined: %s; --sandbox off runs without it",
			   strerror(-s->rc));
	else
		s->rc = s->start(s->arg);
	return NULL;
}

int sandbox_spawn(void *sandbox, int (*start)(void *arg), void *arg)
{
	struct spawn s = {.sb = sandbox, .start = start, .arg = arg};
	pthread_t thread;
	int rc;

	if (!s.sb->on && !s.sb->user)
		return start(arg);
	rc = pthread_create(&thread, NULL, spawn_thread, &s);
	if (rc)
		return -rc;
	pthread_join(thread, NULL);
	return s.rc;
}

int sandbox_enter(struct sandbox *sb, struct weir_err *err)
{
	int rc;

	if (!sb->on && !sb->user)
		return 0;
	rc = sandbox_rights(sb, sandbox_caps, true);
	if (rc)
		return err_set(err, rc,
			       "cannot give up privileges: %s; --sandbox off (and no --user) runs "
			       "with all of them",
			       strerror(-rc));
	if (!sb->on)
		return 0;
	sb->entered = true;
	rc = sandbox_filter(sb);
	if (rc)
		return err_set(err, rc,
			       "cannot filter system calls (%s): the kernel lacks "
			       "SECCOMP_FILTER? --sandbox off runs without",
			       strerror(-rc));
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other users of an XDP hook, for tests/net/test_hook.py: somebody with a program of
 * their own, on a bpf_link, by netlink or in libxdp's dispatcher, or with an AF_XDP socket.
 *
 *	link IFACE OBJ PROG MODE	holds a bpf_link until stdin ends
 *	netlink IFACE OBJ PROG MODE
 *	join IFACE OBJ PROG MODE PRIO	into the dispatcher; makes one where there is none
 *	leave IFACE PROG		out of it
 *	off IFACE			all of it, as `xdp-loader unload -a`
 *	list IFACE			"PRIO NAME ID FRAGS STEPS" of each program in it; STEPS: the
 *					verifier's
 *	count ID			frames that the program has seen: its map
 *	queue IFACE N			binds an AF_XDP socket to the queue until stdin ends
 *
 * MODE is native or generic. Exit status: 0, 1 with a line on stderr, 77 where the kernel
 * takes no programs into a dispatcher.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>
#include <xdp/xsk.h>

#define FRAMES 64

static int fail(const char *what, int rc)
{
	fprintf(stderr, "xdphook: %s: %s\n", what, strerror(rc < 0 ? -rc : rc));
	return 1;
}

static void hold(void)
{
	char c;

	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
}

static int say(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, fmt, ap) : 0;
}

static int say_xdp(enum libxdp_print_level level, const char *fmt, va_list ap)
{
	return level == LIBXDP_WARN ? vfprintf(stderr, fmt, ap) : 0;
}

/* An opened object in which only this program is to be loaded. NULL: there is none. */
static struct bpf_object *open_only(const char *path, const char *name)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *p;

	if (!obj || !bpf_object__find_program_by_name(obj, name))
		return NULL;
	bpf_object__for_each_program(p, obj)
		bpf_program__set_autoload(p, !strcmp(bpf_program__name(p), name));
	return obj;
}

static bool generic(const char *mode)
{
	return !strcmp(mode, "generic");
}

static unsigned flags_of(const char *mode)
{
	return generic(mode) ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
}

static int load(char **argv)
{
	struct bpf_object *obj = open_only(argv[1], argv[2]);
	int rc = obj ? bpf_object__load(obj) : -ENOENT;

	return rc ? rc : bpf_program__fd(bpf_object__find_program_by_name(obj, argv[2]));
}

static int do_link(unsigned ifindex, char **argv)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags_of(argv[3]));
	int fd = load(argv), link;

	if (fd < 0)
		return fail("load", fd);
	link = bpf_link_create(fd, (int)ifindex, BPF_XDP, &opts);
	if (link < 0)
		return fail("link", link);
	hold();
	return 0;
}

static int do_netlink(unsigned ifindex, char **argv)
{
	int fd = load(argv), rc;

	if (fd < 0)
		return fail("load", fd);
	rc = bpf_xdp_attach((int)ifindex, fd, flags_of(argv[3]) | XDP_FLAGS_UPDATE_IF_NOEXIST,
			    NULL);
	return rc ? fail("attach", rc) : 0;
}

/* ---- the dispatcher ----------------------------------------------------------- */

static struct xdp_program *find(struct xdp_multiprog *mp, const char *name)
{
	struct xdp_program *p = NULL;

	while ((p = xdp_multiprog__next_prog(p, mp)) && strcmp(xdp_program__name(p), name))
		;
	return p;
}

/* libxdp calls it a success when it had to attach the program alone. */
static bool joined(unsigned ifindex, const char *name)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex((int)ifindex);
	bool found = !libxdp_get_error(mp) && !xdp_multiprog__is_legacy(mp) && find(mp, name);

	if (!libxdp_get_error(mp) && !found)
		xdp_multiprog__detach(mp);
	return found;
}

static int do_join(unsigned ifindex, char **argv)
{
	struct xdp_program_opts opts = {.sz = sizeof(opts), .prog_name = argv[2]};
	struct xdp_program *p;
	int rc;

	opts.obj = open_only(argv[1], argv[2]);
	p = opts.obj ? xdp_program__create(&opts) : NULL;
	if (!p || libxdp_get_error(p))
		return fail("open", ENOENT);
	xdp_program__set_run_prio(p, (unsigned)atoi(argv[4]));
	/* libxdp looks at the program's flags, not at its section. */
	xdp_program__set_xdp_frags_support(p, strstr(argv[2], "frags"));
	rc = xdp_program__attach(p, (int)ifindex, generic(argv[3]) ? XDP_MODE_SKB : XDP_MODE_NATIVE,
				 0);
	if (rc)
		return fail("join", rc);
	if (joined(ifindex, argv[2]))
		return 0;
	fprintf(stderr, "xdphook: the kernel takes no programs into a dispatcher\n");
	return 77;
}

static int do_leave(unsigned ifindex, char **argv)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex((int)ifindex);
	struct xdp_program *p;
	int rc;

	if (libxdp_get_error(mp))
		return fail("no dispatcher", ENOENT);
	p = find(mp, argv[1]);
	if (!p)
		return fail(argv[1], ENOENT);
	rc = xdp_program__detach(p, (int)ifindex, xdp_multiprog__attach_mode(mp), 0);
	return rc ? fail("leave", rc) : 0;
}

static int do_off(unsigned ifindex)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex((int)ifindex);
	int rc = (int)libxdp_get_error(mp);

	if (!rc)
		rc = xdp_multiprog__detach(mp);
	return rc ? fail("off", rc) : 0;
}

static unsigned steps(struct xdp_program *p)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(xdp_program__fd(p), &info, &len) ? 0 : info.verified_insns;
}

static int do_list(unsigned ifindex)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex((int)ifindex);
	struct xdp_program *p = NULL;

	if (libxdp_get_error(mp) || xdp_multiprog__is_legacy(mp))
		return 0;
	while ((p = xdp_multiprog__next_prog(p, mp)))
		printf("%u %s %u %s %u\n", xdp_program__run_prio(p), xdp_program__name(p),
		       xdp_program__id(p),
		       xdp_multiprog__xdp_frags_support(mp) ? "frags" : "linear", steps(p));
	return 0;
}

static int do_count(uint32_t id)
{
	uint32_t map_id = 0, zero = 0, len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = {.nr_map_ids = 1, .map_ids = (uintptr_t)&map_id};
	int fd = bpf_prog_get_fd_by_id(id);
	uint64_t n;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) || !info.nr_map_ids)
		return fail("no such program with a map", errno);
	fd = bpf_map_get_fd_by_id(map_id);
	if (fd < 0 || bpf_map_lookup_elem(fd, &zero, &n))
		return fail("map", errno);
	printf("%llu\n", (unsigned long long)n);
	return 0;
}

/* ---- a queue ------------------------------------------------------------------- */

static int do_queue(const char *iface, char **argv)
{
	struct xsk_umem_config uc = {.fill_size = FRAMES,
				     .comp_size = FRAMES,
				     .frame_size = XSK_UMEM__DEFAULT_FRAME_SIZE};
	struct xsk_socket_config sc = {.rx_size = FRAMES,
				       .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD};
	size_t len = FRAMES * XSK_UMEM__DEFAULT_FRAME_SIZE;
	void *area = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static struct xsk_ring_prod fill;
	static struct xsk_ring_cons comp, rx;
	struct xsk_umem *umem;
	struct xsk_socket *xsk = NULL;
	int rc, i;

	rc = area == MAP_FAILED ? -ENOMEM : xsk_umem__create(&umem, area, len, &fill, &comp, &uc);
	/* A socket that was just closed frees its queue late. */
	for (i = 0; !rc && i < 100; i++) {
		rc = xsk_socket__create(&xsk, iface, (unsigned)atoi(argv[1]), umem, &rx, NULL, &sc);
		if (rc != -EBUSY)
			break;
		rc = 0;
		usleep(20000);
	}
	if (rc || !xsk)
		return fail("queue", rc ? rc : EBUSY);
	hold();
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	unsigned ifindex = argc > 2 ? if_nametoindex(argv[2]) : 0;
	char **rest = argv + 2; /* rest[0]: the interface */

	libbpf_set_print(say);
	libxdp_set_print(say_xdp);
	if (!strcmp(what, "count"))
		return do_count((uint32_t)atoi(argv[2]));
	if (!ifindex)
		return fail("no such interface, or no command", EINVAL);
	if (!strcmp(what, "off"))
		return do_off(ifindex);
	if (!strcmp(what, "list"))
		return do_list(ifindex);
	if (argc > 3 && !strcmp(what, "leave"))
		return do_leave(ifindex, rest);
	if (argc > 3 && !strcmp(what, "queue"))
		return do_queue(argv[2], rest);
	if (argc > 5 && !strcmp(what, "link"))
		return do_link(ifindex, rest);
	if (argc > 5 && !strcmp(what, "netlink"))
		return do_netlink(ifindex, rest);
	if (argc > 6 && !strcmp(what, "join"))
		return do_join(ifindex, rest);
	return fail("usage", EINVAL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/ctl_metrics_http.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/ctl_metrics.h"
#include "control/ctl_socket.h"

#define FRESH_US 100000 /* a page is made anew after so long */
#define BACKLOG	 64
#define LAST_MS	 50 /* for requests that are on their way when another weir has the socket */

enum page_id {
	PAGE_TEXT,
	PAGE_OPENMETRICS,
	PAGE_HEALTH,
	PAGE_INDEX,
	PAGE_LOST,
	PAGE_METHOD,
	PAGES
};

struct page {
	struct MHD_Response *response; /* NULL: none yet */
	unsigned status;
	uint64_t at_us;
};

/* A client, and since when it owes us a request or we it an answer. */
struct client {
	int fd; /* -1: free */
	uint64_t since_us;
};

struct metrics {
	const struct ctl_source *src;
	struct MHD_Daemon *daemon;
	int epoll_fd, listener;
	bool keep_name;
	bool over; /* the source has gone */
	uint64_t now_us;
	char path[sizeof(((struct sockaddr_storage *)0)->__ss_padding)]; /* of a UNIX socket */
	struct page pages[PAGES];
	struct client clients[METRICS_CONNS];
};

/* ---- pages ----------------------------------------------------------------------- */

static const char index_text[] = "weir " WEIR_VERSION "\n\n"
				 "/metrics  for Prometheus (text, or OpenMetrics if asked for)\n"
				 "/healthz  200 while new clients are served, else 503\n";

static unsigned write_page(struct metrics *m, enum page_id id, FILE *out)
{
	if (m->over) {
		fputs("handed over: ask again\n", out);
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	}
	switch (id) {
	case PAGE_TEXT:
		metrics_write(out, m->src, METRICS_TEXT);
		return MHD_HTTP_OK;
	case PAGE_OPENMETRICS:
		metrics_write(out, m->src, METRICS_OPENMETRICS);
		return MHD_HTTP_OK;
	case PAGE_HEALTH:
		return metrics_health(out, m->src) ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
	case PAGE_INDEX:
		fputs(index_text, out);
		return MHD_HTTP_OK;
	case PAGE_METHOD:
		fputs("GET and HEAD only\n", out);
		return MHD_HTTP_METHOD_NOT_ALLOWED;
	default:
		fputs("not here: see /\n", out);
		return MHD_HTTP_NOT_FOUND;
	}
}

static int headers(struct MHD_Response *r, enum page_id id)
{
	enum metrics_format f = id == PAGE_OPENMETRICS ? METRICS_OPENMETRICS : METRICS_TEXT;
	const char *type =
		id <= PAGE_OPENMETRICS ? metrics_content_type(f) : "text/plain; charset=utf-8";
	enum MHD_Result ok = MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);

	if (ok && id == PAGE_METHOD)
		ok = MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (ok && id <= PAGE_OPENMETRICS)
		ok = MHD_add_response_header(r, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT);
	return ok ? 0 : -ENOMEM;
}

static struct MHD_Response *make_page(struct metrics *m, enum page_id id, unsigned *status)
{
	struct MHD_Response *r;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	*status = write_page(m, id, out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	r = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	if (!r) {
		free(text);
		return NULL;
	}
	if (headers(r, id)) {
		MHD_destroy_response(r);
		return NULL;
	}
	return r;
}

/* As made a moment ago, or anew; NULL: no memory. */
static const struct page *page(struct metrics *m, enum page_id id)
{
	struct page *p = &m->pages[id];

	if (p->response && (m->over || m->now_us - p->at_us < FRESH_US))
		return p;
	if (p->response)
		MHD_destroy_response(p->response); /* who still reads it holds it */
	p->response = make_page(m, id, &p->status);
	p->at_us = m->now_us;
	return p->response ? p : NULL;
}

/* ---- requests ---------------------------------------------------------------------- */

static enum page_id asked_for(struct MHD_Connection *c, const char *url, const char *method)
{
	const char *accept;

	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return PAGE_METHOD;
	if (!strcmp(url, "/healthz"))
		return PAGE_HEALTH;
	if (!strcmp(url, "/"))
		return PAGE_INDEX;
	if (strcmp(url, "/metrics"))
		return PAGE_LOST;
	accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	return metrics_format_for(accept) == METRICS_OPENMETRICS ? PAGE_OPENMETRICS : PAGE_TEXT;
}

/* A body is not waited for: whoever sends one is answered, and cut off. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url,
				  const char *method, const char *version, const char *body,
				  size_t *body_len, void **state)
{
	const struct page *p = page(arg, asked_for(c, url, method));

	(void)version;
	(void)body;
	(void)body_len;
	(void)state;
	return p ? MHD_queue_response(c, p->status, p->response) : MHD_NO;
}

static void on_connection(void *arg, struct MHD_Connection *c, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	struct metrics *m = arg;
	struct client *cl = *context;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (cl)
			cl->fd = -1;
		return;
	}
	for (unsigned i = 0; i < METRICS_CONNS; i++) {
		cl = &m->clients[i];
		if (cl->fd >= 0)
			continue;
		cl->fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		cl->since_us = m->now_us;
		*context = cl;
		return;
	}
}

static void on_completed(void *arg, struct MHD_Connection *c, void **state,
			 enum MHD_RequestTerminationCode how)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct client *cl = info ? info->socket_context : NULL;

	(void)state;
	(void)how;
	if (cl)
		cl->since_us = ((struct metrics *)arg)->now_us;
}

/* A byte now and then keeps MHD's own limit away for ever. */
static void cut_off_the_slow(struct metrics *m)
{
	for (unsigned i = 0; i < METRICS_CONNS; i++) {
		struct client *cl = &m->clients[i];

		if (cl->fd < 0 || m->now_us - cl->since_us < METRICS_LIFE_S * 1000000ull)
			continue;
		shutdown(cl->fd, SHUT_RDWR);
		cl->since_us = m->now_us;
	}
}

/* ---- the socket ------------------------------------------------------------------------ */

static socklen_t to_sockaddr(const struct weir_addr *a, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *in4 = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	if (a->family == 4) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(a->port);
		memcpy(&in4->sin_addr, a->addr, 4);
		return sizeof(*in4);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(a->port);
	memcpy(&in6->sin6_addr, a->addr, 16);
	return sizeof(*in6);
}

/* The descriptor or -errno. Any address: both families by one socket. */
static int listen_tcp(const struct weir_addr *a)
{
	struct sockaddr_storage ss;
	socklen_t len = to_sockaddr(a, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
	int only = a->family == 6, rc;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (bind(fd, (struct sockaddr *)&ss, len) || listen(fd, BACKLOG)) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static int open_socket(struct metrics *m, const char *where, struct weir_err *err)
{
	struct weir_addr a;
	int fd;

	if (metrics_parse(where, &a))
		return err_unsuited(err, -EINVAL, "--metrics %s: not ADDR:PORT or unix:/PATH",
				    where);
	if (a.port) {
		fd = listen_tcp(&a);
		return fd >= 0 ? fd : err_set(err, fd, "--metrics %s: %s", where, strerror(-fd));
	}
	where += strlen(METRICS_UNIX);
	if (strlen(where) >= sizeof(m->path))
		return err_unsuited(err, -ENAMETOOLONG, "--metrics: the path is too long");
	fd = ctl_socket_listen(where, err);
	if (fd < 0)
		return fd;
	strcpy(m->path, where);
	if (chmod(where, 0666))
		return err_set(err, -errno, "%s: %s", where, strerror(errno));
	return fd;
}

static int start(struct metrics *m, int fd)
{
	const union MHD_DaemonInfo *info;

	m->daemon = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, on_request, m, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)METRICS_CONNS, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)METRICS_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)METRICS_REQUEST_MAX, MHD_OPTION_NOTIFY_CONNECTION, on_connection, m,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, m, MHD_OPTION_END);
	if (!m->daemon)
		return errno ? -errno : -ENOMEM;
	info = MHD_get_daemon_info(m->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -ENOSYS;
	m->epoll_fd = info->epoll_fd;
	return 0;
}

/* ---- open, run, close --------------------------------------------------------------------- */

int metrics_open(struct metrics **out, const char *where, const struct ctl_source *src,
		 struct weir_err *err)
{
	return metrics_open_on(out, where, -1, src, err);
}

/* Another weir's socket, which is at that place. */
static int adopt_socket(struct metrics *m, const char *where, int listener, struct weir_err *err)
{
	int fd = fcntl(listener, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return err_set(err, -errno, "--metrics %s: %s", where, strerror(errno));
	m->keep_name = true;
	if (!strncmp(where, METRICS_UNIX, strlen(METRICS_UNIX)))
		snprintf(m->path, sizeof(m->path), "%s", where + strlen(METRICS_UNIX));
	return fd;
}

int metrics_open_on(struct metrics **out, const char *where, int listener,
		    const struct ctl_source *src, struct weir_err *err)
{
	struct metrics *m = calloc(1, sizeof(*m));
	int fd, rc;

	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	m->src = src;
	for (unsigned i = 0; i < METRICS_CONNS; i++)
		m->clients[i].fd = -1;
	fd = listener >= 0 ? adopt_socket(m, where, listener, err) : open_socket(m, where, err);
	if (fd < 0) {
		metrics_close(m);
		return fd;
	}
	m->listener = fd;
	rc = start(m, fd);
	if (rc) {
		metrics_close(m);
		return err_set(err, rc, "--metrics %s: cannot serve: %s", where, strerror(-rc));
	}
	*out = m;
	return 0;
}

const char *metrics_path(const struct metrics *m)
{
	return m->path[0] ? m->path : NULL;
}

void metrics_keep_name(struct metrics *m, bool keep)
{
	m->keep_name = keep;
}

static bool has_clients(const struct metrics *m)
{
	for (unsigned i = 0; i < METRICS_CONNS; i++)
		if (m->clients[i].fd >= 0)
			return true;
	return false;
}

void metrics_hand_over(struct metrics *m)
{
	m->keep_name = true;
	m->over = true;
	if (MHD_quiesce_daemon(m->daemon) != MHD_INVALID_SOCKET)
		close(m->listener);
	for (unsigned ms = 0; ms < LAST_MS && has_clients(m); ms++) {
		MHD_run(m->daemon);
		usleep(1000);
	}
}

int metrics_listener(const struct metrics *m)
{
	return m->listener;
}

int metrics_fd(const struct metrics *m)
{
	return m->epoll_fd;
}

int metrics_wait_ms(const struct metrics *m)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(m->daemon, &ms) != MHD_YES)
		return -1;
	return ms < 1000 ? (int)ms : 1000;
}

void metrics_step(struct metrics *m, uint64_t now_us)
{
	m->now_us = now_us;
	cut_off_the_slow(m);
	MHD_run(m->daemon);
}

void metrics_close(struct metrics *m)
{
	if (!m)
		return;
	/* Closed, but not shut down: the socket may be another weir's now. */
	if (m->daemon && !m->over && MHD_quiesce_daemon(m->daemon) != MHD_INVALID_SOCKET)
		close(m->listener);
	if (m->daemon)
		MHD_stop_daemon(m->daemon);
	for (unsigned i = 0; i < PAGES; i++)
		if (m->pages[i].response)
			MHD_destroy_response(m->pages[i].response);
	if (m->path[0] && !m->keep_name)
		unlink(m->path);
	free(m);
}

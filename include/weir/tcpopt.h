/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * TCP options of SYNs and ACKs (RFC 9293 3.1, RFC 7323, RFC 2018): one walk for
 * any bytes, and the two layouts that nearly all segments have without it.
 */
#ifndef WEIR_TCPOPT_H
#define WEIR_TCPOPT_H

#include <weir/cookie.h>
#include <weir/packet.h>
#include <weir/seq.h>

#define WEIR_TCPOPT_EOL	   0
#define WEIR_TCPOPT_NOP	   1
#define WEIR_TCPOPT_MSS	   2
#define WEIR_TCPOPT_WSCALE 3
#define WEIR_TCPOPT_SACKOK 4
#define WEIR_TCPOPT_TS	   8

/* What most stacks put before the timestamps: NOP, NOP, kind 8, length 10. */
#define WEIR_TCPOPT_TS_ALIGNED 0x0101080aU

struct weir_tcp_opts {
	struct weir_syn_opts syn; /* mss, wscale, flags without ECN, tsval */
	__u32 tsecr;
};

/* The option at o, `len` bytes long, all of them inside the header. */
weir_inline void weir_tcp_opt(const __u8 *o, __u32 len, const void *data_end,
			      struct weir_tcp_opts *out)
{
	if (o[0] == WEIR_TCPOPT_MSS && len == 4 && weir_pkt_fits(o, 4, data_end)) {
		out->syn.mss = weir_ntohs(weir_load16(o + 2));
	} else if (o[0] == WEIR_TCPOPT_WSCALE && len == 3 && weir_pkt_fits(o, 3, data_end)) {
		out->syn.wscale = o[2];
	} else if (o[0] == WEIR_TCPOPT_SACKOK && len == 2) {
		out->syn.flags |= WEIR_OPT_SACK;
	} else if (o[0] == WEIR_TCPOPT_TS && len == 10 && weir_pkt_fits(o, 10, data_end)) {
		out->syn.flags |= WEIR_OPT_TS;
		out->syn.tsval = weir_ntohl(weir_load32(o + 2));
		out->tsecr = weir_ntohl(weir_load32(o + 6));
	}
}

/*
 * The options of a SYN or an ACK, `len` <= 40 bytes. A length that lies ends the
 * walk and what came before counts (RFC 9293 3.1 leaves it open); a known kind of
 * another length is skipped as if unknown.
 */
weir_inline void weir_tcp_opts_walk(const void *opts, __u32 len, const void *data_end,
				    struct weir_tcp_opts *out)
{
	__u32 off = 0;
	int i;

	out->syn.mss = 0;
	out->syn.wscale = WEIR_WSCALE_NONE;
	out->syn.flags = 0;
	out->syn.tsval = 0;
	out->tsecr = 0;
	for (i = 0; i < 40; i++) {
		const __u8 *o = (const __u8 *)opts + off;

		if (off >= len || !weir_pkt_fits(o, 1, data_end) || o[0] == WEIR_TCPOPT_EOL)
			return;
		if (o[0] == WEIR_TCPOPT_NOP) {
			off++;
			continue;
		}
		if (off + 2 > len || !weir_pkt_fits(o, 2, data_end) || o[1] < 2 || off + o[1] > len)
			return;
		weir_tcp_opt(o, o[1], data_end, out);
		/*
		 * Read once more, so that the verifier forgets what the branches above
		 * told it and need not follow each sequence of lengths on its own.
		 */
		off += *(const volatile __u8 *)(o + 1);
	}
}

/*
 * The SYN of Linux and Android with all options on, read without a walk: MSS,
 * SACK-permitted, timestamps, NOP, window scale. 1: it was one, 0: walk.
 */
weir_inline int weir_tcp_opts_linux(const void *opts, __u32 len, const void *data_end,
				    struct weir_tcp_opts *out)
{
	const __u8 *o = (const __u8 *)opts;
	__u32 mss, scale;

	if (len != 20 || !weir_pkt_fits(o, 20, data_end))
		return 0;
	mss = weir_ntohl(weir_load32(o));
	scale = weir_ntohl(weir_load32(o + 16));
	if (mss >> 16 != 0x0204 || weir_load32(o + 4) != weir_htonl(0x0402080a) ||
	    scale >> 8 != 0x010303)
		return 0;
	out->syn.mss = (__u16)mss;
	out->syn.wscale = (__u8)scale;
	out->syn.flags = WEIR_OPT_SACK | WEIR_OPT_TS;
	out->syn.tsval = weir_ntohl(weir_load32(o + 8));
	out->tsecr = weir_ntohl(weir_load32(o + 12));
	return 1;
}

/* Of Windows: MSS, NOP, window scale, NOP, NOP, SACK-permitted; as above. */
weir_inline int weir_tcp_opts_windows(const void *opts, __u32 len, const void *data_end,
				      struct weir_tcp_opts *out)
{
	const __u8 *o = (const __u8 *)opts;
	__u32 mss, scale;

	if (len != 12 || !weir_pkt_fits(o, 12, data_end))
		return 0;
	mss = weir_ntohl(weir_load32(o));
	scale = weir_ntohl(weir_load32(o + 4));
	if (mss >> 16 != 0x0204 || scale >> 8 != 0x010303 ||
	    weir_load32(o + 8) != weir_htonl(0x01010402))
		return 0;
	out->syn.mss = (__u16)mss;
	out->syn.wscale = (__u8)scale;
	out->syn.flags = WEIR_OPT_SACK;
	return 1;
}

/* Of macOS and iOS: MSS, NOP, window scale, NOP, NOP, timestamps, SACK-permitted, end. */
weir_inline int weir_tcp_opts_macos(const void *opts, __u32 len, const void *data_end,
				    struct weir_tcp_opts *out)
{
	const __u8 *o = (const __u8 *)opts;
	__u32 mss, scale;

	if (len != 24 || !weir_pkt_fits(o, 24, data_end))
		return 0;
	mss = weir_ntohl(weir_load32(o));
	scale = weir_ntohl(weir_load32(o + 4));
	if (mss >> 16 != 0x0204 || scale >> 8 != 0x010303 ||
	    weir_load32(o + 8) != weir_htonl(WEIR_TCPOPT_TS_ALIGNED) ||
	    weir_load32(o + 20) != weir_htonl(0x04020000))
		return 0;
	out->syn.mss = (__u16)mss;
	out->syn.wscale = (__u8)scale;
	out->syn.flags = WEIR_OPT_SACK | WEIR_OPT_TS;
	out->syn.tsval = weir_ntohl(weir_load32(o + 12));
	out->tsecr = weir_ntohl(weir_load32(o + 16));
	return 1;
}

/* The timestamps in the usual layout. 1: there, 0: only a walk can tell. */
weir_inline int weir_tcp_ts_aligned(const void *opts, __u32 left, const void *data_end,
				    __u32 *tsval, __u32 *tsecr)
{
	const __u8 *o = (const __u8 *)opts;

	if (left < 12 || !weir_pkt_fits(o, 12, data_end) ||
	    weir_load32(o) != weir_htonl(WEIR_TCPOPT_TS_ALIGNED))
		return 0;
	*tsval = weir_ntohl(weir_load32(o + 4));
	*tsecr = weir_ntohl(weir_load32(o + 8));
	return 1;
}

#ifndef __bpf__

/* The options of a frame that parsed well. */
static inline void weir_pkt_opts(const void *frame, const struct weir_pkt *p,
				 struct weir_tcp_opts *out)
{
	const __u8 *th = (const __u8 *)frame + p->l4_off;

	if (!weir_tcp_opts_linux(th + 20, p->tcp_hlen - 20, th + p->tcp_hlen, out))
		weir_tcp_opts_walk(th + 20, p->tcp_hlen - 20, th + p->tcp_hlen, out);
}

/* Its timestamps. 1: there, 0: not. */
static inline int weir_pkt_ts(const void *frame, const struct weir_pkt *p, __u32 *tsval,
			      __u32 *tsecr)
{
	const __u8 *th = (const __u8 *)frame + p->l4_off;
	struct weir_tcp_opts o;

	if (weir_tcp_ts_aligned(th + 20, p->tcp_hlen - 20, th + p->tcp_hlen, tsval, tsecr))
		return 1;
	weir_pkt_opts(frame, p, &o);
	*tsval = o.syn.tsval;
	*tsecr = o.tsecr;
	return !!(o.syn.flags & WEIR_OPT_TS);
}

#endif

#endif

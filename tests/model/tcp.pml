/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection's state machine, for spin: two peers and a channel between them
 * that loses, duplicates and reorders, as often as LOSS, DUP and SWAP say.
 *
 * It follows user/tcp/input*.c step by step (RFC 9293 3.10.7, RFC 5961), with
 * segments of at most one octet and sequence numbers modulo 8, so that both streams
 * wrap. Each change of state goes through move(), which has no other rows than
 * user/tcp/transitions.def: the C code and the model are held against one table.
 *
 * What is checked:
 *   - octets are delivered once and in order, whatever the channel does, and a
 *     cookie opens one connection, also for what is repeated after its end;
 *   - nothing sticks: the only end is both peers closed and the channel empty;
 *   - nobody acknowledges what was not sent, or sends beyond what he has;
 *   - with NP, no cycle in which neither peer comes forward (an ACK war).
 *
 * Peer 0 opens actively; how peer 1 begins is a choice: by a cookie, by a listener's
 * connection, in LISTEN itself, or actively too. Timers fire when the channel is
 * empty: that copies arrive late is DUP's and SWAP's part. Of the limits only
 * FIN_WAIT_2's is here, against a peer that is gone; the others are time.
 *
 * How often the channel may do what, and how much is sent, comes from the
 * environment (tests/model/run), so that one compilation serves all runs; MUTANT
 * breaks a rule, which must then be found.
 */
#define COOKIE	 0
#define LISTENER 1
#define LISTENS	 2
#define ACTIVE	 3

#define ROOM   3 /* segments in each direction */
#define WINDOW 3

mtype = {CLOSED, LISTEN, SYN_SENT, SYN_RCVD, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT,
	 CLOSING, LAST_ACK, TIME_WAIT};
mtype = {EV_listen, EV_active, EV_syn_in, EV_cookie, EV_syn, EV_syn_ack, EV_ack, EV_text, EV_fin,
	 EV_rst, EV_close, EV_abort, EV_timeout, EV_icmp};

#define F 1
#define S 2
#define R 4
#define A 16

#define OFF(a, b) (((a) - (b)) & 7) /* how far a is ahead of b */
#define ISS(i)	  (6 - (i))
#define NEXT(x)	  (((x) + 1) & 7)

typedef peer_t {
	mtype state;
	byte una, nxt, rcv, irs;
	byte delivered; /* octets received in order */
	byte beyond;	/* the octet after the next one, when it is here already */
	byte fin_seq;
	bit opened, fin_queued, fin_sent, fin_seen, fin_rcvd, closed
};
peer_t p[2];

/* flags, sequence number, acknowledgment, the octet's place in its stream or 0 */
chan net[2] = [ROOM] of {byte, byte, byte, byte};

byte todo[2];  /* octets that each has to send */
bit clean = 1; /* nobody gave up: all must arrive */
byte losses, dups, swaps, aborts, data;
byte how;    /* peer 1 opens */
byte mutant; /* 0: none */

c_decl {
	static unsigned char taken[64];
	static int listed;

	static int budget(const char *name, int unset)
	{
		const char *v = getenv(name);

		return v ? atoi(v) : unset;
	}
	
	static void tell(void)
	{
		int i;

		for (i = 0; i < 64; i++)
			if (taken[i])
				printf("row %d taken\n", i);
	}
};

/* move(i, event, to): the only way to another state */
mtype was;
inline move(i, event, to)
{
	was = p[i].state;
	p[i].state = to;
	if
#define TRANSITION(from_, event_, to_)                                                             \
	:: (was == from_ && event == EV_##event_ && to == to_) -> c_code { taken[__COUNTER__] = 1; }
#include "tcp/transitions.def"
#undef TRANSITION
	:: else -> assert(false) /* not in transitions.def */
	fi;
	was = 0
}

/* Drop-tail, like any router: what does not fit is sent again. */
inline emit(i, flags, seq, ack, octet)
{
	if
	:: nfull(net[1 - i]) -> net[1 - i]!flags, seq, ack, octet
	:: full(net[1 - i])
	fi
}

inline send_ack(i)
{
	emit(i, A, p[i].nxt, p[i].rcv, 0)
}

/* RFC 9293 3.5.2: the answer to what does not fit */
inline send_rst(i)
{
	if
	:: fl & R
	:: !(fl & R) && (fl & A) -> emit(i, R, ak, 0, 0)
	:: else -> emit(i, R | A, 0, (sq + (oct > 0) + ((fl & S) > 0) + ((fl & F) > 0)) & 7, 0)
	fi
}

inline end(i, event)
{
	move(i, event, CLOSED);
	if
	:: mutant == 1 -> p[i].opened = 0 /* no tombstone */
	:: else
	fi;
	p[i].una = 0; p[i].nxt = 0; p[i].rcv = 0; p[i].irs = 0;
	p[i].beyond = 0; p[i].fin_seq = 0; 
	p[i].fin_queued = 0; p[i].fin_sent = 0; p[i].fin_seen = 0; p[i].closed = 0
}

inline take_syn(i)
{
	p[i].irs = sq;
	p[i].rcv = NEXT(sq)
}

inline start(i)
{
	p[i].una = ISS(i);
	p[i].nxt = ISS(i)
}

/* A passive open by a SYN: the SYN-ACK counts as sent. */
inline answer_syn(i)
{
	start(i);
	take_syn(i);
	p[i].nxt = NEXT(p[i].nxt);
	emit(i, S | A, p[i].una, p[i].rcv, 0)
}

inline established(i, event)
{
	if
	:: p[i].fin_queued -> move(i, event, FIN_WAIT_1)
	:: else -> move(i, event, ESTABLISHED)
	fi;
	p[i].opened = 1
}

/* ---- 3.10.7.1 to 3.10.7.3 ---- */

#define IS_COOKIE ((fl & (S | A | R)) == A && sq == NEXT(ISS(0)) && ak == NEXT(ISS(1)))

inline input_closed(i)
{
	if
	:: i == 1 && !p[i].opened && how == LISTENER && (fl & (S | A | R)) == S ->
		/* the listener makes a connection of it */
		move(i, EV_syn_in, SYN_RCVD);
		answer_syn(i)
	:: i == 1 && !p[i].opened && how == COOKIE && (fl & (S | A | R)) == S ->
		/* the gate answers and remembers nothing */
		emit(i, S | A, ISS(1), NEXT(sq), 0)
	:: i == 1 && !p[i].opened && how == COOKIE && IS_COOKIE ->
		/* connection, then the segment as any other */
		move(i, EV_cookie, ESTABLISHED);
		p[i].opened = 1;
		p[i].una = NEXT(ISS(1));
		p[i].nxt = NEXT(ISS(1));
		p[i].irs = ISS(0);
		p[i].rcv = NEXT(ISS(0));
		synced = 1
	:: i == 1 && !p[i].opened && how == COOKIE && !IS_COOKIE &&
		    !(fl & S) /* refused in silence at first: bpf/gate_refuse.h */
	:: else -> send_rst(i)
	fi
}

inline input_listen(i)
{
	if
	:: (fl & R)
	:: !(fl & R) && (fl & A) -> send_rst(i)
	:: (fl & (R | A | S)) == S ->
		move(i, EV_syn, SYN_RCVD);
		answer_syn(i)
	:: else
	fi
}

inline input_syn_sent(i)
{
	if
	:: (fl & A) && ak != p[i].nxt -> send_rst(i)
	:: (fl & A) && ak == p[i].nxt && (fl & R) -> end(i, EV_rst)
	:: (fl & (R | S | A)) == (S | A) && ak == p[i].nxt ->
		take_syn(i);
		p[i].una = ak;
		established(i, EV_syn_ack);
		send_ack(i)
	:: (fl & (R | S | A)) == S ->
		take_syn(i);
		move(i, EV_syn, SYN_RCVD);
		emit(i, S | A, p[i].una, p[i].rcv, 0)
	:: else
	fi
}

/* ---- 3.10.7.4 ---- */

inline input_time_wait(i)
{
	if
	:: (fl & R) /* RFC 1337 */
	:: (fl & (S | A | R)) == S /* may re-open: its own connection */
	:: !(fl & R) && (fl & (S | A)) != S ->
		if
		:: oct || (fl & (S | F)) || OFF(sq, p[i].rcv) > WINDOW || mutant == 6 -> send_ack(i)
		:: else
		fi
	fi
}

#define SPAN	   ((oct > 0) + ((fl & F) > 0) + ((fl & S) > 0))
#define FITS(i)	   (OFF(sq, p[i].rcv) < WINDOW)
#define EMPTY_FITS(i) (!oct && !(fl & S) && OFF(sq, p[i].rcv) <= WINDOW)
#define RECEIVING(i)                                                                               \
	(p[i].state == ESTABLISHED || p[i].state == FIN_WAIT_1 || p[i].state == FIN_WAIT_2)

/* Fifth: whether to go on is in `go`. */
inline input_ack(i)
{
	if
	:: p[i].state == SYN_RCVD ->
		if
		:: ak == p[i].nxt && ak != p[i].una ->
			p[i].una = ak;
			if
			:: again -> established(i, EV_syn_ack)
			:: else -> established(i, EV_ack)
			fi
		:: else ->
			send_rst(i);
			go = 0
		fi
	:: p[i].state != SYN_RCVD && OFF(ak, p[i].una) <= OFF(p[i].nxt, p[i].una) ->
		p[i].una = ak;
		if
		:: p[i].fin_sent && p[i].una == p[i].nxt && p[i].state == FIN_WAIT_1 ->
			move(i, EV_ack, FIN_WAIT_2)
		:: p[i].fin_sent && p[i].una == p[i].nxt && p[i].state == CLOSING ->
			move(i, EV_ack, TIME_WAIT);
			go = 0
		:: p[i].fin_sent && p[i].una == p[i].nxt && p[i].state == LAST_ACK ->
			end(i, EV_ack);
			go = 0
		:: else
		fi
	:: p[i].state != SYN_RCVD && OFF(p[i].una, ak) <= WINDOW &&
		    OFF(ak, p[i].una) > OFF(p[i].nxt, p[i].una)
	:: else -> /* never sent, or too old: RFC 5961 5 */
		send_ack(i);
		go = 0
	fi
}

inline deliver(i, place)
{
	assert(place == p[i].delivered + 1);
	p[i].delivered++;
	p[i].rcv = NEXT(p[i].rcv)
}

inline input_text(i)
{
	if
	:: RECEIVING(i) && p[i].closed && oct && FITS(i) ->
		emit(i, R | A, p[i].nxt, p[i].rcv, 0);
		end(i, EV_text);
		go = 0
	:: RECEIVING(i) && !p[i].closed && oct && (sq == p[i].rcv || mutant == 3) ->
		deliver(i, oct);
		if
		:: p[i].beyond ->
			deliver(i, p[i].beyond);
			p[i].beyond = 0
		:: else
		fi
	:: RECEIVING(i) && !p[i].closed && oct && sq == NEXT(p[i].rcv) -> p[i].beyond = oct
	:: else
	fi;
	if
	:: go && RECEIVING(i) && (fl & F) && !p[i].fin_seen && OFF(sq, p[i].rcv) <= WINDOW ->
		p[i].fin_seen = 1;
		p[i].fin_seq = (sq + (oct > 0)) & 7
	:: else
	fi
}

/* Eighth, once all before it has arrived. */
inline input_fin(i)
{
	if
	:: p[i].fin_seen && !p[i].fin_rcvd && (p[i].rcv == p[i].fin_seq || mutant == 2) ->
		p[i].fin_rcvd = 1;
		p[i].rcv = NEXT(p[i].rcv);
		if
		:: p[i].state == ESTABLISHED -> move(i, EV_fin, CLOSE_WAIT)
		:: p[i].state == FIN_WAIT_1 -> move(i, EV_fin, CLOSING)
		:: p[i].state == FIN_WAIT_2 -> move(i, EV_fin, TIME_WAIT)
		:: else -> assert(false)
		fi
	:: else
	fi
}

inline input_synchronized(i)
{
	go = 1;
	again = 0;
	if
	:: p[i].state == SYN_RCVD && (fl & (S | R | A)) == S && sq == p[i].irs ->
		emit(i, S | A, p[i].una, p[i].rcv, 0);
		go = 0
	:: p[i].state == SYN_RCVD && (fl & (S | R | A)) == (S | A) && sq == p[i].irs ->
		fl = fl & (A | F);
		sq = NEXT(sq);
		again = 1
	:: else
	fi;
	if
	:: !go
	:: go && (fl & R) && sq == p[i].rcv -> /* second; RFC 5961 3.2: the exact number */
		end(i, EV_rst);
		if
		:: i == 1 && how == LISTENS && !p[i].opened -> move(i, EV_listen, LISTEN)
		:: else
		fi;
		go = 0
	:: go && (fl & R) && sq != p[i].rcv ->
		if
		:: FITS(i) -> send_ack(i)
		:: else
		fi;
		go = 0
	:: go && !(fl & R) && !EMPTY_FITS(i) && !(SPAN && FITS(i) && !(fl & S)) ->
		send_ack(i); /* first; a SYN is challenged: RFC 5961 4 */
		go = 0
	:: else
	fi;
	if
	:: go && (fl & A) -> input_ack(i)
	:: else -> go = 0
	fi;
	if
	:: go ->
		input_text(i);
		if
		:: go ->
			input_fin(i);
			if
			:: SPAN -> send_ack(i)
			:: else
			fi
		:: else
		fi
	:: else
	fi;
	go = 0;
	again = 0
}

inline input(i)
{
	synced = p[i].state != CLOSED && p[i].state != LISTEN && p[i].state != SYN_SENT &&
		 p[i].state != TIME_WAIT;
	if
	:: p[i].state == CLOSED -> input_closed(i)
	:: p[i].state == LISTEN -> input_listen(i)
	:: p[i].state == SYN_SENT -> input_syn_sent(i)
	:: p[i].state == TIME_WAIT -> input_time_wait(i)
	:: else
	fi;
	if
	:: synced -> input_synchronized(i)
	:: else
	fi;
	synced = 0
}

/* ---- the peers: the channel's whims, the application, the timers ---- */

#define PLACE(i, seq) OFF(seq, ISS(i)) /* of the octet with this number, from 1 */
#define SENDING(i)                                                                                 \
	(p[i].state == ESTABLISHED || p[i].state == CLOSE_WAIT || p[i].state == FIN_WAIT_1 ||      \
	 p[i].state == CLOSING || p[i].state == LAST_ACK)
#define QUIET	(empty(net[0]) && empty(net[1]))
#define DONE                                                                                       \
	(p[0].state == CLOSED && (p[1].state == CLOSED || p[1].state == LISTEN) && QUIET)

/* What lies at `seq`: an octet, with the FIN if it is the last, or the FIN alone. */
inline send_at(i, seq)
{
	if
	:: PLACE(i, seq) < todo[i] || (PLACE(i, seq) == todo[i] && !p[i].fin_sent) ->
		emit(i, A, seq, p[i].rcv, PLACE(i, seq))
	:: PLACE(i, seq) == todo[i] && p[i].fin_sent -> emit(i, A | F, seq, p[i].rcv, todo[i])
	:: else -> emit(i, A | F, seq, p[i].rcv, 0)
	fi
}

inline retransmit(i)
{
	if
	:: p[i].state == SYN_SENT -> emit(i, S, p[i].una, 0, 0)
	:: p[i].state == SYN_RCVD -> emit(i, S | A, p[i].una, p[i].rcv, 0)
	:: else -> send_at(i, p[i].una)
	fi
}

inline send_new(i)
{
	if
	:: PLACE(i, p[i].nxt) >= todo[i] && p[i].fin_queued ->
		p[i].fin_sent = 1;
		send_at(i, p[i].nxt);
		p[i].nxt = NEXT(p[i].nxt);
		if
		:: PLACE(i, p[i].nxt) == todo[i] + 1 && todo[i] && !fin_alone ->
			p[i].nxt = NEXT(p[i].nxt)
		:: else
		fi
	:: else ->
		send_at(i, p[i].nxt);
		p[i].nxt = NEXT(p[i].nxt)
	fi
}

inline app_close(i)
{
	p[i].fin_queued = 1;
	if
	:: p[i].state == ESTABLISHED -> move(i, EV_close, FIN_WAIT_1)
	:: p[i].state == CLOSE_WAIT && mutant != 5 -> move(i, EV_close, LAST_ACK)
	:: p[i].state == CLOSE_WAIT && mutant == 5 -> move(i, EV_close, FIN_WAIT_1)
	:: else
	fi
}

inline app_abort(i)
{
	aborts--;
	clean = 0;
	if
	:: p[i].state == LISTEN || p[i].state == SYN_SENT || p[i].state == TIME_WAIT
	:: else -> emit(i, R | A, p[i].nxt, p[i].rcv, 0)
	fi;
	end(i, EV_abort)
}

inline begin(i)
{
	if
	:: i == 0 || how == ACTIVE ->
		move(i, EV_active, SYN_SENT);
		start(i);
		p[i].nxt = NEXT(p[i].nxt);
		emit(i, S, p[i].una, 0, 0)
	:: i == 1 && how == LISTENS -> move(i, EV_listen, LISTEN)
	:: else
	fi
}

proctype peer(byte i)
{
	byte fl, sq, ak, oct;
	bit go, again, synced, fin_alone;

	do
	:: atomic {
		nempty(net[i]) -> net[i]?fl, sq, ak, oct;
		input(i);
		fl = 0; sq = 0; ak = 0; oct = 0
	   }
	:: atomic {
		nempty(net[i]) && losses -> losses--;
		net[i]?_, _, _, _
	   }
	:: atomic {
		nempty(net[i]) && nfull(net[i]) && dups -> dups--;
		net[i]?<fl, sq, ak, oct>;
		net[i]!fl, sq, ak, oct;
		fl = 0; sq = 0; ak = 0; oct = 0
	   }
	:: atomic {
		len(net[i]) > 1 && swaps -> swaps--;
		net[i]?fl, sq, ak, oct;
		net[i]!fl, sq, ak, oct;
		fl = 0; sq = 0; ak = 0; oct = 0
	   }
	:: atomic {
		SENDING(i) && !p[i].fin_sent && OFF(p[i].nxt, p[i].una) < WINDOW &&
			(PLACE(i, p[i].nxt) <= todo[i] || p[i].fin_queued) ->
		fin_alone = PLACE(i, p[i].nxt) > todo[i];
		send_new(i);
		fin_alone = 0
	   }
	:: atomic {
		p[i].una != p[i].nxt && QUIET && mutant != 4 && p[i].state != CLOSED && p[i].state != TIME_WAIT ->
		retransmit(i)
	   }
	:: atomic {
		!p[i].fin_queued && (p[i].state == ESTABLISHED || p[i].state == CLOSE_WAIT ||
				     p[i].state == SYN_RCVD) ->
		app_close(i)
	   }
	:: atomic { /* close() where the other was shutdown(): nobody reads any more */
		aborts && !p[i].closed && (RECEIVING(i) || p[i].state == SYN_RCVD) ->
		aborts--;
		clean = 0;
		p[i].closed = 1;
		p[i].beyond = 0;
		if
		:: !p[i].fin_queued -> app_close(i)
		:: else
		fi
	   }
	:: atomic {
		aborts && p[i].state != CLOSED -> app_abort(i)
	   }
	:: atomic {
		aborts && (p[i].state == LISTEN || p[i].state == SYN_SENT) ->
		aborts--;
		clean = 0;
		end(i, EV_close)
	   }
	:: atomic {
		p[i].state == TIME_WAIT && QUIET -> end(i, EV_timeout)
	   }
	:: atomic { /* the limit against peers that are gone */
		p[i].state == FIN_WAIT_2 && p[1 - i].state == CLOSED && QUIET -> end(i, EV_timeout)
	   }
	:: DONE -> break
	od;
	assert(!clean || (p[1 - i].delivered == todo[i]));
	assert(p[i].delivered <= todo[1 - i])
}

init
{
	c_code {
		if (!listed++)
			atexit(tell);
		now.losses = budget("LOSS", 1);
		now.dups = budget("DUP", 0);
		now.swaps = budget("SWAP", 0);
		now.aborts = budget("ABORT", 0);
		now.data = budget("DATA", 1);
		now.mutant = budget("MUTANT", 0);
	};
	p[0].state = CLOSED;
	p[1].state = CLOSED;
	if
	:: how = COOKIE
	:: how = LISTENER
	:: how = LISTENS
	:: how = ACTIVE
	fi;
	if
	:: true
	:: how != ACTIVE -> net[1]!S, (ISS(0) + 3) & 7, 0, 0 /* of an earlier connection */
	fi;
	if
	:: todo[0] = 0
	:: todo[0] = data
	fi;
	if
	:: todo[1] = 0
	:: todo[1] = data
	fi;
	atomic {
		begin(0);
		begin(1);
		run peer(0);
		run peer(1)
	}
}

# weir: everything is built under $(BUILD); `make help` lists the targets.
# One file, no recursion. A room of the tree is a list of sources here.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

BUILD   ?= build
CC      ?= cc
ifeq ($(origin CC),default)
CC      := cc
endif
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /sbin/bpftool) bpftool)
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
VERSION := 0.1.0

# For a make within a make that was not told how much to do at a time: all processors.
many = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

# A line a step; V=1 shows the commands.
run = $(if $(V),,@printf '  %-7s %s\n' $(1) $@;)

WARN   := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
          -Wpointer-arith -Wwrite-strings -Wundef
OPT    ?= -O2 -g -fno-omit-frame-pointer
comma  := ,
SANFLAGS := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=all)
CPPFLAGS += -Iinclude -Iuser -I$(BUILD)/gen -D_GNU_SOURCE -DWEIR_VERSION='"$(VERSION)"'
CFLAGS  += -std=gnu11 $(OPT) $(WARN) $(SANFLAGS) -pthread
LDFLAGS += $(SANFLAGS) -pthread

# COV=1: the core counts what is run of it, unoptimised, so that a line is a line.
ifneq ($(COV),)
$(BUILD)/obj/user/tcp/%.o: CFLAGS += --coverage -O0
LDFLAGS += --coverage
endif

LIBS_BPF := -lxdp -lbpf -lelf -lz
LIBS_SAFE := -lseccomp -lcap-ng -lsystemd
LIBS_CLI := -lncursesw -ltinfo $(LIBS_BPF) $(LIBS_SAFE) -ljansson -lpcap -lmicrohttpd
LIBS_CONF := -lyaml

# ---- sources, by room ---------------------------------------------------

TCP_SRC     := $(wildcard user/tcp/*.c)
ENGINE_SRC  := $(wildcard user/engine/*.c) $(filter-out user/net/pktio_xsk%,$(wildcard user/net/*.c))
SOCK_SRC    := $(wildcard user/sock/*.c)
XSK_SRC     := $(wildcard user/net/pktio_xsk*.c)
APP_SRC     := $(wildcard user/app/*.c)
# The proxy is of weir alone: the installed library does without it and liburing.
PROXY_SRC   := $(wildcard user/proxy/*.c)
LIBS_PROXY  := -luring -lm
CONTROL_SRC := $(wildcard user/control/*.c)
CLI_SRC     := $(wildcard user/cli/*.c)
# What is shown and said, without BPF: unit tests link it.
VIEW_SRC    := $(filter-out user/cli/main.c user/cli/cmd_%,$(CLI_SRC)) user/control/err.c user/control/services.c user/control/service_addr.c \
               user/control/service_mode.c user/control/policy.c user/control/policy_parse.c \
               user/control/counter_names.c user/control/events.c user/control/instance_config.c user/control/memory.c $(filter-out %/ctl_instance.c,$(wildcard user/control/ctl_*.c user/control/trace_*.c))
FLOOD_SRC   := $(wildcard tools/flood/*.c) tools/lab_guard.c tools/pin.c
LOAD_SRC    := $(wildcard tools/load/*.c) tools/lab_guard.c tools/pin.c
KSERVER_SRC := $(wildcard tools/kserver/*.c) tools/pin.c
VIEW_SRC    += user/control/history.c user/control/drain.c $(wildcard user/control/doctor_judge*.c)
VIEW_SRC    += $(addprefix user/control/,cgroup.c host_limits.c keys.c keys_report.c keyring.c keyfile.c keyfile_text.c keywatch.c takeover_msg.c)
BPF_SRC     := $(wildcard bpf/*.bpf.c) $(wildcard tests/bpf/*.bpf.c) $(wildcard tools/flood/*.bpf.c) \
               $(wildcard tools/*.bpf.c) $(wildcard tools/bench/*.bpf.c)

FLOOD_SRC   := $(filter-out %.bpf.c,$(FLOOD_SRC))
obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
BPF_TESTS  := $(patsubst tests/bpf/%.c,$(BUILD)/tests/bpf/%,$(wildcard tests/bpf/test_*.c))
UNIT_HELP  := $(filter-out $(wildcard tests/unit/test_*.c),$(wildcard tests/unit/*.c)) tests/bpf/frame.c tests/bpf/pd_driver.c
BPF_HELP   := $(filter-out $(wildcard tests/bpf/test_*.c) $(wildcard tests/bpf/*.bpf.c),$(wildcard tests/bpf/*.c)) tools/lo_socket.c
HOOK_HELP  := $(BUILD)/tests/hook/xdphook $(BUILD)/bpf/foreign.bpf.o
NET_HELP   := $(BUILD)/tests/net/netclient $(BUILD)/tests/net/libnomem.so $(BUILD)/tests/net/libclock.so $(BUILD)/tests/net/libintruder.so $(BUILD)/tests/guest/wpeer \
              $(HOOK_HELP)

# Every change of a connection's state is held against user/tcp/transitions.def
# (tests/unit/fsm_watch.h).
FSM_WATCHED := input timeout shutdown close abort output output_burst open_cookie open_passive open_active open_listen icmp
FSM_WRAP    := $(foreach f,$(FSM_WATCHED),-Wl,--wrap=tcp_$(f))
SIM_TESTS  := $(patsubst tests/sim/%.c,$(BUILD)/tests/sim/%,$(wildcard tests/sim/test_*.c))
SIM_SRC    := $(filter-out tests/sim/test_%.c tests/sim/main.c,$(wildcard tests/sim/*.c))
LAB_BPF    := $(patsubst tools/%.c,$(BUILD)/bpf/%.o,$(wildcard tools/*.bpf.c)) $(BUILD)/bpf/answer.bpf.o
COST_SRC   := tools/bench/progcost.c $(wildcard tools/bench/cost_*.c) tools/lo_socket.c
SKELS      := $(patsubst %.bpf.c,$(BUILD)/gen/%.skel.h,$(notdir $(BPF_SRC)))

.PHONY: deps-check all check test fuzz model coverage replays vmtest vmtest-facts vmtest-full vmtest-prove bench demo deps lib install lint format help clean unit bpftest nettest tests packetdrill

## all: build weir, its tools and the libraries
all: deps-check $(BUILD)/weir $(BUILD)/weir-flood $(BUILD)/weir-load $(BUILD)/kserver $(BUILD)/progcost $(BUILD)/holder $(LAB_BPF)

# ---- BPF ----------------------------------------------------------------

BPF_CFLAGS := -std=gnu11 -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Werror -Iinclude -Ibpf \
              -I/usr/include/$(shell uname -m)-linux-gnu

vpath %.bpf.c bpf tests/bpf tests/hook tools/flood tools tools/bench

$(BUILD)/bpf/%.bpf.o: %.bpf.c
	@mkdir -p $(@D)
	$(call run,BPF)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/gen/%.skel.h: $(BUILD)/bpf/%.bpf.o
	@mkdir -p $(@D)
	$(call run,SKEL)$(BPFTOOL) gen skeleton $< name $(subst -,_,$*)_bpf > $@

# ---- host ---------------------------------------------------------------

$(BUILD)/obj/%.o: %.c | $(SKELS)
	@mkdir -p $(@D)
	$(call run,CC)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/libweir-tcp.a: $(call obj,$(TCP_SRC))
$(BUILD)/libweir-tcp.checked: $(BUILD)/libweir-tcp.a tools/check-symbols
	$(call run,CHECK)tools/check-symbols $< && touch $@
$(BUILD)/libweir.a: $(call obj,$(TCP_SRC) $(ENGINE_SRC) $(SOCK_SRC))
$(BUILD)/libweir-app.a: $(call obj,$(APP_SRC))
$(BUILD)/libweir-proxy.a: $(call obj,$(PROXY_SRC))
$(BUILD)/libweir-control.a: $(call obj,$(CONTROL_SRC) $(XSK_SRC))
$(BUILD)/libweir-view.a: $(call obj,$(VIEW_SRC))
$(BUILD)/%.a:
	@mkdir -p $(@D)
	$(call run,AR)rm -f $@ && ar rcs $@ $^

$(BUILD)/weir: $(call obj,$(CLI_SRC)) $(BUILD)/libweir-control.a $(BUILD)/libweir-proxy.a $(BUILD)/libweir-app.a $(BUILD)/libweir.a
	$(call run,LD)$(CC) $(LDFLAGS) $^ $(LIBS_CLI) $(LIBS_CONF) $(LIBS_PROXY) -o $@

# What of the flood is not BPF or a device: unit tests link it.
$(BUILD)/libweir-flood.a: $(call obj,$(addprefix tools/flood/,args.c values.c mix.c frame.c))

$(BUILD)/weir-flood: $(call obj,$(FLOOD_SRC))
	$(call run,LD)$(CC) $(LDFLAGS) $^ $(LIBS_BPF) -ljansson -o $@

$(BUILD)/progcost: $(call obj,$(COST_SRC))
	$(call run,LD)$(CC) $(LDFLAGS) $^ $(LIBS_BPF) -ljansson -o $@

# The xdp back end is a user of the public library, and of nothing else.
$(BUILD)/libload.a: $(call obj,$(filter-out %/main.c,$(LOAD_SRC)))
$(BUILD)/weir-load: $(call obj,tools/load/main.c) $(BUILD)/libload.a $(BUILD)/libweir-control.a $(BUILD)/libweir-app.a $(BUILD)/libweir.a
	$(call run,LD)$(CC) $(LDFLAGS) $^ $(LIBS_BPF) -ljansson -lm -o $@

$(BUILD)/kserver: $(call obj,$(KSERVER_SRC))
	$(call run,LD)$(CC) $(LDFLAGS) $^ -o $@

$(BUILD)/holder: $(call obj,tools/bench/holder.c)
	$(call run,LD)$(CC) $(LDFLAGS) $^ -o $@

# ---- tests --------------------------------------------------------------

$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(call obj,$(UNIT_HELP)) $(BUILD)/libload.a $(BUILD)/libweir-flood.a $(BUILD)/libweir-view.a $(BUILD)/libweir-proxy.a $(BUILD)/libweir-app.a $(BUILD)/libweir.a
	@mkdir -p $(@D)
	$(call run,LD)$(CC) $(LDFLAGS) $(FSM_WRAP) $^ -lcmocka -ljansson -lpcap -lmicrohttpd -lm $(LIBS_CONF) $(LIBS_PROXY) -o $@

$(BUILD)/tests/bpf/%: $(BUILD)/obj/tests/bpf/%.o $(call obj,$(BPF_HELP)) $(BUILD)/libweir-control.a $(BUILD)/libweir-app.a $(BUILD)/libweir.a
	@mkdir -p $(@D)
	$(call run,LD)$(CC) $(LDFLAGS) $^ $(LIBS_BPF) -lcmocka -ljansson -o $@

$(BUILD)/libweir-sim.a: $(call obj,$(SIM_SRC))

$(BUILD)/tests/sim/sim: $(call obj,tests/sim/main.c) $(BUILD)/libweir-sim.a $(BUILD)/libweir-tcp.a
	@mkdir -p $(@D)
	$(call run,LD)$(CC) $(LDFLAGS) $^ -o $@

$(BUILD)/tests/sim/test_%: $(BUILD)/obj/tests/sim/test_%.o $(call obj,tests/unit/fsm_watch.c) $(BUILD)/libweir-sim.a $(BUILD)/libweir-tcp.a
	@mkdir -p $(@D)
	$(call run,LD)$(CC) $(LDFLAGS) $(FSM_WRAP) $^ -lcmocka -o $@

# Without sanitizers, which want to be preloaded before anything else.
$(BUILD)/tests/net/lib%.so: tests/net/preload/%.c
	@mkdir -p $(@D)
	$(call run,LD)$(CC) -D_GNU_SOURCE -std=gnu11 -O2 -Wall -Wextra -Werror -fPIC -shared $< -ldl -o $@

$(BUILD)/tests/net/netclient: $(call obj,$(wildcard tests/net/*.c))
	@mkdir -p $(@D)
	$(call run,LD)$(CC) $(LDFLAGS) $^ -o $@

$(BUILD)/tests/hook/xdphook: $(call obj,tests/hook/xdphook.c)
	@mkdir -p $(@D)
	$(call run,LD)$(CC) $(LDFLAGS) $^ $(LIBS_BPF) -o $@

$(BUILD)/tests/guest/wpeer: $(call obj,tests/guest/wpeer.c) $(BUILD)/libweir-control.a $(BUILD)/libweir-app.a $(BUILD)/libweir.a
	@mkdir -p $(@D)
	$(call run,LD)$(CC) $(LDFLAGS) $^ $(LIBS_BPF) -ljansson -o $@

# What tests/cost counts the instructions of: built as it is released.
COST := $(BUILD)/tests/cost/fastpath
COST_HELP := $(wildcard tests/unit/engine_*.c)
$(COST): $(call obj,tests/cost/fastpath.c $(COST_HELP)) $(BUILD)/libweir.a
	@mkdir -p $(@D)
	$(call run,LD)$(CC) $(LDFLAGS) $^ -lcmocka -o $@

# packetdrill loads the engine as a shared object: all of it again as PIC, and one symbol
# to be seen. Neither `all` nor the tests need packetdrill itself.
PD_GATE := $(addprefix user/control/,gate.c gate_services.c gate_serve.c service_addr.c service_mode.c flowmap_bpf.c flow_counts.c \
             gate_policy.c gate_inherit.c policy.c policy_parse.c err.c) tools/lo_socket.c
PD_SRC  := $(TCP_SRC) $(ENGINE_SRC) $(SOCK_SRC) $(PD_GATE) $(wildcard tests/packetdrill/*.c)
PD_OBJ   = $(patsubst %.c,$(BUILD)/packetdrill/obj/%.o,$(1))
PD_SO   := $(BUILD)/packetdrill/libweir-packetdrill.so

$(BUILD)/packetdrill/obj/%.o: %.c | $(SKELS)
	@mkdir -p $(@D)
	$(call run,CC)$(CC) $(CPPFLAGS) -std=gnu11 $(OPT) $(WARN) -pthread -fPIC -fvisibility=hidden -MMD -MP -c $< -o $@

$(PD_SO): $(call PD_OBJ,$(PD_SRC))
	$(call run,LD)$(CC) -shared -pthread -Wl,-Bsymbolic,-z,defs $^ $(LIBS_BPF) -o $@

$(BUILD)/tests/unit/test_packetdrill $(BUILD)/tests/bpf/test_packetdrill_xdp: | $(PD_SO)

## packetdrill: tests/packetdrill/scripts with the tool at PACKETDRILL=path
packetdrill: deps $(PD_SO)
	tests/packetdrill/run --build $(BUILD)

tests: unit sim cost $(BPF_TESTS) $(NET_HELP)
.PHONY: cost
cost: $(COST)
unit: $(UNIT_TESTS) $(if $(COV),,$(BUILD)/libweir-tcp.checked)
.PHONY: sim golden
sim: $(BUILD)/tests/sim/sim $(SIM_TESTS)

## golden: tests/sim/golden.txt anew, when the core's behaviour was meant to change
golden: $(BUILD)/tests/sim/sim
	$< --golden >$(BUILD)/golden.txt
	mv $(BUILD)/golden.txt tests/sim/golden.txt

bpftest: $(BPF_TESTS)

## test: unit, simulator, host, cost, BPF and network tests (root); installs what it needs
test: deps
	$(MAKE) $(many) all tests lib man
	tests/run --build $(BUILD) unit sim host cost bpf net

## test-docs: docs/operating.md done as its reader would, every command of it (root)
test-docs: deps
	$(MAKE) $(many) all tests lib man
	tests/run --build $(BUILD) --only net/test_operating --only host/test_walk host net

## pictures: those of docs/img anew, from what the tests see
pictures: deps
	$(MAKE) $(many) all tests lib man
	WEIR_PICTURES=40 tests/run --build $(BUILD) --only net/test_top net
	WEIR_PICTURES=4 tests/run --build $(BUILD) --only net/test_operating net

# Of the simulator its worlds drawn from seeds; the long transfers of its figures reach nothing more.
## check: unit tests and simulator under AddressSanitizer and UBSan
check: deps
	$(MAKE) $(many) BUILD=$(BUILD)/asan SAN=1 unit sim
	tests/run --build $(BUILD)/asan unit sim --only 'unit/*' --only 'sim/test_sim_[npr]*'

# Fuzzers: all of user/ but the kernel's side, built again with clang and sanitizers
# into an archive, so that a fuzzer may bring its own version of a part.
FUZZ_SECONDS ?= 60
FUZZERS   := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SAN  := address,undefined -fno-sanitize-recover=all
# Parts of the tests and of control that fuzzers stand on.
FUZZ_USES := $(wildcard tests/unit/engine_*.c) tests/unit/sock_fixture.c tests/unit/fsm_watch.c
FUZZ_GATE := tests/bpf/gate_bed.c tools/lo_socket.c tests/bpf/frame.c tests/bpf/netns.c tests/fuzz/gate_host.c tests/fuzz/gate_rules.c
FUZZ_OBJ   = $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$(1))

$(BUILD)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call run,CC)$(CLANG) $(CPPFLAGS) -std=gnu11 -O1 -g $(WARN) -pthread -fsanitize=fuzzer-no-link,$(FUZZ_SAN) -MMD -MP -c $< -o $@

$(BUILD)/fuzz/libweir.a: $(call FUZZ_OBJ,$(TCP_SRC) $(ENGINE_SRC) $(SOCK_SRC) $(APP_SRC) $(PROXY_SRC) $(VIEW_SRC) $(FUZZ_USES))

$(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/obj/tests/fuzz/fuzz_%.o $(BUILD)/fuzz/libweir.a
	$(call run,LD)$(CLANG) -pthread -fsanitize=fuzzer,$(FUZZ_SAN) $(FSM_WRAP) $^ -lcmocka -ljansson -lpcap $(LIBS_CONF) $(LIBS_PROXY) -o $@

# The gate's source for the host: against tests/fuzz/shim, and by the rules of BPF, where
# a load need not be aligned.
$(BUILD)/fuzz/obj/tests/fuzz/gate_host.o: tests/fuzz/gate_host.c
	@mkdir -p $(@D)
	$(call run,CC)$(CLANG) -Itests/fuzz/shim -Ibpf -Iinclude -std=gnu11 -O1 -g -Wall -Wextra -Werror -fsanitize=fuzzer-no-link,$(FUZZ_SAN) -fno-sanitize=alignment -MMD -MP -c $< -o $@

$(call FUZZ_OBJ,tests/fuzz/fuzz_gate.c $(FUZZ_GATE)): | $(SKELS)

$(BUILD)/fuzz/fuzz_gate: $(call FUZZ_OBJ,tests/fuzz/fuzz_gate.c $(FUZZ_GATE))
	$(call run,LD)$(CLANG) -pthread -fsanitize=fuzzer,$(FUZZ_SAN) $^ $(LIBS_BPF) -lcmocka -o $@

## fuzz: each fuzzer for FUZZ_SECONDS (60), two at a time, from tests/fuzz/corpus
fuzz: deps
	$(MAKE) $(many) fuzzers
	tests/fuzz/run $(BUILD) $(FUZZ_SECONDS) $(FUZZERS)

.PHONY: fuzzers
fuzzers: $(FUZZERS)

# The same fuzzers without libFuzzer, for what their corpora cover.
REPLAYS := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/replay/%,tests/fuzz/fuzz_tcp.c tests/fuzz/fuzz_engine.c)

$(BUILD)/libweir-replay.a: $(call obj,$(FUZZ_USES))

$(BUILD)/replay/%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/obj/tests/fuzz/replay.o $(BUILD)/libweir-replay.a $(BUILD)/libweir.a
	@mkdir -p $(@D)
	$(call run,LD)$(CC) $(LDFLAGS) $(FSM_WRAP) -Wl,--start-group $^ -Wl,--end-group -lcmocka -ljansson -lpcap -o $@

## coverage: of user/tcp, by the host-side tests and the fuzzers' corpora; fails below 95% / 90%
coverage: deps
	$(MAKE) $(many) CC=gcc BUILD=$(BUILD)/cov COV=1 unit sim replays
	tests/coverage $(BUILD)/cov $(BUILD)/coverage

replays: $(REPLAYS)

## model: the state machine checked by spin, against the table the code is held to
model: deps
	tests/model/run $(BUILD)/model

## demo: a minute with something to look at (root)
demo: deps
	$(MAKE) $(many) all tests
	tools/demo

## bench: weir beside its peers (root): 15 minutes, QUICK=1 3 minutes; into build/bench
bench: deps
	$(MAKE) $(many) all
	tools/bench/run --build $(BUILD) $(if $(QUICK),--quick) $(BENCH_ARGS)

## vmtest: the smoke set on every kernel of vmtest/kernels, in QEMU
vmtest: deps
	$(MAKE) $(many) all tests
	vmtest/run --build $(BUILD)

## vmtest-prove: a failure, a skip, a kernel's warning, a panic and a hang each turn the run red
vmtest-prove: deps
	$(MAKE) $(many) all tests
	vmtest/prove --build $(BUILD)

## vmtest-facts: the smoke set and what each kernel and driver can do; writes docs/kernels.md
vmtest-facts: deps
	$(MAKE) $(many) all tests
	vmtest/run --build $(BUILD) --set facts --docs docs/kernels.md

## vmtest-full: all that runs in guests; goes on where it was ended; writes docs/kernels.md
vmtest-full: deps
	$(MAKE) $(many) all tests
	vmtest/prove --build $(BUILD)
	vmtest/run --build $(BUILD) --set full --resume --docs docs/kernels.md

## lint: format, static analysis, the arrows between the rooms
lint: deps
	tools/lint

## format: clang-format in place
format:
	clang-format -i $$(git ls-files '*.c' '*.h')

## deps: install what building and testing needs, from Debian's packages
deps:
	@tools/deps

deps-check:
	@tools/deps --check

# The library as it is installed: the whole of it without the control socket, as PIC, with
# no symbol to be seen but the functions of weir.h. Statically that is one object, whose
# other symbols are made local; the archives above are for our own programs.
LIB_SRC  := $(TCP_SRC) $(ENGINE_SRC) $(SOCK_SRC) $(APP_SRC) $(XSK_SRC) \
            $(filter-out user/control/ctl_% user/control/trace_% user/control/sandbox% user/control/doctor% user/control/notify.c user/control/takeover_ask.c user/control/takeover_give.c,$(CONTROL_SRC))
LIB_OBJ  := $(patsubst %.c,$(BUILD)/lib/obj/%.o,$(LIB_SRC))
LIB_SONAME := libweir.so.0

$(BUILD)/lib/obj/%.o: %.c | $(SKELS)
	@mkdir -p $(@D)
	$(call run,CC)$(CC) $(CPPFLAGS) $(CFLAGS) -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections \
		-MMD -MP -c $< -o $@

$(BUILD)/lib/exports: include/weir/weir.h
	@mkdir -p $(@D)
	$(call run,GEN)$(CC) $(CPPFLAGS) -E -P $< | grep -oE '\bweir_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u > $@

$(BUILD)/lib/weir.map: $(BUILD)/lib/exports
	$(call run,GEN){ echo 'WEIR_0 {'; echo 'global:'; sed 's/$$/;/' $<; echo 'local: *;'; echo '};'; } > $@

$(BUILD)/lib/weir.o: $(LIB_OBJ) $(BUILD)/lib/exports
	$(call run,LD)$(LD) -r $(LIB_OBJ) -o $@ && objcopy --keep-global-symbols=$(BUILD)/lib/exports $@

$(BUILD)/lib/libweir.a: $(BUILD)/lib/weir.o

$(BUILD)/lib/$(LIB_SONAME): $(LIB_OBJ) $(BUILD)/lib/weir.map
	$(call run,LD)$(CC) -shared $(LDFLAGS) -Wl,-soname,$(LIB_SONAME) -Wl,--version-script=$(BUILD)/lib/weir.map \
		-Wl,-z,defs $(LIB_OBJ) $(LIBS_BPF) -o $@

lib: $(BUILD)/lib/libweir.a $(BUILD)/lib/$(LIB_SONAME)

# Example programs are installed as they are: to be read, copied and built.
EXAMPLES := $(wildcard tools/examples/*.[ch]) tools/examples/Makefile

# Pages in scdoc take synopsis and options from the program's own help.
PAGES := $(patsubst docs/man/%.scd,$(BUILD)/man/%,$(wildcard docs/man/*.scd))

$(BUILD)/man/%: docs/man/%.scd tools/man-page $(BUILD)/weir
	@mkdir -p $(@D)
	$(call run,MAN)set -o pipefail; tools/man-page $(BUILD)/weir < $< | scdoc > $@

## man: the manual pages, into build/man
.PHONY: man
man: $(PAGES)

# Where zsh looks: Debian's packages have a place of their own.
ZSH_SITE ?= site-functions

## install: programs, library, man pages, shell completion, examples; PREFIX (/usr/local), DESTDIR
install: all lib man
	install -Dm755 -t $(DESTDIR)$(PREFIX)/bin $(BUILD)/weir $(BUILD)/weir-flood $(BUILD)/weir-load
	install -Dm644 -t $(DESTDIR)$(PREFIX)/include/weir include/weir/weir.h
	install -Dm644 -t $(DESTDIR)$(LIBDIR) $(BUILD)/lib/libweir.a
	install -Dm755 -t $(DESTDIR)$(LIBDIR) $(BUILD)/lib/$(LIB_SONAME)
	ln -sf $(LIB_SONAME) $(DESTDIR)$(LIBDIR)/libweir.so
	sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' tools/weir.pc.in | \
		install -Dm644 /dev/stdin $(DESTDIR)$(LIBDIR)/pkgconfig/weir.pc
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/doc/weir/examples $(EXAMPLES)
	for page in $(PAGES); do \
		install -Dm644 -t $(DESTDIR)$(PREFIX)/share/man/man$${page##*.} $$page || exit 1; done
	@for page in docs/man/*.3.scd; do to=$${page##*/}; to=$${to%.scd}; \
		for name in $$(sed -n '/^# NAME/,/^# SYNOPSIS/p' $$page | grep -oE 'weir_[a-z0-9_]+'); do \
			[ $$name.3 = $$to ] || echo ".so man3/$$to" > $(DESTDIR)$(PREFIX)/share/man/man3/$$name.3 || exit 1; \
		done; done
	@for shell in bash:bash-completion/completions/weir zsh:zsh/$(ZSH_SITE)/_weir fish:fish/vendor_completions.d/weir.fish; do \
		where=$(DESTDIR)$(PREFIX)/share/$${shell#*:}; mkdir -p "$${where%/*}"; \
		$(BUILD)/weir completion $${shell%%:*} > "$$where" && chmod 644 "$$where" || exit 1; done

# Debian's tools make the packages from what is built; their directory is put together here,
# as the sources of the packaging are kept with the other things of packages. One
# at a time: whoever waits finds them made.
DEB := $(BUILD)/deb/weir-$(VERSION)
DEB_FROM := $(addprefix $(BUILD)/,weir weir-flood weir-load lib/libweir.a lib/$(LIB_SONAME)) $(PAGES) $(EXAMPLES) \
            $(shell find tools/pkg docs -type f ! -path 'docs/img/*') include/weir/weir.h tools/weir.pc.in CHANGELOG.md Makefile

## deb: Debian packages of it, into build/deb: weir, libweir0, libweir-dev
.PHONY: deb
deb: deps
	mkdir -p $(BUILD)
	flock $(BUILD)/.deb $(MAKE) all lib man
	flock $(BUILD)/.deb $(MAKE) $(BUILD)/deb/made

$(BUILD)/deb/made: $(DEB_FROM)
	rm -rf $(BUILD)/deb && mkdir -p $(DEB)
	cp -r tools/pkg/debian $(DEB)/debian
	for unit in $(wildcard tools/pkg/weir*.service tools/pkg/weir.sysusers); do cp $$unit $(DEB)/debian/ || exit 1; done
	sed 's/@VERSION@/$(VERSION)/' tools/pkg/debian/changelog.in > $(DEB)/debian/changelog
	rm $(DEB)/debian/changelog.in
	cd $(DEB) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL WEIR_SRC=$(CURDIR) WEIR_BUILD=$(abspath $(BUILD)) \
		dpkg-buildpackage -b -us -uc -d
	lintian --fail-on error $(BUILD)/deb/*.changes
	touch $@

## clean: remove what was built
clean:
	rm -rf $(BUILD)

## help: this list
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST) | sort

.SECONDARY:
-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)

# SPDX-License-Identifier: GPL-2.0-or-later
#
#   make                build/fallow, the tool (O=DIR: another build directory)
#   make static         build/fallow-static, which needs no library: to be copied to nodes
#   make kmod [KDIR=]   kmod/fallow.ko, for the kernel whose headers KDIR has
#   make check          the whole test suite (scripts/check)
#   make lint           style and static analysis
#   make bench          the benchmarks, printed as a table
#   make compare        Documentation/comparison.md, from the usual instruments run anew
#   make pictures       Documentation/pictures, from the live screen and a page drawn anew
#   make install        the tool, to $(DESTDIR)$(PREFIX)
#   make clean

O ?= build
KDIR ?= /lib/modules/$(shell uname -r)/build
PREFIX ?= /usr/local
MANDIR ?= $(PREFIX)/share/man
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
PKG_CONFIG ?= pkg-config
CFLAGS ?= -O2 -g
WERROR ?=

# What pages for a browser draw with, and its licence.
D3 ?= /usr/share/nodejs/d3/dist/d3.min.js
D3_LICENCE ?= /usr/share/doc/node-d3/copyright

PACKAGES := libnl-3.0 libnl-genl-3.0 jansson ncursesw libdw libelf sqlite3 libzstd
SOURCES := $(filter-out user/static/%,$(sort $(wildcard user/*.c user/*/*.c)))
OBJECTS := $(SOURCES:%.c=$(O)/%.o)
MANPAGES := $(wildcard Documentation/*.1)

# Goals that compile nothing need no libraries.
ifneq ($(filter-out kmod clean lint check workloads,$(or $(MAKECMDGOALS),all)),)
missing := $(strip $(foreach p,$(PACKAGES),$(shell $(PKG_CONFIG) --exists $(p) 2>/dev/null || echo $(p))))
missing += $(foreach f,$(D3) $(D3_LICENCE),$(if $(wildcard $(f)),,$(f)))
# It has no file of pkg-config's.
ifeq ($(shell printf '\043include <libiberty/demangle.h>' | $(CC) -E -o /dev/null - 2>/dev/null || echo no),no)
missing += libiberty
endif
missing := $(strip $(missing))
ifneq ($(missing),)
$(error not found: $(missing). On Debian: apt-get install pkg-config libnl-3-dev libnl-genl-3-dev libjansson-dev libncurses-dev libdw-dev libsqlite3-dev libzstd-dev libiberty-dev node-d3)
endif
endif

# Headers of libraries are not ours to warn about.
LIB_CFLAGS := $(subst -I,-isystem ,$(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null))
LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null) -liberty -lm -pthread
ALL_CPPFLAGS := -D_GNU_SOURCE -Iuser -Ikmod/include/uapi $(LIB_CFLAGS) $(CPPFLAGS)
# Where it was built is not in what was built.
ALL_CFLAGS := -std=gnu11 -Wall -Wextra $(WERROR) -fstack-protector-strong \
	-ffile-prefix-map=$(CURDIR)=. $(CFLAGS)

.PHONY: all static kmod check lint bench compare pictures units workloads man install clean

all: $(O)/fallow

$(O)/fallow: $(OBJECTS)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(O)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The files that these are made part of the program from.
$(O)/user/render/html_assets.o: ALL_CPPFLAGS += -DFALLOW_D3='"$(D3)"' \
	-DFALLOW_D3_LICENCE='"$(D3_LICENCE)"'
$(O)/user/render/html_assets.o: $(wildcard user/render/page/*) $(D3) $(D3_LICENCE)

# What the linker says of getaddrinfo() and getprotobyname() is of no matter: libnl has
# functions that call them, and the tool has none that call those.
static: $(O)/fallow-static

STATIC_LIBS = $(shell $(PKG_CONFIG) --static --libs $(PACKAGES) 2>/dev/null) -liberty -lm

$(O)/fallow-static: $(OBJECTS) $(O)/user/static/dlopen.o
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -static-pie -s -Wl,--wrap=dlopen -o $@ $^ $(STATIC_LIBS)

kmod:
	@test -e $(KDIR)/Makefile || { \
		echo "no kernel headers in $(KDIR): apt-get install linux-headers-$$(uname -r), or give KDIR=" >&2; \
		exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR)/kmod modules

# Unit tests: each is one program over the tool's objects, main() excepted.
UNITS := $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/test_*.c))

units: $(UNITS)

$(O)/unit/%: $(O)/tests/unit/%.o $(filter-out $(O)/user/main.o,$(OBJECTS)) $(O)/kmod/page.o
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

$(O)/tests/unit/%.o: ALL_CPPFLAGS += -Ikmod

# Programs that the tests look at.
WORKLOADS := $(patsubst tests/workloads/%.c,$(O)/workloads/%,$(wildcard tests/workloads/*.c))

TRACED := $(addprefix $(O)/workloads/trace-,fp nofp stripped)

# Programs of which the truth is known.
SCENARIOS := $(patsubst tests/scenarios/%.c,$(O)/scenarios/%,$(wildcard tests/scenarios/*.c))

workloads: $(WORKLOADS) $(O)/workloads/heap-static $(TRACED) $(SCENARIOS)

$(O)/scenarios/%: tests/scenarios/%.c tests/scenarios/scenario.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE -Wall -Wextra $(WERROR) -O1 -pthread -o $@ $< -ldl

# Needs no library: a guest has those on a file system that suffers where faults are injected.
$(O)/workloads/hammer: STATIC := -static

# Bound at once: what is bound by its first call touches pages just when they are counted.
$(O)/workloads/%: tests/workloads/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE -Wall -Wextra $(WERROR) -O1 -pthread -Wl,-z,now $(STATIC) -o $@ $< -ldl

$(O)/workloads/%-static: tests/workloads/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -pthread -static -w -o $@ $< -ldl 2>/dev/null

# What an unwinder has to do with: frame pointers, none, and no symbols either.
$(O)/workloads/trace-fp: FRAMES := -fno-omit-frame-pointer
$(O)/workloads/trace-nofp: FRAMES := -fomit-frame-pointer
$(O)/workloads/trace-stripped: FRAMES := -fomit-frame-pointer -s

$(TRACED): tests/workloads/trace.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE -Wall -Wextra $(WERROR) -O2 $(FRAMES) -pthread -o $@ $<

check:
	scripts/check

lint:
	scripts/lint

bench: all
	scripts/bench

compare: all
	scripts/compare

pictures: all workloads
	scripts/pictures

# Of commands that have no page of their own in Documentation/.
man: $(O)/man/.made

$(O)/man/.made: scripts/lib/manpages $(MANPAGES) $(O)/fallow
	scripts/lib/manpages $(O)/fallow $(@D)
	touch $@

install: all man
	install -D -m 755 $(O)/fallow $(DESTDIR)$(PREFIX)/bin/fallow
	install -D -m 644 -t $(DESTDIR)$(MANDIR)/man1 $(MANPAGES) $(O)/man/*.1
	install -D -m 644 contrib/completion/fallow.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/fallow
	install -D -m 644 contrib/completion/_fallow $(DESTDIR)$(ZSHDIR)/_fallow
	install -D -m 644 contrib/completion/fallow.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/fallow.fish

clean:
	rm -rf $(O)
	rm -f kmod/*.o kmod/*.ko kmod/*.mod kmod/*.mod.c kmod/.*.cmd kmod/Module.symvers kmod/modules.order

-include $(OBJECTS:.o=.d) $(UNITS:$(O)/unit/%=$(O)/tests/unit/%.d)

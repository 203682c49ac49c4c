# leadcat: `make help` lists what there is to make.

VERSION := $(shell sed -n 's/.*_VERSION = "\(.*\)".*/\1/p' lua/leadcat/init.lua)

PREFIX  ?= /usr/local
LUADIR  ?= $(PREFIX)/share/lua/5.4
LIBDIR  ?= $(PREFIX)/lib/lua/5.4
BINDIR  ?= $(PREFIX)/bin
LUA     ?= lua5.4
LUAJIT  ?= luajit
BUSTED  ?= /usr/bin/busted
PORT    ?= 8080

CFLAGS  ?= -O2 -g
STRICT  := -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
ALL     := $(STRICT) -D_POSIX_C_SOURCE=200809L -DLC_VERSION='"$(VERSION)"' -fPIC -fno-plt -fvisibility=hidden
LINK    := -shared -Wl,-z,nodelete
LIBS    := -llmdb -pthread

LUA54_INCDIR  ?= $(firstword $(wildcard /usr/include/lua5.4 /usr/local/include/lua5.4))
LUA53_INCDIR  ?= $(firstword $(wildcard /usr/include/lua5.3 /usr/local/include/lua5.3))
LUAJIT_INCDIR ?= $(firstword $(wildcard /usr/include/luajit-2.1 /usr/local/include/luajit-2.1))

CORE_SOURCES := $(filter-out src/lua_%,$(wildcard src/*.c))
LUA_SOURCES  := $(wildcard src/lua_*.c)
HEADERS      := $(wildcard src/*.h)
LUA_FILES    := $(shell find lua/leadcat -type f)

BUILD   := build
STATE_TESTS := spec/c/states_test.c spec/c/lua_memory_test.c
C_TESTS := $(patsubst spec/c/%.c,$(BUILD)/spec/%,$(filter-out $(STATE_TESTS),$(wildcard spec/c/*_test.c))) \
  $(if $(LUA54_INCDIR),$(STATE_TESTS:spec/c/%.c=$(BUILD)/spec/lua5.4_%)) \
  $(if $(LUAJIT_INCDIR),$(BUILD)/spec/luajit_states_test)
MODULES := $(if $(LUA54_INCDIR),$(BUILD)/lua5.4/leadcat/core.so) $(if $(LUAJIT_INCDIR),$(BUILD)/luajit/leadcat/core.so)

.PHONY: all demo test c-tests lint asan tsan valgrind bench count scale soak kill install rock clean help serve deps-demo deps-serve deps-test deps-fuzz deps-ci fuzz lua5.3 core
.DELETE_ON_ERROR:

all: $(MODULES) $(BUILD)/bin/leadcat ## build the core for each Lua whose headers are there, and build/bin/leadcat
	@test -n "$(strip $(MODULES))" || { echo "no Lua headers found: install liblua5.4-dev or libluajit2-5.1-dev" >&2; exit 1; }

# ---- building ----------------------------------------------------------------------------------

CORE_OBJECTS := $(CORE_SOURCES:src/%.c=$(BUILD)/obj/%.o)

$(BUILD)/obj/%.o: src/%.c $(HEADERS) Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(ALL) $(WERROR) -c $< -o $@

# module NAME, INCLUDE DIRECTORY: the binding compiled for one Lua, linked with the core.
define module
$(BUILD)/obj/$(1)/%.o: src/%.c $(HEADERS) Makefile lua/leadcat/init.lua
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(ALL) $$(WERROR) -isystem $(2) -c $$< -o $$@

$(BUILD)/$(1)/leadcat/core.so: $(CORE_OBJECTS) $(LUA_SOURCES:src/%.c=$(BUILD)/obj/$(1)/%.o)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(LDFLAGS) $$(LINK) $$^ -o $$@ $$(LIBS)
endef

$(eval $(call module,lua5.4,$(LUA54_INCDIR)))
$(eval $(call module,lua5.3,$(LUA53_INCDIR)))
$(eval $(call module,luajit,$(LUAJIT_INCDIR)))

lua5.3: $(BUILD)/lua5.3/leadcat/core.so ## build the core for Lua 5.3 too

# A launcher that finds this tree, wherever it is called from.
$(BUILD)/bin/leadcat: Makefile
	@mkdir -p $(@D)
	@printf '%s\n' '#!/bin/sh' \
	  'root=$$(cd "$$(dirname "$$(readlink -f "$$0")")/../.." && pwd) || exit 1' \
	  'export LUA_PATH="$$root/lua/?.lua;$$root/lua/?/init.lua;$${LUA_PATH:-;}" LUA_CPATH="$$root/$(BUILD)/lua5.4/?.so;$${LUA_CPATH:-;}"' \
	  'unset LUA_PATH_5_4 LUA_CPATH_5_4' \
	  'exec $(LUA) "$$root/lua/leadcat/bin/leadcat" "$$@"' > $@
	@chmod +x $@

# ---- what a machine must have ------------------------------------------------------------------

DEMO_PACKAGES := gcc libc6-dev liblmdb-dev lua5.4 liblua5.4-dev lua-cjson lua-argparse
SERVE_PACKAGES := $(DEMO_PACKAGES) libluajit2-5.1-dev nginx libnginx-mod-http-lua
TEST_PACKAGES := $(SERVE_PACKAGES) luajit2 lua-busted lua-socket lmdb-utils luarocks \
  nodejs=node npm=npm chromium=chromium
FUZZ_PACKAGES := clang libclang-rt-14-dev liblmdb-dev liblua5.4-dev lua-cjson
CI_PACKAGES   := $(TEST_PACKAGES) $(FUZZ_PACKAGES) liblua5.3-dev cppcheck lua-check valgrind wrk

# install PACKAGES: what is missing, with apt when we may; otherwise the command to type is named. What is given as
# package=command is there when the command is, wherever it came from. Services are not started, as Debian would on its own:
# nobody who wants to see a demo wants a web server on port 80.
define install
@missing=; for package in $(1); do \
  case $$package in \
    *=*) command -v $${package#*=} >/dev/null ;; \
    *) dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' ;; \
  esac || missing="$$missing $${package%=*}"; \
done; \
test -z "$$missing" && exit 0; \
if [ "$$(id -u)" = 0 ]; then as=; elif sudo -n true 2>/dev/null; then as=sudo; else \
  echo "missing packages; type: sudo apt-get install$$missing" >&2; exit 1; fi; \
command -v apt-get >/dev/null || { echo "missing:$$missing (no apt-get here: install them, or their like, by hand)" >&2; exit 1; }; \
echo "installing:$$missing"; \
policy=/usr/sbin/policy-rc.d; test -e $$policy || { trap "$$as rm -f $$policy" EXIT; trap 'exit 1' INT TERM; \
  printf '#!/bin/sh\nexit 101\n' | $$as tee $$policy >/dev/null && $$as chmod 755 $$policy; }; \
$$as env DEBIAN_FRONTEND=noninteractive apt-get update -qq && \
$$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null
endef

deps-demo:
	$(call install,$(DEMO_PACKAGES))

deps-serve:
	$(call install,$(SERVE_PACKAGES))

deps-test:
	$(call install,$(TEST_PACKAGES))

deps-fuzz:
	$(call install,$(FUZZ_PACKAGES))

deps-ci:
	$(call install,$(CI_PACKAGES))

# ---- running -----------------------------------------------------------------------------------

demo: deps-demo ## install what is missing, build, and run the bundled sample through the rules
	@$(MAKE) --no-print-directory -s all
	@BUILD=$(BUILD) sh spec/support/with_lua.sh $(LUA) lua/leadcat/demo/run.lua lua/leadcat/demo/opportunities.csv

serve: deps-serve ## the demo CRM in nginx on 127.0.0.1:$(PORT), 8080 when not given, until Ctrl-C
	@$(MAKE) --no-print-directory -s all
	@exec env BUILD=$(BUILD) PORT=$(PORT) sh lua/leadcat/demo/serve.sh $(LUA)

test: deps-test ## install what is missing, build, and run all specs on Lua 5.4 and on LuaJIT
	@$(MAKE) --no-print-directory -s all c-tests
	@BUILD=$(BUILD) sh spec/support/run.sh $(LUA) $(LUAJIT)

c-tests: $(C_TESTS)

# Allocations that fail must be those of LMDB too: it is linked in where its static library is there.
LMDB_STATIC := $(filter /%,$(shell $(CC) -print-file-name=liblmdb.a))
$(BUILD)/spec/memory_test: LIBS = $(or $(LMDB_STATIC),-llmdb) -pthread $(addprefix -Wl$(comma)--wrap=,malloc calloc realloc strdup posix_memalign free)
comma := ,

$(BUILD)/spec/hostile_test: spec/fuzz/core.c spec/fuzz/core.h

# These load the core as hosts do.
$(BUILD)/spec/lua5.4_%: spec/c/%.c $(wildcard spec/c/*.h) $(BUILD)/lua5.4/leadcat/core.so
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(ALL) $(WERROR) -isystem $(LUA54_INCDIR) $< -o $@ -llua5.4 -pthread $(LDFLAGS)

$(BUILD)/spec/luajit_%: spec/c/%.c $(wildcard spec/c/*.h) $(BUILD)/luajit/leadcat/core.so
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(ALL) $(WERROR) -isystem $(LUAJIT_INCDIR) $< -o $@ -lluajit-5.1 -pthread $(LDFLAGS)

$(BUILD)/spec/%: spec/c/%.c $(wildcard spec/c/*.h) $(CORE_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(ALL) $(WERROR) -Isrc $(filter-out %.h,$^) -o $@ $(LIBS) $(LDFLAGS)

lint: deps-ci ## static checks of C and Lua
	$(CC) -fsyntax-only $(ALL) -O2 -Werror -Isrc $(CORE_SOURCES) $(filter-out $(STATE_TESTS),$(wildcard spec/c/*.c)) spec/fuzz/core.c
	$(CC) -fsyntax-only $(ALL) -O2 -Werror -isystem $(LUA54_INCDIR) $(STATE_TESTS) spec/fuzz/fuzz_lua.c
	$(CC) -fsyntax-only $(ALL) -O2 -Werror -Isrc -isystem $(LUA54_INCDIR) $(LUA_SOURCES) $(wildcard spec/bench/*.c)
	$(CC) -fsyntax-only $(ALL) -O2 -Werror -Isrc -isystem $(LUAJIT_INCDIR) $(LUA_SOURCES) $(wildcard spec/bench/*.c)
	cppcheck --std=c11 --enable=warning,performance,portability --inline-suppr --quiet --error-exitcode=1 \
	  --suppress=missingIncludeSystem -Isrc src spec/bench spec/c spec/fuzz
	luacheck --quiet lua spec lua/leadcat/bin/leadcat

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

asan: deps-ci ## the specs on Lua 5.4 under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/asan CFLAGS='-O1 -g $(SANITIZE)' LUAJIT_INCDIR= \
	  $(BUILD)/asan/lua5.4/leadcat/core.so $(BUILD)/asan/bin/leadcat c-tests
	@BUILD=$(BUILD)/asan ASAN_OPTIONS=detect_leaks=1 LEADCAT_SLOW=1 JOBS=2 \
	  RUN_UNDER="env LD_PRELOAD=$$($(CC) -print-file-name=libasan.so)" sh spec/support/run.sh $(LUA)

THREAD_TESTS := $(addprefix $(BUILD)/tsan/spec/,store_test lua5.4_states_test)

tsan: deps-ci ## the C tests that use threads, under ThreadSanitizer
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/tsan CFLAGS='-O1 -g -fsanitize=thread' LUAJIT_INCDIR= $(THREAD_TESTS)
	@for test in $(THREAD_TESTS); do \
	  LEADCAT_SLOW=1 TSAN_OPTIONS="die_after_fork=0 halt_on_error=1" $$test || exit 1; \
	done

valgrind: deps-ci ## the specs on Lua 5.4 under valgrind
	@$(MAKE) --no-print-directory -s all c-tests
	@BUILD=$(BUILD) LEADCAT_SLOW=1 JOBS=2 RUN_UNDER="valgrind --quiet --error-exitcode=99 --leak-check=full \
	  --show-leak-kinds=definite --errors-for-leak-kinds=definite --suppressions=spec/support/valgrind.supp" sh spec/support/run.sh $(LUA)

FUZZ_SECONDS ?= 10
FUZZ_CC      ?= clang
FUZZ_FLAGS   := -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZED       := ruleset decide record question status event_json

fuzz: deps-fuzz ## feed hostile input to all that reads any, FUZZ_SECONDS (10) each; FUZZ="csv http" for some
	@$(MAKE) --no-print-directory -s $(addprefix $(BUILD)/fuzz/,ruleset build records event lua)
	@BUILD=$(BUILD) FUZZ_SECONDS=$(FUZZ_SECONDS) sh spec/fuzz/run.sh

$(BUILD)/fuzz/lua: spec/fuzz/fuzz_lua.c $(CORE_SOURCES) $(LUA_SOURCES) $(HEADERS) Makefile
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) $(ALL) -isystem $(LUA54_INCDIR) $(filter %.c,$^) -o $@ -llua5.4 $(LIBS)

$(BUILD)/fuzz/%: spec/fuzz/fuzz_core.c spec/fuzz/core.c $(FUZZED:%=src/%.c) $(HEADERS) spec/fuzz/core.h Makefile
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) $(ALL) -DTARGET=fuzz_$* -Isrc $(filter %.c,$^) -o $@

# What the benchmark measures beside leadcat: C modules of its own.
define bench_module
$(BUILD)/$(1)/bench/%.so: spec/bench/%.c src/lua_compat.h Makefile
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(ALL) $$(WERROR) -Isrc -isystem $(2) $$(LDFLAGS) -shared $$< -o $$@ $$(LIBS)
endef

$(eval $(call bench_module,lua5.4,$(LUA54_INCDIR)))
$(eval $(call bench_module,luajit,$(LUAJIT_INCDIR)))

BENCH_MODULES := $(foreach module,$(MODULES),$(addprefix $(module:leadcat/core.so=)bench/,empty.so raw_lmdb.so))

$(BUILD)/bench/simulate: spec/bench/simulate.c $(CORE_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(ALL) $(WERROR) -Isrc $^ -o $@ $(LIBS) $(LDFLAGS)

bench: all $(BENCH_MODULES) $(BUILD)/bench/simulate ## measure beside the alternatives and the limits: one table, ratios of one run (QUICK=1: in a minute)
	@BUILD=$(BUILD) sh spec/bench/run.sh $(if $(LUA54_INCDIR),$(LUA)) $(if $(LUAJIT_INCDIR),$(LUAJIT))

count: all $(BENCH_MODULES) ## count the instructions of a decision and an event, beside those kept (KEEP=1 keeps them)
	@BUILD=$(BUILD) sh spec/bench/count.sh $(LUA)

scale: all $(BENCH_MODULES) ## what grows how with the journal, measured up to ten million entries (ten minutes, 8 GB of /tmp)
	@BUILD=$(BUILD) sh spec/support/with_lua.sh $(LUAJIT) spec/bench/journal.lua

EVENTS ?= 2000000

soak: all ## many events with a retention: memory and files must stop growing (EVENTS=2000000)
	@BUILD=$(BUILD) sh spec/support/with_lua.sh $(LUA) spec/support/soak.lua $(EVENTS)

ROUNDS ?= 500

kill: all ## kill processes that share a store, and prove that nothing was lost or done twice (ROUNDS=500, SEED=n)
	@BUILD=$(BUILD) sh spec/support/with_lua.sh $(LUA) spec/kill/run.lua $(ROUNDS) $(SEED)

# ---- installing --------------------------------------------------------------------------------

core: # for luarocks: the core for the Lua whose headers are in LUA_INCDIR
	@mkdir -p $(BUILD)/rock
	$(CC) $(CFLAGS) $(ALL) -isystem $(LUA_INCDIR) $(addprefix -I,$(LMDB_INCDIR)) $(CORE_SOURCES) $(LUA_SOURCES) \
	  $(LDFLAGS) $(LINK) $(addprefix -L,$(LMDB_LIBDIR)) -o $(BUILD)/rock/core.so $(LIBS)

install: ## install module, core and command for Lua 5.4 below PREFIX (/usr/local)
	@test -n "$(CORE)" || $(MAKE) --no-print-directory -s all
	cd lua && find leadcat -type f ! -path 'leadcat/bin/*' ! -path 'leadcat/demo/*' \
	  -exec install -D -m 644 {} $(DESTDIR)$(LUADIR)/{} \;
	install -D -m 755 $(or $(CORE),$(BUILD)/lua5.4/leadcat/core.so) $(DESTDIR)$(LIBDIR)/leadcat/core.so
	install -D -m 755 lua/leadcat/bin/leadcat $(DESTDIR)$(BINDIR)/leadcat

rock: ## install with luarocks, from the rockspec
	luarocks --lua-version=5.4 make --deps-mode=none rockspec/leadcat-scm-1.rockspec

clean: ## remove what was built
	rm -rf $(BUILD)

help: ## list the targets
	@sed -n 's/^\([a-z][a-z0-9.-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{ printf "  %-10s %s\n", $$1, $$2 }'

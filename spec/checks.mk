# What checks the project: included by the Makefile, which says how it is built.

.PHONY: doc c-tests schemas lint asan tsan valgrind fuzz bench count scale growth soak kill kill-outbox cluster patroni crm mutants faults deb-test

# ---- tests in C --------------------------------------------------------------------------------

STATE_TESTS := spec/c/states_test.c spec/c/lua_memory_test.c
CORE_TESTS  := $(filter-out $(STATE_TESTS),$(wildcard spec/c/*_test.c))
TEST_HEADERS := $(wildcard spec/c/*.h)

c-tests: $(CORE_TESTS:spec/c/%.c=$(BUILD)/spec/%) \
  $(if $(LUA54_INCDIR),$(STATE_TESTS:spec/c/%.c=$(BUILD)/spec/lua5.4_%)) \
  $(if $(LUAJIT_INCDIR),$(BUILD)/spec/luajit_states_test)

# Allocations that fail must be those of LMDB too: it is linked in where its static library is there.
LMDB_STATIC := $(filter /%,$(shell $(CC) -print-file-name=liblmdb.a))
comma := ,
$(BUILD)/spec/memory_test $(BUILD)/spec/transfer_test: LIBS = $(or $(LMDB_STATIC),-llmdb) -lutf8proc -pthread $(addprefix -Wl$(comma)--wrap=,malloc calloc realloc strdup posix_memalign free)

$(BUILD)/spec/panic_test: LIBS = $(or $(LMDB_STATIC),-llmdb) -lutf8proc -pthread -Wl$(comma)--wrap=pwrite

$(BUILD)/spec/hostile_test: spec/fuzz/core.c spec/fuzz/core.h

# These load the core as hosts do.
$(BUILD)/spec/lua5.4_%: spec/c/%.c $(TEST_HEADERS) $(BUILD)/lua5.4/leadcat/core.so
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(ALL) $(WERROR) -isystem $(LUA54_INCDIR) $< -o $@ -llua5.4 -pthread $(LDFLAGS)

$(BUILD)/spec/luajit_%: spec/c/%.c $(TEST_HEADERS) $(BUILD)/luajit/leadcat/core.so
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(ALL) $(WERROR) -isystem $(LUAJIT_INCDIR) $< -o $@ -lluajit-5.1 -pthread $(LDFLAGS)

$(BUILD)/spec/%: spec/c/%.c $(TEST_HEADERS) $(CORE_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(ALL) $(WERROR) $(filter-out %.h,$^) -o $@ $(LIBS) $(LDFLAGS)

# ---- static checks and sanitizers --------------------------------------------------------------

# ---- the manual --------------------------------------------------------------------------------

doc: ## build the manual, a folder of HTML, in build/doc
	@sh .ci/install doc
	@$(MAKE) --no-print-directory -s all
	@BUILD=$(BUILD) sh spec/support/with_lua.sh $(LUA) spec/support/doc/build.lua $(BUILD)/doc

schemas: # lua/leadcat/web/schemas.json, of the annotations: what OpenAPI says of shapes
	@BUILD=$(BUILD) sh spec/support/with_lua.sh $(LUA) spec/support/schemas.lua --write

lint: ## static checks of C and Lua
	@sh .ci/install ci
	$(CC) -fsyntax-only $(ALL) -O2 -Werror $(CORE_SOURCES) $(filter-out $(STATE_TESTS),$(wildcard spec/c/*.c)) spec/fuzz/core.c
	$(CC) -fsyntax-only $(SHIM_FLAGS) -O2 -Werror $(wildcard spec/faults/*.c)
	$(CC) -fsyntax-only $(ALL) -O2 -Werror -isystem $(LUA54_INCDIR) $(STATE_TESTS) spec/fuzz/fuzz_lua.c
	$(CC) -fsyntax-only $(ALL) -O2 -Werror -isystem $(LUA54_INCDIR) $(LUA_SOURCES) $(wildcard spec/bench/*.c)
	$(CC) -fsyntax-only $(ALL) -O2 -Werror -isystem $(LUAJIT_INCDIR) $(LUA_SOURCES) $(wildcard spec/bench/*.c)
	cppcheck --std=c11 --enable=warning,performance,portability --inline-suppr --quiet --error-exitcode=1 \
	  --suppress=missingIncludeSystem -Isrc src spec/bench spec/c spec/faults spec/fuzz
	luacheck --quiet lua spec lua/leadcat/bin/leadcat
	$(LUA) spec/support/arrows.lua

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

asan: ## the specs on Lua 5.4 under AddressSanitizer and UndefinedBehaviorSanitizer
	@sh .ci/install ci
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/asan CFLAGS='-O1 -g $(SANITIZE)' LUAJIT_INCDIR= \
	  $(BUILD)/asan/lua5.4/leadcat/core.so $(BUILD)/asan/bin/leadcat c-tests
	@BUILD=$(BUILD)/asan ASAN_OPTIONS=detect_leaks=1 LSAN_OPTIONS=suppressions=$(CURDIR)/spec/support/lsan.supp:print_suppressions=0 \
	  LEADCAT_SLOW=1 JOBS=2 \
	  RUN_UNDER="env LD_PRELOAD=$$($(CC) -print-file-name=libasan.so)" sh spec/support/run.sh $(LUA)

THREAD_TESTS := $(addprefix $(BUILD)/tsan/spec/,store_test lua5.4_states_test)

tsan: ## the C tests that use threads, under ThreadSanitizer
	@sh .ci/install ci
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/tsan CFLAGS='-O1 -g -fsanitize=thread' LUAJIT_INCDIR= $(THREAD_TESTS)
	@for test in $(THREAD_TESTS); do \
	  LEADCAT_SLOW=1 TSAN_OPTIONS="die_after_fork=0 halt_on_error=1" $$test || exit 1; \
	done

valgrind: ## the specs on Lua 5.4 under valgrind
	@sh .ci/install ci
	@$(MAKE) --no-print-directory -s all c-tests
	@BUILD=$(BUILD) LEADCAT_SLOW=1 JOBS=2 RUN_UNDER="valgrind --quiet --fair-sched=yes --error-exitcode=99 --leak-check=full \
	  --show-leak-kinds=definite --errors-for-leak-kinds=definite --suppressions=spec/support/valgrind.supp" sh spec/support/run.sh $(LUA)

# ---- hostile input -----------------------------------------------------------------------------

FUZZ_SECONDS ?= 10
FUZZ_CC      ?= clang
FUZZ_FLAGS   := -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZ_OBJECTS := $(CORE_SOURCES:src/%.c=$(BUILD)/fuzz/obj/%.o)

fuzz: ## feed hostile input to all that reads any, FUZZ_SECONDS (10) each; FUZZ="csv http" for some
	@sh .ci/install fuzz
	@$(MAKE) --no-print-directory -s $(addprefix $(BUILD)/fuzz/,ruleset build records event lua)
	@BUILD=$(BUILD) FUZZ_SECONDS=$(FUZZ_SECONDS) sh spec/fuzz/run.sh

$(BUILD)/fuzz/obj/%.o: src/%.c $(HEADERS) Makefile
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) $(ALL) -c $< -o $@

$(BUILD)/fuzz/lua: spec/fuzz/fuzz_lua.c $(LUA_SOURCES) $(FUZZ_OBJECTS)
	$(FUZZ_CC) $(FUZZ_FLAGS) $(ALL) -isystem $(LUA54_INCDIR) $^ -o $@ -llua5.4 $(LIBS)

$(BUILD)/fuzz/%: spec/fuzz/fuzz_core.c spec/fuzz/core.c spec/fuzz/core.h $(FUZZ_OBJECTS)
	$(FUZZ_CC) $(FUZZ_FLAGS) $(ALL) -DTARGET=fuzz_$* $(filter-out %.h,$^) -o $@ $(LIBS)

# ---- measuring ---------------------------------------------------------------------------------

# bench_module NAME, INCLUDE DIRECTORY: what the benchmark measures beside leadcat are C modules of its own.
define bench_module
$(BUILD)/$(1)/bench/%.so: spec/bench/%.c $(HEADERS) Makefile
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(ALL) $$(WERROR) -isystem $(2) $$(LDFLAGS) -shared $$< -o $$@ $$(LIBS)
endef

$(eval $(call bench_module,lua5.4,$(LUA54_INCDIR)))
$(eval $(call bench_module,luajit,$(LUAJIT_INCDIR)))

BENCH_MODULES := $(foreach module,$(MODULES),$(addprefix $(module:leadcat/core.so=)bench/,arguments.so empty.so raw_lmdb.so reading.so))

$(BUILD)/bench/simulate: spec/bench/simulate.c $(CORE_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(ALL) $(WERROR) $^ -o $@ $(LIBS) $(LDFLAGS)

bench: all $(BENCH_MODULES) $(BUILD)/bench/simulate ## measure beside the alternatives and the limits: one table, ratios of one run (QUICK=1: in a minute)
	@BUILD=$(BUILD) sh spec/bench/run.sh $(if $(LUA54_INCDIR),$(LUA)) $(if $(LUAJIT_INCDIR),$(LUAJIT))

count: all $(BENCH_MODULES) ## count the instructions of a decision and an event, beside those kept (KEEP=1 keeps them)
	@BUILD=$(BUILD) sh spec/bench/count.sh $(LUA)

scale: all $(BENCH_MODULES) ## what grows how with the journal, measured up to ten million entries (ten minutes, 8 GB of /tmp)
	@BUILD=$(BUILD) sh spec/support/with_lua.sh $(LUAJIT) spec/bench/journal.lua

ENTRIES ?= 10000000

growth: all $(BENCH_MODULES) ## what grows how with a shared store of a thousand tenants, up to ENTRIES=10000000 of them (a million: three minutes, 1 GB of /tmp)
	@BUILD=$(BUILD) sh spec/support/with_lua.sh $(LUA) spec/bench/growth.lua $(ENTRIES)

EVENTS ?= 2000000

soak: all ## many events with a retention: memory and files must stop growing (EVENTS=2000000)
	@BUILD=$(BUILD) sh spec/support/with_lua.sh $(LUA) spec/support/soak.lua $(EVENTS)

ROUNDS ?= 500

kill: all ## kill and stop processes that share a store, and prove that nothing was lost or done twice (ROUNDS=500, SEED=n)
	@BUILD=$(BUILD) OTHER_LUA=$(if $(LUAJIT_INCDIR),$(LUAJIT)) sh spec/support/with_lua.sh $(LUA) spec/kill/run.lua $(ROUNDS) $(SEED)

kill-outbox: all ## kill workers that read an outbox of each database, and the servers: nothing is lost or done twice (ROUNDS=500, SEED=n)
	@BUILD=$(BUILD) sh spec/support/with_lua.sh $(LUA) spec/kill/outbox.lua $(ROUNDS) $(SEED)

cluster: ROUNDS = 9
cluster: SECONDS = $(if $(filter 9,$(ROUNDS)),120,1000000)
cluster: all $(BUILD)/faults/clock.so ## three database servers and four nodes, whose machines and network fail: nothing is lost or done twice (ROUNDS=9, in three minutes; with another number a minute of partitions, too; SEED=n)
	@BUILD=$(BUILD) OTHER_LUA=$(if $(LUAJIT_INCDIR),$(LUAJIT)) sh spec/support/with_lua.sh $(LUA) spec/cluster/run.lua $(ROUNDS) $(SECONDS) $(SEED)
	@$(if $(filter 9,$(ROUNDS)),,BUILD=$(BUILD) OTHER_LUA=$(if $(LUAJIT_INCDIR),$(LUAJIT)) sh spec/support/with_lua.sh $(LUA) spec/cluster/partitions.lua 60 $(SEED))

KILLS ?= 5

patroni: ## the recipe of lua/leadcat/store/patroni.md: nothing is lost or done twice when its leader is killed (KILLS=5, SEED=n)
	@sh .ci/install patroni
	@$(MAKE) --no-print-directory -s all $(BUILD)/faults/clock.so
	@BUILD=$(BUILD) OTHER_LUA=$(if $(LUAJIT_INCDIR),$(LUAJIT)) sh spec/support/with_lua.sh $(LUA) spec/cluster/patroni.lua $(KILLS) $(SEED)

DATABASE ?= sqlite

crm: ## leadcat beside Tryton, killed where it hurts: nothing is lost or done twice (DATABASE=sqlite, or postgresql, with races)
	@sh .ci/install crm
	@$(MAKE) --no-print-directory -s all
	@BUILD=$(BUILD) DATABASE=$(DATABASE) sh spec/support/with_lua.sh $(LUA) $(or $(BUSTED),/usr/bin/busted) --output=gtest spec/crm/tryton.lua

SECONDS ?= 1800

mutants: ## one small change at a time: which spec notices it? (SECONDS=1800, COUNT=n, SEED=n, PLACES="src lua")
	@nice sh spec/support/with_lua.sh $(LUA) spec/mutants/run.lua $(SECONDS) '$(COUNT)' '$(SEED)' '$(or $(PLACES),src lua)'

# They take functions from dlsym, which ISO C does not know.
SHIM_FLAGS  := $(filter-out -Wpedantic,$(STRICT))
FAULT_SHIMS := $(BUILD)/faults/fail.so $(BUILD)/faults/record.so

$(BUILD)/faults/%.so: spec/faults/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SHIM_FLAGS) $(WERROR) -fPIC -shared $< -o $@ -ldl

faults: all $(FAULT_SHIMS) ## failing calls, power failures, kills: nothing is lost (ROUNDS=500, SEED=n; above 500 full disks, too)
	@BUILD=$(BUILD) sh spec/support/with_lua.sh $(LUA) spec/faults/fail.lua $(BUILD)/faults/fail.so
	@BUILD=$(BUILD) sh spec/support/with_lua.sh $(LUA) spec/faults/power.lua $(BUILD)/faults/record.so $(ROUNDS) $(SEED)
	@$(MAKE) --no-print-directory -s kill ROUNDS=$(ROUNDS) SEED=$(SEED)
	@BUILD=$(BUILD) sh spec/support/with_lua.sh $(LUA) spec/faults/disks.lua $(ROUNDS)

deb-test: ## the Debian packages: lintian, then installed, used and removed in a chroot (root; debootstrap, once, from MIRROR)
	@sh .ci/install ci
	@$(MAKE) --no-print-directory -s deb
	@sh spec/support/deb_chroot.sh $(DEB) $(BUILD)/chroot

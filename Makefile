# leadcat: `make help` lists what there is to make. What checks the project is in spec/checks.mk.

VERSION := $(shell sed -n 's/.*_VERSION = "\(.*\)".*/\1/p' lua/leadcat/init.lua)

PREFIX  ?= /usr/local
LUADIR  ?= $(PREFIX)/share/lua/5.4
LIBDIR  ?= $(PREFIX)/lib/lua/5.4
BINDIR  ?= $(PREFIX)/bin
LUA     ?= lua5.4
LUAJIT  ?= luajit
PORT    ?= 8080

CFLAGS  ?= -O2 -g
STRICT  := -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
ALL     := $(STRICT) -D_POSIX_C_SOURCE=200809L -DLC_VERSION='"$(VERSION)"' -Isrc -fPIC -fno-plt -fvisibility=hidden
LINK    := -shared -Wl,-z,nodelete
LIBS    := -llmdb -lutf8proc -lcrypto -pthread

LUA54_INCDIR  ?= $(firstword $(wildcard /usr/include/lua5.4 /usr/local/include/lua5.4))
LUA53_INCDIR  ?= $(firstword $(wildcard /usr/include/lua5.3 /usr/local/include/lua5.3))
LUAJIT_INCDIR ?= $(firstword $(wildcard /usr/include/luajit-2.1 /usr/local/include/luajit-2.1))

# The binding knows Lua, and is compiled for each; the core is the rest.
SOURCES      := $(wildcard src/*/*.c)
HEADERS      := $(wildcard src/*/*.h)
LUA_SOURCES  := $(filter src/lua/%,$(SOURCES))
CORE_SOURCES := $(filter-out $(LUA_SOURCES),$(SOURCES))

BUILD   := build
MODULES := $(if $(LUA54_INCDIR),$(BUILD)/lua5.4/leadcat/core.so) $(if $(LUAJIT_INCDIR),$(BUILD)/luajit/leadcat/core.so)

.PHONY: all lua5.3 demo serve test core install rock clean help
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

# ---- running -----------------------------------------------------------------------------------

demo: ## install what is missing, build, and run the bundled sample through the rules
	@sh .ci/install demo
	@$(MAKE) --no-print-directory -s all
	@BUILD=$(BUILD) sh spec/support/with_lua.sh $(LUA) lua/leadcat/demo/run.lua lua/leadcat/demo/opportunities.csv

serve: ## the demo CRM in nginx on 127.0.0.1:$(PORT), 8080 when not given, until Ctrl-C
	@sh .ci/install serve
	@$(MAKE) --no-print-directory -s all
	@exec env BUILD=$(BUILD) PORT=$(PORT) sh lua/leadcat/demo/serve.sh $(LUA)

test: ## install what is missing, build, and run all specs on Lua 5.4 and on LuaJIT
	@sh .ci/install test
	@$(MAKE) --no-print-directory -s all lua5.3 c-tests
	@BUILD=$(BUILD) sh spec/support/run.sh $(LUA) $(LUAJIT)

# ---- installing --------------------------------------------------------------------------------

core: # for luarocks: the core for the Lua whose headers are in LUA_INCDIR
	@mkdir -p $(BUILD)/rock
	$(CC) $(CFLAGS) $(ALL) -isystem $(LUA_INCDIR) $(addprefix -I,$(LMDB_INCDIR) $(UTF8PROC_INCDIR) $(CRYPTO_INCDIR)) $(SOURCES) \
	  $(LDFLAGS) $(LINK) $(addprefix -L,$(LMDB_LIBDIR) $(UTF8PROC_LIBDIR) $(CRYPTO_LIBDIR)) -o $(BUILD)/rock/core.so $(LIBS)

install: ## install module, core and command for Lua 5.4 below PREFIX (/usr/local)
	@test -n "$(CORE)" || $(MAKE) --no-print-directory -s all
	cd lua && find leadcat -type f ! -name '*.md' ! -path 'leadcat/bin/*' ! -path 'leadcat/demo/*' \
	  -exec install -D -m 644 {} $(DESTDIR)$(LUADIR)/{} \;
	install -D -m 755 $(or $(CORE),$(BUILD)/lua5.4/leadcat/core.so) $(DESTDIR)$(LIBDIR)/leadcat/core.so
	install -D -m 755 lua/leadcat/bin/leadcat $(DESTDIR)$(BINDIR)/leadcat

rock: ## install with luarocks, from the rockspec
	luarocks --lua-version=5.4 make --deps-mode=none rockspec/leadcat-scm-1.rockspec

clean: ## remove what was built
	rm -rf $(BUILD)

help: ## list the targets
	@sed -n 's/^\([a-z][a-z0-9.-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{ printf "  %-11s %s\n", $$1, $$2 }'

-include spec/checks.mk # a release has no spec/

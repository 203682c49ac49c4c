# leadcat: `make help` lists what there is to make. What checks the project is in spec/checks.mk, packages in rockspec/packages.mk.

VERSION := $(shell sed -n 's/.*_VERSION = "\(.*\)".*/\1/p' lua/leadcat/init.lua)

# LUA is a version (5.4, 5.3, 5.2), luajit, or a command, such as lua5.3 or /opt/lua/bin/lua. KIND: which of the four it is.
LUA            ?= lua5.4
override LUA   := $(patsubst 5.%,lua5.%,$(LUA))
LUAJIT         ?= luajit
KINDS          := lua5.4 lua5.3 lua5.2 luajit
KIND           := $(or $(filter $(KINDS),$(notdir $(LUA))),$(shell $(LUA) -e 'print(jit and "luajit" or "lua" .. _VERSION:match "%d.%d")' 2>/dev/null))
LUA_VERSION    := $(patsubst lua%,%,$(KIND:luajit=5.1))

# OPENRESTY is where OpenResty is, such as /usr/local/openresty: leadcat is then installed for its LuaJIT, and into its site/lualib.
ifdef OPENRESTY
override LUA   := $(firstword $(wildcard $(OPENRESTY)/luajit/bin/luajit) $(LUAJIT))
KIND           := luajit
PREFIX         ?= $(OPENRESTY)
LUADIR         ?= $(OPENRESTY)/site/lualib
LIBDIR         ?= $(OPENRESTY)/site/lualib
endif

PREFIX  ?= /usr/local
LUADIR  ?= $(PREFIX)/share/lua/$(LUA_VERSION)
LIBDIR  ?= $(PREFIX)/lib/lua/$(LUA_VERSION)
BINDIR  ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share
ZSHDIR  ?= $(DATADIR)/zsh/site-functions
PORT    ?= 8080

# pkg_config WHAT, NAME ...: what pkg-config says of the first of these that it knows.
pkg_config = $(strip $(shell for name in $(2); do pkg-config $(1) $$name 2>/dev/null && break; done))
incdir     = $(or $(patsubst -I%,%,$(firstword $(call pkg_config,--cflags-only-I,$(1)))),$(firstword $(wildcard $(2))))
library    = $(or $(call pkg_config,--libs,$(1)),-l$(2))

LUA54_INCDIR  ?= $(call incdir,lua5.4 lua-5.4 lua54,/usr/include/lua5.4 /usr/local/include/lua5.4)
LUA53_INCDIR  ?= $(call incdir,lua5.3 lua-5.3 lua53,/usr/include/lua5.3 /usr/local/include/lua5.3)
LUA52_INCDIR  ?= $(call incdir,lua5.2 lua-5.2 lua52,/usr/include/lua5.2 /usr/local/include/lua5.2)
LUAJIT_INCDIR ?= $(or $(firstword $(wildcard $(OPENRESTY:%=%/luajit/include/luajit-2.*))),$(call incdir,luajit,/usr/include/luajit-2.1 /usr/local/include/luajit-2.1))
INCDIRS       := $(foreach name,LUA54 LUA53 LUA52 LUAJIT,$(eval $(name)_INCDIR := $($(name)_INCDIR)))

# Hardened, but for a sanitizer, which looks itself, and for what FORTIFY_SOURCE needs: to be optimised.
CFLAGS  ?= -O2 -g
FORTIFY := $(if $(filter-out -O0,$(filter -O%,$(CFLAGS))),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
HARDEN  := $(if $(findstring -fsanitize,$(CFLAGS)),,-fstack-protector-strong $(FORTIFY))
STRICT  := -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
ALL     := $(STRICT) -D_POSIX_C_SOURCE=200809L -DLC_VERSION='"$(VERSION)"' -Isrc -fPIC -fno-plt -fvisibility=hidden
COMPILE  = $(CC) $(HARDEN) $(CPPFLAGS) $(CFLAGS) $(ALL) $(WERROR)
LINK    := -shared -Wl,-z,nodelete -Wl,-z,relro,-z,now
LIBS    := $(call library,lmdb,lmdb) $(call library,libutf8proc,utf8proc) $(call library,libcrypto,crypto) -pthread

# The binding knows Lua, and is compiled for each; the core is the rest.
SOURCES      := $(wildcard src/*/*.c)
HEADERS      := $(wildcard src/*/*.h)
LUA_SOURCES  := $(filter src/lua/%,$(SOURCES))
CORE_SOURCES := $(filter-out $(LUA_SOURCES),$(SOURCES))

BUILD   := build
MODULES := $(if $(LUA54_INCDIR),$(BUILD)/lua5.4/leadcat/core.so) $(if $(LUAJIT_INCDIR),$(BUILD)/luajit/leadcat/core.so)

.PHONY: all lua5.3 lua5.2 compiler demo serve test core known install-modules install uninstall clean help
.DELETE_ON_ERROR:

all: $(MODULES) $(BUILD)/bin/leadcat ## build the core for each Lua whose headers are there, and build/bin/leadcat
	@test -n "$(strip $(MODULES))" || { echo "no Lua headers found: install liblua5.4-dev or libluajit2-5.1-dev" >&2; exit 1; }

# ---- building ----------------------------------------------------------------------------------

CORE_OBJECTS := $(CORE_SOURCES:src/%.c=$(BUILD)/obj/%.o)

compiler:
	@printf '#include <%s>\n' stdlib.h lmdb.h utf8proc.h openssl/evp.h | $(CC) $(CPPFLAGS) $(CFLAGS) -E - >/dev/null || { \
	  echo "what leadcat is built with is missing; type: apt-get install gcc libc6-dev liblmdb-dev libutf8proc-dev libssl-dev" >&2; exit 1; }

$(BUILD)/obj/%.o: src/%.c $(HEADERS) Makefile | compiler
	@mkdir -p $(@D)
	$(COMPILE) -c $< -o $@

# module NAME, INCLUDE DIRECTORY: the binding compiled for one Lua, linked with the core.
define module
$(BUILD)/obj/$(1)/%.o: src/%.c $(HEADERS) Makefile lua/leadcat/init.lua | compiler
	@test -n "$(2)" || { echo "no headers of $(1) found; type: apt-get install $(if $(1:luajit=),lib$(1)-dev,libluajit2-5.1-dev)" >&2; exit 1; }
	@mkdir -p $$(@D)
	$$(COMPILE) -isystem $(2) -c $$< -o $$@

$(BUILD)/$(1)/leadcat/core.so: $(LUA_SOURCES:src/%.c=$(BUILD)/obj/$(1)/%.o) $(CORE_OBJECTS)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(LDFLAGS) $$(LINK) $$^ -o $$@ $$(LIBS)
endef

$(eval $(call module,lua5.4,$(LUA54_INCDIR)))
$(eval $(call module,lua5.3,$(LUA53_INCDIR)))
$(eval $(call module,lua5.2,$(LUA52_INCDIR)))
$(eval $(call module,luajit,$(LUAJIT_INCDIR)))

lua5.3: $(BUILD)/lua5.3/leadcat/core.so ## build the core for Lua 5.3 too
lua5.2: $(BUILD)/lua5.2/leadcat/core.so ## build the core for Lua 5.2 too

# A launcher that finds this tree, wherever it is called from.
$(BUILD)/bin/leadcat: Makefile
	@mkdir -p $(@D)
	@printf '%s\n' '#!/bin/sh' \
	  'root=$$(cd "$$(dirname "$$(readlink -f "$$0")")/../.." && pwd) || exit 1' \
	  'export LUA_PATH="$$root/lua/?.lua;$$root/lua/?/init.lua;$${LUA_PATH:-;}" LUA_CPATH="$$root/$(BUILD)/$(KIND)/?.so;$${LUA_CPATH:-;}"' \
	  'unset LUA_PATH_5_4 LUA_CPATH_5_4 LUA_PATH_5_3 LUA_CPATH_5_3 LUA_PATH_5_2 LUA_CPATH_5_2' \
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
	@$(MAKE) --no-print-directory -s all lua5.3 lua5.2 c-tests
	@BUILD=$(BUILD) sh spec/support/run.sh $(LUA) $(LUAJIT)

# ---- installing --------------------------------------------------------------------------------

core: # for luarocks: the core for the Lua whose headers are in LUA_INCDIR
	@mkdir -p $(BUILD)/rock
	$(COMPILE) -isystem $(LUA_INCDIR) $(addprefix -I,$(LMDB_INCDIR) $(UTF8PROC_INCDIR) $(CRYPTO_INCDIR)) $(SOURCES) \
	  $(LDFLAGS) $(LINK) $(addprefix -L,$(LMDB_LIBDIR) $(UTF8PROC_LIBDIR) $(CRYPTO_LIBDIR)) -o $(BUILD)/rock/core.so $(LIBS)

CORE        ?= $(if $(filter $(KINDS),$(KIND)),$(BUILD)/$(KIND)/leadcat/core.so,known)
MAN         := $(DATADIR)/man/man1/leadcat.1
BASH        := $(DATADIR)/bash-completion/completions/leadcat
ZSH         := $(ZSHDIR)/_leadcat
FISH        := $(DATADIR)/fish/vendor_completions.d/leadcat.fish

WORKS_WITH  := leadcat is for Lua 5.4, 5.3, 5.2 and LuaJIT

known:
	@echo "LUA=$(LUA): $(if $(KIND),$(WORKS_WITH),there is no such command)" >&2; exit 1

# The core is tried first, where its Lua is there to try it.
install-modules: $(CORE) # and no command
	@! command -v '$(LUA)' >/dev/null || $(LUA) rockspec/load.lua '$(abspath $(CORE))' '$(VERSION)'
	umask 022; mkdir -p '$(DESTDIR)$(LUADIR)' && cd lua && find leadcat -type f ! -name '*.md' ! -path 'leadcat/bin/*' ! -path 'leadcat/demo/*' | \
	  tar -cf - --mode=644 -T - | tar -xf - --no-same-owner -C '$(DESTDIR)$(LUADIR)'
	install -D -m 755 $(CORE) '$(DESTDIR)$(LIBDIR)/leadcat/core.so'

install: install-modules ## install leadcat for LUA (5.4, 5.3, 5.2, luajit) below PREFIX (/usr/local), or for OpenResty in OPENRESTY
	@{ echo "#!$$(command -v '$(LUA)' || echo '/usr/bin/env $(LUA)')"; \
	  echo 'package.path = [[$(LUADIR)/?.lua;$(LUADIR)/?/init.lua;$(OPENRESTY:%=%/lualib/?.lua;)]] .. package.path'; \
	  echo 'package.cpath = [[$(LIBDIR)/?.so;$(OPENRESTY:%=%/lualib/?.so;)]] .. package.cpath'; \
	  sed -n '2p; $$p' lua/leadcat/bin/leadcat; } >$(BUILD)/leadcat
	install -D -m 755 $(BUILD)/leadcat '$(DESTDIR)$(BINDIR)/leadcat'
	@unset LUA_PATH_5_4 LUA_CPATH_5_4 LUA_PATH_5_3 LUA_CPATH_5_3 LUA_PATH_5_2 LUA_CPATH_5_2; \
	export LUA_PATH='lua/?.lua;lua/?/init.lua;$(OPENRESTY:%=%/lualib/?.lua;);' LUA_CPATH='$(CORE:leadcat/core.so=?.so);$(OPENRESTY:%=%/lualib/?.so;);'; \
	text() { $(LUA) lua/leadcat/bin/leadcat $$2 $$3 >$(BUILD)/text && install -D -m 644 $(BUILD)/text '$(DESTDIR)'"$$1"; }; \
	if ! $(LUA) lua/leadcat/bin/leadcat --version >/dev/null 2>&1; then \
	  echo "no man page and no completions, and the command will not run, before $(LUA) is there with lua-cjson and lua-argparse" >&2; \
	else text '$(MAN)' manual && text '$(BASH)' completion bash && text '$(ZSH)' completion zsh && text '$(FISH)' completion fish; fi

# Directories that every system has stay, and what is above PREFIX; of DESTDIR all that is empty goes.
STAY := $(if $(DESTDIR),/,/|$(or $(patsubst %/,%,$(dir $(PREFIX))),/)|/usr|/usr/local|/usr/local/bin|/usr/local/lib|/usr/local/share|/usr/local/share/man)
STAY := $(STAY)$(if $(OPENRESTY),|$(OPENRESTY)|$(OPENRESTY)/bin|$(OPENRESTY)/site/lualib)

uninstall: $(filter known,$(CORE)) ## remove what `make install` has installed with the same variables, and directories that are then empty
	rm -rf '$(DESTDIR)$(LUADIR)/leadcat' '$(DESTDIR)$(LIBDIR)/leadcat'
	@! grep -qsF '[[$(LUADIR)/?.lua;' '$(DESTDIR)$(BINDIR)/leadcat' || rm -f $(foreach file,$(BINDIR)/leadcat $(MAN) $(BASH) $(ZSH) $(FISH),'$(DESTDIR)$(file)')
	@for dir in $(foreach dir,$(LUADIR) $(LIBDIR) $(BINDIR) $(patsubst %/,%,$(dir $(MAN) $(BASH) $(ZSH) $(FISH))),'$(dir)'); do \
	  while case $$dir in $(STAY)) false ;; *) rmdir "$(DESTDIR)$$dir" 2>/dev/null ;; esac; do dir=$$(dirname "$$dir"); done; \
	done

clean: ## remove what was built
	rm -rf $(BUILD)

help: ## list the targets
	@sed -n 's/^\([a-z][a-z0-9.-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{ printf "  %-11s %s\n", $$1, $$2 }'

include rockspec/packages.mk
-include spec/checks.mk # a release has no spec/

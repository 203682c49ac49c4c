# Packages: what a release is made of. Included by the Makefile.

.PHONY: rock dist

DIST := $(BUILD)/dist
NAME := leadcat-$(VERSION)
URL  ?= file://$(abspath $(DIST))/$(NAME).tar.gz

rock: ## install with luarocks, from the rockspec
	luarocks --lua-version=5.4 make --deps-mode=none rockspec/leadcat-scm-1.rockspec

# The archive has in it only what is released, and is the same byte by byte whoever makes it.
dist: ## make a release in build/dist: an archive, and its rock; URL=https://... is where the archive will be
	@mkdir -p $(DIST)
	tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r-w --mtime="$$(sed -n 's/^## \[$(VERSION)\] - //p' CHANGELOG.md | grep . || echo 1970-01-01)" \
	  --transform='s,^,$(NAME)/,' -cf - CHANGELOG.md LICENSE Makefile README.md lua rockspec src | gzip -n9 >$(DIST)/$(NAME).tar.gz
	sed 's|^  url = .*|  url = "$(URL)",|' rockspec/$(NAME)-1.rockspec >$(DIST)/$(NAME)-1.rockspec
	cd $(DIST) && luarocks --lua-version=5.4 pack $(NAME)-1.rockspec

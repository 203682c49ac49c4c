# Packages: what a release is made of. Included by the Makefile.

.PHONY: rock archive dist deb

DIST := $(BUILD)/dist
NAME := leadcat-$(VERSION)
URL  ?= file://$(abspath $(DIST))/$(NAME).tar.gz

rock: ## install with luarocks, from the rockspec
	luarocks --lua-version=5.4 make --deps-mode=none rockspec/leadcat-scm-1.rockspec

# It has in it only what is released, and is the same byte by byte whoever makes it.
archive:
	@mkdir -p $(DIST)
	tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r-w --mtime="$$(sed -n 's/^## \[$(VERSION)\] - //p' CHANGELOG.md | grep . || sed -n 's/^Copyright (c) \([0-9]*\).*/\1-01-01/p' LICENSE)" \
	  --transform='s,^,$(NAME)/,' -cf - CHANGELOG.md LICENSE Makefile README.md lua rockspec src | gzip -n9 >$(DIST)/$(NAME).tar.gz

dist: archive ## make a release in build/dist: an archive, and its rock; URL=https://... is where the archive will be
	sed 's|^  url = .*|  url = "$(URL)",|' rockspec/$(NAME)-1.rockspec >$(DIST)/$(NAME)-1.rockspec
	cd $(DIST) && luarocks --lua-version=5.4 pack $(NAME)-1.rockspec

DEB := $(BUILD)/deb

deb: archive ## make Debian packages in build/deb: lua-leadcat for Lua 5.4 and LuaJIT, leadcat with the command and units
	@! test -e .ci/install || sh .ci/install deb
	rm -rf $(DEB) && mkdir -p $(DEB) && tar -xzf $(DIST)/$(NAME).tar.gz -C $(DEB)
	mv $(DEB)/$(NAME)/rockspec/debian $(DEB)/$(NAME)
	printf '%s\n' 'leadcat ($(VERSION)-1) unstable; urgency=medium' '' '  * Version $(VERSION): see CHANGELOG.md.' '' \
	  " -- $$(sed -n 's/^Maintainer: //p' rockspec/debian/control)  $$(date -R)" >$(DEB)/$(NAME)/debian/changelog
	unset MAKEFLAGS MFLAGS; cd $(DEB)/$(NAME) && DEB_BUILD_OPTIONS='nocheck noautodbgsym parallel=2' dpkg-buildpackage -us -uc -b

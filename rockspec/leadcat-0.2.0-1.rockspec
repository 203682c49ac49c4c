rockspec_format = "3.0"
package = "leadcat"
version = "0.2.0-1"
source = {
  url = "https://leadcat.example/leadcat-0.2.0.tar.gz", -- what `make dist` writes here: URL=, or its own archive
}
description = {
  summary = "Keeps a CRM's company categories right by itself",
  detailed = "When a sale is registered, won or lost, or a lead status is set, the company's category is updated, "
    .. "automatically or after the user has confirmed. Rules and journal are kept in LMDB, decisions are made in C.",
  homepage = "https://leadcat.example/",
  maintainer = "the leadcat authors <maintainers@leadcat.example>",
  license = "MIT",
  labels = { "crm", "openresty", "lmdb" },
}
supported_platforms = { "unix" }
dependencies = {
  "lua >= 5.1, < 5.5", -- 5.4, 5.3, 5.2, or LuaJIT, which says that it is 5.1
  "lua-cjson >= 2.1.0",
  "argparse >= 0.7.1", -- for the command only
}
external_dependencies = {
  LMDB = { header = "lmdb.h" },
  UTF8PROC = { header = "utf8proc.h" },
  CRYPTO = { header = "openssl/evp.h" },
}
build = {
  type = "make",
  build_target = "core",
  install_target = "install-modules",
  build_variables = {
    CFLAGS = "$(CFLAGS)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    LMDB_INCDIR = "$(LMDB_INCDIR)",
    LMDB_LIBDIR = "$(LMDB_LIBDIR)",
    UTF8PROC_INCDIR = "$(UTF8PROC_INCDIR)",
    UTF8PROC_LIBDIR = "$(UTF8PROC_LIBDIR)",
    CRYPTO_INCDIR = "$(CRYPTO_INCDIR)",
    CRYPTO_LIBDIR = "$(CRYPTO_LIBDIR)",
  },
  install_variables = {
    CORE = "build/rock/core.so",
    LUA = "$(LUA)",
    LUADIR = "$(LUADIR)",
    LIBDIR = "$(LIBDIR)",
  },
  install = {
    bin = { leadcat = "lua/leadcat/bin/leadcat" },
  },
}

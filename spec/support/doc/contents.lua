-- What the manual has, in order: parts with their pages, each a Markdown file of the project. The page of the API is made of the
-- annotations, that of shapes too.

return {
  { "Getting started", {
    { "doc/start/README.md" }, { "doc/start/nginx.md" }, { "doc/start/lua.md" }, { "doc/start/haproxy.md" },
    { "doc/start/apache.md" }, { "doc/start/prosody.md" }, { "doc/start/tarantool.md" }, { "doc/start/postgresql.md" },
  } },
  { "Using leadcat", {
    { "doc/concepts.md" }, { "lua/leadcat/rules/README.md" }, { "doc/recipes.md" }, { "doc/operations.md" },
  } },
  { "Connecting a CRM", {
    { "lua/leadcat/host/README.md" }, { "lua/leadcat/source/README.md" }, { "lua/leadcat/notify/README.md" },
    { "lua/leadcat/http/README.md" }, { "lua/leadcat/store/README.md" }, { "lua/leadcat/store/patroni.md" },
    { "lua/leadcat/demo/tryton/README.md" },
  } },
  { "Reference", {
    { "lua/leadcat/README.md" }, { "api" }, { "types" },
  } },
  { "Inside", {
    { "README.md" }, { "src/README.md" }, { "spec/README.md" }, { "spec/bench/README.md" }, { "CHANGELOG.md" },
  } },
}

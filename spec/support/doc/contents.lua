
-- are made of the annotations. Other Markdown files of lua/ come behind the second part.

local contents = {
  { "Getting started", {
    { "spec/manual/start/README.md" }, { "spec/manual/start/nginx.md" }, { "spec/manual/start/lua.md" },
    { "spec/manual/start/haproxy.md" },
    { "spec/manual/start/apache.md" }, { "spec/manual/start/prosody.md" },
    { "spec/manual/start/tarantool.md" }, { "spec/manual/start/postgresql.md" },
    { "spec/manual/start/others.md" },
  } },
  { "Using leadcat", {
    { "spec/manual/concepts.md" }, { "lua/leadcat/rules/README.md" }, { "lua/leadcat/insight/README.md" },
    { "spec/manual/recipes.md" },
    { "spec/manual/operations.md" },
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

local listed = {}
for _, part in ipairs(contents) do
  for _, page in ipairs(part[2]) do
    listed[page[1]] = true
  end
end

local pipe = assert(io.popen "find lua -name '*.md' | sort")
for name in pipe:lines() do
  if not listed[name] then
    table.insert(contents[2][2], { name })
  end
end
pipe:close()

return contents

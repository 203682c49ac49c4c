--- The options of `leadcat.host.http`: what they are, and that they are right.

local Client = require "leadcat.host.http.client"
local options_of = require "leadcat.util.options"
local paths = require "leadcat.host.http.paths"
local template = require "leadcat.host.http.template"
local transport = require "leadcat.util.http"

local options = {}

local MOST = 100 -- companies of one request

local MISSING = { 404, 410 }
local CONFLICT, REFUSED = { 404, 409, 410, 412 }, { 400, 403, 405, 415, 422, 501 }

---@class (exact) leadcat.host.http.Read: leadcat.host.http.Operation
---@field at? leadcat.host.http.Path where the company stands in the answer; default: it is the answer
---@field category leadcat.host.http.Path in the company, as the others
---@field name? leadcat.host.http.Path
---@field version? leadcat.host.http.Path what `write` sends as {version}; as {etag} it has the answer's ETag
---@field facts? table<string, leadcat.host.http.Path> by the names of facts that conditions compare
---@field missing? leadcat.host.http.Meaning what says that there is no such company; default {404, 410}

---@class (exact) leadcat.host.http.ReadMany: leadcat.host.http.Operation {companies} are their ids
---@field list leadcat.host.http.Path where the companies stand, each as `read` has it
---@field id leadcat.host.http.Path of one of them
---@field each? any what each id of {companies} is sent as; default "{company}"
---@field most? integer companies of one request; default 100

---@class (exact) leadcat.host.http.Write: leadcat.host.http.Operation
---@field conflict? leadcat.host.http.Meaning the company is not as it was read; default {404, 409, 410, 412}
---@field refused? leadcat.host.http.Meaning what will not succeed later either; default {400, 403, 405, 415, 422, 501}
---@field compares? boolean the server itself makes sure that the company is in {from}: it is not read before

---@class (exact) leadcat.host.http.WriteMany: leadcat.host.http.Operation {changes} are the changes
---@field each any what a change is sent as, with {company}, {to}, {from}, {version}, {key}
---@field list leadcat.host.http.Path where the answers stand; a company that is not there is asked about again
---@field id leadcat.host.http.Path of one of them
---@field conflict? leadcat.host.http.Meaning of one of them; by default none
---@field refused? leadcat.host.http.Meaning of the whole answer, or of one
---@field most? integer

---@class (exact) leadcat.host.http.Applied: leadcat.host.http.Operation {key} and {company} are filled in
---@field found? leadcat.host.http.Path what is there, and not false, when the change was made; default: any answer but a missing one
---@field missing? leadcat.host.http.Meaning default {404, 410}

---@class (exact) leadcat.host.http.Options
---@field url string of the API
---@field headers? table<string, string>|fun(tenant?: string, is_refused: boolean): table<string, string>?, string? a function may fetch a token; it is called again, with true, when the server has answered `unauthorized`
---@field read leadcat.host.http.Read|fun(company: string|integer, tenant?: string): leadcat.host.http.Company?, string? the company; nil for none; or nil, message
---@field write leadcat.host.http.Write|fun(change: leadcat.host.http.Change, company?: leadcat.host.http.Company): true?, string?, string? as `set_category` answers
---@field read_many? leadcat.host.http.ReadMany
---@field write_many? leadcat.host.http.WriteMany
---@field applied? leadcat.host.http.Applied
---@field external? boolean|"text"|"number" the categories have ids of the server's own: those that the config has as `external`
---@field ids? "text"|"number" as what companies' ids are sent; default: as leadcat got them
---@field fields? leadcat.Field[] what conditions may compare
---@field unauthorized? leadcat.host.http.Meaning default {401}
---@field message? leadcat.host.http.Path where the server says what is wrong
---@field timeout? number seconds of a request; default 10, at most
---@field tls? leadcat.SocketTls

local PATH = options_of.kind(paths.EXPECTED, paths.is_path)
local MEANING = options_of.kind("a list of statuses and of tables {path = value}", paths.is_meaning)
local ANY = options_of.kind("anything", function() return true end)

local function operation_options(more)
  local known = {
    method = options_of.of_type "string", headers = options_of.of_type "table", body = ANY,
    path = options_of.kind("a path such as /companies/{company}, percent-encoded", function(value)
      return type(value) == "string" and value:find "^[/?][\33-\126]*$" ~= nil and not value:find("#", 1, true)
    end), rpc = options_of.kind("a table {method, params}", function(value)
      return type(value) == "table" and type(value.method) == "string"
    end),
  }
  for name, kind in pairs(more) do
    known[name] = kind
  end
  return known
end

local KNOWN = {
  read = operation_options {
    at = PATH, category = PATH, name = PATH, version = PATH, missing = MEANING,
    facts = options_of.of_type("table", "a table of paths by the names of facts"),
  },
  write = operation_options { conflict = MEANING, refused = MEANING, compares = options_of.of_type "boolean" },
  read_many = operation_options { list = PATH, id = PATH, each = ANY, most = options_of.whole(1, 1000) },
  write_many = operation_options {
    list = PATH, id = PATH, each = ANY, most = options_of.whole(1, 1000), conflict = MEANING, refused = MEANING,
  },
  applied = operation_options { found = PATH, missing = MEANING },
}
local NEEDED = {
  read = { "category" }, write = {}, read_many = { "list", "id" }, write_many = { "list", "id", "each" }, applied = {},
}

local TABLE_OR_FUNCTION = options_of.kind("a table, or a function", function(value)
  return type(value) == "table" or type(value) == "function"
end)
local OPTIONS = {
  url = options_of.kind("an address such as https://crm.example.com/api", function(value)
    return type(value) == "string" and transport.address(value) ~= nil and not value:find "[?]"
  end),
  headers = TABLE_OR_FUNCTION, read = TABLE_OR_FUNCTION, write = TABLE_OR_FUNCTION,
  read_many = options_of.of_type "table", write_many = options_of.of_type "table",
  applied = options_of.of_type "table", external = options_of.kind('true, false, "text" or "number"', function(value)
    return type(value) == "boolean" or value == "text" or value == "number"
  end),
  ids = options_of.one_of { "text", "number" },
  fields = options_of.of_type("table", "a list of {field, type, name, options}"),
  unauthorized = MEANING, message = PATH, tls = options_of.of_type "table",
  timeout = options_of.kind("a number of seconds, at most 10", function(value)
    return type(value) == "number" and value > 0 and value <= 10
  end),
}


-- Raises unless a part of the options is right; nil when it is not there, or a function.
local function part_of(given, name)
  local part = given[name]
  if type(part) ~= "table" then
    return nil
  end
  local problem = options_of.problem(part, KNOWN[name])
  for _, needed in ipairs(NEEDED[name]) do
    problem = problem or part[needed] == nil and ("option '%s' is missing"):format(needed) or nil
  end
  if problem then
    error(("leadcat.host.http: %s: %s"):format(name, problem), 0)
  end
  return part
end

-- A part that is ready to be sent, with what its answers mean; nil when it is not there.
local function prepare(given, name, method, meanings)
  local part = part_of(given, name)
  if not part then
    return nil
  end
  local operation = Client.compile(part, method)
  for code, meaning in pairs(meanings) do
    operation[code] = part[code] or meaning
  end
  operation.is_rpc, operation.is_read = part.rpc ~= nil, method == "GET"
  operation.is_safe = operation.is_read or nil
  return { operation = operation, most = part.most or MOST }, part
end

local function same(value)
  return value
end

local function prepare_read(given)
  local read, part = prepare(given, "read", "GET", { missing = MISSING })
  if not read then
    return given.read
  end
  read.at, read.category = part.at and paths.reader(part.at) or same, paths.reader(part.category)
  read.name, read.version = part.name and paths.reader(part.name), part.version and paths.reader(part.version)
  read.facts = {}
  for name, path in pairs(part.facts or {}) do
    read.facts[name] = paths.reader(path)
  end
  return read
end

local function prepare_many(given, name, method, meanings, default)
  local many, part = prepare(given, name, method, meanings)
  if many then
    many.list, many.id, many.each = paths.reader(part.list), paths.reader(part.id), template.value(part.each or default)
    many.conflict, many.refused = part.conflict or {}, part.refused or {}
  end
  return many
end

local function prepare_write(given)
  local write, part = prepare(given, "write", "PATCH", { conflict = CONFLICT, refused = REFUSED })
  if write then
    write.compares = part.compares
  end
  return write or given.write
end

local function prepare_applied(given)
  local applied, part = prepare(given, "applied", "GET", { missing = MISSING })
  if applied then
    applied.found = part.found and paths.reader(part.found) or function() return true end
    applied.operation.is_read = part.found ~= nil -- else an answer without a body says it, too
  end
  return applied
end

--- What a host needs. Raises, without a place, when an option is wrong.
---@param given leadcat.host.http.Options
---@return table
function options.prepare(given)
  local problem = options_of.problem(given, OPTIONS)
  for _, name in ipairs { "url", "read", "write" } do
    problem = problem or given[name] == nil and ("option '%s' is missing"):format(name) or nil
  end
  if given.read_many and type(given.read) ~= "table" then
    problem = problem or "read_many needs read to be a table, by which companies are read"
  elseif given.write_many and not given.read_many then
    problem = problem or "write_many needs read_many, by which the companies are read before"
  end
  if problem then
    error("leadcat.host.http: " .. problem, 0)
  end
  return {
    client = Client.new(given), read = prepare_read(given), write = prepare_write(given),
    read_many = prepare_many(given, "read_many", "GET", {}, "{company}"),
    write_many = prepare_many(given, "write_many", "POST", { refused = REFUSED }),
    applied = prepare_applied(given), external = given.external or nil, ids = given.ids,
  }
end

return options

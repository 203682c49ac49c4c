--- What hostile bytes may not do to what reads them in Lua: one function for each reader. It takes any bytes and raises when
-- a promise is broken. Fuzzers call these (fuzz_lua.c), and 10-hostile_spec.lua does with what they have found.

local check = require "leadcat.rules.check"
local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local event = require "leadcat.events.event"
local events_of = require "leadcat.source.webhook.events"
local http = require "leadcat.http"
local import = require "leadcat.cli.import"
local json = require "leadcat.util.json"
local language = require "leadcat.util.language"
local leadcat = require "leadcat"
local pg = require "fuzz.pg"
local request_of = require "leadcat.http.request"
local response = require "leadcat.util.http.response"
local senders = require "support.senders"
local settings_form = require "leadcat.pages.settings_form"
local settings_page = require "leadcat.pages.settings"
local socket = require "leadcat.util.socket"
local triggers = require "leadcat.rules.triggers"
local unicode = require "leadcat.util.unicode"

local targets = {}

local NOW = 1700000000

local utf8_length = rawget(_G, "utf8") and utf8.len or function() return 0 end -- luacheck: ignore utf8

-- Raises with more than "assertion failed": what was expected, and the values.
local function expect(holds, what, ...)
  if not holds then
    local values = {}
    for i = 1, select("#", ...) do
      values[i] = ("%q"):format(tostring((select(i, ...))))
    end
    error(("broken: %s (%s)"):format(what, table.concat(values, ", ")), 2)
  end
end

local function is_text(value)
  return type(value) == "string" and value ~= ""
end

-- Configs --------------------------------------------------------------------------------------------------------------

local IDS = { 1, 2, 3, 5, 7, 2147483647 }

local function check_problems(problems)
  expect(type(problems) == "table", "problems are a list")
  for _, problem in ipairs(problems) do
    expect(is_text(problem.path) and is_text(problem.code), "a problem says where and what")
    expect(is_text(problem.message), "a problem is told in words")
    expect(problem.severity == "error" or problem.severity == "warning", "a problem has a severity", problem.severity)
    json.encode(problem)
  end
end

-- What has no errors can be packed, decided by, written and read again.
local function check_clean(cfg)
  local normal = config.normalize(cfg)
  expect(not check.has_errors(check.problems(normal)), "the normal form has no errors")
  core.ruleset(normal, 1) -- without the rules of own triggers
  local own = triggers.used(normal)
  local decide = core.decider(normal, own)
  for _, trigger in ipairs(triggers.all(own)) do
    for _, category in ipairs(IDS) do
      local action, to, reason = decide(trigger, category, category)
      expect(is_text(action) and (to == nil) == (action == "none"), "a decision", action, to, reason)
    end
  end
  local again = assert(json.decode(json.encode(normal)))
  expect(not check.has_errors(check.problems(again)), "what was written is read without errors")
  local text = json.encode(config.normalize(again)) -- ill-formed text is mended by now
  expect(json.encode(config.normalize(assert(json.decode(text)))) == text, "what was written is read as it was", text)
end

--- An imported config.
function targets.config(bytes)
  local cfg, message, code = json.decode(bytes)
  expect(cfg ~= nil or is_text(message) and code == "invalid", "a refusal says why", message, code)
  local problems = check.problems(cfg)
  check_problems(problems)
  if not check.has_errors(problems) then
    check_clean(cfg)
  end
end

-- Files of events ------------------------------------------------------------------------------------------------------

-- A file that gives its bytes in pieces.
local function file_of(bytes, size)
  local at = 1
  return {
    read = function(_, most)
      local piece = bytes:sub(at, at + math.min(size, most) - 1)
      at = at + #piece
      return piece ~= "" and piece or nil
    end,
  }
end

local CODES = { invalid = true, io = true }

-- Everything that the iterator gives, as text. It must come to an end.
local function read_all(events, bytes, in_order)
  local said, last_line, position = {}, 0, 0
  for _ = 1, 2 * #bytes + 10 do
    local found, line, code, where = events:next()
    expect(events:position() >= position and events:position() <= #bytes, "the position grows", events:position())
    position = events:position()
    if found then
      expect(type(found) == "table" and type(line) == "number", "an event has a line")
      expect(not in_order or line > last_line, "lines grow", line, last_line)
      last_line = line
      event.problem(found)
      said[#said + 1] = json.encode { found, line }
    elseif line == nil then
      expect(events:next() == nil, "the end is the end")
      return table.concat(said, "\n")
    else
      expect(is_text(line) and CODES[code], "what is wrong is said", line, code)
      expect(where == nil or type(where) == "number", "and where", where)
      said[#said + 1] = json.encode { line, code, where }
      if events.failed then
        return table.concat(said, "\n")
      end
    end
  end
  error "broken: reading does not end"
end

local DELIMITERS = { false, ",", ";", "\t" }

-- The first byte says how the rest is read, the second in what pieces.
local function csv_options(first)
  local options = { format = "csv", delimiter = DELIMITERS[first % 4 + 1] or nil }
  options.date_format = math.floor(first / 4) % 2 == 1 and "%d.%m.%Y" or nil
  options.keep_going = math.floor(first / 8) % 2 == 1
  options.company, options.created, options.closed, options.stage = "company", "created", "closed", "stage"
  options.sale, options.won, options.lost = "sale", "Won", { "Lost", "Gone" }
  if math.floor(first / 16) % 2 == 1 then
    return options, import.opportunities
  end
  return options, import.events
end

--- A CSV file, of events or of opportunities.
function targets.csv(bytes)
  local options, read = csv_options(bytes:byte(1) or 0)
  local rest, size = bytes:sub(3), (bytes:byte(2) or 0) + 1
  local in_order = read == import.events
  local whole = read_all(read(file_of(rest, math.huge), options), rest, in_order)
  local pieces = read_all(read(file_of(rest, size), options), rest, in_order)
  expect(whole == pieces, "pieces give what the whole gives", whole, pieces)
end

--- A file of JSON Lines.
function targets.jsonl(bytes)
  local options = { format = "jsonl" }
  local rest, size = bytes:sub(2), (bytes:byte(1) or 0) + 1
  local whole = read_all(import.events(file_of(rest, math.huge), options), rest, true)
  local pieces = read_all(import.events(file_of(rest, size), options), rest, true)
  expect(whole == pieces, "pieces give what the whole gives", whole, pieces)
end

-- Text -----------------------------------------------------------------------------------------------------------------

local KNOWN = { en = true, no = true, sv = true, da = true, de = true, ["de-AT"] = true, nl = true }

--- A language tag or a name.
function targets.text(bytes)
  local found = language.match(bytes, KNOWN)
  expect(found == nil or KNOWN[found], "a language that is known", found)
  expect(not found or language.is_tag(bytes), "only a tag has a language", found)
  local valid = unicode.valid(bytes)
  expect(utf8_length(valid) and unicode.valid(valid) == valid, "valid text is valid", valid)
  expect(json.decode(json.encode { bytes })[1] == valid, "text is written as valid text", valid)
  for _, most in ipairs { 1, 2, 20, 120 } do
    local line = unicode.line(bytes, most)
    expect(not line:find "[%z\1-\31\127]" and not line:find "^ " and not line:find " $", "a line is one line", line)
    expect((utf8_length(line) or most + 1) <= most, "a line is short", line, most)
    expect(unicode.line(line, most) == line, "a line stays as it is", line, unicode.line(line, most))
  end
end

-- The settings form ----------------------------------------------------------------------------------------------------

local ACTIONS = { save = true, try = true, cancel = true, edit = true }

-- Small, so that a fuzzer gets on.
local STORED = {
  categories = {
    { id = 1, rank = 1, name = { en = "Lead", de = "Kontakt" }, group = "potential_customer", lead_status = true },
    { id = 3, rank = 2, name = "Open", group = "potential_customer", deleted = true },
    { id = 5, rank = 3, name = "Customer", group = "customer" },
  },
  lead_statuses = {
    { id = 1, name = "New", description = { en = "Just in" } }, { id = 2, name = "Hot", deleted = true },
  },
  rules = {
    { trigger = "sale_won", enabled = true, set_category = 5, ask = true },
    { trigger = "sale_won", id = 7, enabled = true, set_category = 1, name = { de = "Rest" }, when = {
      { { field = "sale.amount", is = "at_least", value = 5 } }, { { field = "a", is = "one_of", value = { 1, "x" } } },
    } },
    { trigger = "lead_status_set", lead_status = 1, enabled = true, set_category = 1 },
    { trigger = "lead_status_set", lead_status = 2, enabled = false, set_category = 3 },
  },
}

local DESCRIBED = { { field = "sale.amount", type = "number" } }

--- A form of the settings.
function targets.form(bytes)
  local fields = request_of.fields(bytes)
  local stored = config.normalize(STORED)
  local before = json.encode(stored)
  local action, edited, edit = settings_form.read(fields, stored, fields.language)
  expect(ACTIONS[action] and type(edited) == "table" and type(edit) == "table", "what a form means", action)
  expect(json.encode(stored) == before, "what is stored is left alone")
  local problems = check.problems(edited)
  check_problems(problems)
  if not check.has_errors(problems) then
    check_clean(edited)
  end
  local page = settings_page.html {
    strings = targets.strings, language = "en", base = "/leadcat", config = edited, revision = 1, licensed = true,
    problems = problems, edit = edit, fields = fields.described and DESCRIBED or nil,
  }
  expect(is_text(page) and not page:find("<xss", 1, true), "a page in which text is only text")
end

-- HTTP -----------------------------------------------------------------------------------------------------------------

local ACTORS = {
  ann = { id = "ann", name = "Ann", admin = true }, bob = { id = "bob" }, hook = { id = "hook", service = true },
  kai = { id = "kai", language = "de" },
}

local directory, stores, site = nil, 0, nil

local FILES = {
  "config.mdb", "config.mdb-lock", "journal.mdb", "journal.mdb-lock", "owners.lock", "writers.lock", "reserve",
}

local function close_site()
  site.engine:close()
  for _, name in ipairs(FILES) do
    os.remove(site.path .. "/" .. name)
  end
  os.remove(site.path)
  site = nil
end

-- A store with rules, a company that was changed, and a question.
local function open_site()
  stores = stores + 1
  local path = ("%s/%d"):format(directory, stores)
  local engine = assert(leadcat.open {
    path = path, durability = "relaxed", map_size = 2 ^ 26, clock = function() return NOW end,
  })
  local cfg = leadcat.preset "superoffice"
  cfg.rules = {
    { trigger = "sale_won", enabled = true, set_category = 5 },
    { trigger = "sale_registered", enabled = true, set_category = 3, ask = true },
  }
  assert(engine:save(cfg))
  for i = 1, 3 do
    assert(engine.host:create(i, 1))
  end
  local entry = assert(engine:handle { trigger = "sale_won", company = 1, id = "won", actor = ACTORS.bob }).entry
  local question = assert(engine:handle { trigger = "sale_registered", company = 2, actor = ACTORS.bob }).confirmation
  return { path = path, engine = engine, entry = ("%d"):format(entry), question = question }
end

-- The bytes as a request: the line "METHOD PATH?QUERY", lines "name: value", an empty line, the body. In the path, QUESTION
-- and ENTRY stand for those of the store.
local function request_from(bytes)
  local head, body = bytes:match "^(.-)\n\n(.*)$"
  local first, rest = (head or bytes):match "^([^\n]*)\n?(.*)$"
  local method, target = first:match "^(%S*) ?(.*)$"
  local path, query = target:match "^([^?]*)%??(.*)$"
  local headers = {}
  for name, value in rest:gmatch "([^:\n]+): ?([^\n]*)" do
    headers[name:lower()] = value
  end
  path = path:gsub("QUESTION", site.question):gsub("ENTRY", site.entry)
  return { method = method, path = path, query = query ~= "" and query or nil, headers = headers, body = body }
end

local function check_response(made, request)
  local status = made.status
  expect(type(status) == "number" and status >= 200 and status < 500, "a status", status, made.log, made.body)
  expect(made.body == nil or type(made.body) == "string" and request.method ~= "HEAD", "a body")
  for name, value in pairs(made.headers) do
    expect(is_text(name) and type(value) == "string" and not value:find "[%c]", "a header is one line", name, value)
  end
  local kind = made.headers["Content-Type"] or ""
  if kind:find("html", 1, true) and made.body then
    expect(not made.body:find("<xss", 1, true), "in a page text is only text", request.path)
  elseif kind:find("json", 1, true) and made.body then
    expect(json.decode(made.body) ~= nil, "JSON is JSON", made.body)
  end
end

--- A request.
function targets.http(bytes)
  site = site or open_site()
  local app = http.new {
    engine = site.engine,
    authenticate = function(request) return ACTORS[request.headers["x-actor"]] end,
  }
  local request = request_from(bytes)
  local made = app:respond(request)
  check_response(made, request)
  if request.method ~= "GET" and made.status < 400 then
    close_site() -- so that what a request does depends on nothing that came before
  end
end

-- Answers --------------------------------------------------------------------------------------------------------------

local METHODS = { [0] = "GET", "HEAD", "POST" }

-- The answer that the bytes are, as text, or why they are none. They come in pieces of this size.
local function read_answer(bytes, size, method)
  local at, is_closed = 1, false
  local connection = socket.over({
    receive = function(_, most)
      expect(not is_closed, "nothing is read from a connection that is closed")
      local piece = bytes:sub(at, at + math.min(size, most) - 1)
      at = at + #piece
      return piece ~= "" and piece or nil, "closed"
    end,
    close = function() is_closed = true end,
  }, "server")
  local answer, message, code = response.read(connection, method)
  expect(is_closed, "the connection is closed")
  if not answer then
    expect(is_text(message) and code == "unavailable", "a refusal says why", message, code)
    return message
  end
  expect(answer.status >= 200 and answer.status <= 999 and type(answer.body) == "string", "an answer", answer.status)
  expect(#answer.body <= #bytes, "a body is what was sent")
  for name, value in pairs(answer.headers) do
    expect(name == name:lower() and not value:find "[%z\1-\8\10-\31\127]", "a header is one line", name, value)
  end
  return json.encode { answer.status, answer.headers, answer.body }
end

--- A server's answer: the first byte says in what pieces it comes, the second to which request.
function targets.answer(bytes)
  local size, method = (bytes:byte(1) or 0) + 1, METHODS[(bytes:byte(2) or 0) % 3]
  local rest = bytes:sub(3)
  local whole, pieces = read_answer(rest, math.huge, method), read_answer(rest, size, method)
  expect(whole == pieces, "pieces give what the whole gives", whole, pieces)
end

-- Webhooks -------------------------------------------------------------------------------------------------------------

local KNOWN_SALES = { [0] = { { company = 1 } }, { {} }, { nil, "later" }, { false, "never" } }

local known -- what the lookup says
local secrets, hooks = {}, {}

-- A hook of the kind with a secret that no input can have.
local function hook_of(kind)
  if not hooks[kind] then
    secrets[kind] = (kind == "pipedrive" and "user:" or "") .. core.base64(core.random_bytes(30)):gsub("[+/]", "a")
    hooks[kind] = senders.hook(kind, secrets[kind], { lookup = function() return known[1], known[2] end })
  end
  return hooks[kind], secrets[kind]
end

local function check_sender(hook, secret, request)
  local ok, why = hook.of_kind.verify(hook, request, NOW)
  expect(not ok and is_text(why), "who has no secret is refused, and why", hook.kind, ok, why)
  local headers, query = senders.sign(hook.kind, secret, request.body, NOW)
  for name, value in pairs(request.headers) do
    headers[name] = headers[name] or value
  end
  local signed = { method = "POST", path = "/", query = query, headers = headers, body = request.body }
  expect(hook.of_kind.verify(hook, signed, NOW), "who has the secret is believed", hook.kind)
  signed.body = request.body .. "x"
  local is_unsigned = hook.kind == "pipedrive" or hook.kind == "odoo"
  expect(is_unsigned or not hook.of_kind.verify(hook, signed, NOW), "of another body it is no signature", hook.kind)
end

--- What is sent to a webhook's address: the first byte says of which kind, the second what a lookup finds, the rest is a request.
function targets.hook(bytes)
  site = site or open_site()
  local hook, secret = hook_of(senders.KINDS[(bytes:byte(1) or 0) % #senders.KINDS + 1])
  known = KNOWN_SALES[(bytes:byte(2) or 0) % 4]
  local request = request_from(bytes:sub(3))
  request.body = request.body or ""
  check_sender(hook, secret, request)
  request.rest = request.path
  check_sender(hook, secret, request)
  local id = hook.of_kind.id(request)
  expect(id == nil or type(id) == "string", "an id", id)
  local events, message = events_of(hook, site.engine, { id = 1, sender_id = id, about = "{}", body = request.body })
  expect(type(events) == "table" or is_text(message), "what cannot be understood is told", message)
  for _, found in ipairs(events or {}) do
    expect(is_text(found.id), "an event has an id", hook.kind)
    expect(event.problem(found, {}) == nil, "an event is one", event.problem(found, {}))
  end
end

-- ----------------------------------------------------------------------------------------------------------------------

targets.pg = pg

--- Closes what the targets have opened.
function targets.close()
  if site then
    close_site()
  end
end

--- The targets, which keep their stores in this directory.
---@param path string
---@return table<string, fun(bytes: string)>
function targets.new(path)
  directory = path
  targets.strings = require("leadcat.words.i18n").new(nil, 1)
  return targets
end

return targets

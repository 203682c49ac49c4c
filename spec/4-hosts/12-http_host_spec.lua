-- Companies in a CRM that is reached by a REST API or by JSON-RPC: a change is made once, nothing of others is overwritten, and
-- what goes wrong on the way is tried again.

if os.getenv "LEADCAT_SLOW" then
  return
end

local core = require "leadcat.core"
local handling = require "support.handling"
local http_host = require "leadcat.host.http"
local processes = require "support.processes"
local server = require "nginx.server"
local stores = require "support.stores"

local LEAD, OPPORTUNITY, CUSTOMER, LOST = 1, 3, 5, 7 -- the preset's categories
local COMPANIES = 120

local port, crm, address

-- Tells the CRM something; gives what there is in it.
local function tell(what)
  return assert(http_host.request { url = address .. "/test", method = "POST", body = what or http_host.list {} }).json
end

local function company(id)
  return tell().companies[tostring(id)]
end

before_each(function()
  port = server.free_port()
  address = "http://127.0.0.1:" .. port
  crm = processes.launch("../servers/crm.lua", port, COMPANIES)
end)

after_each(function()
  processes.kill(crm)
end)

-- Fetches a token when there is none, or when the last one was refused.
local function new_headers()
  local token
  return function(_, is_refused)
    if is_refused or not token then
      local answer, message = http_host.request { url = address .. "/token" }
      if not answer then
        return nil, message
      end
      token = answer.json.token
    end
    return { Authorization = "Bearer " .. token }
  end
end

local READ = {
  path = "/companies/{company}", at = "data", category = "category.id", name = "name", version = "version",
  facts = { ["company.country"] = "country" },
}
local FIELDS = { { field = "company.country", type = "text" } }

local HOSTS = {
  rest = function(more)
    local options = {
      url = address, headers = new_headers(), read = READ, fields = FIELDS,
      write = {
        path = "/companies/{company}", body = { category = "{to}" },
        headers = { ["If-Match"] = "{etag}", ["Idempotency-Key"] = "{key}" },
      },
      applied = { path = "/changes/{key}" },
    }
    for name, value in pairs(more or {}) do
      options[name] = value or nil
    end
    return http_host(options)
  end,
  rpc = function(more)
    local options = {
      url = address .. "/rpc", headers = new_headers(), ids = "number", fields = FIELDS,
      read = {
        rpc = { method = "company.read", params = { { "{company}" } } }, at = "result.0", category = "category.id",
        name = "name", version = "version", facts = READ.facts,
      },
      write = {
        rpc = { method = "company.write", params = {
          "{company}", { category = "{to}" }, { version = { ["company,{company}"] = "{version}" } },
        } },
        conflict = { { ["error.0"] = "ConcurrencyException" } },
        refused = { { ["error.0"] = { "UserError", "AccessError" } } },
      },
      message = "error.1",
    }
    for name, value in pairs(more or {}) do
      options[name] = value or nil
    end
    return http_host(options)
  end,
}

local function open(host, options)
  options = options or {}
  options.host = host
  local engine, path = stores.open(options)
  if engine:config().revision == 0 then
    assert(engine:save(stores.config { sale_won = CUSTOMER, sale_registered = OPPORTUNITY, sale_lost = LOST }))
  end
  return engine, path
end

local CHANGE = { key = "k-1", from = LEAD, to = CUSTOMER }

for kind, new in pairs(HOSTS) do
  describe("leadcat.host.http by " .. kind, function()
    local method = kind == "rpc" and "POST" or "PATCH"

    it("reads and changes companies", function()
      local engine = open(new())
      local outcome = assert(engine:handle { trigger = "sale_won", company = 17, id = "e1" })
      assert.same({ "updated", LEAD, CUSTOMER }, { outcome.status, outcome.from, outcome.to })
      assert.same({ CUSTOMER, 2 }, { company(17).category, company(17).version })
      assert.equal("Company 17", engine:company_name(17))
      assert.equal("updated", assert(engine:handle { trigger = "sale_won", company = "18" }).status)
      for _, nobody in ipairs { 9999, "../companies/1", "..", "a/../b" } do
        local nothing = assert(engine:handle { trigger = "sale_won", company = nobody })
        assert.same({ "unchanged", "unknown_category" }, { nothing.status, nothing.reason })
      end
      assert.equal(2, tell().state.changes)
      engine:close()
    end)

    it("overwrites nothing", function()
      local host, other = new(), new()
      assert.same({ true }, { host.set_category(1, CUSTOMER, LEAD, CHANGE) })
      assert.same({ nil, "conflict" }, { other.set_category(1, LOST, LEAD, { key = "k-2" }) })
      assert.same({ nil, "conflict" }, { host.set_category(9999, CUSTOMER, LEAD, { key = "k-3" }) })
      assert.equal(CUSTOMER, company(1).category)
    end)

    it("looks again when somebody has changed the company between reading and writing", function()
      local host = new()
      local function next_write(act)
        tell { next = { [method] = kind == "rpc" and { "none", act } or { act } } }
      end
      next_write "touch"
      assert.is_true(host.set_category(1, CUSTOMER, LEAD, CHANGE))
      assert.same({ CUSTOMER, 3 }, { company(1).category, company(1).version })
      next_write "move"
      assert.same({ nil, "conflict" }, { host.set_category(1, OPPORTUNITY, CUSTOMER, { key = "k-2" }) })
      assert.equal(LOST, company(1).category)
      local all = { "touch", "touch", "touch", "touch", "touch" }
      tell { next = { [method] = kind == "rpc" and { "none", "touch", "none", "touch", "none", "touch", "none", "touch",
        "none", "touch" } or all } }
      local ok, message, code = host.set_category(1, CUSTOMER, LOST, { key = "k-3" })
      assert.same({ nil, nil }, { ok, code })
      assert.matches("is being changed all the time", message, 1, true)
    end)

    it("tells what is refused, and what is tried again", function()
      local host = new()
      tell { companies = { ["1"] = { locked = true } } }
      local ok, message, code = host.set_category(1, CUSTOMER, LEAD, CHANGE)
      assert.same({ nil, "refused" }, { ok, code })
      assert.matches("the company is locked", message, 1, true)
      assert.not_matches("token-1", message, 1, true) -- which the CRM has told
      local acts = { broken = "503", html = "and no JSON", ignore = "has closed", limit = "429: too many" }
      for act, said in pairs(acts) do
        local one = new()
        assert.equal(LEAD, (one.category(2)))
        tell { next = { [method] = kind == "rpc" and { "none", act } or { act } } }
        ok, message, code = one.set_category(2, CUSTOMER, LEAD, CHANGE)
        assert.same({ nil, nil }, { ok, code })
        assert.matches(said, message, 1, true)
        assert.equal(LEAD, company(2).category)
        tell { next = http_host.list {} }
        local category, why = one.category(2) -- at once, unless it wants to be left alone
        assert.equal(act == "limit" and "left alone" or LEAD, category or why:match "left alone")
      end
    end)

    it("asks for another token when the last one is over", function()
      local host = new()
      assert.equal(LEAD, (host.category(1)))
      tell { token = "token-2" }
      assert.equal(LEAD, (host.category(1)))
      assert.is_true(host.set_category(1, CUSTOMER, LEAD, CHANGE))
      assert.equal(2, tell().state.tokens)
    end)

    it("makes a change once, when the answer to it is lost", function()
      local engine, time = handling.open({ sale_won = CUSTOMER }, { host = new() })
      tell { next = { [method] = kind == "rpc" and { "none", "none", "drop" } or { "drop" } } }
      local outcome = assert(engine:handle { trigger = "sale_won", company = 1, id = "e1" })
      assert.equal("failed", outcome.status)
      assert.same({ CUSTOMER, "applying" }, { company(1).category, engine:history({ company = 1 })[1].status })
      time.now = time.now + 60
      assert.same({ finished = 1, failed = 0, busy = 0 }, engine:recover())
      assert.same({ CUSTOMER, 1 }, { company(1).category, tell().state.changes })
      assert.equal("updated", engine:history({ company = 1 })[1].status)
      engine:close()
    end)

    it("gives facts", function()
      tell { companies = { ["2"] = { country = "se" } } }
      local host = new()
      assert.same({ { ["company.country"] = "no" }, { ["company.country"] = "se" }, {} }, host.facts {
        { company = 1, names = { "company.country" } }, { company = 2, names = { "company.country" } },
        { company = 9999, names = { "company.country" } },
      })
    end)
  end)
end

-- Many at once --------------------------------------------------------------------------------------------------------

local MANY = {
  read_many = { path = "/companies?ids={companies}", list = "results", id = "id", most = 50 },
  write_many = {
    path = "/companies/batch", body = { inputs = "{changes}" },
    each = { id = "{company}", category = "{to}", version = "{version}", key = "{key}" },
    list = "results", id = "id", conflict = { { status = "conflict" } }, most = 50,
  },
}

describe("leadcat.host.http with many companies", function()
  local function won(count)
    local events = {}
    for i = 1, count do
      events[i] = { trigger = "sale_won", company = i, id = "won " .. i }
    end
    return events
  end

  local function count_of(outcomes)
    local counts = {}
    for _, outcome in ipairs(outcomes) do
      counts[outcome.status] = (counts[outcome.status] or 0) + 1
    end
    return counts
  end

  it("reads and changes them with few requests", function()
    local engine = open(HOSTS.rest(MANY))
    tell { companies = { ["2"] = { category = LOST } } }
    local before = tell().state.requests
    assert.same({ updated = COMPANIES - 1, unchanged = 1 }, count_of(assert(engine:handle_many(won(COMPANIES)))))
    local state = tell().state
    assert.equal(COMPANIES - 1, state.changes)
    assert.is_true(state.requests - before <= 10, state.requests - before)
    assert.same({ CUSTOMER, LOST }, { company(1).category, company(2).category })
    engine:close()
  end)

  it("changes them one by one when one of them is refused", function()
    local engine = open(HOSTS.rest(MANY))
    tell { companies = { ["3"] = { locked = true } } }
    local outcomes = assert(engine:handle_many(won(5)))
    assert.same({ updated = 4, failed = 1 }, count_of(outcomes))
    assert.same({ "failed", "refused" }, { outcomes[3].status, outcomes[3].code })
    assert.equal(4, tell().state.changes)
    engine:close()
  end)

  it("tells conflicts, and asks again where nobody has answered", function()
    local host = HOSTS.rest(MANY)
    tell { companies = { ["2"] = { category = LOST } } }
    local changes = {}
    for i, id in ipairs { 1, 2, 9999 } do
      changes[i] = { company = id, to = CUSTOMER, from = LEAD, outcome = { key = "k-" .. i } }
    end
    local answers = host.set_categories(changes)
    assert.same({ true, "conflict", "conflict" }, { answers[1], answers[2].code, answers[3].code })
    assert.same({ CUSTOMER, LOST, false }, host.categories { 1, 2, 9999 })
    tell { next = { POST = { "drop" } } }
    answers = host.set_categories { { company = 4, to = CUSTOMER, from = LEAD, outcome = { key = "k-4" } } }
    assert.is_nil(answers[1].code)
    assert.matches("has closed", answers[1].error, 1, true)
    assert.is_true(host.applied(4, "k-4"))
    assert.is_false(host.applied(5, "k-5"))
    assert.is_true(host.set_category(4, CUSTOMER, LEAD, { key = "k-4" }))
    assert.same({ nil, "conflict" }, { host.set_category(4, CUSTOMER, LEAD, { key = "k-6" }) }) -- somebody else has
  end)
end)

describe("leadcat.host.http's options", function()
  local function raised(change)
    local path = "/{company}"
    local options = { url = "http://a", read = { path = path, category = "c" }, write = { path = path } }
    change(options)
    return select(2, pcall(http_host, options))
  end

  it("raise when they are wrong", function()
    for message, change in pairs {
      ["option 'url' is missing"] = function(o) o.url = nil end,
      ["option 'url': an address"] = function(o) o.url = "crm.example.com" end,
      ["option 'read' is missing"] = function(o) o.read = nil end,
      ["read: option 'category' is missing"] = function(o) o.read.category = nil end,
      ["read: unknown option 'x'"] = function(o) o.read.x = 1 end,
      ["read: option 'path': a path"] = function(o) o.read.path = "/a b" end,
      ["{id} is unknown"] = function(o) o.write.body = { id = { "{id}" } } end,
      ["write: option 'conflict': a list of statuses"] = function(o) o.write.conflict = 409 end,
      ["write_many needs read_many"] = function(o) o.write_many = { list = "a", id = "b", each = {} } end,
      ["read_many needs read to be a table"] = function(o)
        o.read, o.read_many = print, { list = "a", id = "b" }
      end,
      ["option 'timeout': a number of seconds, at most 10"] = function(o) o.timeout = 11 end,
    } do
      assert.matches("leadcat.host.http: " .. message, raised(change), 1, true)
    end
  end)

  it("may be functions", function()
    local host = http_host {
      url = address, external = "number",
      read = function(id) return id == 1 and { category = "17", name = "One", facts = { a = 1 } } or nil end,
      write = function(change, found)
        return nil, ("%s %s %s %s"):format(change.company, change.from, change.to, found.name), "refused"
      end,
    }
    local external = { from = "17", to = "18" }
    assert.same({ "17", nil }, { host.category(1), host.category(2) })
    assert.equal("One", host.company_name(1))
    assert.same({ nil, "1 17 18 One", "refused" }, { host.set_category(1, 5, 1, { key = "k", external = external }) })
    assert.same({ { a = 1 }, {} }, host.facts { { company = 1, names = { "a" } }, { company = 2, names = { "a" } } })
    local _, message, code = host.set_category(1, 5, 1, { key = "k", external = { from = "17" } })
    assert.same({ "category 5 has no `external` by which the server knows it", "refused" }, { message, code })
  end)
end)

describe("leadcat.host.http's write", function()
  it("reads nothing before, where the server compares", function()
    local host = HOSTS.rest { write = { path = "/companies/{company}", body = { category = "{to}" }, compares = true } }
    assert.is_true(host.set_category(1, CUSTOMER, LEAD, CHANGE))
    assert.equal(1, tell().state.requests)
    assert.same({ nil, "conflict" }, { host.set_category(9999, CUSTOMER, LEAD, CHANGE) }) -- 404, and then it is read
  end)
end)

describe("leadcat.host.http killed in the middle", function()
  for _, way in ipairs { "keys", "none" } do
    it("makes each change once, with " .. way, function()
      local engine, directory = open(nil)
      engine:close()
      local count = 40
      tell { slow = 0.002 }
      for round = 1, 8 do
        local worker = processes.launch("http.lua", directory, address, count, way)
        core.sleep(0.01 * round + math.random() * 0.03)
        os.execute(("kill -KILL %s 2>/dev/null"):format(worker.id))
        worker.pipe:close()
      end
      local last = processes.launch("http.lua", directory, address, count, way)
      assert.equal("done\n", last.pipe:read "*a")
      last.pipe:close()
      local all = tell()
      assert.equal(count, all.state.changes)
      for i = 1, count do
        assert.same({ CUSTOMER, 2 }, { all.companies[tostring(i)].category, all.companies[tostring(i)].version })
      end
    end)
  end
end)

describe("leadcat.host.http's manual", function()
  local page = assert(io.open "lua/leadcat/host/README.md"):read "*a":match "\n## Beside a REST API\n(.*)"
  for block in (page or ""):gmatch "```lua\n(.-)\n```" do
    it("is right: " .. block:match "[^\n]+$", function()
      tell { token = "secret" }
      local engine, path = open(nil)
      engine:close()
      local said = {}
      local code = block:gsub("https://crm.example.com", address):gsub("/var/lib/leadcat", path)
      local environment = setmetatable({ print = function(text) said[#said + 1] = text end }, { __index = _G })
      local chunk = assert(load(code, "=manual", "t", environment))
      chunk()
      local expected = {}
      for text in block:gmatch "%-%-> ([^\n]+)" do
        expected[#expected + 1] = text
      end
      assert.is_true(#expected > 0)
      assert.same(expected, said)
    end)
  end
end)

-- A deal is won in the CRM, which calls the hook; the change is made by its API.
it("the README connects a CRM by webhooks and its API", function()
  local section = assert(io.open "README.md"):read "*a":match "\n%*%*Beside a SaaS CRM.-\n```lua\n(.-)\n```"
  tell { token = "secret" }
  local engine, path = open(nil)
  engine:close()
  local work = assert(load((section:gsub("https://crm.example.com", address):gsub("/var/lib/leadcat", path))))()
  local hook = work.sources[1]
  local app = require("leadcat.http").new {
    engine = work.engine, authenticate = function() end, hooks = { pipedrive = hook },
  }
  local answer = app:respond {
    method = "POST", path = "/leadcat/hooks/pipedrive", headers = {
      authorization = "Basic " .. core.base64 "leadcat:secret", ["content-type"] = "application/json",
    },
    body = '{"data":{"id":4,"status":"won","org_id":7},"previous":{"status":"open"},"meta":{"action":"change",'
      .. '"entity":"deal","entity_id":"4","id":"a-1","timestamp":"2026-01-02T03:04:05Z"}}',
  }
  assert.equal(200, answer.status)
  assert.equal(LEAD, company(7).category)
  assert(hook:step(work.engine))
  assert.equal(CUSTOMER, company(7).category)
  work.engine:close()
end)

if rawget(_G, "jit") then
  return -- nginx has LuaJIT in it either way
end

describe("leadcat.host.http in nginx", function()
  it("lets others go on while the CRM is slow", function()
    local directory = server.directory()
    local prepared = open(nil, { path = directory .. "/store" })
    prepared:close()
    local nginx = assert(server.start(directory, {
      workers = 1, http = ([[
        init_worker_by_lua_block {
          local host = require "leadcat.host.http" {
            url = "%s", headers = { Authorization = "Bearer token-1" },
            read = { path = "/companies/{company}", at = "data", category = "category.id" },
            write = {
              path = "/companies/{company}", body = { category = "{to}" }, headers = { ["If-Match"] = "{etag}" },
            },
          }
          engine = assert(require("leadcat").open { path = "%s/store", map_size = 2 ^ 26, host = host })
        }]]):format(address, directory), server = [[
        location /won { content_by_lua_block {
          local outcome, message = engine:handle { trigger = "sale_won", company = ngx.var.arg_company }
          ngx.print(outcome and outcome.status or message)
        } }
        location /ping { return 200 pong; }
      ]],
    }))
    tell { slow = 0.3 }
    local client = require("socket").connect("127.0.0.1", nginx.port)
    client:send "GET /won?company=1 HTTP/1.0\r\n\r\n"
    client:settimeout(0)
    assert.equal(200, (nginx:request("GET", "/ping")))
    assert.same({ nil, "timeout", "" }, { client:receive "*a" })
    client:settimeout(10)
    assert.matches("updated$", client:receive "*a")
    assert.equal(CUSTOMER, company(1).category)
    nginx:stop()
    os.execute("rm -rf " .. directory)
  end)
end)

-- `GET /openapi.json` says what the routes really take and give.

local answered = require "support.answered"
local http = require "leadcat.http"
local json = require "leadcat.util.json"
local json_schema = require "support.json_schema"
local openapi = require "leadcat.http.openapi"
local schemas = require "support.schemas"
local stores = require "support.stores"
local web = require "support.web"

local function document(app_options)
  local options = { engine = {}, authenticate = print }
  for name, value in pairs(app_options or {}) do
    options[name] = value
  end
  return assert(json.decode(json.encode(openapi.document(http.new(options)))))
end

local function each_operation(told, fn)
  for path, item in pairs(told.paths) do
    for method, operation in pairs(item) do
      fn(method:upper() .. " " .. path, operation)
    end
  end
end

local function read(name)
  local file = assert(io.open(name, "rb"))
  local content = file:read "*a"
  file:close()
  return content
end

describe("the document", function()
  it("has every route, and no other", function()
    local routes, told = {}, {}
    for _, route in ipairs(http.new({ engine = {}, authenticate = print }).routes()) do
      local name = route.method .. " " .. route.path
      routes[name] = not (route.open and route.path:find "%.[cj]ss?$") or nil -- not the files that pages load
    end
    for _, of in ipairs { openapi.OPERATIONS, openapi.PAGES } do
      for name in pairs(of) do
        told[name] = true
      end
    end
    assert.same(routes, told)
    local written = {}
    each_operation(document(), function(name) written[name] = true end)
    assert.same(routes, written)
  end)

  it("has the shapes of the annotations: make schemas", function()
    assert.equal(schemas.text(), read(schemas.FILE))
  end)

  it("refers to shapes that it has", function()
    local told = document()
    local text = json.encode(told):gsub("\\/", "/")
    for name in text:gmatch '"%$ref":"#/components/schemas/([^"]+)"' do
      assert.is_table(told.components.schemas[name], name)
    end
    assert.is_true(#text > 10000)
  end)

  it("says what each does, and which errors it has", function()
    each_operation(document(), function(name, operation)
      assert.matches("%S", operation.summary or "", 1, false, name)
      assert.is_table(operation.responses["200"], name)
      for _, parameter in ipairs(operation.parameters) do
        assert.matches("^%l+$", parameter["in"])
        assert.is_table(parameter.schema, name .. " " .. parameter.name)
      end
      assert.equal(name:find "{id}" ~= nil, (operation.parameters[1] or {})["in"] == "path", name)
    end)
  end)

  it("is served to everybody, with the prefix of the site", function()
    local site = web.new_site(nil, { prefix = "/crm" })
    local answer = web.ask(site, "GET", "/crm/openapi.json")
    assert.equal(200, answer.status)
    local told = assert(json.decode(answer.body))
    assert.equal("3.1.0", told.openapi)
    assert.equal("/crm", told.servers[1].url)
    local again = web.ask(site, "GET", "/crm/openapi.json", { headers = { ["if-none-match"] = answer.headers.ETag } })
    assert.equal(304, again.status)
    site.engine:close()
  end)
end)

-- Real requests ---------------------------------------------------------------------------------------------------------

local RULES = {
  sale_registered = { 3, ask = true }, sale_won = 5, sale_lost = 4,
}

-- Bob's company, question, and entry of a change, made anew for each request.
local MAKE = {
  question = function(site) return (web.question(site)) end,
  entry = function(site) return ("%d"):format((web.change(site))) end,
  company = web.new_company,
  draft = function(site) return ("%d"):format(assert(site.engine:save_draft(site.engine:config())).id) end,
  asked = function(site) return select(2, web.question(site)) end,
  changed = function(site) return select(2, web.change(site)) end,
}

local function event(site, fields)
  local all = { trigger = "sale_won", company = web.new_company(site), sale = { id = 7, name = "Printers" } }
  for name, value in pairs(fields or {}) do
    all[name] = value
  end
  return all
end

-- Two companies of which one is held, and one that a rule on trial would have moved.
local function with_brake(site)
  local cfg = stores.config { sale_won = 5, sale_lost = 4 }
  for _, rule in ipairs(cfg.rules) do
    rule.limit = rule.trigger == "sale_won" and { changes = 1, hours = 1 } or nil
    rule.shadow = rule.trigger == "sale_lost" or nil
  end
  assert(site.engine:save(cfg))
  for i = 1, 3 do
    assert(site.engine:handle(event(site, { trigger = i == 3 and "sale_lost" or "sale_won" })))
  end
end

local function config_request(site, tag)
  local cfg, newest = web.config_json(site)
  return { as = "ann", json = cfg, headers = { ["if-match"] = tag or newest } }
end

-- The operation, how it is asked (a table, or what makes one of the site), the status that comes, and what is made before.
local ROWS = {
  { "GET /api/held?foresee=true", function(site)
    with_brake(site)
    return { as = "ann" }
  end, 200 },
  { "POST /api/held/release", function(site)
    with_brake(site)
    return { as = "ann", json = { all = true } }
  end, 200 },
  { "POST /api/held/drop", function(site)
    with_brake(site)
    return { as = "ann", json = { rule = "sale_won" } }
  end, 200 },
  { "POST /api/held/drop", { as = "ann", json = {} }, 422 },
  { "GET /api/shadow?rule=sale_lost", function(site)
    with_brake(site)
    return { as = "bob" }
  end, 200 },
  { "GET /api/suggestions?cases=10", function(site)
    assert(site.engine:save(answered.config()))
    answered.answer(site.engine, site.engine.host, 1, 400, function(won, random)
      return random() < (won.contact.optin and 0.8 or 0.1) and answered.VIP or answered.CUSTOMER
    end)
    return { as = "ann" }
  end, 200, "contact.optin" },
  { "GET /api/suggestions?rule=x", { as = "ann" }, 404 },
  { "POST /api/shadow/real", function(site)
    with_brake(site)
    return { as = "ann", json = { rule = "sale_lost" } }
  end, 200 },
  { "POST /api/events", function(site) return { as = "bob", json = event(site) } end, 200 },
  { "POST /api/events", function(site)
    return { as = "bob", json = { event(site), event(site, { trigger = "sale_registered" }) } }
  end, 200 },
  { "POST /api/events", function(site)
    return { as = "hook", json = event(site, { facts = { ["company.size"] = 3 } }) }
  end, 200 },
  { "POST /api/events", function(site)
    site.engine:on("guard", function(of) return of.id == "stopped" and error "no" or nil end)
    return { as = "bob", json = { event(site), event(site, { id = "stopped" }) } }
  end, 200 },
  { "POST /api/events", function(site) return { as = "bob", json = event(site, { company = "nobody" }) } end, 200 },
  { "POST /api/events", { as = "bob", json = { trigger = "sale_won" } }, 422 },
  { "POST /api/events", { as = "bob", body = "{", type = "application/json" }, 400 },
  { "POST /api/events", { as = "bob", body = "a", type = "text/plain" }, 415 },
  { "POST /api/events", { as = "bob", site = "cross-site", json = {} }, 403 },
  { "POST /api/events", { json = {} }, 401 },
  { "POST /api/propose", function(site)
    return { as = "bob", json = event(site, { trigger = "sale_registered" }) }
  end, 200 },
  { "POST /api/propose", function(site) return { as = "bob", json = event(site) } end, 204 },
  { "GET /api/explain?company={changed}", { as = "bob" }, 200 },
  { "GET /api/explain?company={asked}", { as = "bob" }, 200 },
  { "GET /api/explain?company={changed}&at=2023-11-14", { as = "bob" }, 200, '"past"' },
  { "GET /api/explain?company={changed}&entry=7", { as = "bob" }, 404 },
  { "GET /api/explain", { as = "bob" }, 422 },
  { "POST /api/explain", function(site) return { as = "bob", json = event(site) } end, 200 },
  { "POST /api/explain", function(site) return { as = "bob", json = event(site, { company = "nobody" }) } end, 200 },
  { "GET /api/config", { as = "ann" }, 200 },
  { "GET /api/config", { as = "bob" }, 403 },
  { "GET /api/config", { as = "ann", headers = { ["if-none-match"] = "*" } }, 304 },
  { "PUT /api/config", config_request, 200 },
  { "PUT /api/config", function(site) return config_request(site, '"99"') end, 412 },
  { "PUT /api/config", { as = "ann", json = {} }, 428 },
  { "PUT /api/config", function(site)
    local request = config_request(site)
    request.json = { categories = { {} } }
    return request
  end, 422 },
  { "GET /api/fields", { as = "ann" }, 200 },
  { "GET /api/triggers", { as = "bob" }, 200 },
  { "GET /api/confirmations?state=open&limit=5", { as = "bob" }, 200, "{question}" },
  { "GET /api/confirmations?state=accepted", { as = "bob" }, 200 },
  { "GET /api/confirmations?state=x", { as = "bob" }, 422 },
  { "GET /api/confirmations/count", { as = "bob" }, 200 },
  { "GET /api/confirmations/{question}", { as = "bob" }, 200 },
  { "GET /api/confirmations/x", { as = "bob" }, 404 },
  { "POST /api/confirmations/{question}", { as = "bob", json = { accept = true } }, 200 },
  { "POST /api/confirmations/{question}", { as = "ann", json = { category = 6 } }, 200 },
  { "POST /api/confirmations/{question}", { as = "bob", json = { decline = true } }, 200 },
  { "POST /api/confirmations/{question}", { as = "bob", form = { accept = "true" } }, 303 },
  { "POST /api/confirmations/{question}", { as = "eve", json = { accept = true } }, 403 },
  { "POST /api/confirmations/{question}", { as = "bob", json = { acept = true } }, 422 },
  { "POST /api/confirmations/{question}/assign", { as = "bob", json = { to = { id = "eve", name = "Eve" } } }, 200 },
  { "POST /api/confirmations/{question}/assign", { as = "bob", form = { user = "eve" } }, 303 },
  { "POST /api/confirmations/{question}/assign", { as = "eve", json = { to = { id = "eve" } } }, 403 },
  { "POST /api/confirmations/{question}/assign", { as = "bob", json = { to = {} } }, 422 },
  { "GET /api/history?limit=1000", { as = "ann" }, 200, "{entry}" },
  { "GET /api/history?unchanged=true", { as = "ann" }, 200 },
  { "GET /api/history?limit=0", { as = "ann" }, 422 },
  { "POST /api/history/{entry}/undo", { as = "ann" }, 200 },
  { "POST /api/history/{entry}/undo", { as = "bob" }, 403 },
  { "POST /api/history/999999/undo", { as = "ann" }, 404 },
  { "POST /api/history/{entry}/retry", { as = "ann" }, 422 },
  { "POST /api/history/{entry}/cancel", { as = "ann" }, 422 },
  { "POST /api/undo", { as = "ann", json = { revision = 1, preview = true } }, 200, "{entry}" },
  { "POST /api/undo", { as = "ann", json = { revision = 1 } }, 200, "{entry}" },
  { "POST /api/undo", { as = "ann", json = {} }, 422 },
  { "GET /api/health?days=7", { as = "ann" }, 200 },
  { "GET /api/changes?limit=1000", { as = "ann" }, 200, "{question}" },
  { "GET /api/changes?after=newest", { as = "ann" }, 200 },
  { "POST /api/companies/{changed}/rename", function(site)
    return { as = "ann", json = { to = "renamed-" .. site.companies } }
  end, 200 },
  { "POST /api/companies/{changed}/merge", function(site)
    return { as = "ann", json = { into = web.new_company(site) } }
  end, 200 },
  { "POST /api/companies/{asked}/delete", { as = "ann" }, 200 },
  { "POST /api/companies/nobody/delete", { as = "ann" }, 404 },
  { "POST /api/companies/nobody/delete", { as = "bob" }, 403 },
  { "POST /api/forget", { as = "ann", json = { contact = 7 } }, 200 },
  { "POST /api/forget", { as = "ann", json = { nobody = 7 } }, 422 },
  { "GET /api/drafts", { as = "ann" }, 200, "{draft}" },
  { "POST /api/drafts", function(site) return { as = "ann", json = { config = site.engine:config() } } end, 200 },
  { "POST /api/drafts", { as = "ann", json = {} }, 422 },
  { "GET /api/drafts/{draft}", { as = "ann" }, 200 },
  { "GET /api/drafts/1", { as = "ann" }, 404 },
  { "POST /api/drafts/{draft}/approve", { as = "ann" }, 200 },
  { "POST /api/drafts/{draft}/approve", { as = "bob" }, 403 },
  { "POST /api/drafts/{draft}/discard", { as = "ann" }, 200 },
  { "GET /metrics", { as = "ann" }, 200 },
  { "GET /health", {}, 200 },
  { "GET /openapi.json", {}, 200 },
}

local function path_of(told, address)
  local path = address:match "^([^?]*)"
  return told.paths[path] and path or (path:gsub("^(/api/%l+/)[^/]+", "%1{id}"))
end

-- What is declared for an answer; raises when nothing is.
local function schema_of(told, method, address, answer)
  local operation = told.paths[path_of(told, address)][method:lower()]
  local declared = operation.responses[("%d"):format(answer.status)]
  assert.is_table(declared, ("%s %s: %d"):format(method, address, answer.status))
  local content_type = (answer.headers["Content-Type"] or ""):match "^[^;]*"
  if not answer.body then
    return nil
  end
  local content = (declared.content or {})[content_type]
  assert.is_table(content, ("%s %s: %d %s"):format(method, address, answer.status, content_type))
  return content.schema
end

local function check_answer(told, method, address, answer)
  local schema = schema_of(told, method, address, answer)
  if not schema or not schema["$ref"] and not next(schema) then
    return
  end
  local value = assert(json.decode(answer.body))
  for _, part in ipairs(schema.allOf or { schema }) do
    if part.properties and part.properties.code then -- the codes of this status
      assert.is_nil(json_schema.problem(told, part.properties.code, value.code), method .. " " .. address)
    else
      assert.is_nil(json_schema.problem(told, part, value), method .. " " .. address)
    end
  end
end

-- Each request is of a site whose journal has some of everything.
local function with_site(fn)
  local site = web.new_site({ record_unchanged = "full" }, nil, RULES)
  assert(site.engine:handle { id = "e1", trigger = "sale_lost", company = "nobody" })
  web.question(site)
  web.change(site)
  fn(site)
  site.engine:close()
end

local function fill(site, address)
  return (address:gsub("{(%l+)}", function(name) return MAKE[name](site) end))
end

describe("a real answer", function()
  after_each(stores.check)

  for place, row in ipairs(ROWS) do
    it(("is what is told of %s: %d (%d)"):format(row[1], row[3], place), function()
      with_site(function(site)
        local method, address = row[1]:match "^(%u+) (.*)$"
        if row[4] then
          fill(site, row[4])
        end
        local fields = type(row[2]) == "function" and row[2](site) or row[2]
        address = fill(site, address)
        local answer = web.ask(site, method, "/leadcat" .. address, fields)
        assert.equal(row[3], answer.status, answer.body)
        check_answer(document(), method, address, answer)
      end)
    end)
  end

  it("was had of each operation of the API", function()
    local told, seen = document(), {}
    for _, row in ipairs(ROWS) do
      local method, address = row[1]:match "^(%u+) (.*)$"
      seen[method .. " " .. path_of(told, address)] = row[3] < 400 or seen[method .. " " .. path_of(told, address)]
    end
    for name in pairs(openapi.OPERATIONS) do
      local is_elsewhere = name == "POST /hooks/{id}" or name:find "retry$" or name:find "cancel$"
      assert.is_true(seen[name] ~= nil or is_elsewhere ~= nil, name)
    end
  end)

  it("of a webhook is what is told of it", function()
    local hook = require "leadcat.source.webhook" { kind = "pipedrive", secret = "a:b" }
    local site = web.new_site(nil, { hooks = { crm = hook } })
    for _, row in ipairs { { "Basic YTpi", 200 }, { "Basic eDp4", 401 } } do
      local fields = { json = { meta = {} }, headers = { authorization = row[1] } }
      local answer = web.ask(site, "POST", "/leadcat/hooks/crm", fields)
      assert.equal(row[2], answer.status)
      local declared = document().paths["/hooks/{id}"].post.responses[("%d"):format(row[2])]
      assert.is_table(declared)
      if row[2] == 200 then
        local schema = declared.content["application/json"].schema
        assert.is_nil(json_schema.problem(document(), schema, json.decode(answer.body)))
      end
    end
    site.engine:close()
  end)
end)

describe("a permission", function()
  after_each(stores.check)

  it("that is told is the one that the host is asked for", function()
    local told = document()
    each_operation(told, function(name, operation)
      if not operation["x-permission"] then
        return
      end
      local asked = {}
      local host = web.new_host()
      host.can = function(_, permission)
        asked[permission] = true
        return true
      end
      local site = web.new_site({ host = host }, nil, RULES)
      local method, path = name:match "^(%u+) (.*)$"
      local made = path:find "confirmations" and "{question}" or path:find "/history/{id}" and "{entry}"
        or path:find "companies" and "{changed}" or path:find "/drafts/{id}" and "{draft}" or "1"
      path = fill(site, (path:gsub("{id}", made)))
      local fields = { json = { company = "c", trigger = "sale_won" } }
      if name == "PUT /api/config" or name == "POST /api/confirmations/{id}" then
        fields = name == "PUT /api/config" and config_request(site) or { json = { accept = true } }
      elseif name:find "assign$" then
        fields = { json = { to = { id = "eve" } } }
      elseif method == "GET" then
        fields = {}
      end
      fields.as = "bob"
      web.ask(site, method, "/leadcat" .. path, fields)
      assert.is_true(asked[operation["x-permission"]], name .. " asks for " .. operation["x-permission"])
      site.engine:close()
    end)
  end)

end)

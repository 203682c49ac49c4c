-- A small CRM with a REST API, and JSON-RPC beside it: crm.lua PORT COMPANIES. A test tells it by /test what to do, and is told
-- what has happened.

local cjson = require "cjson"
local loop = require "servers.loop"
local socket = require "socket"

local port, count = tonumber(arg[1]), tonumber(arg[2])

local companies, keys = {}, {}
local state = { token = "token-1", next = {}, changes = 0, requests = 0, tokens = 0, slow = 0 }

for i = 1, count do
  companies[tostring(i)] = { id = i, name = "Company " .. i, category = 1, version = 1, country = "no" }
end

-- A company by its id, which JSON may have as a number.
local function find(id)
  return companies[type(id) == "number" and ("%d"):format(id) or id]
end

local function shown(company)
  return {
    id = company.id, name = company.name, category = { id = company.category }, version = company.version,
    country = company.country,
  }
end

local function change(company, category, key)
  company.category, company.version, state.changes = category, company.version + 1, state.changes + 1
  if key then
    keys[key] = true
  end
end

local REST = {}

function REST.GET(request)
  local company = companies[request.path:match "^/companies/(.+)$"]
  if company then
    return 200, { data = shown(company) }, ('"%d"'):format(company.version)
  end
  return 404, { message = "no such company" }
end

function REST.PATCH(request)
  local company = companies[request.path:match "^/companies/(.+)$"]
  local sent, key = cjson.decode(request.body), request.headers["idempotency-key"]
  if not company then
    return 404, { message = "no such company" }
  elseif key and keys[key] then
    return 200, { data = shown(company) }
  elseif request.headers["if-match"] and request.headers["if-match"] ~= ('"%d"'):format(company.version) then
    return 412, { message = "changed meanwhile" }
  elseif company.locked then
    return 422, { message = "the company is locked; " .. request.headers.authorization }
  end
  change(company, sent.category, key)
  return 200, { data = shown(company) }
end

function REST.POST(request)
  local results = {}
  for i, input in ipairs(cjson.decode(request.body).inputs) do
    local company = find(input.id)
    if company.locked then
      return 422, { message = "one is locked" }
    elseif company.version ~= input.version then
      results[i] = { id = input.id, status = "conflict" }
    else
      change(company, input.category, input.key)
      results[i] = { id = input.id, status = "ok" }
    end
  end
  return 200, { results = results }
end

local function list(request)
  local results = {}
  for id in request.query:match "ids=(.*)":gmatch "[^,]+" do
    results[#results + 1] = companies[id] and shown(companies[id])
  end
  return 200, { results = results }
end

local RPC = {}

RPC["company.read"] = function(ids)
  local found = {}
  for i, id in ipairs(ids) do
    found[i] = find(id) and shown(find(id))
  end
  return found
end

RPC["company.write"] = function(id, values, context)
  local company = find(id)
  if context.version[("company,%d"):format(id)] ~= company.version then
    return nil, { "ConcurrencyException", "changed meanwhile" }
  elseif company.locked then
    return nil, { "UserError", "the company is locked" }
  end
  change(company, values.category)
  return cjson.null
end

local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

local function rpc(request)
  local call = cjson.decode(request.body)
  local result, problem = RPC[call.method](unpack(call.params))
  return 200, { jsonrpc = "2.0", id = call.id, result = result, error = problem }
end

-- Merges what the test tells; gives what there is.
local function test(request)
  for name, value in pairs(request.body ~= "" and cjson.decode(request.body) or {}) do
    if name == "companies" then
      for id, fields in pairs(value) do
        for field, given in pairs(fields) do
          companies[id][field] = given
        end
      end
    else
      state[name] = value
    end
  end
  return 200, { companies = companies, state = state, keys = keys }
end

local function answer_of(request)
  if request.path == "/test" then
    return test(request)
  elseif request.path == "/token" then
    state.tokens = state.tokens + 1
    return 200, { token = state.token }
  end
  state.requests = state.requests + 1
  if request.headers.authorization ~= "Bearer " .. state.token then
    return 401, { message = "wrong token" }
  elseif request.path == "/rpc" then
    return rpc(request)
  elseif request.path:find "^/changes/" then
    return keys[request.path:match "^/changes/(.+)$"] and 204 or 404
  elseif request.path == "/companies" then
    return list(request)
  end
  return REST[request.method](request)
end

-- What the test wants to go wrong with the next requests of a method, in order.
local function next_act(request)
  local list_of = request.path ~= "/test" and request.path ~= "/token" and state.next[request.method] or {}
  return table.remove(list_of, 1)
end

local function send(connection, status, answer, etag, more)
  local body = answer and cjson.encode(answer) or ""
  return connection:send(("HTTP/1.1 %d Status\r\n%s%sContent-Length: %d\r\n\r\n%s"):format(status,
    etag and "ETag: " .. etag .. "\r\n" or "", more or "", #body, body))
end

local function serve(connection)
  local request = connection:request()
  while request do
    local act = next_act(request)
    if act == "touch" or act == "move" then -- somebody else is faster
      change(companies["1"], act == "move" and 7 or companies["1"].category)
    end
    if act == "ignore" then
      return
    elseif act == "limit" then
      send(connection, 429, { message = "too many" }, nil, "Retry-After: 30\r\n")
    elseif act == "broken" then
      send(connection, 503, { error = { message = "maintenance" } })
    elseif act == "html" then
      connection:send "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n<html></html"
    else
      connection:sleep(request.path ~= "/test" and state.slow or 0)
      local status, answer, etag = answer_of(request)
      if act == "drop" then -- done, but nobody is told
        return
      end
      send(connection, status, answer, etag)
    end
    request = connection:request()
  end
end

loop.run(assert(socket.bind("127.0.0.1", port)), serve)

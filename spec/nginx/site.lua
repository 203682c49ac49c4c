--- What a CRM brings to leadcat in nginx, for the specs: an engine, and users who are named by a header. The store is in
-- the directory that nginx was started for.

local leadcat = require "leadcat"
local resty = require "leadcat.resty"

local site = {}

local ngx = ngx -- luacheck: ignore (OpenResty's global)
local MAP = 64 * 1024 * 1024
local engine

--- The engine of this Lua state.
---@param host? leadcat.Host
---@return leadcat.Engine?
---@return string? message
---@return string? code
function site.engine(host)
  local message, code
  if not engine then
    engine, message, code = leadcat.open { path = ngx.config.prefix() .. "store", map_size = MAP, host = host }
  end
  return engine, message, code
end

--- A service: programs need not come from a page of ours.
function site.authenticate(request)
  local user = request.headers["x-user"]
  return user and { id = user, name = user, admin = user == "admin", service = true }
end

function site.start(host)
  resty.start(assert(site.engine(host)))
end

function site.serve(host)
  resty.serve { engine = function() return assert(site.engine(host)) end, authenticate = site.authenticate }
end

--- How many commits this worker has made.
function site.commits()
  ngx.print(assert(site.engine():stats()).commits.count)
end

local categories = {} -- of this worker

--- A CRM in the worker's own memory, which never yields. Companies are leads at first.
site.own = {
  category = function(company) return categories[company] or 1 end,
  set_category = function(company, to, from)
    if (categories[company] or 1) ~= from then
      return nil, "conflict"
    end
    categories[company] = to
    return true
  end,
}

-- A CRM in a database, whose changes a worker makes ---------------------------------------------------------------------

--- The engine, which reads the database that crm.json beside nginx.conf names.
function site.elsewhere()
  if not engine then
    local file = assert(io.open(ngx.config.prefix() .. "crm.json"))
    local options = require("cjson").decode(file:read "*a")
    file:close()
    engine = assert(leadcat.open { path = ngx.config.prefix() .. "store", map_size = MAP, apply = "elsewhere",
      host = require "leadcat.host.sql" {
        adapter = require "leadcat.host.sql.dbi"(options),
        companies = { table = "companies", id = "id", category = "category" },
      } })
  end
  return engine
end

-- A CRM that is reached over the network -------------------------------------------------------------------------------

-- Asks the CRM, without blocking the others.
local function ask(path)
  local socket = ngx.socket.tcp()
  local ok, message = socket:connect("127.0.0.1", tonumber(ngx.config.prefix():match "(%d+)/$"))
  if not ok then
    return nil, message
  end
  socket:send("GET " .. path .. " HTTP/1.0\r\n\r\n")
  local answer
  answer, message = socket:receive "*a"
  socket:close()
  return answer and answer:match "\r\n\r\n(.*)$", message
end

site.remote = {
  category = function(company)
    local answer, message = ask("/crm/category?company=" .. ngx.escape_uri(company))
    return tonumber(answer), message
  end,
  set_category = function(company, to, from)
    local answer, message = ask(("/crm/set?company=%s&to=%d&from=%d"):format(ngx.escape_uri(company), to, from))
    if answer == "true" then
      return true
    end
    return nil, answer or message
  end,
}

--- The CRM's side: its companies are in a shared dictionary, and each answer takes it a while.
function site.crm(seconds)
  local companies, sent = ngx.shared.crm, ngx.req.get_uri_args()
  local category = companies:get(sent.company) or 1
  ngx.sleep(seconds)
  if not sent.to then
    ngx.print(category)
  elseif category ~= tonumber(sent.from) then
    ngx.print "conflict"
  else
    companies:set(sent.company, tonumber(sent.to))
    ngx.print "true"
  end
end

return site

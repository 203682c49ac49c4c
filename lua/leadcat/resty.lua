--- leadcat in OpenResty: nginx's requests and responses to and from `http.lua`'s plain tables, and the timers that keep a
-- store in order. Nothing else.

local http = require "leadcat.http"
local request_of = require "leadcat.http.request"

local ngx = ngx -- luacheck: ignore (OpenResty's global)

local resty = {}

local FLUSH_SECONDS, MAINTAIN_SECONDS = 3, 30

-- Requests -------------------------------------------------------------------------------------------------------------

-- The variables of nginx that have the headers, by the headers' names: the few that are ever asked for.
local VARIABLES = setmetatable({}, {
  __index = function(variables, name)
    local variable = "http_" .. name:gsub("-", "_")
    rawset(variables, name, variable)
    return variable
  end,
})

-- Headers are fetched as they are asked for: most requests need three of them.
local HEADERS = {
  __index = function(headers, name)
    local value = ngx.var[VARIABLES[name]]
    rawset(headers, name, value or false)
    return value
  end,
}

local function read_file(name)
  local file, message = io.open(name, "rb")
  if not file then
    return nil, message
  end
  local content = file:read "*a"
  file:close()
  return content
end

-- The body. One that is too large is not read.
---@return string? body
---@return string? message
local function read_body()
  if (tonumber(ngx.var.http_content_length) or 0) > request_of.MAX_BODY then
    return nil, "too_large"
  end
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  if body then
    return body
  end
  local name = ngx.req.get_body_file() -- nginx has put it there: see client_body_buffer_size
  if name then
    return read_file(name)
  end
  return ""
end

-- The request. A function of its own, without a loop, as LuaJIT compiles it then: what nginx is asked through the FFI is
-- slow where it is interpreted.
local function receive()
  return {
    method = ngx.req.get_method(),
    path = ngx.var.uri,
    query = ngx.var.args,
    headers = setmetatable({}, HEADERS),
    body = read_body,
  }
end

local function send(answer)
  if answer.log then
    ngx.log(ngx.ERR, "leadcat: ", answer.log)
  end
  if answer.headers.ETag then -- nginx would hold the new tag against the one the request was made from: 412 for a save
    ngx.req.clear_header "If-Match"
  end
  ngx.status = answer.status
  for name, value in pairs(answer.headers) do
    ngx.header[name] = value
  end
  if answer.body then
    ngx.print(answer.body)
  end
end

--- Answers the request that nginx is handling, in `content_by_lua`.
---@param options leadcat.http.Options
function resty.serve(options)
  send(http.new(options):respond(receive()))
end

-- Timers ---------------------------------------------------------------------------------------------------------------

local function log_failure(what, ok, message)
  if not ok then
    ngx.log(ngx.WARN, "leadcat: ", what, ": ", message)
  end
end

--- Starts what has to be done from time to time, in `init_worker_by_lua`: each worker adds its counts to those in the
-- store, and the first one keeps the store in order (`maintain`), at once and then every half minute.
---@param engine leadcat.Engine any tenant's: it is done for all
function resty.start(engine)
  local function flush(premature)
    log_failure("cannot write the counters", engine:flush())
    return premature
  end
  local function maintain(premature)
    if not premature then
      log_failure("cannot maintain the store", engine:maintain())
    end
  end
  assert(ngx.timer.every(FLUSH_SECONDS, flush))
  if ngx.worker.id() == 0 then
    assert(ngx.timer.at(0, maintain))
    assert(ngx.timer.every(MAINTAIN_SECONDS, maintain))
  end
end

return resty

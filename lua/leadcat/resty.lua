--- leadcat in OpenResty: turns nginx's requests into the plain tables of `http.lua`, sends its responses, and runs the
-- timers that maintain a store.

local http = require "leadcat.http"
local options_of = require "leadcat.util.options"
local protected = require "leadcat.util.protected"
local request_of = require "leadcat.http.request"
local unicode = require "leadcat.util.unicode"

local ngx = ngx -- luacheck: ignore (OpenResty's global)

local resty = {}

local FLUSH_SECONDS, MAINTAIN_SECONDS, STEP_SECONDS = 3, 30, 1

-- Requests ------------------------------------------------------------------------------------------------------------

local function read_file(name)
  local file, message = io.open(name, "rb")
  if not file then
    return nil, message
  end
  local content = file:read "*a"
  file:close()
  return content
end

-- A body that is too large is not read.
local function read_body(request)
  if (tonumber(request.headers["content-length"]) or 0) > request_of.MAX_BODY then
    return nil, "too_large"
  end
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  if body then
    return body
  end
  local name = ngx.req.get_body_file() -- a larger body is in a file: see client_body_buffer_size
  if name then
    return read_file(name)
  end
  return ""
end

-- A function without a loop, so that LuaJIT compiles it: interpreted FFI calls are slow. nil when there are more headers
-- than are read: one of them might be a repeated one.
local function receive()
  local headers, message = ngx.req.get_headers()
  return not message and {
    method = ngx.req.get_method(), path = ngx.var.uri, query = ngx.var.args, body = read_body,
    headers = setmetatable(headers, nil), -- it looks for each header that is not there under other names, too
  } or nil
end

local function send(answer)
  if answer.log then
    ngx.log(ngx.ERR, "leadcat: ", unicode.visible(answer.log))
  end
  if answer.headers.ETag then -- or nginx would compare it with the new tag, and answer a save with 412
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
  local request = receive()
  if request then
    send(http.new(options):respond(request))
  else
    ngx.exit(431) -- Request Header Fields Too Large
  end
end

-- Timers --------------------------------------------------------------------------------------------------------------

local function log_failure(what, ok, message)
  if not ok then
    ngx.log(ngx.WARN, "leadcat: ", what, ": ", unicode.visible(message))
  end
end

-- Steps a source until it has nothing to do. Steps do not overlap.
local function stepper(engine, source)
  local is_stepping = false
  return function(premature)
    local counts, message = { more = true }, nil
    if premature or is_stepping then
      return
    end
    is_stepping = true
    protected.finally(function() is_stepping = false end, function()
      while counts and counts.more and not ngx.worker.exiting() do
        counts, message = source:step(engine)
        message = message or counts and counts.error
        log_failure("source " .. (source.name or "without a name"), not message, message)
      end
    end)
  end
end

local START = { sources = options_of.of_type("table", "a list of sources") }

---@class (exact) leadcat.StartOptions
---@field sources? leadcat.Source[] such as hooks of leadcat.source.webhook: the first worker steps them every second

--- Starts the timers, in `init_worker_by_lua`. Each worker adds its counts to the store's. The first one maintains the
-- store, at once and then every half minute. A store that is only read needs none.
---@param engine leadcat.Engine of any tenant: all are maintained
---@param options? leadcat.StartOptions
function resty.start(engine, options)
  options = options_of.check(options, START, "leadcat.resty.start: ")
  if engine.readonly then
    return
  end
  local function flush()
    log_failure("cannot write the counters", engine:flush())
  end
  local function warn_of_nothing(premature)
    local cfg = not premature and engine:config()
    if cfg and cfg.revision == 0 then
      ngx.log(ngx.ERR, "leadcat: nothing has been saved in the store yet, so no rule does anything: ",
        "save the settings, or a preset by leadcat init --path DIR")
    end
  end
  local function maintain(premature)
    if not premature then
      log_failure("cannot maintain the store", engine:maintain())
    end
  end
  assert(ngx.timer.every(FLUSH_SECONDS, flush))
  if ngx.worker.id() == 0 then
    assert(ngx.timer.at(0, warn_of_nothing))
    assert(ngx.timer.at(0, maintain))
    assert(ngx.timer.every(MAINTAIN_SECONDS, maintain))
    for _, source in ipairs(options.sources or {}) do
      assert(ngx.timer.every(STEP_SECONDS, stepper(engine, source)))
    end
  end
end

return resty

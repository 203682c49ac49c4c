--- Starts nginx for specs: in a directory of its own, on a free port of 127.0.0.1, with the locations a spec asks for;
-- and stops it, seeing to it that nothing of it is left.

local http = require "socket.http"
local ltn12 = require "ltn12"
local socket = require "socket"

local server = {}

---@class nginx.Server
---@field directory string where nginx was started; its store is in `store` below
---@field port integer
---@field pid integer of the master
local Server = {}
Server.__index = Server

local MODULES = os.getenv "NGINX_MODULES" or "/usr/lib/nginx/modules"

local CONF = [[
load_module @modules@/ndk_http_module.so;
load_module @modules@/ngx_http_lua_module.so;
@user@
pid nginx.pid;
error_log error.log warn;
worker_processes @workers@;
worker_shutdown_timeout 10s;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path temp_body;
  proxy_temp_path temp_proxy;
  fastcgi_temp_path temp_fastcgi;
  uwsgi_temp_path temp_uwsgi;
  scgi_temp_path temp_scgi;
  client_max_body_size 2m;
  client_body_buffer_size 1m;
  lua_package_path "@tree@/lua/?.lua;@tree@/lua/?/init.lua;@tree@/spec/?.lua;;";
  lua_package_cpath "@build@/luajit/?.so;;";
  lua_code_cache @code_cache@;
  @http@
  server {
    listen 127.0.0.1:@port@ @listen@;
    add_header X-Worker $pid always;
    @server@
  }
}
]]

-- What each spec has when it asks for nothing else.
local DEFAULTS = {
  workers = 2, code_cache = "on", listen = "", modules = MODULES,
  http = 'init_worker_by_lua_block { require("nginx.site").start() }',
  server = 'location /leadcat/ { content_by_lua_block { require("nginx.site").serve() } }',
}

-- What a command prints, and its exit status.
local function run(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>&1; echo $?"))
  local output, status = pipe:read "*a":match "^(.-)(%d+)\n$"
  pipe:close()
  return output, tonumber(status)
end

local NGINX = run("PATH=$PATH:/usr/sbin:/usr/local/openresty/nginx/sbin command -v nginx"):match "^%S+"

--- Whether nginx and its Lua module are there.
function server.is_installed()
  local module = io.open(MODULES .. "/ngx_http_lua_module.so")
  return NGINX ~= nil and module ~= nil and module:close()
end

local FIRST, LAST = 20000, 32767 -- below those that the kernel gives to clients, one of which might get it meanwhile

--- A port that nobody listens on.
---@return integer
function server.free_port()
  for _ = 1, 100 do
    local port = FIRST + math.floor(socket.gettime() * 1e6) % (LAST - FIRST + 1)
    local listener = socket.bind("127.0.0.1", port)
    if listener then
      listener:close()
      return port
    end
  end
  error "no port is free"
end

local function write(name, content)
  local file = assert(io.open(name, "w"))
  assert(file:write(content))
  file:close()
end

local function read(name)
  local file = assert(io.open(name))
  local content = file:read "*a"
  file:close()
  return content
end

local function absolute(name)
  return name:find "^/" and name or run("pwd"):match "[^\n]+" .. "/" .. name
end

--- A directory for a server that is not started yet, so that its store can be made first. Its name ends with the port.
---@return string directory
function server.directory()
  local name = os.tmpname()
  os.remove(name)
  name = name .. "-" .. server.free_port()
  assert(os.execute("mkdir -p '" .. name .. "/store'"))
  return name
end

local function conf_of(directory, options)
  local values = {
    port = directory:match "%d+$", tree = absolute ".", build = absolute(os.getenv "LEADCAT_BUILD" or "build"),
    user = run "id -u" == "0\n" and "user root;" or "",
  }
  return (CONF:gsub("@([%w_]+)@", function(name)
    return tostring(options[name] or values[name] or DEFAULTS[name])
  end))
end

--- Starts nginx in a directory; it answers when this returns.
---@param directory string
---@param options? {workers?: integer, code_cache?: string, listen?: string, http?: string, server?: string}
---@return nginx.Server? server
---@return string? output why it has not started
function server.start(directory, options)
  write(directory .. "/nginx.conf", conf_of(directory, options or {}))
  local output, status = run(("'%s' -p '%s/' -c '%s/nginx.conf' -e error.log"):format(NGINX, directory, directory))
  if status ~= 0 then
    return nil, output .. read(directory .. "/error.log")
  end
  return server.attach(directory, tonumber(directory:match "%d+$"))
end

--- An nginx that somebody else has started.
---@param directory string with its nginx.pid
---@param port integer
---@return nginx.Server
function server.attach(directory, port)
  local pid = assert(server.wait_for(function()
    local file = io.open(directory .. "/nginx.pid")
    local content = file and file:read "*a"
    return file and file:close() and tonumber(content)
  end), "there is no nginx.pid")
  return setmetatable({ directory = directory, port = port, pid = pid }, Server)
end

--- Tries until something is true, or for ten seconds.
---@param check fun(): any
---@return any
function server.wait_for(check)
  local last = socket.gettime() + 10
  repeat
    local found = check()
    if found then
      return found
    end
    socket.sleep(0.02)
  until socket.gettime() > last
end

--- Sends a request on a connection of its own.
---@param method string
---@param path string
---@param sent? {body?: string, user?: string, headers?: table<string, string>} user: "admin" when not given
---@return integer? status
---@return string body (or the message)
---@return table<string, string> headers
function Server:request(method, path, sent)
  sent = sent or {}
  local chunks, headers = {}, { ["X-User"] = sent.user or "admin", Connection = "close" }
  if sent.body then
    headers["Content-Type"], headers["Content-Length"] = "application/json", #sent.body
  end
  for name, value in pairs(sent.headers or {}) do
    headers[name] = value
  end
  local ok, status, received = http.request {
    url = ("http://127.0.0.1:%d%s"):format(self.port, path), method = method, headers = headers,
    source = sent.body and ltn12.source.string(sent.body) or nil, sink = ltn12.sink.table(chunks), redirect = false,
  }
  if not ok then
    return nil, status, {}
  end
  return status, table.concat(chunks), received
end

-- The parent of each process there is. `child` may be one that has ended and was not waited for yet.
local function parents()
  local found = {}
  for line in run "cat /proc/[0-9]*/stat 2>/dev/null":gmatch "[^\n]+" do
    local pid, state, parent = line:match "^(%d+) %(.*%) (%a) (%d+)"
    if pid and state ~= "Z" then
      found[tonumber(pid)] = tonumber(parent)
    end
  end
  return found
end

--- The workers' ids.
---@return integer[]
function Server:workers()
  local found = {}
  for pid, parent in pairs(parents()) do
    found[#found + 1] = parent == self.pid and pid or nil
  end
  table.sort(found)
  return found
end

--- Sends a signal, such as "HUP", to the master or to another process.
function Server:signal(name, pid)
  run(("kill -%s %d"):format(name, pid or self.pid))
end

--- Has nginx read its configuration anew; the old workers are gone when this returns.
function Server:reload()
  local old = self:workers()
  self:signal "HUP"
  assert(server.wait_for(function()
    local alive = parents()
    for _, pid in ipairs(old) do
      if alive[pid] then
        return false
      end
    end
    return #self:workers() == #old
  end), "the old workers do not end")
end

--- What nginx has logged.
function Server:log()
  return read(self.directory .. "/error.log")
end

--- Ends it, gently or by another signal; raises when one of its processes is left.
---@param signal? string default "QUIT"
function Server:stop(signal)
  local pids = self:workers()
  pids[#pids + 1] = self.pid
  self:signal(signal or "QUIT")
  local gone = server.wait_for(function()
    local alive, left = parents(), 0
    for _, pid in ipairs(pids) do
      left = left + (alive[pid] and 1 or 0)
    end
    return left == 0
  end)
  if not gone then
    for _, pid in ipairs(pids) do
      self:signal("KILL", pid)
    end
    error("nginx does not end")
  end
end

return server

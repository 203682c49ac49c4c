-- Does what a page of the manual says: writes the files that it shows, types its commands, and compares what it says comes of them.

local assert = require "luassert"
local server = require "nginx.server"

local pages = {}

local TREE = io.popen("pwd"):read "*l"
local BUILD = os.getenv "LEADCAT_BUILD" or "build"

local function output_of(command)
  local pipe = assert(io.popen(command))
  local output = pipe:read "*a"
  pipe:close()
  return output
end

local IS_ROOT = output_of "id -u" == "0\n"

local function read(name)
  local file = assert(io.open(name, "rb"))
  local content = file:read "*a"
  file:close()
  return content
end

--- The fenced blocks of a page, in order: {language, content}.
function pages.blocks(name)
  local found = {}
  for language, content in read(name):gmatch "\n```(%l+)\n(.-)\n```" do
    found[#found + 1] = { language = language, content = content .. "\n" }
  end
  return found
end

-- The name of a file is in the comment that it begins with.
local function file_name(block)
  return block.content:match "^[#-]+ ([%w_]+[%w_.]*%.%l+)\n"
end

-- Where leadcat is for the Lua of a host, as `module` has been built: lua5.4, lua5.3 or luajit.
local function paths(module)
  local version = module == "luajit" and "5.1" or module:sub(4)
  return ("LUA_PATH='%s/lua/?.lua;%s/lua/?/init.lua;/usr/share/lua/%s/?.lua;;' LUA_CPATH='%s/%s/%s/?.so;;'"):format(
    TREE, TREE, version, TREE, BUILD, module)
end

-- Runs commands in a shell, as that user where we are root.
local function typed(page, commands)
  local script = os.tmpname()
  local file = assert(io.open(script, "w"))
  file:write("set -e\ncd ", page.folder, "\n", commands)
  file:close()
  os.execute("chmod 644 " .. script)
  local as = IS_ROOT and ("setpriv --reuid=%s --regid=%s --clear-groups "):format(page.user, page.user) or ""
  local command = "%senv -u LUA_INIT HOME=%s PATH='%s/%s/bin':$PATH %s %s timeout 60 sh %s 2>&1; echo status $?"
  command = command:format(as, page.folder, TREE, BUILD, page.environment or "", paths(page.lua), script)
  local output, status = output_of(command):match "^(.*)status (%d+)\n$"
  os.remove(script)
  return output, status
end

-- What the page says as it is here: its folder, and its port.
local function here(page, text)
  return (text:gsub("/tmp/crm", (page.folder:gsub("%%", "%%%%"))):gsub("8080", ("%d"):format(page.port)))
end

--- A page that is followed: {name, lua, user?, environment?, prepare?}.
function pages.follow(page)
  page.folder = output_of "mktemp -d":match "[^\n]+"
  page.port, page.user, page.output = server.free_port(), page.user or "www-data", ""
  os.execute("chmod 755 " .. page.folder .. (IS_ROOT and "; chown " .. page.user .. ": " .. page.folder or ""))
  if page.prepare then
    page.prepare(page)
  end
  for _, block in ipairs(pages.blocks(page.name)) do
    local name, content = file_name(block), here(page, block.content)
    if block.language == "sh" then
      local output, status = typed(page, content)
      page.output = page.output .. output
      assert.equal("0", status, page.name .. ": " .. content .. output)
    elseif block.language == "text" then
      for line in content:gmatch "[^\n]+" do
        local is_there = page.output:find(line, 1, true) ~= nil
        assert.is_true(is_there, ("%s: '%s' is not in %s"):format(page.name, line, page.output))
      end
    elseif name then
      local file = assert(io.open(page.folder .. "/" .. name, "w"))
      file:write(content)
      file:close()
    end
  end
end

--- Ends what a page that failed has left running, and removes its folder.
function pages.leave(page)
  for name in output_of(("ls %s/*.pid 2>/dev/null"):format(page.folder)):gmatch "[^\n]+" do
    os.execute(("kill $(cat %s) 2>/dev/null"):format(name))
  end
  os.execute("rm -rf " .. page.folder)
end

return pages

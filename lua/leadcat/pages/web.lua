--- The files in web/, each read once. Some are sent, some are put into pages.

local web = {}

-- This module's own place: the files are in web/ beside its folder, however it was installed.
local DIRECTORY = debug.getinfo(1, "S").source:match "^@(.*)pages/web%.lua$" .. "web/"

local loaded = {}

--- The content of a file.
---@param name string
---@return string
function web.content(name)
  if not loaded[name] then
    local file = assert(io.open(DIRECTORY .. name, "rb"))
    loaded[name] = file:read "*a"
    file:close()
  end
  return loaded[name]
end

return web

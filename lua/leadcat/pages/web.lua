--- The files in web/, for sending and for pages that contain them. Each file is read once.

local web = {}

-- Found from this module's own path: web/ lies beside its folder, wherever leadcat is installed.
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

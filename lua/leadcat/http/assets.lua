--- The files that pages load: scripts and the stylesheet.

local core = require "leadcat.core"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local web = require "leadcat.pages.web"

local assets = {}

assets.NAMES = { "leadcat.js", "settings.js", "leadcat.css" }

local TYPES = { js = "text/javascript; charset=utf-8", css = "text/css; charset=utf-8" }

local loaded = {}

local function load(name)
  if not loaded[name] then
    local content = web.content(name)
    loaded[name] = { content = content, tag = ('"%s"'):format(core.checksum(content)) }
  end
  return loaded[name]
end

function assets.get(context, path)
  local file = load(path:sub(2))
  local headers = { ["Cache-Control"] = "public, max-age=300", ETag = file.tag }
  if request_of.has_tag(context.request, file.tag) then
    return response.new(304, nil, nil, headers)
  end
  return response.new(200, file.content, TYPES[path:match "%w+$"], headers)
end

return assets

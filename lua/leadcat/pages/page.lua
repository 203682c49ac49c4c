--- A whole page: the head, the stylesheet, and no inline code, so that it works under the Content-Security-Policy `default-src
-- 'none'; style-src 'self'; script-src 'self'`. A page that is a file of its own contains its stylesheet.

local h = require "leadcat.pages.html"

local page = {}

---@class leadcat.Page
---@field title string of the tab of the browser
---@field language string a language tag
---@field main leadcat.html.Child what the page shows
---@field base? string path that leadcat is served at, without a slash at its end; default "/leadcat"
---@field scripts? string[] files below `base`, run in this order once the page is there
---@field wide? boolean for tables: as broad as they need
---@field style? string a stylesheet, for a page that is a file of its own: it loads nothing then

local FIELDS = {
  title = "string", language = "string", main = "table", base = "string", scripts = "table", wide = "boolean",
  style = "string",
}
local REQUIRED = { "title", "language", "main" }

page.BASE = "/leadcat"

local function check(options)
  if type(options) ~= "table" then
    error("page: a table expected, got " .. type(options), 3)
  end
  for name, value in pairs(options) do
    if type(value) ~= FIELDS[name] then
      error(("page: unknown field, or wrong type: %s = %s"):format(tostring(name), tostring(value)), 3)
    end
  end
  for _, name in ipairs(REQUIRED) do
    if options[name] == nil then
      error(("page: %s is missing"):format(name), 3)
    end
  end
end

local function scripts(options, base)
  local elements = {}
  for _, name in ipairs(options.scripts or {}) do
    elements[#elements + 1] = h.script { src = base .. "/" .. name, defer = true }
  end
  return elements
end

local FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

local function styles(options, base)
  if not options.style then
    return h.link { rel = "stylesheet", href = base .. "/leadcat.css" }
  end
  return { h.meta { http_equiv = "Content-Security-Policy", content = FILE_POLICY }, h.style { h.raw(options.style) } }
end

--- A page as markup.
---@param options leadcat.Page
---@return string
function page.document(options)
  check(options)
  local base = options.base or page.BASE
  return h.document { lang = options.language,
    h.head {
      h.meta { charset = "utf-8" },
      h.title { options.title },
      h.meta { name = "viewport", content = "width=device-width, initial-scale=1" },
      h.meta { name = "color-scheme", content = "light dark" },
      styles(options, base),
      scripts(options, base),
    },
    h.body { class = "leadcat-page",
      h.main { class = options.wide and "leadcat-main leadcat-wide" or "leadcat-main", options.main },
    },
  }
end

return page

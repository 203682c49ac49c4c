--- A whole page: the head, the stylesheet, and no inline code, so that it works under the Content-Security-Policy
-- `default-src 'none'; style-src 'self'; script-src 'self'`. A page that is saved as a file contains its stylesheet.

local h = require "leadcat.pages.html"
local language = require "leadcat.util.language"
local parts = require "leadcat.pages.parts"
local url = require "leadcat.util.url"
local wording = require "leadcat.words.wording"

local page = {}

---@class leadcat.Page
---@field title string of the browser tab
---@field language string a language tag
---@field main leadcat.html.Child what the page shows
---@field base? string path that leadcat is served at, without a slash at its end; default "/leadcat"
---@field navigation? leadcat.html.Node|false links to the other pages, above what the page shows
---@field scripts? string[] files below `base`, run in this order once the page has loaded
---@field wide? boolean for tables: as wide as they need
---@field panel? string of a small page that stands in another one: what it is, to tell it from that one
---@field style? string a stylesheet, for a page that is saved as a file and loads nothing

local FIELDS = {
  title = "string", language = "string", main = "table", base = "string", scripts = "table", wide = "boolean",
  style = "string", navigation = "table", panel = "string",
}
local FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

--- The address of one of leadcat's pages or files.
---@param model {base?: string} base: path that leadcat is served at
---@param path string
---@return string
function page.address(model, path)
  return (model.base or "/leadcat") .. path
end

--- The address of a company's panel.
---@param company any its id
---@return string path below the one that leadcat is served at
function page.panel(company)
  return "/companies/" .. url.escape(wording.id(company)) .. "/panel"
end

local function check(options)
  if type(options) ~= "table" then
    error("page: a table expected, got " .. type(options), 3)
  end
  for name, value in pairs(options) do
    if type(value) ~= FIELDS[name] and not (name == "navigation" and value == false) then
      error(("page: unknown field, or wrong type: %s = %s"):format(tostring(name), tostring(value)), 3)
    end
  end
  for _, name in ipairs { "title", "language", "main" } do
    if options[name] == nil then
      error(("page: %s is missing"):format(name), 3)
    end
  end
end

local function styles(options)
  if not options.style then
    return h.link { rel = "stylesheet", href = page.address(options, "/leadcat.css") }
  end
  return { h.meta { http_equiv = "Content-Security-Policy", content = FILE_POLICY }, h.style { h.raw(options.style) } }
end

--- A page as markup.
---@param options leadcat.Page
---@return string
function page.document(options)
  check(options)
  return h.document { lang = language.of_page(options.language),
    h.head {
      h.meta { charset = "utf-8" },
      h.title { options.title },
      h.meta { name = "viewport", content = "width=device-width, initial-scale=1" },
      h.meta { name = "color-scheme", content = "light dark" },
      styles(options),
      parts.map(options.scripts or {}, function(name)
        return h.script { src = page.address(options, "/" .. name), defer = true }
      end),
    },
    h.body { class = "leadcat-page",
      options.navigation,
      h.main { class = "leadcat-main" .. (options.wide and " leadcat-wide" or options.panel and " leadcat-panel" or ""),
        aria_label = options.panel, options.main,
      },
    },
  }
end

return page

--- The links between leadcat's pages. A reader gets those that he may open; what a host frames itself has none.

local h = require "leadcat.pages.html"
local parts = require "leadcat.pages.parts"

local navigation = {}

---@class leadcat.NavigationPage
---@field path string below the path that leadcat is served at
---@field word string key of its name
---@field permission string that its readers need

--- The pages, in the order of their links. A new page needs its row only.
---@type leadcat.NavigationPage[]
navigation.PAGES = {
  { path = "/confirmations", word = "inbox.title", permission = "view" },
  { path = "/history", word = "history.title", permission = "view" },
  { path = "/why", word = "why.title", permission = "view" },
  { path = "/settings", word = "settings.title", permission = "configure" },
  { path = "/drift", word = "drift.title", permission = "configure" },
  { path = "/versions", word = "versions.title", permission = "view" },
}

---@class leadcat.NavigationLink
---@field path string
---@field name string
---@field current? "page"|"true" it is this page, or one below it

--- The links for a reader.
---@param words leadcat.Words
---@param here string path of the page that is shown, below the path that leadcat is served at
---@param may fun(permission: string): boolean?
---@return leadcat.NavigationLink[]
function navigation.links(words, here, may)
  local links, answers = {}, {}
  for _, page in ipairs(navigation.PAGES) do
    local permission, is_below = page.permission, here:sub(1, #page.path + 1) == page.path .. "/"
    if answers[permission] == nil then
      answers[permission] = may(permission) == true
    end
    links[#links + 1] = answers[permission] and {
      path = page.path, name = words.strings:text(words.language, page.word),
      current = here == page.path and "page" or is_below and "true" or nil,
    } or nil
  end
  return links
end

--- The links as markup; nothing when there are none.
---@param links? leadcat.NavigationLink[]
---@param label string what the links are
---@param base string path that leadcat is served at
---@return leadcat.html.Node|false
function navigation.element(links, label, base)
  return links and links[1] and h.nav { class = "leadcat-navigation", aria_label = label,
    h.ul { parts.map(links, function(link)
      return h.li { h.a { href = base .. link.path, aria_current = link.current or false, link.name } }
    end) },
  } or false
end

return navigation

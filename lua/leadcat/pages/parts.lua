--- Parts that several pages have: a category, a change, a message, an error.

local h = require "leadcat.pages.html"

local parts = {}

--- The classes of what shows a category by its group's colour.
---@param group? string
---@return string
function parts.group_class(group)
  return group and "leadcat-group leadcat-group-" .. group or "leadcat-group"
end

--- A category by name, with the colour of its group.
---@param category leadcat.NamedCategory
---@return leadcat.html.Node
function parts.category(category)
  return h.span { class = parts.group_class(category.group), h.bdi { category.name } }
end

--- From one category to another.
---@param from leadcat.NamedCategory
---@param to leadcat.NamedCategory
---@param label string what a screen reader says for the arrow
---@return leadcat.html.Child
function parts.change(from, to, label)
  local arrow = h.span { class = "leadcat-arrow", role = "img", aria_label = label, "\226\134\146" } -- U+2192
  return h.span { class = "leadcat-change", parts.category(from), " ", arrow, " ", parts.category(to) }
end

--- What has just happened. It is there also when nothing has, for a script to fill it.
---@param sentence? string
---@param attributes? table more of the element's
---@return leadcat.html.Node
function parts.said(sentence, attributes)
  local content = { class = "leadcat-said", role = "status", sentence or false }
  for name, value in pairs(attributes or {}) do
    content[name] = value
  end
  return h.p(content)
end

--- What stands in the way, as above.
---@param sentence? string
---@return leadcat.html.Node
function parts.alert(sentence)
  return h.p { class = "leadcat-alert", role = "alert", sentence or false }
end

return parts

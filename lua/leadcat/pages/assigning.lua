--- The fields by which a question is given to somebody else: a closed part of the inbox and of a question's page.

local h = require "leadcat.pages.html"
local parts = require "leadcat.pages.parts"
local wording = require "leadcat.words.wording"

local assigning = {}

local text = wording.sentence

-- A list to choose from, where the host knows its users; else what is typed.
local function fields(model, id)
  local function field(name, key, element)
    return h.p { class = "leadcat-field", h.label { ["for"] = id .. "-" .. name, text(model, key) }, " ", element }
  end
  if model.users then
    local options = parts.map(model.users, function(user)
      return h.option { value = tostring(user.id), dir = "auto", wording.called(user) or "?" }
    end)
    return field("user", "inbox.assign_user", h.select { id = id .. "-user", name = "user", dir = "auto",
      h.option { value = "", selected = true, "\226\128\147" }, options })
  end
  return {
    field("user", "inbox.assign_id", h.input { type = "text", id = id .. "-user", name = "user",
      maxlength = 255, dir = "auto", autocomplete = "off" }),
    field("name", "inbox.assign_name", h.input { type = "text", id = id .. "-name", name = "name",
      maxlength = 200, dir = "auto", autocomplete = "off" }),
  }
end

--- The part of a form.
---@param model {users?: leadcat.Actor[]}|leadcat.Words
---@param id string how ids of its elements begin
---@param attributes table of its button
---@return leadcat.html.Node
function assigning.details(model, id, attributes)
  attributes.data_leadcat_busy = model.strings:text(model.language, "settings.saving")
  attributes[1] = text(model, "inbox.assign_do")
  return h.details { class = "leadcat-assign",
    h.summary { text(model, "inbox.assign") },
    fields(model, id),
    h.p { class = "leadcat-actions", h.button(attributes) },
  }
end

return assigning

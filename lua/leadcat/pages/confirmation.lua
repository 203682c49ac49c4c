--- The question as a dialog of a web page. Its form works without JavaScript and without a stylesheet. web/leadcat.js
-- shows the same markup over another page: the `data-` attributes are its words, and errors go into the empty alert.

local h = require "leadcat.pages.html"
local language = require "leadcat.util.language"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"

local confirmation = {}

---@class (exact) leadcat.ConfirmationHtmlOptions
---@field base? string path that leadcat is served at, without a slash at its end; default "/leadcat"
---@field action? string URL that the answer is posted to; the API's when the question has an id, else that of the page
---@field open? boolean whether the dialog is shown at once; default true
---@field back? string URL of the page that leaving the question leads to; default: only the dialog is closed
---@field prefix? string start of the element ids, for a question without an id; unique in the page

local OPTIONS = { base = "string", action = "string", back = "string", open = "boolean", prefix = "string" }
local PREFIX = "leadcat-confirmation"

-- Parts --------------------------------------------------------------------------------------------------------------

-- The options by group, and whether the proposal is among them.
local function grouped(options)
  local groups, proposed = {}, false
  for _, option in ipairs(options) do
    local group = groups[#groups]
    if not group or group.key ~= option.group then
      group = { key = option.group, name = option.group_name, choices = {} }
      groups[#groups + 1] = group
    end
    local selected = option.proposed and not proposed or false
    group.choices[#group.choices + 1] = h.option { value = option.id, dir = "auto", selected = selected, option.name }
    proposed = proposed or option.proposed
  end
  return groups, proposed
end

-- The list to choose from. When the proposal is not in it, nothing is chosen, and browsers ask for a choice.
local function list(view, id)
  local groups, proposed = grouped(view.options)
  local items = { not proposed and h.option { value = "", selected = true, "\226\128\147" } }
  for _, group in ipairs(groups) do
    items[#items + 1] = group.name and h.optgroup { label = group.name, group.choices } or group.choices
  end
  return h.select { id = id, name = "category", required = true, autofocus = true, dir = "auto", items }
end

local function button(text, attributes)
  attributes.type, attributes[1] = "submit", text
  return h.button(attributes)
end

-- Closes the dialog, or leads back, and sends nothing.
local function leave(text, back)
  return back and h.a { class = "leadcat-button", href = back, text }
    or button(text, { formmethod = "dialog", formnovalidate = true, value = "cancel" })
end

-- Who leaves a question that is there answers it later; who leaves one that is only proposed does not save.
local function question(view, id, action, back)
  local labels = view.labels
  return h.form { method = "post", action = action,
    h.p { class = "leadcat-field",
      h.label { ["for"] = id .. "-category", labels.category }, " ", list(view, id .. "-category"),
    },
    view.expires and h.p { class = "leadcat-muted",
      parts.timed(view.expires, { { view.expires_at, view.expires_time } }) },
    h.p { class = "leadcat-actions",
      button(labels.save, { class = "leadcat-primary", data_leadcat_busy = labels.saving }), " ",
      button(labels.keep, { name = "decline", value = "true", formnovalidate = true,
        data_leadcat_busy = labels.saving }), " ",
      leave(view.id and labels.later or labels.cancel, back),
    },
    parts.alert(),
  }
end

local function answer(view, back)
  local text = view.labels.close or view.labels.cancel
  local close = back and leave(text, back) or button(text, { value = "cancel" })
  return {
    h.p { view.closed or view.state_name },
    h.form { method = "dialog",
      h.p { class = "leadcat-actions", close },
    },
  }
end

-- The whole ----------------------------------------------------------------------------------------------------------

local function check(view, options)
  if type(view) ~= "table" or type(view.labels) ~= "table" then
    error("expected the view of a confirmation", 3)
  end
  for name, value in pairs(options) do
    if type(value) ~= OPTIONS[name] then
      error(("unknown option, or wrong type: %s = %s"):format(tostring(name), tostring(value)), 3)
    end
  end
  if options.prefix and not options.prefix:find "^%a[%w_-]*$" then
    error("options.prefix: expected a letter, then letters, digits, _ and -", 3)
  end
end

local function element(view, options)
  local known = type(view.id) == "string" and #view.id == 32 and not view.id:find "%X"
  local id = known and PREFIX .. "-" .. view.id or options.prefix or PREFIX
  local action = options.action or known and page.address(options, "/api/confirmations/" .. view.id) or false
  return h.dialog { class = "leadcat-dialog", lang = language.of_page(view.language), open = options.open ~= false,
    aria_labelledby = id .. "-title", aria_describedby = id .. "-sentence",
    data_leadcat_close = view.labels.close, data_leadcat_network = view.labels.network,
    h.h2 { id = id .. "-title", view.title },
    h.p { id = id .. "-sentence", view.sentence },
    view.assigned and h.p { class = "leadcat-muted", view.assigned },
    view.state == "open" and question(view, id, action, options.back) or answer(view, options.back),
  }
end

--- The dialog as an element, for a page made with `leadcat.render.html`.
---@param view leadcat.View
---@param options? leadcat.ConfirmationHtmlOptions
---@return leadcat.html.Node
function confirmation.element(view, options)
  check(view, options or {})
  return element(view, options or {})
end

--- The dialog as markup. Its form sends `category=ID`, or also `decline=true`, which then counts.
---@param view leadcat.View
---@param options? leadcat.ConfirmationHtmlOptions
---@return string
function confirmation.html(view, options)
  check(view, options or {})
  return h.render(element(view, options or {}))
end

return confirmation

--- The question to a user as a dialog of a web page. Its form does everything without JavaScript and without a
-- stylesheet: it can be answered, declined or closed, and fits a narrow screen, whatever the names in it are.

local h = require "leadcat.render.html"

local confirmation = {}

---@class leadcat.ConfirmationHtmlOptions
---@field action? string URL that the answer is posted to; the API's when the question has an id, else that of the page
---@field open? boolean whether the dialog is shown at once; true when not given
---@field prefix? string start of the ids in the dialog of a question that has no id; different for each one in a page

local OPTIONS = { action = "string", open = "boolean", prefix = "string" }
local API = "/leadcat/api/confirmations/"
local PREFIX = "leadcat-confirmation"

-- Narrow screens -----------------------------------------------------------------------------------------------------

local LONG_WORD, LONG_WORD_OF_TITLE = 24, 14 -- characters; a longer word may be broken
local LONG_NAME = 17 -- ems; a longer name is shown cut in the list, which cannot break it
local CHARACTER = "[^\128-\191][\128-\191]*"
local PIECE = CHARACTER:rep(8)

-- Text whose long words have places to break.
local function foldable(text, most)
  local children = {}
  for word, blanks in text:gmatch "([^ ]*)( *)" do
    local from, long = 1, select(2, word:gsub("[^\128-\191]", "")) > (most or LONG_WORD)
    local _, last = word:find(PIECE)
    while long and last and last < #word do
      children[#children + 1] = { word:sub(from, last), h.wbr {} }
      from = last + 1
      _, last = word:find(PIECE, from)
    end
    children[#children + 1] = word:sub(from) .. blanks
  end
  return children
end

-- About how many ems a character takes in a wide font: Latin, other alphabets, CJK and symbols.
local function ems(character)
  if #character == 1 then
    return character:find "[MWmw@%%]" and 1 or character:find "[A-Z#&+<=>^~]" and 0.8
      or character:find "[Ifijlrt !'(),./:;|-]" and 0.4 or 0.63
  end
  return #character == 2 and 0.75 or #character == 3 and 1 or 1.4
end

-- What the list shows of a long name; nil when it shows all of it.
local function label(name)
  local width, kept = 0, 0
  for position, character in name:gmatch("()(" .. CHARACTER .. ")") do
    width = width + ems(character)
    if width <= LONG_NAME - 1 then
      kept = position + #character - 1
    end
  end
  return width > LONG_NAME and name:sub(1, kept) .. "\226\128\166" or nil
end

-- Parts --------------------------------------------------------------------------------------------------------------

local function facts(view)
  local rows = {}
  local function add(term, name)
    rows[#rows + 1] = { h.dt { foldable(term) }, h.dd { h.bdi { foldable(name) } } }
  end
  add(view.labels.company, view.company)
  add(view.labels.current, view.from.name)
  add(view.labels.proposed, view.to.name)
  return h.dl { rows }
end

local function choice(option, selected)
  return h.option { value = option.id, dir = "auto", selected = selected, label = label(option.name), option.name }
end

-- The options by group, and whether the proposal is among them.
local function grouped(options)
  local groups, proposed = {}, false
  for _, option in ipairs(options) do
    local group = groups[#groups]
    if not group or group.key ~= option.group then
      group = { key = option.group, name = option.group_name, choices = {} }
      groups[#groups + 1] = group
    end
    group.choices[#group.choices + 1] = choice(option, option.proposed and not proposed or false)
    proposed = proposed or option.proposed
  end
  return groups, proposed
end

-- The list to choose from. Without the proposal in it nothing is chosen yet, and browsers ask for a choice.
local function list(view, id)
  local groups, proposed = grouped(view.options)
  local items = { not proposed and h.option { value = "", selected = true, "\226\128\147" } }
  for _, group in ipairs(groups) do
    local name = group.name
    items[#items + 1] = name and h.optgroup { label = label(name) or name, group.choices } or group.choices
  end
  return h.select { id = id, name = "category", required = true, autofocus = true, dir = "auto", items }
end

-- `method="dialog"` closes the dialog; nothing is sent, and an open question stays open.
local function button(text, attributes)
  attributes.type, attributes[1] = "submit", foldable(text)
  return h.button(attributes)
end

local function question(view, id, action)
  local labels = view.labels
  return h.form { method = "post", action = action,
    h.p { h.label { ["for"] = id .. "-category", foldable(labels.category) }, " ", list(view, id .. "-category") },
    view.expires and h.p { foldable(view.expires) },
    h.p {
      button(labels.save, {}), " ",
      button(labels.keep, { name = "decline", value = "true", formnovalidate = true }), " ",
      button(labels.cancel, { formmethod = "dialog", formnovalidate = true, value = "cancel" }),
    },
  }
end

local function answer(view)
  return {
    h.p { foldable(view.closed or view.state_name) },
    h.form { method = "dialog", h.p { button(view.labels.close or view.labels.cancel, { value = "cancel" }) } },
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
  local action = options.action or known and API .. view.id or false
  return h.dialog { class = "leadcat-dialog", lang = view.language, open = options.open ~= false,
    aria_labelledby = id .. "-title", aria_describedby = id .. "-sentence",
    h.h2 { id = id .. "-title", foldable(view.title, LONG_WORD_OF_TITLE) },
    h.p { id = id .. "-sentence", foldable(view.sentence) },
    facts(view),
    view.state == "open" and question(view, id, action) or answer(view),
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

--- The dialog as markup. Its answer is a form's: `category=ID`, or `decline=true`, which counts whatever the category is.
---@param view leadcat.View
---@param options? leadcat.ConfirmationHtmlOptions
---@return string
function confirmation.html(view, options)
  check(view, options or {})
  return h.render(element(view, options or {}))
end

return confirmation

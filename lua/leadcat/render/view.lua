--- What a question to a user says: a confirmation's record as words, ready to be shown; apart from what shows it because
-- pages, terminals, the HTTP API and a host's own dialog all say the same. Pure: the record, the config and the words go
-- in, a plain table comes out. What clients have put into a record (names of sales, contacts, users) may be anything.

local config = require "leadcat.config"
local json = require "leadcat.json"
local unicode = require "leadcat.unicode"

local view = {}

---@class leadcat.NamedCategory
---@field id integer
---@field name string "#12" when the config has no such category

---@class leadcat.ViewOption: leadcat.NamedCategory
---@field group string one of `config.GROUPS`
---@field group_name string
---@field proposed? true

--- A question as it is shown. Each text is one line of well-formed UTF-8, not escaped for any markup.
---@class leadcat.View
---@field id? string absent for a question that is only proposed
---@field state string "open", "accepted", "changed", "declined", "expired", "superseded" or "conflict"
---@field state_name string
---@field language string of the texts
---@field title string
---@field sentence string what led to the question, and what is proposed
---@field company string
---@field from leadcat.NamedCategory
---@field to leadcat.NamedCategory
---@field options leadcat.ViewOption[] in the order in which they are shown, those of a group side by side
---@field labels table<string, string> category, save, keep, cancel, close, company, current, proposed, proposal_mark
---@field user? string whose event asked
---@field created? string when it was asked
---@field closed? string how the question ended
---@field expires_at? number seconds since 1970; while open
---@field expires? string until when it can be answered; while open

local GROUPS = { "potential_customer", "customer", "partner", "lost", "other" } -- in the order of a list to choose from
local LABELS = { "category", "save", "keep", "cancel", "close", "company", "current", "proposed", "proposal_mark" }
local EXACT = 2 ^ 53
local LAST_TIME = 253402300799 -- the end of the year 9999

-- Words ----------------------------------------------------------------------------------------------------------------

-- A name or an id as one line; nil for what is neither text nor a number, and when nothing of it can be seen.
local function line(value)
  if type(value) == "number" and value % 1 == 0 and value > -EXACT and value < EXACT then
    return ("%d"):format(value)
  elseif type(value) ~= "string" and type(value) ~= "number" then
    return nil
  end
  local text = unicode.line(tostring(value))
  return text ~= "" and text or nil
end

-- What to call a sale, a contact or a user.
local function called(thing)
  if type(thing) == "table" then
    return line(thing.name) or line(thing.id)
  end
end

local function time(seconds)
  if type(seconds) == "number" and seconds >= 0 and seconds <= LAST_TIME then
    return os.date("!%Y-%m-%d %H:%M UTC", math.floor(seconds))
  end
end

-- The name of a category or a lead status, if there is one.
local function display_name(item, id, language)
  return item and line(config.name(item, language)) or "#" .. (line(id) or "?")
end

local function name_of(list, id, language)
  return display_name(config.find(list, id), id, language)
end

-- A text with the names set apart in it.
local function sentence(words, key, names)
  local values = {}
  for placeholder, name in pairs(names) do
    values[placeholder] = unicode.isolate(name)
  end
  return words.strings:text(words.language, key, values)
end

local function label(words, key)
  return words.strings:text(words.language, key)
end

-- The parts of a view --------------------------------------------------------------------------------------------------

local function sale_cause(record, words)
  local sale = called(record.sale)
  return sentence(words, "confirmation." .. record.trigger .. (sale and "" or "_unnamed"), { sale = sale })
end

local function lead_status_cause(record, cfg, words)
  local contact = called(record.contact)
  return sentence(words, "confirmation.lead_status_set" .. (contact and "" or "_unnamed"), {
    contact = contact,
    lead_status = name_of(cfg.lead_statuses, record.lead_status, words.language),
  })
end

-- What led to the question.
local function cause(record, cfg, words)
  if record.trigger == "lead_status_set" then
    return lead_status_cause(record, cfg, words)
  end
  return sale_cause(record, words)
end

local function named_category(cfg, id, words)
  return { id = id, name = name_of(cfg.categories, id, words.language) }
end

local POSITION = {}
for i, group in ipairs(GROUPS) do
  POSITION[group] = i
end

-- By group, by rank (those without one come last), by name.
local function comes_before(a, b)
  local group_a, group_b = POSITION[a.group], POSITION[b.group]
  local rank_a, rank_b = a.rank or math.huge, b.rank or math.huge
  if group_a ~= group_b then
    return group_a < group_b
  elseif rank_a ~= rank_b then
    return rank_a < rank_b
  elseif a.name ~= b.name then
    return a.name < b.name
  end
  return a.id < b.id
end

local function live_categories(cfg)
  local by_id = {}
  for _, category in ipairs(cfg.categories) do
    by_id[category.id] = not category.deleted and category or nil
  end
  return by_id
end

local function options(record, cfg, words)
  local list, by_id = json.array {}, live_categories(cfg)
  for _, id in ipairs(record.options or {}) do
    local category = by_id[id]
    list[#list + 1] = category and {
      id = category.id,
      name = display_name(category, id, words.language),
      group = category.group,
      group_name = label(words, "group." .. category.group),
      rank = category.rank,
      proposed = id == record.to or nil,
    }
  end
  table.sort(list, comes_before)
  for _, option in ipairs(list) do
    option.rank = nil
  end
  return list
end

-- How the question ended; nil when it is not known when.
local function closed(record, cfg, words)
  local at = time(record.resolved_at) or record.state == "expired" and time(record.expires_at)
  return at and sentence(words, "confirmation." .. record.state, {
    time = at,
    user = called(record.resolved_by) or label(words, "confirmation.somebody"),
    category = name_of(cfg.categories, record.category or record.to, words.language),
  }) or nil
end

local function expires(record, words)
  local at = time(record.expires_at)
  return at and sentence(words, "confirmation.expires", { time = at })
end

local function labels(words)
  local texts = {}
  for _, name in ipairs(LABELS) do
    texts[name] = label(words, "confirmation." .. name)
  end
  return texts
end

--- A question in words.
---@param record leadcat.Confirmation or one that is only proposed: without id, state and times
---@param cfg leadcat.Config the newest
---@param strings leadcat.Strings
---@param language string as `strings:language` gives it
---@param names? {company?: string} the company's name; without it, its id is shown
---@return leadcat.View
function view.new(record, cfg, strings, language, names)
  local words = { strings = strings, language = language }
  local state = record.state or "open"
  local open = state == "open"
  local company = line(names and names.company) or line(record.company) or "?"
  local from, to = named_category(cfg, record.from, words), named_category(cfg, record.to, words)
  local proposal = { company = company, from = from.name, to = to.name }
  local expiry = open and expires(record, words) or nil
  return {
    id = record.id,
    state = state,
    state_name = label(words, "state." .. state),
    language = language,
    title = label(words, "confirmation.title"),
    sentence = cause(record, cfg, words) .. " " .. sentence(words, "confirmation.proposal", proposal),
    company = company,
    from = from,
    to = to,
    options = options(record, cfg, words),
    labels = labels(words),
    user = called(record.actor),
    created = time(record.created_at),
    closed = not open and closed(record, cfg, words) or nil,
    expires_at = expiry and record.expires_at,
    expires = expiry,
  }
end

return view

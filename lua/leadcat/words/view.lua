--- The question in words, for pages, terminals, the HTTP API and a host's own dialog. Pure: it makes a plain table of
-- the record, the config and the words. What clients put into a record (names of sales, contacts, users) may be
-- anything.

local json = require "leadcat.util.json"
local wording = require "leadcat.words.wording"

local view = {}

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
---@field sentence string what led to the question, and the proposal
---@field cause string what led to the question
---@field company string
---@field from leadcat.NamedCategory
---@field to leadcat.NamedCategory
---@field options leadcat.ViewOption[] in the order in which they are shown, by group
---@field labels table<string, string> category, save, keep, cancel (of a question that is only proposed: the host saves nothing), later (of one that is there: it stays open), saving, close, company, current, proposed, proposal_mark, network
---@field category? leadcat.NamedCategory that was applied; when it was accepted or changed
---@field user? string whose event asked
---@field owner? string whose question it is: the same, until it is given to somebody else
---@field assigned? string who gave it to whom, and when; or in whose place its owner is asked
---@field created? string when it was asked
---@field created_at? number the same, in seconds since 1970
---@field closed? string how the question ended
---@field expires_at? number seconds since 1970; while open
---@field expires? string until when it can be answered, and what is done otherwise; while open
---@field expires_time? string the time in `expires`

local LABELS = {
  "category", "save", "keep", "cancel", "later", "close", "company", "current", "proposed", "proposal_mark", "network",
}

-- The parts of a view -------------------------------------------------------------------------------------------------

local function label(words, key)
  return words.strings:text(words.language, key)
end

local function options(record, cfg, words)
  local list, by_id = json.array {}, {}
  for _, category in ipairs(cfg.categories) do
    by_id[category.id] = not category.deleted and category or nil
  end
  for _, id in ipairs(record.options or {}) do
    local category = by_id[id]
    list[#list + 1] = category and {
      id = category.id,
      name = wording.display_name(category, id, words.language),
      group = category.group,
      group_name = label(words, "group." .. category.group),
      rank = category.rank,
      proposed = id == record.to or nil,
    }
  end
  table.sort(list, wording.comes_before)
  for _, option in ipairs(list) do
    option.rank = nil
  end
  return list
end

local BY_EXPIRY = { accepted = "_by_expiry", declined = "_by_expiry", conflict = "_by_expiry" }

-- How the question ended; nil when the time is not known.
local function closed(record, cfg, words)
  local at = wording.time(record.resolved_at, words)
    or record.state == "expired" and wording.time(record.expires_at, words)
  local by_expiry = record.by_expiry and BY_EXPIRY[record.state] or ""
  return at and wording.sentence(words, "confirmation." .. record.state .. by_expiry, {
    time = at,
    user = wording.called(record.resolved_by) or label(words, "confirmation.somebody"),
    category = wording.name_of(cfg.categories, record.category or record.to, words.language),
  }) or nil
end

-- Who gave it to whom, and whose place that user takes; nil when nobody did.
local function assigned(record, words)
  local given = record.assigned
  local at = given and wording.time(given.at, words)
  if not at then
    return nil
  end
  local somebody, said = label(words, "confirmation.somebody"), {}
  local owner = wording.called(given.to) or somebody
  if given.by or not given.stands_in_for then
    said[1] = wording.sentence(words, "confirmation.assigned", {
      time = at, user = wording.called(given.by) or somebody, owner = owner,
    })
  end
  if given.stands_in_for then
    said[#said + 1] = wording.sentence(words, "confirmation.stands_in", {
      owner = owner, user = wording.called(given.stands_in_for) or somebody,
    })
  end
  return table.concat(said, " ")
end

local function labels(words)
  local texts = {}
  for _, name in ipairs(LABELS) do
    texts[name] = label(words, "confirmation." .. name)
  end
  texts.saving = label(words, "settings.saving")
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
  local company = wording.line(names and names.company) or wording.line(record.company) or "?"
  local from, to = wording.category(cfg, record.from, language), wording.category(cfg, record.to, language)
  local proposal = { company = company, from = from.name, to = to.name }
  local led_to_it = wording.cause(words, record, cfg)
  led_to_it = record.takes_back and led_to_it .. " " .. label(words, "confirmation.takes_back") or led_to_it
  local expires_at = open and wording.time(record.expires_at, words) or nil
  return {
    id = record.id,
    state = state,
    state_name = label(words, "state." .. state),
    language = language,
    title = label(words, "confirmation.title"),
    sentence = led_to_it .. " " .. wording.sentence(words, "confirmation.proposal", proposal),
    cause = led_to_it,
    company = company,
    from = from,
    to = to,
    options = options(record, cfg, words),
    labels = labels(words),
    user = wording.called(record.actor),
    owner = wording.called(record.assigned and record.assigned.to or record.actor),
    assigned = assigned(record, words),
    created = wording.time(record.created_at, words),
    created_at = record.created_at or nil,
    category = record.category and wording.category(cfg, record.category, language),
    closed = not open and closed(record, cfg, words) or nil,
    expires_at = expires_at and record.expires_at,
    expires_time = expires_at,
    expires = expires_at and wording.sentence(words, "confirmation.expires" .. (record.on_expiry
      and "_" .. record.on_expiry or ""), { time = expires_at, from = from.name, to = to.name }),
  }
end

return view

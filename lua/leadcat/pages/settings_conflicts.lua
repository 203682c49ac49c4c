--- What two administrators have changed at the same time (`rules/merge.lua`): the form of choices, and how it is read. Each
-- conflict is told by what its choice would change, in the words in which changes are told everywhere.

local config = require "leadcat.rules.config"
local difference = require "leadcat.rules.difference"
local fields = require "leadcat.pages.settings_fields"
local h = require "leadcat.pages.html"
local merge = require "leadcat.rules.merge"
local parts = require "leadcat.pages.parts"
local protected = require "leadcat.util.protected"
local wording = require "leadcat.words.wording"

local conflicts = {}

---@class leadcat.ToldConflict
---@field path string
---@field theirs string[] what is saved, in sentences
---@field mine string[] what the form has instead

local MOST = 200 -- choices in one form
local text = fields.text

--- Makes the choices of a form.
---@param rows table<integer, {path?: string, take?: string}>
---@param keys integer[] of the rows, in order
---@param mine leadcat.Config changed in place
---@param theirs leadcat.Config
---@return string[] open paths for which nothing is chosen, and that still differ
function conflicts.read(rows, keys, mine, theirs)
  local open = {}
  for i = 1, math.min(#keys, MOST) do
    local row = rows[keys[i]]
    if row.path and row.take == "theirs" then
      merge.choose(mine, theirs, row.path)
    elseif row.path and row.take ~= "mine" and merge.differs(mine, theirs, row.path) then
      open[#open + 1] = row.path
    end
  end
  return open
end

-- What of the list the other one does not have, by what `name` makes of it.
local function new_in(list, old, key, name)
  local known, new = {}, {}
  for _, item in ipairs(old or {}) do
    known[key(item)] = true
  end
  for _, item in ipairs(list) do
    if not known[key(item)] then
      new[name(item)] = true
    end
  end
  return new
end

local function id_of(item)
  return item.id
end

local function key_of(rule)
  return config.rule_key(rule.trigger, rule.lead_status, rule.id)
end

local function itself(rule)
  return rule
end

--- What the page needs of a form that was put together with the newest config.
---@param merged leadcat.Config
---@param newest leadcat.Config
---@param edit leadcat.SettingsEdit of the form
---@param open string[] paths
---@return leadcat.SettingsEdit
function conflicts.edit_of(merged, newest, edit, open)
  return {
    added = {
      category = new_in(merged.categories, newest.categories, id_of, id_of),
      lead_status = new_in(merged.lead_statuses, newest.lead_statuses, id_of, id_of),
    },
    new_rules = new_in(merged.rules, newest.rules, key_of, itself), known = edit.known, shown = edit.shown,
    conflicts = open,
  }
end

-- A form may have in a field what cannot be told.
local function sentences(old, new, words)
  local ok, said = protected.call(difference.sentences, old, new, words.strings, words.language)
  return ok and said or {}
end

--- The conflicts in words.
---@param open? string[] paths
---@param mine leadcat.Config
---@param theirs leadcat.Config
---@param words leadcat.Words
---@return leadcat.ToldConflict[]
function conflicts.told(open, mine, theirs, words)
  return parts.map(open or {}, function(path)
    local chosen = config.copy(mine)
    merge.choose(chosen, theirs, path)
    return { path = path, theirs = sentences(mine, chosen, words), mine = sentences(chosen, mine, words) }
  end)
end

local function choice(name, value, label, said)
  local id = fields.id_of(name) .. "-" .. value
  return h.p { class = "leadcat-check",
    h.input { type = "radio", id = id, name = name, value = value, required = true }, " ",
    h.label { ["for"] = id, h.strong { label }, " ", said[1] and table.concat(said, " ") or "?" },
  }
end

--- The choices, or nothing.
---@param form leadcat.SettingsPage
---@return leadcat.html.Node?
function conflicts.html(form)
  local list = form.conflicts or {}
  local user = wording.called(form.changed_by)
  return list[1] and h.section { class = "leadcat-alert leadcat-conflicts", role = "alert", tabindex = -1,
    id = "leadcat-conflicts", aria_labelledby = "leadcat-conflicts-title",
    h.p { h.strong { id = "leadcat-conflicts-title", text(form, "conflicts") } },
    h.p { text(form, "conflicts_hint") },
    parts.map(list, function(conflict, i)
      local name = ("conflict.%d"):format(i)
      return h.fieldset {
        h.legend { text(form, "conflict_number", { number = ("%d"):format(i), count = ("%d"):format(#list) }) },
        fields.hidden(name .. ".path", conflict.path),
        choice(name .. ".take", "theirs",
          user and text(form, "conflict_theirs", { user = user }) or text(form, "conflict_saved"), conflict.theirs),
        choice(name .. ".take", "mine", text(form, "conflict_mine"), conflict.mine),
      }
    end),
  }
end

return conflicts

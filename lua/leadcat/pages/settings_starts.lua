--- Where a rule starts, as fields: whole groups, and single categories. Folded away, as most rules start where all do.

local conditions = require "leadcat.words.conditions"
local fields = require "leadcat.pages.settings_fields"
local h = require "leadcat.pages.html"
local parts = require "leadcat.pages.parts"
local rule_starts = require "leadcat.pages.rule_starts"
local wording = require "leadcat.words.wording"

local settings_starts = {}

local text = fields.text

local FEW = 100 -- categories of which each rule offers all

-- Whether a rule may start in a group: that of a lead status only where contacts can have one.
local function fits(rule, group)
  return rule.trigger ~= "lead_status_set" or group == "potential_customer"
end

-- Of a group with a single category, the group is enough.
local function is_one_of_many(form, category)
  local count = 0
  for _, other in ipairs(form.categories) do
    count = count + (other.group == category.group and not other.deleted and 1 or 0)
  end
  return count > 1
end

local function is_offered(form, category)
  return not category.deleted and not form.added.category[category.id] and is_one_of_many(form, category)
end

-- There are many in a page, so each is short.
local function box(prefix, name, label, ticked)
  return h.label {
    h.input { type = "checkbox", name = ("%s.from.%s"):format(prefix, name), value = "on",
      checked = ticked[name] ~= nil }, " ", label,
  }
end

local function category_name(form, item)
  local name = fields.name_of(form, item)
  return item.deleted and text(form, "deleted_mark", { name = name }) or name
end

-- What is ticked is always there.
local function category_boxes(form, rule, prefix, group, ticked)
  local offers = fits(rule, group) and #form.categories <= FEW
  return parts.map(form.categories, function(item)
    local name = ("category.%d"):format(item.id)
    return item.group == group and (ticked[name] or offers and is_offered(form, item))
      and box(prefix, name, h.bdi { category_name(form, item) }, ticked) or nil
  end)
end

local function group_boxes(form, rule, prefix, group, ticked)
  local name, boxes = "group." .. group, category_boxes(form, rule, prefix, group, ticked)
  local whole = (ticked[name] or fits(rule, group))
    and box(prefix, name, text(form, "start_group", { group = wording.sentence(form, name) }), ticked)
  return (whole or next(boxes)) and h.div { whole, next(boxes) and h.div { boxes } }
end

-- Ids that no category has stay, until they are no longer ticked.
local function lost_boxes(form, prefix, from, ticked)
  return parts.map(from.categories or {}, function(id)
    return not form.by_id.categories[id] and box(prefix, ("category.%d"):format(id),
      text(form, "unknown_mark", { name = ("#%d"):format(id) }), ticked) or nil
  end)
end

--- The fields of a rule.
---@param form table
---@param rule leadcat.Rule
---@param prefix string of their names
---@return leadcat.html.Node
function settings_starts.html(form, rule, prefix)
  local from = rule.from or rule_starts.DEFAULT
  local ticked, name = rule_starts.write(rule.from), prefix .. ".from"
  local said = text(form, "starts_from", { from = conditions.from(form, from, form.categories) })
  return h.details { class = "leadcat-starts", open = form.messages[name] ~= nil,
    h.summary { next(ticked) and said or text(form, "starts") },
    h.fieldset { id = fields.id_of(name), tabindex = -1,
      aria_describedby = form.messages[name] and fields.id_of(name) .. "-problem",
      h.legend { class = "leadcat-hidden", text(form, "starts") },
      fields.hidden(name, "1"), fields.messages(form, name),
      parts.map(wording.GROUPS, function(group) return group_boxes(form, rule, prefix, group, ticked) end),
      lost_boxes(form, prefix, from, ticked),
    },
  }
end

return settings_starts

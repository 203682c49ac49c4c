--- The journal as CSV (RFC 4180), in UTF-8 with a byte order mark, which spreadsheets look for. Programs read it, so
-- the columns have the same names in all languages.

local csv = require "leadcat.util.csv"
local unicode = require "leadcat.util.unicode"
local wording = require "leadcat.words.wording"

local history_csv = {}

local BYTE_ORDER_MARK = "\239\187\191"

local function text_of(value)
  return type(value) == "number" and wording.line(value) or type(value) == "string" and unicode.valid(value) or ""
end

local function part(thing, name)
  return type(thing) == "table" and thing[name] or nil
end

local function time(seconds)
  return wording.time(seconds) and os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(seconds)) or nil
end

local function name_of(model, id)
  return id and wording.display_name(model.categories[id], id, model.language)
end

-- The columns: name, value of an entry.
local COLUMNS = {
  { "entry", function(entry) return entry.entry end },
  { "at", function(entry) return time(entry.at) end },
  { "company", function(entry) return entry.company end },
  { "company_name", function(entry, model) return model.names[entry.company] end },
  { "trigger", function(entry) return entry.trigger end },
  { "rule", function(entry) return entry.rule end },
  { "revision", function(entry) return entry.revision end },
  { "status", function(entry) return entry.status end },
  { "from", function(entry) return entry.from end },
  { "from_name", function(entry, model) return name_of(model, entry.from) end },
  { "to", function(entry) return entry.to end },
  { "to_name", function(entry, model) return name_of(model, entry.to) end },
  { "actor", function(entry) return part(entry.actor, "id") end },
  { "actor_name", function(entry) return part(entry.actor, "name") end },
  { "asked_by", function(entry, model) return part(part(model.questions[entry.confirmation], "actor"), "id") end },
  { "sale", function(entry) return part(entry.sale, "id") end },
  { "sale_name", function(entry) return part(entry.sale, "name") end },
  { "contact", function(entry) return part(entry.contact, "id") end },
  { "contact_name", function(entry) return part(entry.contact, "name") end },
  { "event_id", function(entry) return entry.event_id end },
  { "confirmation", function(entry) return entry.confirmation end },
  { "undoes", function(entry) return entry.undoes end },
  { "run", function(entry) return entry.run end },
  { "due", function(entry) return time(entry.due) end },
  { "carries_out", function(entry) return entry.carries_out end },
  { "former", function(entry) return entry.former end },
}

---@param entries leadcat.Entry[]
---@param model {categories: table<integer, leadcat.Category>, language: string, names: table<string|integer, string>, questions: table<string, leadcat.Confirmation>} categories by id, company names by id, questions by id
---@param follows? boolean it follows another part of the same file: without the heading
---@return string
function history_csv.text(entries, model, follows)
  local lines, cells = {}, {}
  for i, column in ipairs(COLUMNS) do
    cells[i] = column[1]
  end
  lines[1] = not follows and BYTE_ORDER_MARK .. csv.record(cells) or nil
  for _, entry in ipairs(entries) do
    for i, column in ipairs(COLUMNS) do
      cells[i] = text_of(column[2](entry, model))
    end
    lines[#lines + 1] = csv.record(cells)
  end
  return table.concat(lines)
end

return history_csv

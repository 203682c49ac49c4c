--- The question as plain text for terminals and e-mail: no markup, no colours, lines of at most 78 columns.

local width = require("leadcat.util.unicode").width

local text = {}

local COLUMNS = 78

local CONTROLS = {} -- a terminal might obey them
for byte = 0, 127 do
  local control = string.char(byte):match "%c"
  if control then
    CONTROLS[control] = control:find "[\t\n\r]" and " " or "\239\191\189"
  end
end

local function plain(value)
  return (tostring(value):gsub("%c", CONTROLS):gsub("\194[\128-\159]", "\239\191\189"))
end

-- A text in lines; those after the first are indented by the width of `head`.
local function add_wrapped(lines, head, value)
  local line, indent, empty = plain(head), (" "):rep(width(head)), true
  for word in plain(value):gmatch "[^ ]+" do
    if not empty and width(line) + 1 + width(word) > COLUMNS then
      lines[#lines + 1] = line
      line, empty = indent, true
    end
    line, empty = line .. (empty and "" or " ") .. word, false
  end
  lines[#lines + 1] = line
end

-- The labels and their values, in two columns.
local function add_facts(lines, view)
  local labels, widest = view.labels, 0
  local facts = {
    { labels.company, view.company }, { labels.current, view.from.name }, { labels.proposed, view.to.name },
  }
  for _, fact in ipairs(facts) do
    widest = math.max(widest, width(fact[1]))
  end
  for _, fact in ipairs(facts) do
    add_wrapped(lines, fact[1] .. ":" .. (" "):rep(widest - width(fact[1]) + 1), fact[2])
  end
end

local function add_options(lines, view)
  local group, mark = nil, view.labels.proposal_mark
  add_wrapped(lines, "", view.labels.category .. ":")
  for _, option in ipairs(view.options) do
    if option.group ~= group and option.group_name then
      add_wrapped(lines, "  ", option.group_name)
    end
    group = option.group
    local marked = option.proposed and mark
    add_wrapped(lines, option.proposed and "    * " or "      ",
      marked and ("%s (%s)"):format(option.name, mark) or option.name)
  end
  lines[#lines + 1] = ""
end

--- The question, or how it ended.
---@param view leadcat.View
---@return string lines with line ends
function text.confirmation(view)
  if type(view) ~= "table" or type(view.labels) ~= "table" then
    error("expected the view of a confirmation", 2)
  end
  local lines, open = {}, view.state == "open"
  add_wrapped(lines, "", view.title)
  lines[#lines + 1] = ""
  add_wrapped(lines, "", view.sentence)
  if view.assigned then
    add_wrapped(lines, "", view.assigned)
  end
  lines[#lines + 1] = ""
  add_facts(lines, view)
  lines[#lines + 1] = ""
  if open then
    add_options(lines, view)
  end
  add_wrapped(lines, "", open and view.expires or not open and (view.closed or view.state_name) or "")
  return (table.concat(lines, "\n"):gsub("%s+$", "")) .. "\n"
end

return text

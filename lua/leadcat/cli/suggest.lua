--- `suggest`: what the answers of users teach.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local json = require "leadcat.util.json"
local suggest = require "leadcat.insight.suggest"
local tables = require "leadcat.cli.tables"

local LIMITS = {
  { "cases", "For how many cases the conditions must hold; default 30." },
  { "share", "In which part of these the other category was chosen, 0.5 to 1; default 0.5." },
  { "margin", "How much larger that part must be than in other cases, 0.05 to 0.95; default 0.2." },
  { "doubt", "How probable a suggestion of chance alone may be, up to 0.05; default 0.01." },
}

local function text(found)
  local lines = {}
  for _, one in ipairs(found.suggestions) do
    lines[#lines + 1] = ("%s: %s\nTo be added in front of it: %s\n\n"):format(one.rule, one.sentence,
      json.encode(one.add))
  end
  lines[#lines + 1] = found.suggestions[1] and "" or "the answers suggest no new rule\n\n"
  local rows = { { "rule", "answers", "corrected" } }
  for i, row in ipairs(found.rules) do
    rows[i + 1] = { row.rule, tables.number(row.cases), tables.number(row.corrected) }
  end
  lines[#lines + 1] = rows[2] and tables.table(rows) or "no rule that asks has been answered\n"
  lines[#lines + 1] = found.is_whole and "" or "there are more answers: these are the newest\n"
  return table.concat(lines)
end

local function run(args, engine)
  local query = { rule = args.rule, days = args.days, language = args.language }
  for _, row in ipairs(LIMITS) do
    query[row[1]] = args[row[1]]
  end
  return common.must(engine:suggest(query)), text
end

return {
  suggest = {
    name = "suggest", store = "read", output = "named", run = run,
    summary = "Say what the answers of users teach: rules that would spare them to correct what is proposed.",
    arguments = function(command)
      command:option("--rule", "Only about the rule with this key, such as sale_won#7."):argname "KEY"
      command:option("--days", "Answers of so many days, up to 3650; default 365."):argname("N")
        :convert(arguments.limit(1, 3650, "1 to 3650"))
      for _, row in ipairs(LIMITS) do
        local option = suggest.OPTIONS[row[1]]
        command:option("--" .. row[1], row[2]):argname("N"):convert(function(given)
          local number = tonumber(given)
          if number and option.fits(number) then
            return json.integer(number)
          end
          return nil, ("--%s: %s expected, got '%s'"):format(row[1], option.what, given)
        end)
      end
    end,
  },
}

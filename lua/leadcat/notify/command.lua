--- Notices by a program of the integrator's, such as one that sends mail: it reads a notice on its standard input, and ends with exit
-- status 0 when it has done its work. For `leadcat worker`: the process waits for it, so nginx would stand still.

local core = require "leadcat.core"
local merged = require "leadcat.util.merged"
local notifier = require "leadcat.notify.notifier"
local options_of = require "leadcat.util.options"

local TIMEOUT = 10 -- seconds

---@class (exact) leadcat.notify.command.Options
---@field [integer] string the program, found by PATH when it has no slash, and its arguments; there is no shell
---@field name? string what `leadcat notices` calls it; default "command". Two of one tenant need different ones
---@field events? string[] of question.asked, question.assigned, question.expiring, change.made, change.failed, rule.held, rule.silent; default all
---@field expiring_before? number seconds before its time is over, a question is told to be expiring; default 3600
---@field tenant? string whose notices they are; default that of the engine
---@field timeout? number seconds until it is killed, with what it has started; default 10

local function fail(message)
  error("leadcat.notify.command: " .. message, 4)
end

-- Splits options into the words of the command and those with a name.
local function check(options)
  local words, named = {}, {}
  for place, word in ipairs(options) do
    if type(word) ~= "string" or word:find "%z" then
      fail(("word %d of the command: a string without zero bytes expected"):format(place))
    end
    words[place] = word
  end
  for name, value in pairs(options) do
    if type(name) ~= "number" then
      named[name] = value
    end
  end
  local problem = not words[1] and "a program expected, such as { \"/usr/local/bin/tell\" }"
    or options_of.problem(named, notifier.OPTIONS)
  return problem and fail(problem) or words, named
end

--- Tells a program of what was done: each notice is run once until it succeeds, with JSON on its standard input. Raises on a wrong
-- option.
---@param options leadcat.notify.command.Options
---@return leadcat.notify.Notifier notifier for `notify` of a worker's file
return function(options)
  if type(options) ~= "table" then
    error(("leadcat.notify.command: a table expected, got %s"):format(type(options)), 2)
  end
  local words, named = check(options)
  return notifier.new(merged({ name = "command" }, named), function(notice)
    return core.run_program(words, notice.body, named.timeout or TIMEOUT)
  end)
end

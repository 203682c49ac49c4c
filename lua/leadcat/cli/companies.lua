--- `move`, `merge` and `gone` tell what has become of a company; `forget` erases a person. `move` with --to or --from
-- moves the store itself (cli/moving.lua).

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local json = require "leadcat.util.json"
local moving = require "leadcat.cli.moving"
local tables = require "leadcat.cli.tables"
local unicode = require "leadcat.util.unicode"

local must = common.must

local commands = {}

-- The id as the host knows it: a number where the host's ids are numbers, by what the journal has of either company.
local function typed(engine, id, other)
  local number = id:find "^%-?%d+$" and json.integer(tonumber(id))
  for _, company in ipairs { id, other } do
    local entry = must(engine:history { company = company, limit = 1 })[1]
    if entry and number and ("%d"):format(number) == id then
      return type(entry.company) == "number" and number or id
    end
  end
  return id
end

local function text_of(moved, ...)
  return ("%s: %s; %s entries, %s questions and changes ended\n"):format(moved.status, unicode.visible((...)),
    tables.number(moved.moved), tables.number(moved.closed))
end

local function run(method, words)
  return function(args, engine)
    local others = { { actor = common.actor() } }
    if args.to then
      table.insert(others, 1, typed(engine, args.to, args.from))
    end
    local moved = must(engine[method](engine, args.from, others[1], others[2]))
    return moved, function()
      return text_of(moved, words:format(args.from, args.to))
    end
  end
end

local function problem(args)
  return args.from == args.to and "the two companies are the same" or nil
end

local function declare(from, to)
  return function(command)
    command:argument("from", from):convert(arguments.to_id)
    if to then
      command:argument("to", to):convert(arguments.to_id)
    end
  end
end

local rename = run("company_renamed", "%s is %s now")

commands.move = {
  name = "move", output = "json",
  store = function(args) return not moving.is_asked(args) and "write" end,
  problem = function(args)
    if moving.is_asked(args) then
      return args.from and "a company is not moved together with the store" or nil
    end
    return not args.to and "FROM and TO are needed, or --to or --from with a database" or problem(args)
  end,
  run = function(args, engine)
    return (moving.is_asked(args) and moving.run or rename)(args, engine)
  end,
  summary = "Tell that the CRM has given a company another id: its entries, questions and changes follow. With --to or "
    .. "--from: move the whole store into a database of several machines, or back.",
  arguments = function(command)
    command:argument("from", "Its id until now."):convert(arguments.to_id):args "?"
    command:argument("to", "Its id now."):convert(arguments.to_id):args "?"
    moving.declare(command)
  end,
}

commands.merge = {
  name = "merge", store = true, output = "json", problem = problem, run = run("company_merged", "%s is part of %s now"),
  summary = "Tell that the CRM has merged a company into another one, which keeps its category.",
  arguments = declare("The company that is no more.", "The company that it is part of now."),
}

commands.gone = {
  name = "gone", store = true, output = "json", run = run("company_deleted", "%s is no more"),
  summary = "Tell that the CRM has deleted a company: its questions are closed, and what is scheduled is cancelled.",
  arguments = declare "The company.",
}

local REMAINS = "What was erased stays in free pages of the files until leadcat compact, and in backups.\n"

local function nobody(args)
  local named = args.contact or args.actor or args.company
  return not named and "one of --contact, --actor and --company is needed" or nil
end

local function run_forget(args, engine)
  local what = { contact = args.contact, actor = args.actor, company = args.company }
  local found = must(engine:forget(what, { actor = common.actor() }))
  return found, function()
    return ("forgotten: %s entries, %s questions and %s revisions of the rules changed%s\n%s"):format(
      tables.number(found.journal + found.unchanged), tables.number(found.questions), tables.number(found.revisions),
      found.company and ("; the company is %s now"):format(found.company) or "", REMAINS)
  end
end

commands.forget = {
  name = "forget", store = true, output = "json", run = run_forget,
  summary = "Erase a person's names and ids from the journal, the questions and who saved rules. The entries stay. "
    .. "When it was interrupted, the same command goes on.",
  problem = nobody,
  arguments = function(command)
    command:mutex(
      command:option("--contact", "A contact, by its id."):argname("ID"):convert(arguments.to_id),
      command:option("--actor", "A user, by its id."):argname("ID"):convert(arguments.to_id),
      command:option("--company", "A company that is a person: it gets a random id, and counts as deleted.")
        :argname("ID"):convert(arguments.to_id))
  end,
}

return commands

--- Questions to users, and their answers.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local config = require "leadcat.rules.config"
local core = require "leadcat.core"
local json = require "leadcat.util.json"
local tables = require "leadcat.cli.tables"

local must, with_store, print_json = common.must, common.with_store, common.print_json

local commands = {}

local function confirmation_rows(engine, records)
  local rows = { { "id", "company", "now", "proposed", "asked for", "asked on", "state" } }
  for _, record in ipairs(records) do
    local view = must(engine:view(record))
    rows[#rows + 1] = {
      record.id, view.company, view.from.name, view.to.name, view.user or "", view.created or "", view.state_name,
    }
  end
  return rows
end

local function show_confirmation(engine, args)
  local record = must(engine:confirmation(args.id))
  if args.json then
    print_json(record)
  else
    io.write(engine:render(must(engine:view(record)), "text"))
  end
end

local function run_confirmations(args)
  return with_store(args, false, function(engine)
    if args.id then
      show_confirmation(engine, args)
      return 0
    end
    local records = must(engine:confirmations {
      company = args.company, user = args.user, state = args.state ~= "all" and args.state or nil, limit = args.limit,
      after = args.after,
    })
    if args.json then
      print_json(json.array(records))
    elseif #records == 0 then
      print "no confirmations"
    else
      io.write(tables.table(confirmation_rows(engine, records)))
      if #records == args.limit then
        print(("older ones: --after %s"):format(records[#records].id))
      end
    end
    return 0
  end)
end

-- The states of a question, and the word for all of them.
local function states_and_all()
  local states = { "all" }
  for i, state in ipairs(core.question_states) do
    table.insert(states, i, state)
  end
  return states
end

commands.confirmations = {
  name = "confirmations", summary = "List the questions to users, newest first, or show one.", run = run_confirmations,
  arguments = function(command)
    command:argument("id", "One confirmation's id."):args "?"
    arguments.path(command)
    command:option("--company", "Only those of this company."):argname("COMPANY"):convert(arguments.to_id)
    command:option("--user", "Only those asked for this user's events."):argname("USER"):convert(arguments.to_id)
    command:option("--state", "Only those in this state; all for every one."):argname("STATE"):default "open"
      :choices(states_and_all())
    arguments.page(command)
    command:option("--after", "Go on behind this confirmation."):argname "ID"
    arguments.output(command)
  end,
}

local function answer_of(engine, args)
  if args.category then
    local category = config.find_by_name(must(engine:config()).categories, args.category)
    local problem = ("--category: there is no category '%s'"):format(args.category)
    return { category = must(category and category.id, problem) }
  end
  return { accept = args.accept, decline = args.decline }
end

local function told(engine, outcome, company)
  local name = common.namer(engine)
  if outcome.status == "updated" then
    return ("updated: %s is now in %s (was %s)"):format(company, name(outcome.to), name(outcome.from))
  elseif outcome.status == "declined" then
    return ("declined: %s stays in %s"):format(company, name(outcome.from))
  end
  return ("%s: %s is in %s now, not %s; nothing changed"):format(outcome.status, company, name(outcome.category),
    name(outcome.from))
end

local function run_resolve(args)
  return with_store(args, false, function(engine)
    local record = must(engine:confirmation(args.id))
    local who = args.as and { id = args.as, admin = true } or common.actor()
    local outcome = must(engine:resolve(args.id, answer_of(engine, args), { actor = who }))
    if args.json then
      print_json(outcome)
    else
      print(told(engine, outcome, must(engine:view(record)).company))
    end
    return (outcome.status == "updated" or outcome.status == "declined") and 0 or 1
  end)
end

local function resolve_problem(args)
  return not (args.accept or args.category or args.decline)
    and "one of --accept, --category NAME and --decline is needed" or nil
end

commands.resolve = {
  name = "resolve", summary = "Answer a question.", problem = resolve_problem, run = run_resolve,
  arguments = function(command)
    command:argument("id", "The confirmation's id.")
    arguments.path(command)
    command:mutex(command:flag("--accept", "Apply the proposal."),
      command:option("--category", "Apply another category, by name or id."):argname "NAME",
      command:flag("--decline", "Keep the category as it is."))
    command:option("--as", "Who answers (default: the system's user)."):argname("USER"):convert(arguments.to_id)
    arguments.output(command)
  end,
}

return commands

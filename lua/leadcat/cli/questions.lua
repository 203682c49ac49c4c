--- `confirmations` lists the questions to users, `resolve` answers one, `assign` gives one to another user.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local core = require "leadcat.core"
local json = require "leadcat.util.json"
local tables = require "leadcat.cli.tables"
local unicode = require "leadcat.util.unicode"

local must = common.must

local commands = {}

local function list_text(records, engine, args)
  if #records == 0 then
    return "no confirmations\n"
  end
  local rows = { { "id", "company", "now", "proposed", "asked for", "asked on", "state" } }
  for _, record in ipairs(records) do
    local view = must(engine:view(record))
    rows[#rows + 1] = {
      record.id, view.company, view.from.name, view.to.name, view.owner or "", view.created or "", view.state_name,
    }
  end
  local older = #records == args.limit and ("older ones: --after %s\n"):format(records[#records].id) or ""
  return tables.table(rows) .. older
end

local function run_confirmations(args, engine)
  if args.id then
    return must(engine:confirmation(args.id)), function(record)
      return engine:render(must(engine:view(record)), "text")
    end
  end
  local records = must(engine:confirmations {
    company = args.company, user = args.user, state = args.state ~= "all" and args.state or nil, limit = args.limit,
    after = args.after,
  })
  return json.array(records), function() return list_text(records, engine, args) end
end

local STATES = { "all" }
for i, state in ipairs(core.question_states) do
  table.insert(STATES, i, state)
end

commands.confirmations = {
  name = "confirmations", summary = "List the questions to users, newest first, or show one.",
  store = "read", output = "named", run = run_confirmations,
  arguments = function(command)
    command:argument("id", "One confirmation's id."):args "?"
    command:option("--company", "Only those of this company."):argname("COMPANY"):convert(arguments.to_id)
    command:option("--user", "Only those asked for this user's events."):argname("USER"):convert(arguments.to_id)
    command:option("--state", "Only those in this state; all for every one."):argname("STATE"):default "open"
      :choices(STATES)
    arguments.page(command)
    command:option("--after", "Go on behind this confirmation."):argname "ID"
  end,
}

local function actor_of(args)
  return args.as and { id = args.as, admin = true } or common.actor()
end

local function answer_of(engine, args)
  if args.category then
    return { category = common.category_id(must(engine:config()), args.category, "--category") }
  end
  return { accept = args.accept, decline = args.decline }
end

local function outcome_text(engine, outcome, company)
  local name = common.namer(engine)
  if outcome.status == "updated" then
    return ("updated: %s is now in %s (was %s)\n"):format(company, name(outcome.to), name(outcome.from))
  elseif outcome.status == "declined" then
    return ("declined: %s stays in %s\n"):format(company, name(outcome.from))
  end
  return ("%s: %s is in %s now, not %s; nothing changed\n"):format(outcome.status, company, name(outcome.category),
    name(outcome.from))
end

local function run_resolve(args, engine)
  local record = must(engine:confirmation(args.id))
  local who = actor_of(args)
  local outcome = must(engine:resolve(args.id, answer_of(engine, args), { actor = who }))
  return outcome, function()
    return outcome_text(engine, outcome, unicode.visible(must(engine:view(record)).company))
  end, (outcome.status == "updated" or outcome.status == "declined") and 0 or 1
end

local function resolve_problem(args)
  return not (args.accept or args.category or args.decline)
    and "one of --accept, --category NAME and --decline is needed" or nil
end

commands.resolve = {
  name = "resolve", summary = "Answer a question.", store = "write", output = "named", problem = resolve_problem,
  run = run_resolve,
  arguments = function(command)
    command:argument("id", "The confirmation's id.")
    command:mutex(command:flag("--accept", "Apply the proposal."),
      command:option("--category", "Apply another category, by name or id."):argname "NAME",
      command:flag("--decline", "Keep the category as it is."))
    command:option("--as", "Who answers (default: the system's user)."):argname("USER"):convert(arguments.to_id)
  end,
}

commands.assign = {
  name = "assign", summary = "Give an open question to another user.", store = "write", output = "named",
  run = function(args, engine)
    local to = { id = args.to, name = args.name }
    local record = must(engine:assign(args.id, { to = to }, { actor = actor_of(args) }))
    return record, function()
      local view = must(engine:view(record))
      return ("%s: the question is now with %s\n"):format(unicode.visible(view.company), view.owner or "")
    end
  end,
  arguments = function(command)
    command:argument("id", "The confirmation's id.")
    command:option("--to", "Whose question it is from now on: the user's id."):argname("USER"):convert(arguments.to_id)
      :count "1"
    command:option("--name", "What that user is called."):argname "NAME"
    command:option("--as", "Who gives it (default: the system's user)."):argname("USER"):convert(arguments.to_id)
  end,
}

return commands

--- What the `leadcat` command takes: its commands and options, with their help; apart from what they do.

local argparse = require "argparse"
local config = require "leadcat.config"
local core = require "leadcat.core"
local event_of = require "leadcat.event"
local input = require "leadcat.input"
local leadcat = require "leadcat"
local options_of = require "leadcat.options"

local arguments = {}

local function to_directory(text)
  if text ~= "" then
    return text
  end
  return nil, "a directory's name expected, got ''"
end

local function add_path(command, required)
  local option = command:option("--path", "The directory of the store."):argname("DIR"):convert(to_directory)
  if required then
    option:count "1"
  end
end

local function add_json(command)
  command:flag("--json", "Print JSON.")
end

local function add_output(command)
  add_json(command)
  command:option("--language", "The language of names: en, no, sv, da, de, nl."):argname("TAG"):default "en"
end

local function add_events(command)
  command:argument("file", "A file of events, - for standard input: JSON Lines, or CSV whose columns are an event's "
    .. "fields."):args "?"
  command:option("--events", "The file of events, as an option."):argname "FILE"
  command:option("--format", "The form of the file of events, where its name does not tell."):argname("csv|jsonl")
    :choices { "csv", "jsonl" }
  command:option("--opportunities", "An opportunity export, a CSV file with one row a sale."):argname "FILE"
  for _, option in ipairs {
    { "--company", "its column of the company" },
    { "--created", "its column of the date when the sale was registered" },
    { "--closed", "its column of the date when the sale was won or lost" },
    { "--stage", "its column of the stage" },
    { "--actor", "its column of who registers and closes the sale" },
    { "--sale", "its column of the sale's id; a sale is then handled once, however often" },
  } do
    command:option(option[1], "With --opportunities: " .. option[2] .. "."):argname "COLUMN"
  end
  for _, outcome in ipairs { "won", "lost" } do
    command:option("--" .. outcome, "With --opportunities: the stage of a " .. outcome .. " sale; may be given again.")
      :argname("LABEL"):count "*"
  end
  command:option("--date-format", "The form of dates, as strptime takes it, such as '%d.%m.%Y' (default: ISO 8601).")
    :argname "FORMAT"
  command:option("--start-category", "The category, by name or id, of a company that is not known yet.")
    :argname "CATEGORY"
  command:flag("--keep-going", "Count bad lines and go on; without it the first one ends the run.")
end

local function to_limit(text)
  local limit = tonumber(text)
  if limit and limit % 1 == 0 and limit >= 1 and limit <= 1000 then
    return math.floor(limit)
  end
  return nil, ("--limit: an integer from 1 to 1000 expected, got '%s'"):format(text)
end

-- The states of a question, and the word for all of them.
local function states_and_all()
  local states = {}
  for i, state in ipairs(core.question_states) do
    states[i] = state
  end
  states[#states + 1] = "all"
  return states
end

local function to_count(text)
  local count = tonumber(text)
  if count and count % 1 == 0 and count >= 0 then
    return math.floor(count)
  end
  return nil, ("--limit: an integer from 0 expected, got '%s'"):format(text)
end

-- A reader of the option's numbers, from 1.
local function positive(option)
  return function(text)
    local number = text:find "^%d+$" and tonumber(text)
    if number and number >= 1 and number <= 2 ^ 53 then
      return math.floor(number)
    end
    return nil, ("%s: an integer from 1 expected, got '%s'"):format(option, text)
  end
end

local function to_revision(text)
  local revision = #text < 16 and text:find "^%d+$" and tonumber(text)
  return revision or nil, ("--revision: an integer from 0 expected, got '%s'"):format(text)
end

local function to_entry(text)
  local number = text:find "^%d+$" and tonumber(text)
  if number and number >= 1 and number <= 2 ^ 53 then
    return number
  end
  return nil, ("a number expected, got '%s'"):format(text)
end

-- Of a company or a user: what the engine would raise for is wrong usage here.
local function to_id(text)
  local id, problem = event_of.key(text)
  return id, problem and ("an id %s"):format(problem)
end

local function to_rate(text)
  local rate = tonumber(text)
  if rate and rate > 0 and rate < math.huge then
    return rate
  end
  return nil, ("--rate: a positive number expected, got '%s'"):format(text)
end

local function new_parser()
  local parser = argparse("leadcat", "Keeps a CRM's company categories right by itself.")
    :epilog "Exit status: 0 done, 1 a failed run, 2 wrong usage."
  parser:flag("--version", "Print the version."):action(function()
    print("leadcat " .. leadcat._VERSION)
    os.exit(0)
  end)
  parser:command_target "command"

  local init = parser:command("init", "Make a store with a preset config.")
  add_path(init, true)
  init:option("--preset", "The config to start from."):argname("NAME"):default("superoffice"):choices { "superoffice" }
  add_json(init)

  local config_command = parser:command("config", "Show, export or import the config."):command_target "config_command"
  local show = config_command:command("show", "Print the rules, categories and lead statuses.")
  add_path(show, true)
  add_output(show)
  local export = config_command:command("export", "Print the config as JSON, to be edited and imported.")
  add_path(export, true)
  export:option("--output", "Write to a file instead."):argname "FILE"
  local import = config_command:command("import", "Save a config from a JSON file as a new revision.")
  import:argument("file", "The file, - for standard input.")
  add_path(import, true)
  import:option("--revision", "Refuse unless this is the newest revision."):argname("N"):convert(to_revision)
  add_json(import)

  local check = parser:command("check", "Say what is wrong with a config; exit status 1 when it could not be saved.")
  check:mutex(check:option("--config", "A JSON file, - for standard input."):target("config_file"):argname "FILE",
    check:option("--path", "The directory of a store."):argname "DIR")
  check:flag("--store", "With --path: read every page and record of the store, too, and name what is damaged.")
  add_output(check)

  local replay = parser:command("replay", "Handle the events of a file with the companies kept in the store.")
  add_path(replay, true)
  add_events(replay)
  add_output(replay)

  local backfill = parser:command("backfill", "Apply the rules to the past: handle the events of a file in the order "
    .. "of their dates, with the companies kept in the store. What was interrupted goes on where it was, when the same "
    .. "is done again.")
  add_path(backfill, true)
  add_events(backfill)
  backfill:option("--confirm", "What becomes of rules that ask: skip leaves the company as it is and counts it (the "
    .. "default, as old questions would flood the inbox), ask puts the question into the inbox now, accept makes the "
    .. "change."):argname("skip|ask|accept"):default "skip":choices { "skip", "ask", "accept" }
  backfill:flag("--preview", "Say what would be done; write nothing.")
  backfill:option("--rate", "At most so many events a second."):argname("N"):convert(to_rate)
  backfill:option("--run", "The id of the run: a new one, or one that was interrupted, which goes on then, with the "
    .. "same file and options. Without it the last run of the same file and options goes on where it was "
    .. "interrupted, and nothing is done where it is finished and the config is the same."):argname "ID"
  add_output(backfill)

  local simulation = parser:command("simulate", "Say what a config would do with the events of a file, or what it "
    .. "would do otherwise than another; writes nothing.")
  simulation:option("--config", "The config, a JSON file."):target("config_file"):argname "FILE"
  simulation:option("--path", "The directory of a store, whose config is taken where no file is given."):argname "DIR"
  simulation:option("--against", "Compare with this config: a JSON file, or current for that of the store in --path.")
    :argname "FILE"
  simulation:option("--html", "With --against: write the report to this file, as a web page that needs no other.")
    :argname "FILE"
  simulation:option("--limit", "With --against: list at most so many companies."):argname("N"):default "100"
    :convert(to_count)
  add_events(simulation)
  add_output(simulation)

  local explain = parser:command("explain", "Say what an event would do to a company, check by check, and why.")
  add_path(explain, true)
  explain:option("--company", "The company."):argname("COMPANY"):count("1"):convert(to_id)
  explain:option("--trigger", "The event; without it, all that could happen, and what did last."):argname "TRIGGER"
    :choices(config.TRIGGERS)
  explain:option("--lead-status", "The lead status that was set, by name or id."):argname "NAME"
  explain:option("--category", "As if the company were in this category, by name or id."):argname "NAME"
  add_output(explain)

  local confirmations = parser:command("confirmations", "List the questions to users, newest first, or show one.")
  confirmations:argument("id", "One confirmation's id."):args "?"
  add_path(confirmations, true)
  confirmations:option("--company", "Only those of this company."):argname("COMPANY"):convert(to_id)
  confirmations:option("--user", "Only those asked for this user's events."):argname("USER"):convert(to_id)
  confirmations:option("--state", "Only those in this state; all for every one."):argname("STATE"):default "open"
    :choices(states_and_all())
  confirmations:option("--limit", "At most so many, up to 1000."):argname("N"):default "100":convert(to_limit)
  confirmations:option("--after", "Go on behind this confirmation."):argname "ID"
  add_output(confirmations)

  local resolve = parser:command("resolve", "Answer a question.")
  resolve:argument("id", "The confirmation's id.")
  add_path(resolve, true)
  resolve:mutex(resolve:flag("--accept", "Apply the proposal."),
    resolve:option("--category", "Apply another category, by name or id."):argname "NAME",
    resolve:flag("--decline", "Keep the category as it is."))
  resolve:option("--as", "Who answers (default: the system's user)."):argname("USER"):convert(to_id)
  add_output(resolve)

  local maintain = parser:command("maintain", "Close questions whose time is over, free what killed processes held, "
    .. "remove what is not to be kept: for all tenants of the store.")
  add_path(maintain, true)
  maintain:option("--keep-days", "Remove entries of the journal that are older; without it none is too old.")
    :argname("N"):convert(positive "--keep-days")
  maintain:option("--keep-entries", "Remove the oldest entries of a journal that has more; else none has too many.")
    :argname("N"):convert(positive "--keep-entries")
  add_output(maintain)

  local backup = parser:command("backup", "Copy a store while it is in use.")
  backup:argument("destination", "The directory of the copy; it must not have a store yet."):convert(to_directory)
  add_path(backup, true)
  add_json(backup)

  local compact = parser:command("compact", "Copy a store without its unused pages, to be put in its place while "
    .. "nobody has it open.")
  compact:argument("destination", "The directory of the copy; it must not have a store yet."):convert(to_directory)
  add_path(compact, true)
  add_json(compact)

  local history = parser:command("history", "List the changes of companies, and what was asked, newest first.")
  add_path(history, true)
  history:option("--company", "Only those of this company."):argname("COMPANY"):convert(to_id)
  history:option("--run", "Only those of this replay, backfill or undo."):argname "ID"
  history:option("--since", "Only of events since then: a date, or seconds since 1970."):argname("TIME")
    :convert(input.time)
  history:option("--limit", "At most so many, up to 1000."):argname("N"):default "100":convert(to_limit)
  history:option("--after", "Go on behind this entry."):argname("ENTRY"):convert(to_entry)
  add_output(history)

  local undo = parser:command("undo", "Take changes back: one entry, a whole run, or what one revision of the config "
    .. "has changed. What has been changed since is left as it is, and listed; then the exit status is 1.")
  undo:argument("entry", "One entry's number."):args("?"):convert(to_entry)
  add_path(undo, true)
  undo:option("--run", "All that this replay, backfill or undo has changed."):argname "ID"
  undo:option("--revision", "All that this revision of the config has changed."):argname("N"):convert(to_entry)
  undo:option("--since", "With --revision: only what was written since then, a date or seconds since 1970.")
    :argname("TIME"):convert(input.time)
  undo:option("--until", "With --revision: only what was written until then."):argname("TIME"):convert(input.time)
  undo:flag("--preview", "Say what would be undone; write nothing.")
  add_output(undo)
  return parser
end

-- What a comparison needs.
local function simulate_problem(args)
  if args.against == "current" and not (args.config_file and args.path) then
    return "--against current needs --config FILE and --path DIR"
  elseif args.against ~= "current" and args.config_file and args.path then
    return "--config and --path can not be used together, but with --against current"
  elseif args.html and not args.against then
    return "--html needs --against"
  end
end

local function undo_problem(args)
  local named = (args.entry and 1 or 0) + (args.run and 1 or 0) + (args.revision and 1 or 0)
  if named ~= 1 then
    return "one of ENTRY, --run ID and --revision N is needed"
  elseif (args.since or args["until"]) and not args.revision then
    return "--since and --until go with --revision"
  end
end

-- What argparse cannot check: nil, or what is wrong.
local function usage_problem(args)
  if args.run and not options_of.run.fits(args.run) then
    return ("--run: %s expected"):format(options_of.run.what)
  elseif args.command == "undo" then
    return undo_problem(args)
  elseif (args.command == "check" or args.command == "simulate") and not (args.config_file or args.path) then
    return "--config FILE or --path DIR is needed"
  elseif args.command == "simulate" and simulate_problem(args) then
    return simulate_problem(args)
  elseif args.command == "check" and args.store and not args.path then
    return "--store needs --path DIR"
  elseif args.command == "resolve" and not (args.accept or args.category or args.decline) then
    return "one of --accept, --category NAME and --decline is needed"
  elseif args.command == "explain" and not args.trigger and (args.lead_status or args.category) then
    return "--lead-status and --category need --trigger"
  elseif args.command == "backfill" and args.preview and args.run then
    return "--preview is of no run: --run is not needed"
  elseif args.command ~= "replay" and args.command ~= "simulate" and args.command ~= "backfill" then
    return nil
  end
  args.events = args.events or args.file
  if not args.events and not args.opportunities or args.events and args.opportunities then
    return "either a file of events or --opportunities FILE is needed"
  end
  for _, option in ipairs { "company", "created", "closed", "stage" } do
    if args.opportunities and not args[option] then
      return ("--opportunities needs --company, --created, --closed and --stage: --%s is missing"):format(option)
    end
  end
  if args.opportunities and #args.won == 0 and #args.lost == 0 then
    return "--opportunities needs --won, --lost or both: what the stages of won and lost sales are called"
  end
end

--- Reads the arguments of the command.
---@param words string[]
---@return table? args `command`, `config_command`, and the options by name
---@return string? problem in one sentence
function arguments.parse(words)
  local parsed, args = new_parser():pparse(words)
  if not parsed then
    return nil, args
  end
  local problem = usage_problem(args)
  if problem then
    return nil, problem
  end
  return args
end

return arguments

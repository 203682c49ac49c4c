--- Looking back: the journal, and what is taken back of it.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local event_of = require "leadcat.events.event"
local import = require "leadcat.cli.import"
local json = require "leadcat.util.json"
local tables = require "leadcat.cli.tables"
local wording = require "leadcat.words.wording"

local must, with_store, print_json = common.must, common.with_store, common.print_json
local namer = common.namer

local commands = {}

local function shown_actor(who)
  return who and tostring(who.name or who.id or "") or ""
end

local function history_rows(entries, name)
  local rows = { { "entry", "time", "company", "rule", "from", "to", "status", "by", "run" } }
  for _, entry in ipairs(entries) do
    local time = wording.time(entry.at) and os.date("!%Y-%m-%d %H:%M:%S", math.floor(entry.at)) or "?"
    rows[#rows + 1] = {
      ("%d"):format(entry.entry), time, event_of.key(entry.company), entry.rule, name(entry.from),
      name(entry.to), entry.undoes and entry.status .. " (undo)" or entry.status, shown_actor(entry.actor),
      entry.run or "",
    }
  end
  return rows
end

local function run_history(args)
  return with_store(args, false, function(engine)
    local entries, after = engine:history {
      company = args.company, run = args.run, since = args.since, limit = args.limit, after = args.after,
    }
    must(entries, after)
    if args.json then
      print_json(json.array(entries))
    elseif #entries == 0 then
      print "no entries"
    else
      io.write(tables.table(history_rows(entries, namer(engine))))
    end
    if after and not args.json then
      print(("older ones: --after %d"):format(after))
    end
    return 0
  end)
end

commands.history = {
  name = "history", summary = "List the changes of companies, and what was asked, newest first.", run = run_history,
  arguments = function(command)
    arguments.path(command)
    command:option("--company", "Only those of this company."):argname("COMPANY"):convert(arguments.to_id)
    arguments.run(command, "Only those of this replay, backfill or undo.")
    command:option("--since", "Only of events since then: a date, or seconds since 1970."):argname("TIME")
      :convert(import.time)
    arguments.page(command)
    command:option("--after", "Go on behind this entry."):argname("ENTRY"):convert(arguments.to_entry)
    arguments.output(command)
  end,
}

local function print_undone(engine, args, result)
  local name, rows = namer(engine), { { "entry", "company", "from", "to", "" } }
  for _, undone in ipairs(result.undone) do
    rows[#rows + 1] = {
      ("%d"):format(undone.entry), event_of.key(undone.company), name(undone.from), name(undone.to),
      args.preview and "would be undone" or "undone",
    }
  end
  for _, refused in ipairs(result.refused) do
    local why = "refused: " .. refused.why
    rows[#rows + 1] = { ("%d"):format(refused.entry), event_of.key(refused.company), "", "", why }
  end
  if #rows > 1 then
    io.write(tables.table(rows), "\n")
  end
  print(("%s %s, %s refused"):format(tables.number(#result.undone), args.preview and "would be undone" or "undone",
    tables.number(#result.refused)))
  if result.run then
    print(("leadcat undo --path %s --run %s takes that back"):format(args.path, result.run))
  end
end

local function undo_one(engine, args)
  local outcome = must(engine:undo(args.entry, { actor = common.actor() }))
  if args.json then
    print_json(outcome)
  else
    local name = namer(engine)
    print(("%s: from %s to %s, entry %d"):format(outcome.status, name(outcome.from), name(outcome.to), outcome.entry))
  end
  return outcome.status == "updated" and 0 or 1
end

local function run_undo(args)
  return with_store(args, false, function(engine)
    if args.entry and not args.preview then
      return undo_one(engine, args)
    end
    local result = must(engine:undo({
      entry = args.entry, run = args.run, revision = args.revision, since = args.since, ["until"] = args["until"],
      preview = args.preview,
    }, { actor = common.actor() }))
    if args.json then
      print_json(result)
    else
      print_undone(engine, args, result)
    end
    return #result.refused == 0 and 0 or 1
  end)
end

local function undo_problem(args)
  local named = (args.entry and 1 or 0) + (args.run and 1 or 0) + (args.revision and 1 or 0)
  if named ~= 1 then
    return "one of ENTRY, --run ID and --revision N is needed"
  elseif (args.since or args["until"]) and not args.revision then
    return "--since and --until go with --revision"
  end
end

commands.undo = {
  name = "undo", problem = undo_problem, run = run_undo,
  summary = "Take changes back: one entry, a whole run, or what one revision of the config has changed. What has been "
    .. "changed since is left as it is, and listed; then the exit status is 1.",
  arguments = function(command)
    command:argument("entry", "One entry's number."):args("?"):convert(arguments.to_entry)
    arguments.path(command)
    arguments.run(command, "All that this replay, backfill or undo has changed.")
    command:option("--revision", "All that this revision of the config has changed."):argname("N")
      :convert(arguments.to_entry)
    command:option("--since", "With --revision: only what was written since then, a date or seconds since 1970.")
      :argname("TIME"):convert(import.time)
    command:option("--until", "With --revision: only what was written until then."):argname("TIME"):convert(import.time)
    command:flag("--preview", "Say what would be undone; write nothing.")
    arguments.output(command)
  end,
}

return commands

--- `history` lists the journal, `undo` takes changes back, `cancel` calls off what is scheduled.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local event_of = require "leadcat.events.event"
local import = require "leadcat.cli.import"
local json = require "leadcat.util.json"
local search = require "leadcat.past.search"
local tables = require "leadcat.cli.tables"
local unicode = require "leadcat.util.unicode"
local wording = require "leadcat.words.wording"

local must, namer = common.must, common.namer

local commands = {}

local function shown_actor(who)
  return who and tostring(who.name or who.id or "") or ""
end

-- What a note tells of the company itself.
local NOTES = { renamed = "renamed: was %s", merged = "merged: %s", deleted = "deleted" }

local function shown_status(entry)
  local note = NOTES[entry.status]
  if note then
    return note:format(event_of.key(entry.former))
  end
  if entry.undoes then
    return entry.status .. " (undo)"
  elseif entry.status == "scheduled" then
    return ("scheduled for %s"):format(wording.time(entry.due) or "?")
  end
  return entry.status
end

local function history_rows(entries, name)
  local rows = { { "entry", "time", "company", "rule", "from", "to", "status", "by", "run" } }
  for _, entry in ipairs(entries) do
    rows[#rows + 1] = {
      ("%d"):format(entry.entry), tables.time(entry.at), event_of.key(entry.company), entry.rule or "",
      entry.rule and name(entry.from) or "", entry.rule and name(entry.to) or "",
      shown_status(entry) .. (entry.takes_back and " (take back)" or "")
        .. (entry.by_expiry and " (no answer)" or ""), shown_actor(entry.actor), entry.run or "",
    }
  end
  return rows
end

local function run_history(args, engine)
  local entries, after = engine:history {
    company = args.company, company_name = args.company_name, actor_name = args.actor,
    actor = args.me and common.actor().id or nil, folded = args.folded, sale = args.sale, run = args.run,
    status = args.status, since = args.since, limit = args.limit, after = args.after,
  }
  must(entries, after)
  return json.array(entries), function()
    local text = #entries == 0 and "no entries\n" or tables.table(history_rows(entries, namer(engine)))
    return text .. (after and ("older ones: --after %d\n"):format(after) or "")
  end
end

commands.history = {
  name = "history", summary = "List the changes of companies, and what was asked, newest first.",
  store = "read", output = "named", run = run_history,
  arguments = function(command)
    command:option("--company", "Only those of this company."):argname("COMPANY"):convert(arguments.to_id)
    command:option("--company-name", "Only those of companies with this in their name or id."):argname("PART")
      :convert(arguments.to_id)
    command:option("--actor", "Only those of people with this in their name or id."):argname("PART")
      :convert(arguments.to_id)
    command:flag("--me", "Only your own.")
    command:option("--sale", "Only those of this sale, by its id."):argname("SALE"):convert(arguments.to_id)
    arguments.run(command, "Only those of this replay, backfill or undo.")
    command:option("--status", "Only those with this status, such as scheduled, or waiting (for an answer, now).")
      :argname("STATUS"):choices(search.STATUSES)
    command:option("--since", "Only of events since then: a date, or seconds since 1970."):argname("TIME")
      :convert(import.time)
    command:flag("--folded", "A question and its answer are one entry.")
    arguments.page(command)
    command:option("--after", "Go on behind this entry."):argname("ENTRY"):convert(arguments.to_entry)
  end,
}

local function undone_text(result, args, name)
  local rows, would = { { "entry", "company", "from", "to", "" } }, args.preview and "would be " or ""
  local done, off = would .. "undone", would .. "cancelled"
  for _, undone in ipairs(result.undone) do
    rows[#rows + 1] = {
      ("%d"):format(undone.entry), event_of.key(undone.company), name(undone.from), name(undone.to), done,
    }
  end
  for _, cancelled in ipairs(result.cancelled) do
    local key, due = event_of.key(cancelled.company), wording.time(cancelled.due) or "?"
    rows[#rows + 1] = { ("%d"):format(cancelled.entry), key, "", name(cancelled.to), ("%s, due %s"):format(off, due) }
  end
  for _, refused in ipairs(result.refused) do
    local why = "refused: " .. refused.why
    rows[#rows + 1] = { ("%d"):format(refused.entry), event_of.key(refused.company), "", "", why }
  end
  return (#rows > 1 and tables.table(rows) .. "\n" or "")
    .. ("%s %s, %s%s refused\n"):format(tables.number(#result.undone), done,
      #result.cancelled > 0 and ("%s scheduled %s, "):format(tables.number(#result.cancelled), off) or "",
      tables.number(#result.refused))
    .. (result.run and ("leadcat undo --path %s --run %s takes that back\n"):format(unicode.visible(args.path),
      result.run) or "")
end

local function undo_one(args, engine)
  local outcome = must(engine:undo(args.entry, { actor = common.actor() }))
  return outcome, function()
    local name = namer(engine)
    return ("%s: from %s to %s, entry %d\n"):format(outcome.status, name(outcome.from), name(outcome.to),
      outcome.entry)
  end, outcome.status == "updated" and 0 or 1
end

local function run_undo(args, engine)
  if args.entry and not args.preview then
    return undo_one(args, engine)
  end
  local result = must(engine:undo({
    entry = args.entry, run = args.run, revision = args.revision, since = args.since, ["until"] = args["until"],
    preview = args.preview,
  }, { actor = common.actor() }))
  return result, function()
    return undone_text(result, args, namer(engine))
  end, #result.refused == 0 and 0 or 1
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
  name = "undo", store = arguments.use, output = "named", problem = undo_problem, run = run_undo,
  summary = "Take changes back: one entry, a whole run, or what one revision of the config has changed. What has been "
    .. "changed since is left as it is, and listed; then the exit status is 1.",
  arguments = function(command)
    command:argument("entry", "One entry's number."):args("?"):convert(arguments.to_entry)
    arguments.run(command, "All that this replay, backfill or undo has changed.")
    command:option("--revision", "All that this revision of the config has changed."):argname("N")
      :convert(arguments.to_entry)
    command:option("--since", "With --revision: only what was written since then, a date or seconds since 1970.")
      :argname("TIME"):convert(import.time)
    command:option("--until", "With --revision: only what was written until then."):argname("TIME"):convert(import.time)
    command:flag("--preview", "Say what would be undone; write nothing.")
  end,
}

local function run_cancel(args, engine)
  local outcome = must(engine:cancel(args.entry, { actor = common.actor() }))
  return outcome, function()
    return ("cancelled: entry %d\n"):format(outcome.entry)
  end
end

commands.cancel = {
  name = "cancel", store = "write", output = "named", run = run_cancel,
  summary = "Call off what a rule that waits has scheduled: history --status scheduled lists it.",
  arguments = function(command)
    command:argument("entry", "The entry's number."):convert(arguments.to_entry)
  end,
}

return commands

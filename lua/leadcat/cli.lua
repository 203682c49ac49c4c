--- The `leadcat` command: reads its arguments, calls the engine, and says what came of it. It decides nothing itself.

local arguments_of = require "leadcat.arguments"
local compare = require "leadcat.compare"
local config = require "leadcat.config"
local core = require "leadcat.core"
local event_of = require "leadcat.event"
local i18n = require "leadcat.i18n"
local input = require "leadcat.input"
local json = require "leadcat.json"
local leadcat = require "leadcat"
local report_page = require "leadcat.render.report"
local run_of = require "leadcat.run"
local simulate = require "leadcat.simulate"
local text = require "leadcat.text"

local cli = {}

local BATCH = 1000 -- events of a replay that are committed together
local STEP = 1000 -- events between two looks at the clock

-- A failed run: raised as a table by whatever finds it, told by `cli.main`.
local function fail(message, ...)
  error({ message = select("#", ...) > 0 and message:format(...) or message }, 0)
end

local function must(value, message)
  if value == nil then
    fail("%s", message)
  end
  return value
end

local function warn(message, ...)
  io.stderr:write("leadcat: ", message:format(...), "\n")
end

-- The command line acts as the system's user, as administrator.
local function actor()
  return { id = os.getenv "USER" or os.getenv "LOGNAME" or "cli", admin = true }
end

local function print_json(value)
  print(json.encode(value, "  "))
end

-- Files and stores ----------------------------------------------------------------------------------------------------

local function open_file(path)
  if path == "-" then
    return io.stdin
  end
  return must(io.open(path, "rb"))
end

local function read_file(path)
  local file = open_file(path)
  local content, message = file:read "*a"
  file:close()
  return must(content, message)
end

local function write_file(path, content)
  local file = must(io.open(path, "wb"))
  must(file:write(content))
  must(file:close())
end

local function read_config(path)
  local cfg, message = json.decode(read_file(path))
  if cfg == nil then
    fail("%s: %s", path, message)
  end
  return cfg
end

local function exists(path)
  local file = io.open(path .. "/config.mdb", "rb")
  return file ~= nil and file:close()
end

-- Opens a store that is there. Only `init` makes one: a mistyped directory is not to become an empty store.
local function open_store(args, new)
  if not new and not exists(args.path) then
    fail("there is no store in %s: leadcat init --path %s makes one", args.path, args.path)
  end
  return must(leadcat.open { path = args.path, language = args.language })
end

-- Runs `fn(engine)` and closes the store, whatever happens.
local function with_store(args, new, fn)
  local engine = open_store(args, new)
  local ok, result = pcall(fn, engine)
  engine:close()
  if not ok then
    error(result, 0)
  end
  return result
end

local function print_problems(problems, file)
  for _, problem in ipairs(problems) do
    file:write(("%s: %s [%s]\n"):format(problem.severity, problem.message, problem.code))
    if problem.example then
      file:write("  for example ", json.encode(problem.example), "\n")
    end
  end
end

-- What `engine:save` gives; refused configs have all their problems printed.
local function saved(revision, message, _, problems)
  print_problems(problems or {}, io.stderr)
  return must(revision, message)
end

-- The config to work with: a file's, or the store's.
local function config_of(args)
  if args.config_file then
    return read_config(args.config_file)
  end
  return with_store(args, false, function(engine)
    return must(engine:config())
  end)
end

-- Progress ------------------------------------------------------------------------------------------------------------

local function is_terminal()
  local ok = os.execute "test -t 2"
  return ok == true or ok == 0
end

-- A function to be called with the number of events done. It draws a bar to stderr when that is a terminal and a second has
-- gone by, at most once a second, after so many events; `done` wipes the line.
local function progress(events, size, step)
  local terminal, begun, next_look, shown = is_terminal(), os.time(), step, false
  local last = begun
  local function show(count)
    if not terminal or count < next_look then
      return
    end
    next_look = count + step
    local now = os.time()
    if now == last then
      return
    end
    last, shown = now, true
    local share = events.total and count / events.total or size and events:position() / size
    io.stderr:write("\r", text.progress(count, share, now - begun), "\27[K")
    io.stderr:flush()
  end
  local function done()
    if shown then
      io.stderr:write "\r\27[K"
    end
  end
  return show, done
end

-- Events --------------------------------------------------------------------------------------------------------------

local function size_of(file)
  local size = file:seek "end"
  if size then
    file:seek("set", 0)
  end
  return size
end

local function open_events(args)
  local path = args.opportunities or args.events
  local file = args.file_of_events or open_file(path)
  if args.opportunities then
    return input.opportunities(file, {
      company = args.company, created = args.created, closed = args.closed, stage = args.stage, won = args.won,
      lost = args.lost, date_format = args.date_format, sale = args.sale, actor = args.actor,
      keep_going = args.keep_going,
    }), path, size_of(file)
  end
  local format = args.format or input.format_of(path)
    or fail("%s: is it csv or jsonl? say so with --format", path == "-" and "standard input" or path)
  return input.events(file, { format = format, date_format = args.date_format }), path, size_of(file)
end

-- The events of the files, as an iterator, a function that ends it, a faster way beside the iterator (`feed` of
-- leadcat.input), and what reads them. A bad line ends the run, unless the user said to keep going.
local function events_of(args)
  local events, path, size = open_events(args)
  local bad, count, where, message, code = 0, 0, nil, nil, nil
  local show, done = progress(events, size, STEP)
  local function complain(line, problem)
    local told = ("%s:%s: %s"):format(path, line or "?", problem)
    if not args.keep_going or code == "io" or events.failed then
      done()
      return told
    end
    bad = bad + 1
    warn("%s", told)
  end
  local function next_event()
    while true do
      local event, line
      event, where, code, line = events:next()
      if event == nil and code == nil then
        return nil
      elseif event == nil then
        message = complain(line, where)
      else
        local problem = event_of.problem(event)
        if not problem then
          count = count + 1
          show(count)
          return event
        end
        message = complain(where, problem)
      end
      if message then
        return nil, message, "invalid"
      end
    end
  end
  local function feed(add_lines, most)
    local given = events:feed(add_lines, most)
    count = count + given
    show(count)
    return given
  end
  local function finish()
    done()
    for _, row in ipairs(events.bad) do
      warn("%s:%d: %s", path, row.line, row.message)
    end
    for _, warning in ipairs(events.warnings) do
      warn("%s: %s", path, warning)
    end
    bad = bad + events.bad_count
    if bad > 0 then
      warn("%s bad line%s left out", text.number(bad), bad == 1 and "" or "s")
    end
    return bad
  end
  return next_event, finish, feed, events
end

-- Commands ------------------------------------------------------------------------------------------------------------

local commands = {}

function commands.init(args)
  return with_store(args, true, function(engine)
    local revision = must(engine:config()).revision
    if revision > 0 then
      print(("%s is initialised already (revision %d); nothing changed"):format(args.path, revision))
      return 0
    end
    revision = saved(engine:save(leadcat.preset(args.preset), { actor = actor(), revision = 0 }))
    print(("%s: revision %d, the preset %s. All its rules are off. To switch some on:"):format(args.path, revision,
      args.preset))
    print(("  leadcat config export --path %s --output rules.json"):format(args.path))
    print(("  leadcat config import --path %s rules.json"):format(args.path))
    return 0
  end)
end

commands["config show"] = function(args)
  local cfg = config_of(args)
  if args.json then
    print_json(cfg)
  else
    io.write(text.config(cfg, args.language))
  end
  return 0
end

commands["config export"] = function(args)
  local content = json.encode(config_of(args), "  ") .. "\n"
  if not args.output then
    io.write(content)
    return 0
  end
  write_file(args.output, content)
  return 0
end

commands["config import"] = function(args)
  local cfg = read_config(args.file)
  return with_store(args, false, function(engine)
    print_problems(config.has_errors(config.problems(cfg)) and {} or config.problems(cfg), io.stderr)
    local revision = saved(engine:save(cfg, { actor = actor(), revision = args.revision }))
    print(("%s: revision %d"):format(args.path, revision))
    return 0
  end)
end

-- Damage to a store, as problems.
local function store_problems(path)
  local problems = {}
  if not exists(path) then
    fail("there is no store in %s", path)
  end
  for _, message in ipairs(must(core.check_store(path))) do
    problems[#problems + 1] = { path = path, code = "corrupt", message = message, severity = "error" }
  end
  return problems
end

function commands.check(args)
  local problems = args.store and store_problems(args.path) or {}
  if #problems == 0 then -- a damaged store is better left alone
    problems = config.problems(config_of(args))
  end
  if args.json then
    print_json(json.array(problems))
  elseif #problems == 0 then
    print "no problems"
  else
    print_problems(problems, io.stdout)
  end
  return config.has_errors(problems) and 1 or 0
end

local function print_report(args, report)
  if args.json then
    print_json(report)
  else
    io.write(text.report(report))
  end
end

-- Without a category to start from, nothing can be said of a company.
local function warn_of_unknown(report)
  for _, category in ipairs(report.categories) do
    if not category.id and category.start > 0 then
      warn("nobody knows the category that %s of the companies start in: --start-category says it",
        text.number(category.start))
    end
  end
end

-- What the config would do otherwise than the one of `--against`.
local function compare_configs(args)
  local against = config_of(args.against == "current" and { path = args.path } or { config_file = args.against })
  local cfg = config_of(args)
  local next_event, finish = events_of(args)
  local report, message, _, problems = compare.run(against, cfg, next_event, {
    start_category = args.start_category, language = args.language, limit = args.limit,
  })
  local bad = finish()
  print_problems(problems or {}, io.stderr)
  must(report, message)
  report.bad_lines = args.keep_going and bad or nil
  warn_of_unknown(report)
  if args.html then
    local strings = i18n.new()
    write_file(args.html, report_page.html {
      report = report, before = against, after = cfg, strings = strings, language = strings:language(args.language),
    })
  end
  if args.json then
    print_json(report)
  else
    io.write(text.comparison(report))
  end
  return 0
end

function commands.simulate(args)
  if args.against then
    return compare_configs(args)
  end
  local cfg = config_of(args)
  local next_event, finish, feed = events_of(args)
  local report, message, _, problems = simulate.run(cfg, next_event, {
    start_category = args.start_category, language = args.language, feed = feed,
  })
  local bad = finish()
  print_problems(problems or {}, io.stderr)
  must(report, message)
  report.bad_lines = args.keep_going and bad or nil
  print_report(args, report)
  return 0
end

-- Adds the companies of a batch that the store has not got, in the start category. `touched` gathers all.
local function add_companies(engine, batch, start, touched)
  local new = {}
  for _, event in ipairs(batch) do
    local key = event_of.key(event.company)
    if touched[key] == nil then
      touched[key] = event.company
      new[#new + 1] = event.company
    end
  end
  if start and #new > 0 then
    must(engine.host:create_many(new, start))
  end
end

local function handle_batch(engine, batch, run)
  add_companies(engine, batch, run.start, run.touched)
  local outcomes = must(run.engine:handle_many(batch))
  for i, outcome in ipairs(outcomes) do
    simulate.count(run.report, batch[i].trigger, simulate.outcome_name(outcome))
  end
end

-- Handles all events, a batch at a time. Those before a bad line are handled and stay so.
local function handle_all(engine, next_event, run)
  local batch, who = {}, actor()
  local event, message = next_event()
  while event do
    event.actor = event.actor or who
    batch[#batch + 1] = event
    if #batch == BATCH then
      handle_batch(engine, batch, run)
      batch = {}
    end
    event, message = next_event()
  end
  if #batch > 0 then
    handle_batch(engine, batch, run)
  end
  return message
end

local function start_category(cfg, name)
  if name == nil then
    return nil
  end
  local category = config.find_by_name(cfg.categories, name)
  return must(category and category.id, ("--start-category: there is no category '%s'"):format(name))
end

function commands.replay(args)
  return with_store(args, false, function(engine)
    local cfg = must(engine:config())
    local start = start_category(cfg, args.start_category)
    local record = must(run_of.begin(engine, "replay"))
    local run = {
      engine = run_of.engine(engine, record.run), report = simulate.new_report(), touched = {}, start = start,
    }
    run.report.run = record.run
    local next_event, finish = events_of(args)
    local message = handle_all(engine, next_event, run)
    local bad = finish()
    must(run_of.finish(engine, record))
    simulate.count_companies(run.report, cfg, args.language, function(_, key)
      local company
      key, company = next(run.touched, key)
      return key, key and (engine.host:get(company) or false)
    end)
    run.report.bad_lines = args.keep_going and bad or nil
    if message then
      fail("%s (the %s events before it are handled, as run %s)", message, text.number(run.report.events), record.run)
    end
    print_report(args, run.report)
    return 0
  end)
end

-- Why ------------------------------------------------------------------------------------------------------------------

-- The id of a category or lead status: by name, or any integer, as one may ask about what is deleted or unknown.
local function id_of(list, name, option)
  local item = name and config.find_by_name(list, name)
  local id = item and item.id or name and name:find "^%d+$" and json.integer(tonumber(name))
  return name and must(id or nil, ("%s: there is no '%s'"):format(option, name))
end

local function explain_event(engine, cfg, args)
  return must(engine:explain({
    trigger = args.trigger, company = args.company, actor = actor(),
    category = id_of(cfg.categories, args.category, "--category"),
    lead_status = id_of(cfg.lead_statuses, args.lead_status, "--lead-status"),
  }, { language = args.language }))
end

local function print_why(cfg, found, language)
  local rows = { { "event", "outcome", "why" } }
  for _, decision in ipairs(found.decisions) do
    local status = config.find(cfg.lead_statuses, decision.lead_status)
    local event = decision.trigger .. (status and (" (%s)"):format(config.name(status, language)) or "")
    rows[#rows + 1] = { event, decision.action == "none" and decision.reason or decision.action, decision.sentence }
  end
  io.write(text.table(rows))
  if found.newest then
    print(("\nentry %d: %s"):format(found.newest.entry, found.newest.sentence))
  end
end

function commands.explain(args)
  return with_store(args, false, function(engine)
    local cfg = must(engine:config())
    local found = args.trigger and explain_event(engine, cfg, args)
      or must(engine:why(args.company, { language = args.language }))
    if args.json then
      print_json(found)
    elseif args.trigger then
      io.write(text.decision(found))
    else
      print_why(cfg, found, args.language)
    end
    return 0
  end)
end

-- Backfill --------------------------------------------------------------------------------------------------------------

local BLOCK = 64 * 1024 -- bytes

-- Standard input as a file that can be read twice.
local function copy_of_input()
  local file = must(io.tmpfile())
  for block in function() return io.stdin:read(BLOCK) end do
    must(file:write(block))
  end
  must(file:seek "set")
  return file
end

-- What tells the events from those of another file, and of this one read otherwise.
local function source_of(args)
  local path, size, sum = args.opportunities or args.events, 0, nil
  local file = path == "-" and copy_of_input() or open_file(path)
  for block in function() return file:read(BLOCK) end do
    size, sum = size + #block, core.checksum(block, sum)
  end
  must(file:seek "set")
  args.file_of_events = file
  local words = { ("%s bytes, checksum %s"):format(text.number(size), sum or "of none") }
  for _, name in ipairs {
    "format", "company", "created", "closed", "stage", "sale", "actor", "date_format", "keep_going", "won", "lost",
  } do
    local value = args[name]
    value = type(value) == "table" and table.concat(value, ",") or value
    words[#words + 1] = value and value ~= "" and ("%s=%s"):format(name, tostring(value)) or nil
  end
  return table.concat(words, " ")
end

-- The events of a file that need not be in order, as an array; an export's as they are read. And what has their `total`.
local function events_to_fill(args)
  local next_event, finish, _, reader = events_of(args)
  if args.opportunities then
    return next_event, finish, reader
  end
  local events = {}
  for event, message in next_event do
    events[#events + 1] = event or fail("%s", message)
  end
  return events, finish, { total = #events }
end

local function backfill(engine, args)
  local source = source_of(args)
  local events, finish, counted = events_to_fill(args)
  local show, done = progress(counted, nil, 1)
  local report, message = engine:backfill(events, {
    run = args.run, preview = args.preview, confirm = args.confirm, rate = args.rate, source = source,
    start_category = args.start_category, actor = actor(), on_progress = show,
    on_begin = function(id, before)
      local where = before > 0 and (" goes on behind event %s"):format(text.number(before)) or ""
      warn("run %s%s (interrupted, it goes on when the same is done again)", id, where)
    end,
  })
  done()
  local bad = finish()
  must(report, message)
  report.bad_lines = args.keep_going and bad or nil
  return report
end

local function print_backfill(args, report)
  if args.json then
    return print_json(report)
  elseif report.already then
    print(("run %s is finished already: nothing was done (another --run does it again). What it has done:\n")
      :format(report.run))
  elseif args.preview then
    print "what would be done:\n"
  elseif report.resumed then
    print(("went on behind event %s\n"):format(text.number(report.resumed)))
  end
  io.write(text.backfill(report))
  if not args.preview and report.companies > 0 then
    print(("\nleadcat undo --path %s --run %s takes that back"):format(args.path, report.run))
  end
end

function commands.backfill(args)
  return with_store(args, false, function(engine)
    print_backfill(args, backfill(engine, args))
    return 0
  end)
end

-- Looking back ----------------------------------------------------------------------------------------------------------

-- A function that gives a category's name.
local function namer(engine)
  local cfg = must(engine:config())
  return function(id)
    local category = config.find(cfg.categories, id)
    return category and config.name(category, engine.language) or ("#%s"):format(tostring(id))
  end
end

local function shown_actor(who)
  return who and tostring(who.name or who.id or "") or ""
end

local function history_rows(entries, name)
  local rows = { { "entry", "time", "company", "rule", "from", "to", "status", "by", "run" } }
  for _, entry in ipairs(entries) do
    rows[#rows + 1] = {
      ("%d"):format(entry.entry), os.date("!%Y-%m-%d %H:%M:%S", math.floor(entry.at)), tostring(entry.company),
      entry.rule, name(entry.from), name(entry.to), entry.undoes and entry.status .. " (undo)" or entry.status,
      shown_actor(entry.actor), entry.run or "",
    }
  end
  return rows
end

function commands.history(args)
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
      io.write(text.table(history_rows(entries, namer(engine))))
    end
    if after and not args.json then
      print(("older ones: --after %d"):format(after))
    end
    return 0
  end)
end

local function print_undone(engine, args, result)
  local name, rows = namer(engine), { { "entry", "company", "from", "to", "" } }
  for _, undone in ipairs(result.undone) do
    rows[#rows + 1] = {
      ("%d"):format(undone.entry), tostring(undone.company), name(undone.from), name(undone.to),
      args.preview and "would be undone" or "undone",
    }
  end
  for _, refused in ipairs(result.refused) do
    rows[#rows + 1] = { ("%d"):format(refused.entry), tostring(refused.company), "", "", "refused: " .. refused.why }
  end
  if #rows > 1 then
    io.write(text.table(rows), "\n")
  end
  print(("%s %s, %s refused"):format(text.number(#result.undone), args.preview and "would be undone" or "undone",
    text.number(#result.refused)))
  if result.run then
    print(("leadcat undo --path %s --run %s takes that back"):format(args.path, result.run))
  end
end

local function undo_one(engine, args)
  local outcome = must(engine:undo(args.entry, { actor = actor() }))
  if args.json then
    print_json(outcome)
  else
    local name = namer(engine)
    print(("%s: from %s to %s, entry %d"):format(outcome.status, name(outcome.from), name(outcome.to), outcome.entry))
  end
  return outcome.status == "updated" and 0 or 1
end

function commands.undo(args)
  return with_store(args, false, function(engine)
    if args.entry then
      return undo_one(engine, args)
    end
    local result = must(engine:undo({
      run = args.run, revision = args.revision, since = args.since, ["until"] = args["until"], preview = args.preview,
    }, { actor = actor() }))
    if args.json then
      print_json(result)
    else
      print_undone(engine, args, result)
    end
    return #result.refused == 0 and 0 or 1
  end)
end

-- Questions ------------------------------------------------------------------------------------------------------------

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

function commands.confirmations(args)
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
      io.write(text.table(confirmation_rows(engine, records)))
      if #records == args.limit then
        print(("older ones: --after %s"):format(records[#records].id))
      end
    end
    return 0
  end)
end

local function answer_of(engine, args)
  if args.category then
    local category = config.find_by_name(must(engine:config()).categories, args.category)
    local problem = ("--category: there is no category '%s'"):format(args.category)
    return { category = must(category and category.id, problem) }
  end
  return { accept = args.accept, decline = args.decline }
end

local function told(engine, outcome, company)
  local name = namer(engine)
  if outcome.status == "updated" then
    return ("updated: %s is now in %s (was %s)"):format(company, name(outcome.to), name(outcome.from))
  elseif outcome.status == "declined" then
    return ("declined: %s stays in %s"):format(company, name(outcome.from))
  end
  return ("%s: %s is in %s now, not %s; nothing changed"):format(outcome.status, company, name(outcome.category),
    name(outcome.from))
end

function commands.resolve(args)
  return with_store(args, false, function(engine)
    local record = must(engine:confirmation(args.id))
    local who = args.as and { id = args.as, admin = true } or actor()
    local outcome = must(engine:resolve(args.id, answer_of(engine, args), { actor = who }))
    if args.json then
      print_json(outcome)
    else
      print(told(engine, outcome, must(engine:view(record)).company))
    end
    return (outcome.status == "updated" or outcome.status == "declined") and 0 or 1
  end)
end

function commands.maintain(args)
  return with_store(args, false, function(engine)
    local counts = must(engine:maintain())
    if args.json then
      print_json(counts)
    else
      print(("%s questions expired, %s entries removed, %s reader slots freed"):format(text.number(counts.expired),
        text.number(counts.removed), text.number(counts.readers)))
    end
    return 0
  end)
end

-- Copies ---------------------------------------------------------------------------------------------------------------

local function copy(args, options)
  return with_store(args, false, function(engine)
    must(engine:backup(args.destination, options))
    return 0
  end)
end

function commands.backup(args)
  local status = copy(args)
  print(("%s: a copy of %s"):format(args.destination, args.path))
  return status
end

function commands.compact(args)
  local status = copy(args, { compact = true })
  print(("%s: a compacted copy of %s. To use it, stop everything that has the store open, and put its files in the "
    .. "place of the store's."):format(args.destination, args.path))
  return status
end

--- Runs the command.
---@param arguments string[]
---@return integer status 0 done, 1 a failed run, 2 wrong usage
function cli.main(arguments)
  local args, problem = arguments_of.parse(arguments)
  if not args then
    local command = commands[arguments[1]] and arguments[1] .. " " or ""
    io.stderr:write("leadcat: ", problem, "\nleadcat ", command, "--help says more\n")
    return 2
  end
  local name = args.config_command and "config " .. args.config_command or args.command
  local done, result = pcall(commands[name], args)
  if done then
    return result
  elseif type(result) == "table" and result.message then
    warn("%s", result.message)
    return 1
  end
  warn("%s", tostring(result))
  return 1
end

return cli

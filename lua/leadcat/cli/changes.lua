--- `changes` follows what is done, in order.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local tables = require "leadcat.cli.tables"
local unicode = require "leadcat.util.unicode"

local must = common.must
local WAIT = 1 -- seconds: how soon SIGTERM is noticed

local function line_of(change, name)
  local entry = change.entry
  local move = entry.rule and (" %s: %s -> %s"):format(entry.rule, name(entry.from), name(entry.to)) or ""
  return ("%s %s %s %s%s %s"):format(change.cursor, tables.time(entry.at), change.kind,
    event_of.key(entry.company), move, change.confirmation and change.confirmation.state or entry.status)
end

-- Each change as a line, as soon as it is there; with --json an object.
local function follow(args, engine)
  local name, after, as_json = common.namer(engine), args.after, args.json
  args.json = nil
  core.catch_ending()
  repeat
    local found, next_cursor = engine:changes(after, { limit = args.limit, wait = WAIT })
    must(found, next_cursor)
    for _, change in ipairs(found) do
      local line = as_json and json.encode(change) or unicode.visible(line_of(change, name))
      must(io.write(line, "\n"))
    end
    must(io.stdout:flush())
    after = next_cursor
  until core.ending()
  return nil, function() return "" end
end

local function run(args, engine)
  if args.follow then
    return follow(args, engine)
  end
  local found, next_cursor, code, start = engine:changes(args.after, { limit = args.limit })
  must(found, code == "expired" and ("%s: --after %s"):format(next_cursor, start) or next_cursor)
  return { changes = json.array(found), next = next_cursor }, function()
    local name, lines = common.namer(engine), {}
    for i, change in ipairs(found) do
      lines[i] = line_of(change, name) .. "\n"
    end
    return table.concat(lines) .. ("later ones: --after %s\n"):format(next_cursor)
  end
end

-- Who follows may come before whoever writes.
local function use(args)
  return args.follow and "write" or "read"
end

return {
  changes = {
    name = "changes", store = use, output = "named", run = run,
    summary = "List all that was done, in that order: what has reached its end, questions asked and closed.",
    arguments = function(command)
      arguments.page(command)
      command:option("--after", "Go on behind this cursor, the first word of a line; newest: behind all until now.")
        :argname "CURSOR"
      command:flag("--follow", "Go on until Ctrl-C or SIGTERM ends it; with --json one object a line.")
    end,
  },
}

--- `notices`: what has not reached whom it is for.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local json = require "leadcat.util.json"
local notices = require "leadcat.operations.notices"
local tables = require "leadcat.cli.tables"
local unicode = require "leadcat.util.unicode"

local must = common.must

local function list_text(list)
  if #list == 0 then
    return "no notices wait or have failed\n"
  end
  local rows = { { "id", "notifier", "tells", "company", "since (UTC)", "state", "tries", "next try (UTC)", "error" } }
  for place, notice in ipairs(list) do
    rows[place + 1] = {
      notice.id, notice.notifier, notice.type or "(removed)", unicode.visible(tostring(notice.company or "")),
      tables.time(notice.since), notice.state, ("%d"):format(notice.tries), tables.time(notice.due),
      unicode.visible(notice.error or ""),
    }
  end
  return tables.table(rows)
end

local DOING = { retry = "retry_notices", drop = "drop_notices" }
local DONE = { retry = "to be sent again", drop = "dropped" }

local function change(args, engine)
  local what, count = args.what[1], 0
  for place = 2, #args.what do
    local id = args.what[place]
    count = count + must(engine[DOING[what]](engine, id ~= "all" and id or nil, args.notifier))
  end
  return { count = count }, function() return ("%d %s\n"):format(count, DONE[what]) end
end

local function run(args, engine)
  if args.what[1] then
    return change(args, engine)
  end
  local list = must(engine:notices { state = args.state, notifier = args.notifier, limit = args.limit })
  return json.array(list), list_text
end

-- Nothing; or what to do, and at least one id.
local function problem(args)
  local words = args.what
  if words[1] and not DOING[words[1]] then
    return ("retry or drop expected, not '%s'"):format(unicode.visible(words[1]))
  elseif #words == 1 then
    return ("%s needs the ids of notices, or all"):format(words[1])
  end
end

return {
  notices = {
    name = "notices", output = "json", problem = problem, run = run,
    summary = "List notices that wait or have failed, oldest first; have some sent again (retry ID..., retry all), or "
      .. "give some up (drop ID..., drop all).",
    store = function(args) return args.what[1] and "write" or "read" end,
    arguments = function(command)
      command:argument("what", "retry or drop, and ids or all."):args "*"
      command:option("--state", "Only those in this state."):argname("STATE"):choices(notices.STATES)
      command:option("--notifier", "Only those of this notifier."):argname "NAME"
      arguments.page(command)
    end,
  },
}

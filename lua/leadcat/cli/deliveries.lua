--- `deliveries`: what webhooks have left.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local deliveries = require "leadcat.operations.deliveries"
local json = require "leadcat.util.json"
local tables = require "leadcat.cli.tables"
local unicode = require "leadcat.util.unicode"

local must = common.must

local function list_text(list, args)
  if #list == 0 then
    return "no deliveries\n"
  end
  local rows = { { "id", "hook", "received (UTC)", "state", "tries", "next try (UTC)", "problem" } }
  for place, delivery in ipairs(list) do
    rows[place + 1] = {
      ("%d"):format(delivery.id), delivery.hook, tables.time(delivery.received), delivery.state,
      ("%d"):format(delivery.attempts), tables.time(delivery.due), unicode.visible(delivery.problem or ""),
    }
  end
  local older = #list == args.limit and ("older ones: --after %d\n"):format(list[#list].id) or ""
  return tables.table(rows) .. older
end

local function one_text(delivery)
  local lines = {}
  local function add(name, value)
    lines[#lines + 1] = value and ("%s: %s"):format(name, unicode.visible(tostring(value))) or nil
  end
  add("id", ("%d"):format(delivery.id))
  add("hook", delivery.hook)
  add("received", tables.time(delivery.received))
  add("state", delivery.state)
  add("tries", ("%d"):format(delivery.attempts))
  add("next try", delivery.due and tables.time(delivery.due))
  add("sender's id", delivery.sender_id)
  add("problem", delivery.problem)
  for name, value in pairs(delivery.headers or {}) do
    add(name, value)
  end
  return table.concat(lines, "\n") .. "\n" .. (delivery.body and "\n" .. delivery.body .. "\n" or "")
end

local DOING = { retry = "retry_delivery", drop = "drop_delivery" }
local DONE = { retry = "waits again", drop = "is dropped" }

local function change(args, engine)
  local what, changed, lines = args.what[1], {}, {}
  for place = 2, #args.what do
    local delivery = must(engine[DOING[what]](engine, tonumber(args.what[place])))
    changed[#changed + 1] = delivery
    lines[#lines + 1] = ("delivery %d %s\n"):format(delivery.id, DONE[what])
  end
  return json.array(changed), function() return table.concat(lines) end
end

local function run(args, engine)
  if DOING[args.what[1]] then
    return change(args, engine)
  elseif args.what[1] then
    return must(engine:delivery(tonumber(args.what[1]))), one_text
  end
  local list = must(engine:deliveries { state = args.state, hook = args.hook, limit = args.limit, after = args.after })
  return json.array(list), function() return list_text(list, args) end
end

local function is_id(word)
  return word:find "^%d+$" ~= nil and #word <= 15 and tonumber(word) >= 1
end

-- Nothing, one id, or what to do and at least one id.
local function problem(args)
  local words = args.what
  local first = DOING[words[1]] and 2 or 1
  if first == 2 and #words == 1 then
    return ("%s needs the id of a delivery"):format(words[1])
  elseif first == 1 and #words > 1 then
    return "one id, or retry ID..., or drop ID... expected"
  end
  for place = first, #words do
    if not is_id(words[place]) then
      return ("'%s' is not the id of a delivery"):format(unicode.visible(words[place]))
    end
  end
end

return {
  deliveries = {
    name = "deliveries", output = "json", problem = problem, run = run,
    summary = "List what webhooks have left, newest first; show one; have failed ones tried again (retry ID...), or "
      .. "give some up (drop ID...).",
    store = function(args) return DOING[args.what[1]] and "write" or "read" end,
    arguments = function(command)
      command:argument("what", "An id; or retry or drop, and ids."):args "*"
      command:option("--state", "Only those in this state."):argname("STATE"):choices(deliveries.STATES)
      command:option("--hook", "Only those of this hook."):argname "NAME"
      arguments.page(command)
      command:option("--after", "Go on behind this delivery."):argname("ID"):convert(arguments.to_entry)
    end,
  },
}

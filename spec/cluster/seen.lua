--- How soon nodes that work decide by rules that were saved: measured and told. What has not come after a minute is a failure.

local core = require "leadcat.core"
local leadcat = require "leadcat"
local nodes = require "cluster.nodes"
local plan = require "cluster.plan"

local seen = {}

local SAVES, PAUSE = 40, 0.2 -- seconds between two saves, on average
local GOAL = 1 -- second, for 99 of 100

local function save(engine)
  nodes.wait_until("rules cannot be saved", function()
    local revision = engine:config().revision
    return engine:save(plan.config(revision + 1), { revision = revision }) -- nodes save, too
  end)
end

-- When each revision was saved, and when each node first decided by each, by the notes of nodes.
local function times_of(notes)
  local saved, decided = {}, {}
  for number, list in ipairs(notes) do
    decided[number] = {}
    for _, note in ipairs(list) do
      if note[1] == "save" then
        saved[tonumber(note[4])] = tonumber(note[3])
      elseif note[1] == "rules" then
        table.insert(decided[number], { at = tonumber(note[2]), revision = tonumber(note[3]) })
      end
    end
  end
  return saved, decided
end

-- When all nodes decided by this revision or a newer one; nil: not all do yet.
local function by_all(decided, revision)
  local last = 0
  for number = 1, nodes.COUNT do
    local first
    for _, step in ipairs(decided[number] or {}) do
      first = first or step.revision >= revision and step.at or nil
    end
    last = first and last and math.max(last, first)
  end
  return last
end

local function tell(seconds)
  table.sort(seconds)
  local function within(share) return seconds[math.ceil(#seconds * share)] end
  local line = "rules: %d saves, used by all %d nodes: "
    .. "50%% within %.2f s, 90%% %.2f s, 99%% %.2f s (goal: %g s, %s), all %.2f s"
  print(line:format(#seconds, nodes.COUNT, within(0.5), within(0.9), within(0.99), GOAL,
    within(0.99) <= GOAL and "met" or "missed", seconds[#seconds]))
end

--- Has rules saved while nodes work.
---@param stage cluster.Stage
function seen.measure(stage)
  stage:prepare "none"
  stage:start_nodes()
  local engine = assert(leadcat.open {
    path = stage.directory .. "/saving", shared = stage.cluster:url(), durability = "primary", tenant = plan.TENANT,
  })
  nodes.wait_until("nodes do not decide", function() return by_all(select(2, times_of(stage:all_notes())), 1) end)
  local saved = {}
  for _ = 1, SAVES do
    core.sleep(math.random() * 2 * PAUSE)
    save(engine)
    saved[engine:config().revision] = core.uptime()
  end
  local newest = engine:config().revision
  engine:close()
  local decided
  nodes.wait_until("rules are not used by all nodes", function()
    decided = select(2, times_of(stage:all_notes()))
    return by_all(decided, newest)
  end)
  for revision, at in pairs((times_of(stage:all_notes()))) do
    saved[revision] = at
  end
  local seconds = {}
  for revision, at in pairs(saved) do
    local used = by_all(decided, revision)
    seconds[#seconds + 1] = used and math.max(0, used - at)
  end
  tell(seconds)
  stage:prove()
end

return seen

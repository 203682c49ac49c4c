--- A source of events: what a CRM sends by webhooks. `receive` verifies the bytes, and stores them; only then the sender is told
-- that they have come. `step` handles what is stored. Whose webhooks they are, the files in `webhook/` know.

local events_of = require "leadcat.source.webhook.events"
local core = require "leadcat.core"
local deliveries = require "leadcat.operations.deliveries"
local json = require "leadcat.util.json"
local options_of = require "leadcat.util.options"
local protected = require "leadcat.util.protected"

local KINDS = {
  standard = require "leadcat.source.webhook.standard",
  superoffice = require "leadcat.source.webhook.superoffice",
  hubspot = require "leadcat.source.webhook.hubspot",
  pipedrive = require "leadcat.source.webhook.pipedrive",
  espocrm = require "leadcat.source.webhook.espocrm",
  twenty = require "leadcat.source.webhook.twenty",
  odoo = require "leadcat.source.webhook.odoo",
}

local BATCH = 20 -- deliveries that are handled together
local LEASE = 300 -- seconds that they may take; then another process tries
local KEPT_HEADERS = { "content-type", "user-agent" } -- besides those of the kind

---@class (exact) leadcat.webhook.Options
---@field kind "standard"|"superoffice"|"hubspot"|"pipedrive"|"espocrm"|"twenty"|"odoo"
---@field secret string|string[] as the sender has it; several while it is being changed
---@field name? string what deliveries and the ids of events call it, 1 to 40 letters, digits, `_.-`; default the kind
---@field tenant? string whose events they are; default that of the engine
---@field public_url? string hubspot: the address as HubSpot calls it
---@field event? string espocrm: the webhook's event, such as "Opportunity.update"
---@field trigger? string odoo: what the automation rule is about
---@field statuses? table<string|integer, "open"|"won"|"lost"|"stalled"> what the sender's words for a sale's status mean; default the words of an unchanged installation
---@field lookup? fun(sale: table, change: leadcat.webhook.Change): leadcat.webhook.Known|nil|false, string? what the sender does not say. nil, message: try again later; false, message: never
---@field map? fun(payload: table, headers: table<string, string>): leadcat.webhook.Change[]|leadcat.webhook.Change|nil, string? in place of the kind's own reading. {}, why: it is about nothing of ours; nil, message: it cannot be understood
---@field late? "skip"|"apply" what becomes of an event that is older than the company's newest change; default "skip"
---@field batch? integer deliveries that are handled together, 20
---@field lease? integer seconds until another process tries what was taken, 300

---@class leadcat.webhook.Change what has happened to a sale
---@field trigger? string
---@field status? any the sender's word for the new status, in place of a trigger
---@field was? any the sender's word for the status before
---@field sale? table {id, name, ...}
---@field company? string|integer
---@field id? string what it is called, the same however often it is delivered
---@field at? number seconds since 1970
---@field actor? leadcat.Actor
---@field facts? table
---@field lead_status? integer
---@field contact? table

---@class leadcat.webhook.Known what a lookup finds
---@field company? string|integer
---@field status? any the sale's status now, in the sender's words
---@field was? any its status before, where that is known
---@field name? string of the sale
---@field facts? table
---@field contact? table
---@field actor? leadcat.Actor

---@class leadcat.webhook.Hook: leadcat.Source
---@field name string
---@field tenant? string
local Hook = {}
Hook.__index = Hook

-- Receiving -----------------------------------------------------------------------------------------------------------

local function tenant_of(self, engine)
  return self.tenant and engine:tenant(self.tenant) or engine
end

-- What identifies a delivery. Where the sender says nothing that does, each is another one.
local function key_of(self, sender_id)
  return core.sha256(self.name .. "\0" .. (sender_id or assert(core.random_bytes(16)))):sub(1, 16)
end

local function headers_of(self, request)
  local kept = {}
  for _, list in ipairs { KEPT_HEADERS, self.of_kind.HEADERS } do
    for _, name in ipairs(list) do
      kept[name] = request.headers[name] and request.headers[name]:sub(1, 1000)
    end
  end
  return kept
end

--- Verifies a request and stores it. When it returns true, it is on disk, and handled by `step` sooner or later.
---@param engine leadcat.Engine
---@param request leadcat.http.Request with a body that was read; `rest`: what the path has behind the hook's
---@return true? stored
---@return string|boolean|nil message_or_new whether it is new; else why not, for the operator
---@return string? code `unauthenticated`, `too_large`, or that of the store: it is to be sent again
function Hook:receive(engine, request)
  engine = tenant_of(self, engine)
  if #request.body > deliveries.MOST_BYTES then
    return nil, ("hook %s: a body of %d bytes"):format(self.name, #request.body), "too_large"
  end
  local ok, why = self.of_kind.verify(self, request, engine:_now())
  if not ok then
    return nil, ("hook %s: %s"):format(self.name, why), "unauthenticated"
  end
  local id = self.of_kind.id(request)
  id = id and #id > 255 and core.hex(core.sha256(id)) or id
  return deliveries.put(engine, {
    key = key_of(self, id), hook = self.name, sender_id = id, about = json.encode(headers_of(self, request)),
    body = request.body,
  })
end

-- Handling ------------------------------------------------------------------------------------------------------------

local OF_THE_STORE = { full = true, io = true, forked = true, readonly = true } -- and of no single delivery

-- What each delivery comes to, before its events are handled.
local function read(self, engine, taken)
  local plans = {}
  for place, delivery in ipairs(taken) do
    local ok, events, message, for_good = true, nil, delivery.problem, true -- as it is if its record was damaged
    if delivery.state == "waiting" then
      ok, events, message, for_good = protected.call(events_of, self, engine, delivery)
    end
    if not ok then
      events, message = nil, "it raised: " .. tostring(events)
    end
    plans[place] = { delivery = delivery, events = events, message = message, for_good = for_good }
  end
  return plans
end

-- Handles the events of several deliveries together: whether that was possible.
local function handle_together(self, engine, plans)
  local events = {}
  for _, plan in ipairs(plans) do
    for _, event in ipairs(plan.events or {}) do
      events[#events + 1] = event
    end
  end
  if #events == 0 then
    return true
  end
  local outcomes, message, code = engine:handle_many(events, { late = self.late })
  local place = 0
  for _, plan in ipairs(outcomes and plans or {}) do
    plan.outcomes = {}
    for i = 1, #(plan.events or {}) do
      plan.outcomes[i] = outcomes[place + i]
    end
    place = place + #plan.outcomes
  end
  return outcomes ~= nil, message, code
end

local function handle(self, engine, plans)
  local done, message, code = handle_together(self, engine, plans)
  if done or OF_THE_STORE[code] then
    return done, message, code
  end
  for _, plan in ipairs(plans) do
    done, message, code = handle_together(self, engine, { plan })
    if not done and OF_THE_STORE[code] then
      return nil, message, code
    elseif not done then
      plan.events, plan.message, plan.for_good = nil, message, code == "invalid"
    end
  end
  return true
end

-- How a delivery ends.
local function ending_of(plan)
  if not plan.events then
    return { message = plan.message, for_good = plan.for_good }
  end
  local statuses = {}
  for place, outcome in ipairs(plan.outcomes or {}) do
    if outcome.status == "not_taken" then
      return { message = outcome.error or "its event was not taken", for_good = outcome.code == "invalid" }
    end
    statuses[place] = ("%s: %s"):format(plan.events[place].trigger, outcome.status)
  end
  return { done = true, message = #statuses > 0 and table.concat(statuses, ", ") or plan.message }
end

--- Handles the deliveries that are due. For `leadcat worker`, or a timer.
---@param engine leadcat.Engine
---@return {handled: integer, parked: integer, problems: integer, more: boolean, error?: string}? counts parked: to be tried again; problems: failed for good
---@return string? message, string? code nothing is lost: what was taken is taken again
function Hook:step(engine)
  engine = tenant_of(self, engine)
  local taken, message, code = deliveries.take(engine, self.name, self.lease, self.batch)
  if not taken then
    return nil, message, code
  end
  local plans, endings = read(self, engine, taken), {}
  local ok
  ok, message, code = handle(self, engine, plans)
  if not ok then
    return nil, message, code
  end
  for place, plan in ipairs(plans) do
    endings[place] = ending_of(plan)
  end
  local counts
  counts, message, code = deliveries.finish(engine, taken, endings)
  if counts then
    counts.more = #taken == self.batch
  end
  return counts, message, code
end

-- The hook ------------------------------------------------------------------------------------------------------------

local OPTIONS = {
  kind = options_of.one_of { "standard", "superoffice", "hubspot", "pipedrive", "espocrm", "twenty", "odoo" },
  secret = { what = "a text, or a list of texts", fits = function(value)
    for _, secret in ipairs(type(value) == "table" and #value > 0 and value or { value }) do
      if type(secret) ~= "string" or secret == "" then
        return false
      end
    end
    return type(value) == "string" or type(value) == "table"
  end },
  name = options_of.kind("a name of 1 to 40 letters, digits, _, . and -", function(value)
    return type(value) == "string" and #value <= 40 and value:find "^[%w_.-]+$" ~= nil
  end),
  tenant = options_of.of_type "string",
  public_url = options_of.kind("an address that begins with https:// or http://", function(value)
    return type(value) == "string" and value:find "^https?://[^%s?]+$" ~= nil
  end),
  statuses = options_of.of_type("table", "a table of open, won, lost or stalled by the sender's words"),
  lookup = options_of.of_type "function", map = options_of.of_type "function",
  late = options_of.one_of { "skip", "apply" }, batch = options_of.whole(1, 100), lease = options_of.whole(1, 3600),
}
for _, kind in pairs(KINDS) do
  for name, option in pairs(kind.OPTIONS or {}) do
    OPTIONS[name] = option
  end
end

local MEANINGS = { open = true, won = true, lost = true, stalled = true }

-- What is missing or does not go together; nil when nothing is. A secret is not shown.
local function problem_of(options, kind)
  if options.secret == nil then
    return "option 'secret' is missing"
  elseif kind.needs_map and not options.map then
    return ("a hook of the kind %s needs the option 'map'"):format(options.kind)
  elseif kind.needs_url and not options.public_url then
    return ("a hook of the kind %s needs the option 'public_url': its address as the sender calls it"):format(
      options.kind)
  elseif kind.needs and not options.map and not options[kind.needs] then
    return ("a hook of the kind %s needs the option '%s'"):format(options.kind, kind.needs)
  end
  for name in pairs { event = true, trigger = true } do
    if options[name] ~= nil and not (kind.OPTIONS or {})[name] then
      return ("option '%s' is not for the kind %s"):format(name, options.kind)
    end
  end
  for word, meaning in pairs(options.statuses or {}) do
    if not MEANINGS[meaning] then
      return ("option 'statuses': '%s' must be open, won, lost or stalled"):format(tostring(word))
    end
  end
end

-- By the text of the word: 4 and "4" are one.
local function by_text(statuses)
  local texts = {}
  for word, meaning in pairs(statuses or {}) do
    texts[events_of.word(word)] = meaning
  end
  return texts
end

-- What is wrong with a wrong option, without its value where that is a secret.
local function check(options)
  if type(options) == "table" and options.secret ~= nil and not OPTIONS.secret.fits(options.secret) then
    error("leadcat.source.webhook: option 'secret': a text, or a list of texts expected", 4)
  end
  local problem = type(options) ~= "table" and "a table of options expected" or options_of.problem(options, OPTIONS)
  problem = problem or (options.kind == nil and "option 'kind' is missing" or problem_of(options, KINDS[options.kind]))
  if problem then
    error("leadcat.source.webhook: " .. problem, 4)
  end
end

local function new(options)
  check(options)
  local kind = KINDS[options.kind]
  local secrets, problem = type(options.secret) == "table" and options.secret or { options.secret }, nil
  if kind.prepare then
    secrets, problem = kind.prepare(secrets)
  end
  if problem then
    error("leadcat.source.webhook: option 'secret': " .. problem, 3)
  end
  return setmetatable({
    kind = options.kind, of_kind = kind, secrets = secrets, name = options.name or options.kind,
    tenant = options.tenant, public_url = options.public_url, statuses = by_text(options.statuses or kind.STATUSES),
    own_statuses = options.statuses and by_text(options.statuses), lookup = options.lookup, map = options.map,
    event = options.event, trigger = options.trigger, late = options.late or "skip", batch = options.batch or BATCH,
    lease = options.lease or LEASE,
  }, Hook)
end

---@class leadcat.source.webhook
---@overload fun(options: leadcat.webhook.Options): leadcat.webhook.Hook
local webhook = {}

return setmetatable(webhook, {
  --- A webhook, to be received by `serve { hooks = … }` and handled by `leadcat worker`, `resty.start` or calls of `step`. Raises on a
  --- wrong option.
  ---@param options leadcat.webhook.Options
  ---@return leadcat.webhook.Hook
  __call = function(_, options)
    local hook = new(options)
    return hook
  end,
})

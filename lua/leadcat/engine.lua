--- START HERE. A host holds an engine: the store, the host's functions, the hooks and the rules of one tenant. An event
-- goes from `Engine:handle` to `events/handle.lua` and on to `events/rounds.lua`. `rules/save.lua` is the
-- administrator's side.

local as_text = require "leadcat.util.as_text"
local assign = require "leadcat.events.assign"
local backfill = require "leadcat.past.backfill"
local calendar = require "leadcat.insight.calendar"
local changes = require "leadcat.past.changes"
local companies = require "leadcat.past.company"
local compare = require "leadcat.past.compare"
local config = require "leadcat.rules.config"
local confirmation = require "leadcat.events.confirmation"
local cursor = require "leadcat.events.cursor"
local daily = require "leadcat.insight.daily"
local decider = require "leadcat.rules.decider"
local deliveries = require "leadcat.operations.deliveries"
local event_of = require "leadcat.events.event"
local drafts = require "leadcat.rules.drafts"
local drift = require "leadcat.insight.drift"
local explain = require "leadcat.rules.explain"
local forget = require "leadcat.past.forget"
local handle = require "leadcat.events.handle"
local health = require "leadcat.insight.health"
local held = require "leadcat.events.held"
local later = require "leadcat.events.later"
local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"
local metrics = require "leadcat.operations.metrics"
local notices = require "leadcat.operations.notices"
local options_of = require "leadcat.util.options"
local outlook = require "leadcat.rules.outlook"
local platform = require "leadcat.util.platform"
local protected = require "leadcat.util.protected"
local question = require "leadcat.events.question"
local search = require "leadcat.past.search"
local set_right = require "leadcat.insight.set_right"
local settings = require "leadcat.rules.save"
local shadow = require "leadcat.insight.shadow"
local simulate = require "leadcat.past.simulate"
local suggest = require "leadcat.insight.suggest"
local triggers = require "leadcat.rules.triggers"
local undo = require "leadcat.past.undo"
local upkeep = require "leadcat.operations.upkeep"

---@class leadcat.Host
---@field category fun(company: string|integer, tenant: string): integer|string|nil, string? the current category: its id, or the host's own (`external`), or nil for none; nil, message when it cannot be read
---@field set_category fun(company: string|integer, to: integer, from: integer, outcome: leadcat.Told, tenant: string): true?, string?, string? compare-and-set; nil, "conflict" when the category is no longer `from`; nil, message, "refused" when it will never be made; nil, message when it failed, and is to be tried again
---@field categories? fun(companies: (string|integer)[], tenant: string): (integer|string|false)[]?, string? the categories of up to 1,000 companies, in the same places; false for none
---@field set_categories? fun(changes: leadcat.ToldChange[], tenant: string): (true|{error?: string, code?: "conflict"|"refused"})[]?, string? makes up to 1,000 changes, of different companies: for each, in the same place, true or why not, as `set_category` says it
---@field applied? fun(company: string|integer, key: string, tenant: string): boolean?, string? whether the change with this `outcome.key` has been made; nil, message when that cannot be told. Asked before a change is made again
---@field try_out? fun(): true?, string? whether it can do all of its work, asked by `leadcat worker` before it begins: nil, message when a name is wrong or a right is missing
---@field facts? fun(requests: leadcat.FactsRequest[], tenant: string): table[]?, string? what is known of companies, by the names asked for, in the order of the requests; nil, message when it cannot be read
---@field fields? leadcat.Field[] what conditions may compare, for the settings tab
---@field sales? fun(companies: (string|integer)[], tenant: string): (leadcat.CurrentSales|false)[]?, string? what the sales and contacts of up to 1,000 companies are now, in the same places; false where nothing is known of them. For `drift`
---@field list_companies? fun(after: string|integer|nil, limit: integer, tenant: string, since?: number): (string|integer)[]?, string? the ids of at most `limit` companies behind `after` (nil: the first), in an order that does not change; with `since` those may be left out whose sales and contacts have not changed since then. For `drift`
---@field category_counts? fun(tenant: string): table<integer|string, integer>?, string? how many companies are in each category, by its id or the host's own (`external`). For the settings tab, which asks at most a hundredth of the time
---@field can? fun(actor: leadcat.Actor, permission: string, subject: any, tenant: string): boolean, string? or false, and why not
---@field licensed? fun(tenant: string): boolean
---@field company_name? fun(company: string|integer, tenant: string): string? what the company is called where it is shown to users; default its id

---@class leadcat.Told: leadcat.Outcome a copy, for the host to keep
---@field external? {from?: string, to?: string} the host's own ids of the categories; nil when no category has one

---@class leadcat.ToldChange
---@field company string|integer
---@field to integer
---@field from integer
---@field outcome leadcat.Told

---@class leadcat.FactsRequest
---@field company string|integer
---@field names string[] what conditions name and the event's own `facts` lack
---@field event leadcat.Event

---@class leadcat.Engine
---@field host leadcat.Host the host in use
---@field language string? of reports, and of users who have none of their own
---@field strings leadcat.Strings the texts that users see
---@field record_unchanged? number the share of unchanged events that is recorded; 1: all
---@field readonly boolean whether the store is only read
---@field four_eyes boolean whether what an actor saves is a draft that another one has to approve
---@field _tenant string
---@field _shared leadcat.Shared
---@field _store leadcat.Store
---@field _companies table the host adapter, as in leadcat.Shared
---@field _hooks table<string, function[]> guards and listeners, by name
---@field _in_flight table<string, table<string, leadcat.Flight>> by tenant and company
---@field _run? string the id of the run that it works for
local Engine = {}

Engine.config, Engine.check, Engine.save = settings.config, settings.check, settings.save
Engine.revisions, Engine.revert = settings.revisions, settings.revert
Engine.drafts, Engine.draft, Engine.save_draft = drafts.drafts, drafts.draft, drafts.save_draft
Engine.approve, Engine.discard = drafts.approve, drafts.discard
Engine.triggers = triggers.triggers
Engine.handle, Engine.handle_many, Engine._report = handle.handle, handle.handle_many, handle.report
Engine.explain, Engine.why = explain.explain, outlook.why
Engine.backfill = backfill.backfill
Engine.drift, Engine.set_right = drift.drift, set_right.set_right
Engine.calendar = calendar.calendar
Engine.cursor = cursor.cursor
Engine.changes = changes.changes
Engine.health, Engine.recount = health.health, daily.recount
Engine.undo, Engine.retry, Engine.cancel = undo.undo, undo.retry, later.cancel
Engine.company_renamed, Engine.company_merged = companies.company_renamed, companies.company_merged
Engine.company_deleted, Engine.forget = companies.company_deleted, forget.forget
Engine.flush, Engine.metrics = metrics.flush, metrics.metrics
Engine.propose, Engine.resolve, Engine.assign = question.propose, question.resolve, assign.assign
Engine._closed = question._closed
Engine.confirmation, Engine.confirmations = question.confirmation, question.confirmations
Engine.count_confirmations = question.count_confirmations
Engine.view, Engine.render, Engine.company_name = question.view, question.render, question.company_name
Engine.deliveries, Engine.delivery = deliveries.deliveries, deliveries.delivery
Engine.retry_delivery, Engine.drop_delivery = deliveries.retry_delivery, deliveries.drop_delivery
Engine.notices = notices.notices
Engine.held, Engine.release, Engine.drop = held.held, held.release, held.drop
Engine.suggest = suggest.suggest
Engine.shadow, Engine.make_real = shadow.shadow, shadow.make_real
Engine.retry_notices, Engine.drop_notices = notices.retry_notices, notices.drop_notices
Engine.apply_pending = upkeep.apply_pending
Engine.maintain, Engine.sweep, Engine.probe, Engine.backup = upkeep.maintain, upkeep.sweep, upkeep.probe, upkeep.backup

-- What writes, whatever it is asked. Previews only read; where `undo` and `backfill` write, the store refuses it.
local WRITES = {
  "save", "revert", "handle", "handle_many", "retry", "cancel", "flush", "resolve", "assign", "recover", "maintain",
  "sweep", "apply_pending", "retry_delivery", "drop_delivery", "retry_notices", "drop_notices", "make_real",
  "release", "drop", "recount", "save_draft", "approve", "discard",
}
local HOOKS = { "guard", "updated", "awaiting_confirmation", "unchanged", "failed", "not_taken" }
local SIMULATE = {
  config = options_of.of_type "table", against = options_of.of_type "table", start_category = options_of.id,
  on_progress = options_of.of_type "function", limit = options_of.limit,
}
local OWN_FIELDS = { { "category", "field_category" }, { "category.rank", "field_rank" } } -- and their names
local MAX_TENANT = 64
local MOST_KEPT = 2 ^ 17 -- engines of other tenants; each takes about 300 bytes

-- An engine and what it needs -----------------------------------------------------------------------------------------

---@class leadcat.Shared what an engine and its other tenants have in common
---@field store table
---@field host leadcat.Host as given to `leadcat.open`
---@field fields leadcat.Field[] of the host, checked
---@field clock fun(): number
---@field language string
---@field strings table the texts, by language (`leadcat.words.i18n`)
---@field renderers table<string, function> by format
---@field confirmation_ttl number seconds
---@field retention {age: number, count: integer} of the journal; 0: without limit
---@field record_unchanged? number as above
---@field gathers boolean whether the store puts the events of several requests together
---@field skips_late boolean whether events that arrive late come to nothing
---@field readonly boolean whether the store is only read
---@field recovers boolean whether a new engine finishes what a crash has left unfinished
---@field of_one_tenant boolean whether `leadcat.open` was given a tenant
---@field rounds table<string, string> where `maintain` goes on with each kind of work
---@field calendars table<string, number> when it looks again at the calendar of a tenant
---@field hooks table<string, function[]>
---@field tenants table<string, leadcat.Engine> weak: those that are in use
---@field kept leadcat.Engine[] the newest of them, a ring
---@field kept_last integer the place of the newest
---@field companies table the host adapter: `leadcat.host.embedded` or `leadcat.host.foreign`
---@field in_flight table<string, table<string, leadcat.Flight>> by tenant and company
---@field commits table<string, leadcat.SharedCommit> that are being prepared (`leadcat.events.group_commit`)
---@field counts table what was counted, by tenant
---@field hook_errors integer how often a listener has raised
---@field hook_error? string the last error
---@field host_of? fun(tenant: string): leadcat.Host the embedded host's view of one tenant
---@field metatable table of the engines

-- An engine for one tenant: a small table, since there may be very many. The metatable has all that they share.
local function bare(shared, tenant)
  local self = setmetatable({ _tenant = tenant }, shared.metatable)
  if shared.host_of then
    self.host = shared.host_of(tenant)
  end
  return self
end

-- An engine for use. First it finishes what a crash has left unfinished.
local function new(shared, tenant)
  local self = bare(shared, tenant)
  local place = shared.kept_last % MOST_KEPT + 1
  shared.tenants[tenant], shared.kept[place], shared.kept_last = self, self, place
  if shared.recovers and platform.can_call_host() then
    self:recover() -- what cannot be finished now stays in the journal, for the next time
  end
  return self
end

local function refuse(self)
  self:_check_open()
  return nil, "the store was opened to be read only", "readonly"
end

-- `__close` is for Lua 5.4's `local engine <close> = ...`; without it the store is closed when it is collected. The
-- methods are copied into the index, where each event finds them at once.
local function metatable_of(shared)
  local index = merged(Engine, {
    host = shared.host, language = shared.language, strings = shared.strings, _shared = shared,
    record_unchanged = shared.record_unchanged, readonly = shared.readonly, four_eyes = shared.four_eyes,
    _store = shared.store, _hooks = shared.hooks, _companies = shared.companies, _in_flight = shared.in_flight,
  })
  for _, name in ipairs(shared.readonly and WRITES or {}) do
    index[name] = refuse
  end
  return { __index = index, __close = Engine.close }
end

--- Makes the engine of `leadcat.open`, which has checked the options.
---@param shared leadcat.Shared without what is made here
---@param tenant string
---@return leadcat.Engine
function Engine.new(shared, tenant)
  shared.hooks, shared.in_flight, shared.commits, shared.counts, shared.hook_errors = {}, {}, {}, {}, 0
  shared.rounds, shared.calendars, shared.tenants = {}, {}, setmetatable({}, { __mode = "v" })
  shared.kept, shared.kept_last = {}, 0
  for _, name in ipairs(HOOKS) do
    shared.hooks[name] = {}
  end
  shared.host_of = shared.host.bind and shared.host.bind(shared.store)
  shared.metatable = metatable_of(shared)
  return new(shared, tenant)
end

--- The same engine for another tenant, with its own config, confirmations and journal. Host, hooks and store are
-- shared.
---@param name string 0 to 64 bytes
---@return leadcat.Engine
function Engine:tenant(name)
  self:_check_open()
  if type(name) ~= "string" or #name > MAX_TENANT then
    error(("tenant: a string of at most %d bytes expected"):format(MAX_TENANT), 2)
  end
  return self._shared.tenants[name] or new(self._shared, name)
end

--- An engine for maintaining another tenant. Making it does nothing.
---@param name string
---@return leadcat.Engine
function Engine:_visit(name)
  return self._shared.tenants[name] or bare(self._shared, name)
end

--- Closes the store, for all its tenants. Closing again does nothing; any other call on a closed engine raises.
function Engine:close()
  self._shared.closed = true
  self._store:close()
end

function Engine:_check_open()
  if self._shared.closed then
    error("the engine is closed", 3)
  end
end

function Engine:_now()
  return self._shared.clock()
end

-- Asks a yes-or-no function of the host, which may say why not.
local function ask(fn, name, ...)
  local ok, answer, why = protected.call(fn, ...)
  if not ok then
    return nil, ("host.%s raised: %s"):format(name, as_text(answer)), "unavailable"
  end
  return answer and true or false, not answer and type(why) == "string" and why or nil
end

-- What an actor may do when the host has no `can`.
local function may_by_default(actor, permission, subject)
  return permission == "view" or permission == "report" or actor.admin == true
    or (permission == "confirm" or permission == "assign") and subject ~= nil
      and confirmation.same_user(actor, confirmation.owner(subject))
end

--- Whether the actor may. Without an actor it is the program itself, which may do everything.
---@param actor? leadcat.Actor
---@param permission "configure"|"approve"|"undo"|"view"|"report"|"confirm"|"assign"|"release"|"forget" what the actor wants to do
---@param subject? table what it is about: an event, an entry, a confirmation, a revision; of the counters {metrics = true}; of `assign` a confirmation, or {company, to?}; of everybody's questions, before there is one, {everyone = true}; of `release` {rule} or an entry; of `approve` a draft; of `forget` {company?, contact?, actor?}
---@return boolean? allowed, string? message, string? code message: the host's words for a refusal; code `unavailable`: the host could not say
function Engine:can(actor, permission, subject)
  self:_check_open()
  if actor == nil then
    return true
  elseif not self.host.can then
    return may_by_default(actor, permission, subject)
  end
  return ask(self.host.can, "can", actor, permission, subject, self._tenant)
end

-- The names of the integrator's own triggers that the store knows.
---@return string[]? names, string? message, string? code
function Engine:_own_triggers()
  local names, message, code = triggers.names(self._store)
  return names, not names and message or nil, code
end

-- Deciding ------------------------------------------------------------------------------------------------------------

--- Decides, without I/O. The answer is that of the newest saved config, whichever process saved it.
---@param trigger string a built-in one, or one of your own
---@param category? integer the company's category now
---@param lead_status? integer for `lead_status_set`
---@param event? leadcat.Event only looked at where the trigger's rules have conditions: its sale, contact, actor and facts
---@return "update"|"confirm"|"none"|nil action nil when the config cannot be read
---@return integer|string|nil to the target when matched (or the message)
---@return string reason (or the code)
function Engine:decide(trigger, category, lead_status, event)
  local action, to, reason = self._store:decide(self._tenant, trigger, category, lead_status, event)
  if not action and reason == "corrupt" then
    action, to, reason = self:_evaluate(trigger, category, lead_status, event)
  end
  return action, to, reason
end

-- `store:decide` or `store:explain`. A damaged ruleset is rebuilt first. `made`: see `store:explain`.
function Engine:_evaluate(trigger, category, lead_status, event, how, made)
  local store, tenant = self._store, self._tenant
  local evaluate = how == "explain" and store.explain or store.decide
  local action, to, reason, revision, checks, target, rule, rules, waiting, missing =
    evaluate(store, tenant, trigger, category, lead_status, event, made)
  if action or reason ~= "corrupt" then
    return action, to, reason, revision, checks, target, rule, rules, waiting, missing
  end
  local done, message = settings.repair(store, tenant)
  if not done then
    return nil, message or to, reason
  end
  return evaluate(store, tenant, trigger, category, lead_status, event, made)
end

--- `decide` as a function for hot paths: the same arguments and results, for the cost of a C call. It raises once the
-- engine is closed.
---@return leadcat.Decider
function Engine:decider()
  self:_check_open()
  return decider.new(self._store:decider(self._tenant, function()
    return settings.repair(self._store, self._tenant)
  end))
end

--- What conditions may compare: the fields that the host describes (`host.fields`), then those that every company has.
---@return leadcat.Field[] fields a copy
function Engine:fields()
  self:_check_open()
  local fields = config.copy(self._shared.fields)
  for _, own in ipairs(OWN_FIELDS) do
    fields[#fields + 1] = { field = own[1], type = "number", name = self.strings:all("settings." .. own[2]) }
  end
  return fields
end

--- Whether the host licenses the tenant; nil when it does not license at all.
---@return boolean? licensed, string? message, string? code `unavailable`: the host could not say
function Engine:licensed()
  self:_check_open()
  if not self.host.licensed then
    return nil
  end
  return ask(self.host.licensed, "licensed", self._tenant)
end

-- The company's category: the event's, else the host's.
function Engine:_category(event)
  if event.category ~= nil then
    return json.integer(event.category)
  end
  local ok, category, code = self._companies.category(self, event.company)
  if ok then
    return category
  end
  return nil, category, code
end

--- Finishes the changes of this tenant that a crash or a failing host has left unfinished and that are due.
---@return {finished: integer, failed: integer, busy: integer}? counts, string? message, string? code `unavailable`, `full`, `io`, `corrupt`: of the first failure; everything else was done
function Engine:recover()
  self:_check_open()
  return self._companies.recover(self)
end

-- Looking back --------------------------------------------------------------------------------------------------------

---@class (exact) leadcat.HistoryQuery
---@field company? string|integer
---@field actor? string|integer an id, or a whole name
---@field sale? string|integer the id of the sale whose events they are of
---@field trigger? string
---@field status? string of an entry; also `waiting`: what waits for an answer now
---@field revision? integer of the config that decided
---@field run? string the id of a replay, backfill or undo of many
---@field since? number seconds since 1970
---@field before? number seconds since 1970
---@field unchanged? boolean also the unchanged events that `record_unchanged` has kept
---@field company_name? string a part of a name or an id, without regard to case and accents (the host is asked for 500 names, at most)
---@field actor_name? string likewise
---@field folded? boolean a question that is closed is left out, for the entry of its answer tells of both
---@field limit? integer 1 to 1,000; default 100
---@field after? integer an entry, to go on behind it

--- The journal, newest first. `company`, `run` and the status `waiting` have an index: with other filters a page may have
--- fewer entries than `limit`, or none, and yet not be the last.
---@param query? leadcat.HistoryQuery
---@return leadcat.Entry[]? entries
---@return integer|string|nil next, string? code next: as `after` of the next page; nil at the end (or the message); code `unavailable`, `io`, `corrupt`: the store cannot be read
function Engine:history(query)
  self:_check_open()
  query = options_of.check(query, search.QUERY)
  local problem = search.problem(self, query)
  if problem then
    error(problem, 2)
  end
  local company = query.company and event_of.check_key(query.company, "company")
  local actor = query.actor and event_of.check_key(query.actor, "actor")
  local sale = query.sale and event_of.check_key(query.sale, "sale")
  return search.page(self, query, company, actor, sale)
end

---@class (exact) leadcat.SimulateOptions
---@field config? leadcat.Config default: the saved one
---@field against? leadcat.Config the report compares `config` to it
---@field start_category? integer|string the id or name of the category of companies that no event says anything of
---@field on_progress? fun(events: integer)
---@field limit? integer with `against`: companies that are listed; default 100

--- What a config would have done with these events. Writes nothing. With `against`, the report compares `config` to it.
---@param events leadcat.Event[]|fun(): leadcat.Event?
---@param options? leadcat.SimulateOptions
---@return table|leadcat.Comparison|nil report {events, outcomes, categories, companies}; with `against` a leadcat.Comparison, in which `before` is that config
---@return string? message, string? code `invalid`: a config, the start category or an event; or that of the iterator
function Engine:simulate(events, options)
  self:_check_open()
  options = options_of.check(options, SIMULATE)
  local cfg, message, code = options.config
  if cfg == nil then
    cfg, message, code = self:config()
    if not cfg then
      return nil, message, code
    end
  end
  local own
  own, message, code = self:_own_triggers()
  if not own then
    return nil, message, code
  end
  local how = {
    triggers = own, start_category = options.start_category, on_progress = options.on_progress,
    language = self.language, limit = options.limit,
  }
  if options.against ~= nil then
    return compare.run(options.against, cfg, events, how)
  end
  return simulate.run(cfg, events, how)
end

---@class leadcat.About what a guard or a listener is told besides
---@field tenant string whose event it is: guards and listeners are those of all tenants
---@field facts? table<string, any> of a guard: what is known of the company, by the names that conditions use

---@alias leadcat.GuardFunction fun(event: leadcat.Event, decision: leadcat.Guarded, about: leadcat.About): (integer|false)?, string? nothing to go on; false and why to veto; or the id of another target

---@alias leadcat.ListenerFunction fun(event: leadcat.Event, outcome: leadcat.Outcome, about: leadcat.About) what it raises is counted, and goes no further

---@class leadcat.Guarded a copy of the decision that the guard is asked about
---@field action "update"|"confirm"
---@field to integer
---@field from integer
---@field reason string
---@field rule string the rule's key
---@field revision integer

--- Calls `fn` from now on, for the events of all tenants. A `guard` is called before a matched event is written, and may veto or
-- change it; it may be asked again about the same event, when that was decided anew. The others are listeners: they are called
-- afterwards, when the event has come to what their name says.
---@param name "guard"|"updated"|"awaiting_confirmation"|"unchanged"|"failed"|"not_taken" not_taken: the event could not be taken; the outcome has `code` and `error`
---@param fn leadcat.GuardFunction|leadcat.ListenerFunction
function Engine:on(name, fn)
  self:_check_open()
  if not self._hooks[name] then
    error(("unknown hook '%s' (there are %s)"):format(tostring(name), table.concat(HOOKS, ", ")), 2)
  elseif type(fn) ~= "function" then
    error("fn: a function expected, got " .. type(fn), 2)
  end
  local hooks = self._hooks[name]
  hooks[#hooks + 1] = fn
end

--- This process's counters of the tenant, and the state of the store.
---@return table? stats {outcomes = {[trigger] = {[status] = {[reason] = n}}}, hook_errors, hook_error?, config = {used, size (bytes), readers, max_readers}, journal = likewise, commits = {count, seconds, slowest (seconds)}, shared?}; shared: as the store has it (lua/leadcat/store/init.lua)
---@return string? message, string? code `unavailable`, `io`, `corrupt`: the store cannot be read
function Engine:stats()
  self:_check_open()
  local stats, message, code = self._store:stats()
  if not stats then
    return nil, message, code
  end
  stats.outcomes = metrics.counted(self)
  stats.hook_errors, stats.hook_error = self._shared.hook_errors, self._shared.hook_error
  return stats
end

return Engine

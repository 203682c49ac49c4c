--- Questions to users, as methods of the engine: what would be asked, what was asked, and the answers, which
-- `write.lua` writes.

local call = require "leadcat.host.call"
local confirmation = require "leadcat.events.confirmation"
local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"
local protected = require "leadcat.util.protected"
local rounds = require "leadcat.events.rounds"
local settings = require "leadcat.rules.save"
local verdict = require "leadcat.events.verdict"
local view_of = require "leadcat.words.view"
local write = require "leadcat.events.write"

---@class leadcat.engine.question: leadcat.Engine the engine's methods that stand here
local question = {}

local TRIES = 16 -- of an answer that others overtake; of closing questions that others close

-- Views ---------------------------------------------------------------------------------------------------------------

--- What the host calls a company.
---@param company string|integer its id
---@return string? name nil when the host does not say
function question:company_name(company)
  self:_check_open()
  local ask = self.host.company_name
  local name = ask and call("company_name", protected.call(ask, company, self._tenant))
  return type(name) == "string" and name or nil
end

local function new_view(self, record, actor)
  local cfg, message, code = settings.known(self)
  if not cfg then
    return nil, message, code
  end
  local strings = self.strings
  local language = strings:language(actor and actor.language, self.language)
  return view_of.new(record, cfg, strings, language, { company = self:company_name(record.company) })
end

local BY_ACTOR = { actor = options_of.actor }

--- What a user sees of a confirmation, in the actor's language, else the engine's, else English.
---@param record leadcat.Confirmation
---@param options? leadcat.ByActor
---@return leadcat.View? view, string? message, string? code `unavailable`, `io`, `corrupt`: the store cannot be read
function question:view(record, options)
  self:_check_open()
  return new_view(self, record, options_of.check(options, BY_ACTOR).actor)
end

--- A view as `html` (a `<dialog>` with a form), `text` (for a terminal, or an e-mail) or `json`, by the renderers that
-- `leadcat.open` was given. `...` goes to the renderer.
---@param view leadcat.View
---@param format "html"|"text"|"json" of what it gives
---@param ... any what the renderer of that format takes besides
---@return string
function question:render(view, format, ...)
  self:_check_open()
  local renderer = self._shared.renderers[format]
  if not renderer then
    error(("unknown format '%s' (there are html, text, json)"):format(tostring(format)), 2)
  end
  return renderer(view, ...)
end

--- For hosts that ask before they save: what the user would be asked if this event happened now. Writes nothing. The
-- answer comes back as the event's `choice`.
---@param event leadcat.Event
---@return leadcat.View? view, string? message, string? code view: nil when there is nothing to ask; code: as `handle`
function question:propose(event)
  self:_check_open()
  event_of.check(event)
  local outcomes, message, code = rounds.run(self, { event }, { overlay = self._store:overlay() })
  local outcome = outcomes[1]
  if code then
    return nil, message, code
  elseif outcome.status ~= "awaiting_confirmation" then
    return nil
  end
  local cfg
  cfg, message, code = settings.known(self, outcome.revision)
  if not cfg then
    return nil, message, code
  end
  return new_view(self, confirmation.draft(event, outcome, cfg, self._tenant), event.actor)
end

-- Looking up ----------------------------------------------------------------------------------------------------------

local function read(self, id)
  local stored, message, code = self._store:confirmation(self._tenant, id)
  return stored, code == "not_found" and "there is no such confirmation" or message, code
end

local function check_id(id)
  if type(id) ~= "string" then
    error("id: a string expected, got " .. type(id), 3)
  end
end

--- Closes the questions that expire without effect, some at a time. Counts them. (`events/expiry.lua` does the rest.)
---@return integer? expired, string? message, string? code
function question.expire(self)
  local total, idle = 0, 0
  repeat
    local expired, more, code = self._store:expire(self._tenant, self:_now())
    if not expired then
      return nil, more, code
    end
    total, idle = total + expired, expired == 0 and idle + 1 or 0
    platform.give_way()
  until not more or idle == TRIES -- others are closing them
  return total
end

local function is_overdue(self, stored)
  return stored.state == "open" and not stored.on_expiry and stored.expires_at <= self:_now()
end

-- An open question whose time is over has expired (but for one with `on_expiry`), even when that could not be written. `swept`: it could be written,
-- so the question is open because it is being answered right now.
local function to_record(self, stored, swept)
  if not swept and is_overdue(self, stored) then
    stored.state, stored.resolved_at = "expired", stored.expires_at
  end
  return confirmation.record(stored, self._tenant)
end

--- A confirmation by its id. If its time is over, it is closed first.
---@param id string of the question, 32 hex digits
---@return leadcat.Confirmation? record, string? message, string? code `not_found`
function question:confirmation(id)
  self:_check_open()
  check_id(id)
  local stored, message, code = read(self, id)
  local swept = true
  if stored and is_overdue(self, stored) then
    swept = question.expire(self)
    stored, message, code = read(self, id)
  end
  if not stored then
    return nil, message, code
  end
  return to_record(self, stored, swept)
end

local COUNT = { company = options_of.id, user = options_of.id, state = options_of.one_of(core.question_states) }
local QUERY = {
  company = COUNT.company, user = COUNT.user, state = COUNT.state, limit = options_of.limit,
  after = options_of.of_type("string", "a confirmation's id"),
}

-- The query as the store takes it. Overdue questions are closed first; `swept` says whether that worked.
local function to_query(self, query, limit)
  local behind, message, code
  if query.after then
    behind, message, code = read(self, query.after)
    if not behind then
      return nil, message, code
    end
  end
  local swept = question.expire(self) ~= nil
  return {
    company = query.company and event_of.check_key(query.company, "company", 4),
    user = query.user and event_of.check_key(query.user, "user", 4), state = query.state,
    after = behind and behind.entry, now = self:_now(), unswept = not swept, limit = limit,
  }, swept
end

---@class (exact) leadcat.CountQuery
---@field company? string|integer
---@field user? string|integer the id of the actor whose event has asked
---@field state? "open"|"accepted"|"changed"|"declined"|"expired"|"superseded"|"conflict"

---@class (exact) leadcat.ConfirmationsQuery: leadcat.CountQuery
---@field limit? integer 1 to 1,000; default 100
---@field after? string the id of a question: those behind it

--- Confirmations, newest first: of a company, of the user whose event asked, in a state. A page costs the same however
-- many there are.
---@param query? leadcat.ConfirmationsQuery
---@return leadcat.Confirmation[]? records, string? message, string? code `not_found`: there is no confirmation `after`
function question:confirmations(query)
  self:_check_open()
  query = options_of.check(query, QUERY)
  local asked, swept, code = to_query(self, query, options_of.page(query.limit))
  if not asked then
    return nil, swept, code
  end
  local records, message
  records, message, code = self._store:confirmations(self._tenant, asked)
  if not records then
    return nil, message, code
  end
  for i, stored in ipairs(records) do
    records[i], message, code = to_record(self, stored, swept)
    if not records[i] then
      return nil, message, code
    end
  end
  return records
end

--- How many confirmations there are, for a badge.
---@param query? leadcat.CountQuery
---@return integer? count, string? message, string? code count: at most 1,000; code `unavailable`, `io`, `corrupt`: the store cannot be read
function question:count_confirmations(query)
  self:_check_open()
  local asked, message, code = to_query(self, options_of.check(query, COUNT), options_of.page(math.huge))
  if not asked then
    return nil, message, code
  end
  return self._store:count_confirmations(self._tenant, asked)
end

-- Answering -----------------------------------------------------------------------------------------------------------

-- Whether the answer is one of {accept = true}, {category = ID}, {decline = true}.
local function answer_problem(answer)
  local name, value = next(answer)
  if name == nil or next(answer, name) ~= nil then
    return "an answer must have one of accept, category and decline"
  elseif (name == "accept" or name == "decline") and value ~= true then
    return name .. " must be true"
  elseif name == "category" and (type(value) ~= "number" or value % 1 ~= 0) then
    return "category must be an integer (a category's id), not " .. tostring(value):sub(1, 60)
  elseif name ~= "accept" and name ~= "decline" and name ~= "category" then
    return ("an answer has accept, category or decline, not '%s'"):format(tostring(name):sub(1, 60))
  end
end

-- Why a closed question cannot be answered or given away: who closed it, and when.
function question:_closed(record)
  local cfg, message, code = settings.known(self)
  if not cfg then
    return nil, message, code
  end
  local ended = view_of.new(record, cfg, self.strings, "en").closed or "This question is closed."
  return nil, ended, record.state == "expired" and "expired" or "already_resolved", record
end

--- The answer as an item of the journal.
---@param self leadcat.Engine
---@param record leadcat.Confirmation
---@param answer leadcat.Answer
---@param actor? leadcat.Actor
---@return table? item, string? message, string? code `invalid`: the category is no live one
function question.answer_item(self, record, answer, actor)
  local choice = not answer.decline and (answer.category or record.to)
  local cfg, message, code = settings.known(self)
  if not cfg then
    return nil, message, code
  end
  choice, message, code = verdict.check_answer(cfg, choice, record.from)
  if choice == nil then
    return nil, message, code
  elseif choice then
    local may
    may, message, code = self._companies.may_change(self, record.company)
    if not may then
      return nil, message, code
    end
  end
  return journal.item(record, {
    answers = record.id, at = self:_now(), action = "confirm", to = choice or record.to,
    status = choice and self._companies.CHANGING or "declined",
    takes_back = record.takes_back and choice == record.to or nil,
    details = journal.details({ actor = actor, sale = record.sale, contact = record.contact }, nil,
      { facts = record.facts }),
  })
end

-- Writes the answer and has it applied. Returns nothing when the question must be read again.
local function give(self, record, item)
  local outcome, message, code = write.one(self, item, record.company)
  if item.result == "overdue" then
    message, code = select(2, question.expire(self)) -- nil when it is closed now
  end
  return outcome, message, code
end

--- Reports the outcome for the event that asked, with the answering actor.
---@param self leadcat.Engine
---@param record leadcat.Confirmation
---@param actor? leadcat.Actor
---@param outcome leadcat.Outcome
---@return leadcat.Outcome outcome
function question.report(self, record, actor, outcome)
  if outcome.status == "conflict" then
    local ok, category = self._companies.category(self, record.company)
    outcome.category = ok and category or nil
  end
  self:_report({
    trigger = record.trigger, company = record.company, lead_status = record.lead_status, sale = record.sale,
    contact = record.contact, actor = actor, at = self:_now(),
  }, outcome)
  return outcome
end

---@class (exact) leadcat.Answer exactly one of them
---@field accept? true the proposal is applied
---@field category? integer this category is set instead, one of the question's options
---@field decline? true the company stays as it is

--- Answers a question, once: applies the proposal or another category, or keeps the company as it is.
---@param id string of the question, 32 hex digits
---@param answer leadcat.Answer
---@param options? leadcat.ByActor
---@return leadcat.Outcome? outcome `updated`, `declined`, `failed` (it is tried again) or `conflict` (then `category` is the company's now)
---@return string? message, string? code `already_resolved`, `expired`, `forbidden`, `not_found`, `invalid`; `unavailable`, `full`, `io`
---@return leadcat.Confirmation? record of a question that was closed before
function question:resolve(id, answer, options)
  self:_check_open()
  check_id(id)
  if type(answer) ~= "table" then
    error("answer: a table expected, got " .. type(answer), 2)
  end
  local actor = options_of.check(options, BY_ACTOR).actor
  local problem = answer_problem(answer)
  if problem then
    return nil, problem, "invalid"
  end
  for _ = 1, TRIES do
    local record, message, code = self:confirmation(id)
    if not record then
      return nil, message, code
    end
    local allowed
    allowed, message, code = self:can(actor, "confirm", record)
    if not allowed then
      return nil, message or "only the user whose question it is, or an administrator, may answer", code or "forbidden"
    elseif record.state ~= "open" then
      return self:_closed(record)
    end
    local item
    item, message, code = question.answer_item(self, record, answer, actor)
    if not item then
      return nil, message, code
    end
    local outcome
    outcome, message, code = give(self, record, item)
    if outcome then
      return question.report(self, record, actor, outcome)
    elseif code then
      return nil, message, code
    end
  end
  return nil, "the question's company keeps changing while it is being answered", "unavailable"
end

return question

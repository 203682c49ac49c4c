--- Forgets a person (GDPR, article 17): erases the names and ids of a contact, a user, or a company that is a person, from all
-- that is kept. The entries stay, without the person. Methods of the engine.

local company = require "leadcat.past.company"
local core = require "leadcat.core"
local deliveries = require "leadcat.operations.deliveries"
local drafts = require "leadcat.rules.drafts"
local event_of = require "leadcat.events.event"
local journal = require "leadcat.past.journal"
local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"

---@class leadcat.engine.forget: leadcat.Engine the engine's methods that stand here
local forget = {}

-- The places that are looked through (`store:find_traces`), in this order; entries last, since new ones are added meanwhile.
local PLACES = { "questions", "revisions", "unchanged", "journal" }
local TRIES = 16 -- of records that others are changing

---@class leadcat.Forgotten
---@field questions integer how many records of each kind were changed
---@field revisions integer
---@field unchanged integer
---@field journal integer
---@field remembered integer ids of events that came to nothing
---@field deliveries integer bodies of failed deliveries
---@field company? string what stands in the place of a company's id now
---@field remains string[] where the person still is: `deliveries` (that wait: call it again when they are handled), `free_pages` (of the store's files, until `leadcat compact`), `backups`

-- What stands in JSON -------------------------------------------------------------------------------------------------

-- Whether the word stands in the text, not as a part of another one. Letter case does not count.
local function has_word(text, word)
  text, word = core.fold(text) or text, core.fold(word) or word
  local from, to = text:find(word, 1, true)
  while from do
    local before, behind = text:sub(from - 1, from - 1), text:sub(to + 1, to + 1)
    if not (from > 1 and before:find "[%w\128-\255]") and not behind:find "[%w\128-\255]" then
      return true
    end
    from, to = text:find(word, from + 1, true)
  end
  return false
end

local function has_any_word(text, words)
  for _, word in ipairs(words) do
    if has_word(text, word) then
      return true
    end
  end
  return false
end

-- Removes the texts that name the person, at any depth.
local function remove_words(t, words)
  for name, value in pairs(t) do
    if type(value) == "table" then
      remove_words(value, words)
    elseif type(value) == "string" and has_any_word(value, words) then
      t[name] = type(name) == "number" and "" or nil -- a list has no holes
    end
  end
end

local function add_name(words, thing)
  if type(thing) == "table" and type(thing.name) == "string" and thing.name:find "%S" then
    words[#words + 1] = thing.name
  end
end

-- `id`: as JSON has it, which does not keep every byte.
local function is_of(thing, id)
  return type(thing) == "table" and event_of.key(thing.id) == id
end

-- How each kind of person is taken out of what is kept of an event. Adds what the person is called to `words`; tells whether there
-- was anything to take out.
local ERASE = {}

function ERASE.contact(kept, id, words)
  if not is_of(kept.contact, id) then
    return false
  end
  add_name(words, kept.contact)
  kept.contact = nil
  if type(kept.facts) == "table" then
    kept.facts.contact = nil
  end
  return true
end

-- Somebody did it still: an actor without an id.
function ERASE.actor(kept, id, words)
  local found = false
  for _, name in ipairs { "actor", "ended_by", "approved_by" } do
    if is_of(kept[name], id) then
      add_name(words, kept[name])
      kept[name], found = {}, true
    end
  end
  if found and type(kept.facts) == "table" then
    kept.facts.actor = nil
  end
  for _, name in ipairs { "to", "by", "stands_in_for" } do -- of a question that was given to somebody
    local assigned = type(kept.assigned) == "table" and kept.assigned or {}
    if is_of(assigned[name], id) then
      add_name(words, assigned[name])
      assigned[name], found = {}, true
    end
  end
  return found
end

-- Of a company that is a person, all that is kept of its events is about that person, but who did it.
function ERASE.company(kept, _, words)
  add_name(words, kept.contact)
  add_name(words, kept.sale)
  kept.contact, kept.facts = nil, nil
  kept.sale = type(kept.sale) == "table" and { id = kept.sale.id } or nil
  return true
end

-- The JSON without the person; nil when it does not name that.
local function without(task, text, words)
  local kept = text and json.decode(text)
  if type(kept) ~= "table" or not ERASE[task.kind](kept, task.told, words) then
    return nil
  end
  remove_words(kept, words)
  local erased = json.encode(kept)
  return erased ~= text and erased or nil
end

-- Records -------------------------------------------------------------------------------------------------------------

-- Whether a record is of the company that is to be forgotten, which has another id already, or was merged into another one; of
-- other persons it does not matter.
local function is_about(task, record)
  return task.kind ~= "company" or event_of.key(record.company) == task.company
    or record.former ~= nil and event_of.key(record.former) == task.id
end

local function erased_entry(task, entry)
  local words, about, is_company = merged(task.names), is_about(task, entry), task.kind == "company"
  local item = { record = entry.record, json = about and without(task, entry.details, words) or nil }
  if is_company and entry.former and event_of.key(entry.former) == task.id then
    item.former = task.company
  end
  local touched = item.json ~= nil or is_company and about
  item.no_error = entry.error ~= nil and (touched or is_company) and has_any_word(entry.error, words) or nil
  item.no_event_id = touched and entry.event_id ~= nil and has_any_word(entry.event_id, words) or nil
  return (item.json or item.former or item.no_error or item.no_event_id) and item or nil
end

local function erased_question(task, question)
  local words = merged(task.names)
  if not is_about(task, question) then
    return nil
  end
  local item = { record = question.record, json = without(task, question.body, words) }
  item.answer = without(task, question.answer, words)
  item.no_user = task.kind == "actor" and question.user == task.id or nil
  return (item.json or item.answer or item.no_user) and item or nil
end

local function erased_revision(task, revision)
  local about = task.kind == "actor" and without(task, revision.about, merged(task.names))
  return about and { record = revision.record, json = about } or nil
end

local ERASED = {
  questions = erased_question, revisions = erased_revision, unchanged = erased_entry, journal = erased_entry,
}

-- Going through the store ---------------------------------------------------------------------------------------------

-- Erases the person from the next records; gives where to go on. What is changed meanwhile is looked at again.
local function step(self, task)
  local message, code
  for _ = 1, TRIES do
    local records, after, failure = self._store:find_traces(self._tenant, task.where, task.texts, task.after)
    if not records then
      return nil, after, failure
    end
    local items = {}
    for _, record in ipairs(records) do
      items[#items + 1] = ERASED[task.where](task, record)
    end
    local written = 0
    if #items > 0 then
      written, message, code = self._store:erase(self._tenant, task.where, items)
    end
    if not written then
      return nil, message, code
    end
    task.counts[task.where] = task.counts[task.where] + written
    if written == #items then
      return after
    end
  end
  return nil, "what names the person keeps changing", "unavailable"
end

local function to_hex(text)
  return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function from_hex(text)
  return (text:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- Notes how far it has come; at the end, nothing is kept of that.
local function note(self, task, done)
  local text = not done and json.encode {
    where = task.where, after = to_hex(task.after), counts = task.counts, company = task.company,
    names = task.names,
  } or nil
  local ok, message, code = self._store:write(self._tenant, {}, self:_now(), 0, {
    name = task.name, before = task.text, text = text,
  })
  task.text = text
  if code == "conflict" then
    return nil, "another process is forgetting the same person", code
  end
  return ok, message, code
end

-- Goes through what is left of a place, and notes how far it has come after each step.
local function go_through_place(self, task)
  repeat
    local after, message, code = step(self, task)
    local ok = after
    if ok then
      task.after = after
      ok, message, code = note(self, task)
    end
    if not ok then
      return nil, message, code
    elseif task.on_progress then
      task.on_progress(task.where, merged(task.counts))
    end
    platform.give_way()
  until after == ""
  return true
end

-- Events that came to nothing are not remembered any more if they were the company's, or name the person. There are few enough
-- to begin anew when this is interrupted.
local function go_through_marks(self, task)
  local texts, from = {}, 0
  for place, name in ipairs(task.names) do
    texts[place] = { text = name }
  end
  repeat
    local erased, following, code = self._store:erase_marks(self._tenant, texts, task.kind == "company", from)
    if not erased then
      return nil, following, code
    end
    task.counts.remembered, from = task.counts.remembered + erased, following
    platform.give_way()
  until from == 0
  return true
end

-- Goes through what is left of the places.
local function go_through(self, task)
  local reached = false
  local done, why, failure = go_through_marks(self, task)
  if not done then
    return nil, why, failure
  end
  for _, where in ipairs(PLACES) do
    reached = reached or where == task.where
    if reached then
      if where ~= task.where then
        task.where, task.after = where, ""
      end
      local ok, message, code = go_through_place(self, task)
      if not ok then
        return nil, message, code
      end
    end
  end
  return note(self, task, true)
end

-- Who has written and approved drafts counts with who has saved configs.
local function forget_drafts(self, task)
  if task.kind ~= "actor" then
    return true
  end
  local erased, message, code = drafts.forget(self, function(draft)
    local words = merged(task.names)
    local found = ERASE.actor(draft, task.told, words)
    if found then
      remove_words(draft, words)
    end
    return found
  end)
  task.counts.revisions = task.counts.revisions + (erased or 0)
  return erased and true, message, code
end

-- Where it was left off, if it was interrupted.
local function begin(self, kind, id)
  local task = {
    kind = kind, id = id, told = json.decode(json.encode { id = id }).id, where = PLACES[1], after = "",
    names = { id }, name = "forget " .. core.checksum(kind .. " " .. id),
    counts = { questions = 0, revisions = 0, unchanged = 0, journal = 0, remembered = 0 },
  }
  local text, message, code = self._store:cursor(self._tenant, task.name)
  if text then
    local left = json.decode(text)
    task.text, task.where, task.after, task.counts = text, left.where, from_hex(left.after), left.counts
    task.company, task.names = left.company, left.names
  elseif code ~= "not_found" then
    return nil, message, code
  end
  return task
end

-- What the company was called before, too.
local function add_old_names(self, task)
  local next_entry = journal.entries(self, task.id)
  while true do
    local entry, message, code = next_entry()
    if not entry then
      return code == nil or nil, message, code
    elseif entry.status == "renamed" and event_of.key(entry.company) == task.id then
      task.names[#task.names + 1] = event_of.key(entry.former)
    end
  end
end

-- The company gets another id first, of which only its cursor knows whose it is.
local function rename(self, task, actor)
  local ok, message, code = true, nil, nil
  if not task.company then
    local random
    random, message, code = core.random_id()
    task.company = random and "forgotten-" .. random:sub(1, 16)
    ok = random
    if ok then
      ok, message, code = add_old_names(self, task)
    end
    if ok then
      ok, message, code = note(self, task)
    end
  end
  if not ok then
    return nil, message, code
  end
  return company.move(self, {
    fate = "forgotten", company = task.id, to = task.company, details = journal.details { actor = actor },
    keeps_companies = self._companies.HANDLING.keeps_companies, why = "the company was forgotten",
    idle = (self._in_flight[self._tenant] or {})[task.id] == nil,
  })
end

-- What stands in each record that names the person, and in some others.
local function texts_of(task)
  local id = task.id
  local texts = { { text = '"id":' .. json.encode(id) } }
  if id:find "^%-?%d+$" then
    texts[2], texts[3] = { text = ('"id":%s,'):format(id) }, { text = ('"id":%s}'):format(id) }
  end
  if task.kind == "company" then
    texts = { { text = task.company } }
    for _, name in ipairs(task.names) do
      texts[#texts + 1] = { text = name }
    end
  end
  return texts
end

local function run(self, kind, id, options)
  local task, message, code = begin(self, kind, id)
  local ok = task
  if ok and kind == "company" then
    ok, message, code = rename(self, task, options.actor)
  end
  if not ok then
    return nil, message, code
  end
  task.texts, task.on_progress = texts_of(task), options.on_progress
  ok, message, code = go_through(self, task)
  if ok then
    ok, message, code = forget_drafts(self, task)
  end
  local erased, some_wait
  if ok then
    erased, some_wait, code = deliveries.forget(self, task.names)
    ok, message = erased, some_wait
  end
  if not ok then
    return nil, message, code
  end
  local remains = json.array { "free_pages", "backups" }
  remains[#remains + 1] = some_wait and "deliveries" or nil
  return merged(task.counts, { company = task.company, deliveries = erased, remains = remains })
end

local WHAT = { contact = options_of.id, actor = options_of.id, company = options_of.id }
local OPTIONS = { actor = options_of.actor, on_progress = options_of.of_type "function" }

--- What is wrong with the choice of a person; nil when nothing is.
---@param what table
---@return string? problem
function forget.problem(what)
  local kind, id = next(what)
  if kind == nil or next(what, kind) ~= nil then
    return "one of contact, actor and company expected"
  end
  local problem = options_of.problem(what, WHAT) or select(2, event_of.key(id))
  return problem and not problem:find "^option" and not problem:find "^unknown" and kind .. " " .. problem or problem
end

---@class (exact) leadcat.ForgetWhat exactly one of them
---@field contact? string|integer
---@field actor? string|integer
---@field company? string|integer that is a person

---@class (exact) leadcat.ForgetOptions
---@field actor? leadcat.Actor who asks for it; without one it is the program itself, which may
---@field on_progress? fun(where: string, counts: table) called after each step of some milliseconds

--- Erases a person from the journal, the questions, what is scheduled and who saved configs. Names go with the id that they stand
-- beside, and so do other texts of the same event that have the name or the id. A company gets a random id, and counts as deleted.
-- It takes a time that grows with the store. When it was interrupted, the same call goes on where it was.
---@param what leadcat.ForgetWhat
---@param options? leadcat.ForgetOptions
---@return leadcat.Forgotten? forgotten, string? message, string? code `forbidden`; `unavailable`: a change of the company does not end; `conflict`: another process is at it
function forget:forget(what, options)
  self:_check_open()
  local problem = type(what) ~= "table" and "a table with contact, actor or company expected" or forget.problem(what)
  if problem then
    error(problem, 2)
  end
  options = options_of.check(options, OPTIONS)
  local allowed, message, code = self:can(options.actor, "forget", what)
  if not allowed then
    return nil, message or "only an administrator may have a person forgotten", code or "forbidden"
  end
  local kind, id = next(what)
  return run(self, kind, event_of.key(id), options)
end

return forget

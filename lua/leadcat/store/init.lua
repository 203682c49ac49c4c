--- All that leadcat's Lua asks of a store: the manual for whoever writes another one. The one here is the core's, on LMDB
-- (`core.open`); spec/support/conformance.lua is what every one has to pass.
--
-- What holds for all methods
-- * `tenant` is a text of 0 to 64 bytes; tenants know nothing of each other. A company, a user and an event's id are texts
--   (1 to 255 bytes); `company_is_integer` remembers that the host's id was a number, and entries give it back as one.
-- * A call works in one transaction: what fails has changed nothing. When a writing call returns, all of it is durable (as
--   far as the durability that the store was opened with goes), and the next read sees it, through whichever handle.
-- * Failure is `nil, message, code`: the codes that a method names, or `unavailable` (nobody knows whether it was written; try
--   again later), `full`, `io`, `corrupt` (data is damaged), `forked`. Wrong arguments, and a closed store, raise.
-- * `now` is the engine's clock, in seconds since 1970. How long something lasts is passed as a number of seconds, so that
--   a store of many machines can go by a clock of its own, and ignore `now`.
-- * An entry's number is an integer from 1 to 2^53. Of one company, and among unchanged events, later ones are higher.
--   It is an order, not a time. Lists of entries and questions are newest first.
-- * A call may yield where its coroutine can. Nobody who yields holds a transaction.
--
-- Shapes (an absent text is nil, an absent category 0)
-- * entry: `entry, at, company, trigger, action, status, reason?, revision, from, to, lead_status?, confirmation?, event_id?,
--   details?, error?`; `details` is JSON that the store does not read.
-- * question: `id` (32 hex digits), `company, state, trigger, entry, revision, from, to, created_at, expires_at, lead_status?,
--   category?, resolved_at?, user?, body?, answer?`. `body` is JSON: {"options": [categories], ...} with the fields of the event's
--   details. States: `core.question_states`; every one but `open` is final.
-- * cursor: `{name, before?, text}`: a text kept by name (1 to 64 bytes), written in place of `before` (nothing: there is none).
--
-- `handle` decides events, in order, and writes what comes of it. `events` are plain leadcat.Events. What becomes of
-- events[i] goes into results[i]; what is final there from an earlier call is not done again. A result is
-- * an outcome `{status, action, reason, from?, to?, rule?, revision, entry?, confirmation?}`: final, but for the status
--   `applying`, whose change the host is to make;
-- * a number: an event with its id made this entry before; 0 when that was in the same overlay;
-- * `{lacks = what, ...}`: it could not be decided, or not be written yet. Whoever calls adds what is lacking to that table,
--   or puts an outcome in its place (a veto), and calls again:
--
--   lacks     | it has                               | to be added, or done
--   licence   |                                      | `how` without needs_licence
--   category  | newest                               | asked_at = newest, category = what the host says (nil: none)
--   verdict   | about, action, from, to, rule, revision | passed = about, target = the category to set (nil: to), keep = true to keep it
--   details   | error                                | nothing helps: they cannot be kept
--   end       |                                      | the company's unfinished change has to reach its end
--   turn      |                                      | nothing: events before it, of its company or id, lack something
--   commit    |                                      | nothing: it is to be written, but not by this call
--
-- The steps of each event, and the first that stops it: seen before (a number) · turn · licence · end (only where a rule is enabled for
-- its trigger) · category (the event's own, else the store's, else the host's) · the decision (`unchanged`) · verdict (where it
-- is_guarded, or the event has a choice) · how it is written · details · turn (`most` changes are applying). An answer holds
-- only for what it was given for: a category as long as the company has no newer entry than when the host was asked, a
-- verdict for this very rule, from, to, action and revision (`about`, below 2^53). Otherwise it is asked for again. Nothing
-- is ever written by rules that are not the newest.
--
-- What is written: `awaiting_confirmation` with a question where the decision asks and nobody has chosen (or, by
-- how.confirm, as if accepted, or `reason = "skipped"` and nothing); `declined` where the user keeps the category; else the
-- change: `updated` where keeps_companies (`conflict` when the company does not stand in `from`), `applying` where a host
-- does, claimed by this handle for `claim` seconds. Whatever is written closes an open question of the company, with an
-- entry of its own before it: `superseded`, or `expired` when its time is over. An entry with an event's id marks it as seen.
--
-- `how` is
--   write?            whether anything may be written; without, what would be lacks `commit`
--   keeps_companies?  this store keeps the categories of companies; start?: that of those it does not know yet
--   claim?, most?     where a host keeps them: seconds for the host, and how many changes a call may claim
--   needs_licence?, is_guarded?, ttl (seconds until a question expires), confirm? ("ask", "accept", "skip")
--   look?             ask what all events lack before any is written, as if those in front of them were; so it is, too,
--                     where an event has a choice that lacks its verdict. Else what is complete is written
--   overlay?          from `overlay`: nothing is written, it remembers what would have been
--   run?              id of the run that the events belong to: kept in the details
--   foresee?          only look; results are what the events are going to come to. Gives a digest of those in front of the
--                     first that lacks something
--   cursor?, digest?  all events and the cursor are written, or nothing: `conflict` where they come to anything but
--                     what the digest was given for, or the cursor is not what it was

---@class leadcat.Store
--
-- Rules: the config's JSON is the truth, the packed ruleset (`core.ruleset`, opaque) is made of it.
---@field save fun(self, tenant: string, expected: integer, ruleset: string, json: string, about: string): true?, string?, string? saves revision `expected` + 1; `about` is JSON, who and when. `stale`: `expected` is not the newest (0: none yet)
---@field config fun(self, tenant: string, revision: integer): string?, string?, string? the JSON of a revision; 0: the newest. `not_found`
---@field revisions fun(self, tenant: string): string[]?, string?, string? `about` of each, newest first
---@field repair fun(self, tenant: string, revision: integer, ruleset: string): true?, string?, string? replaces the packed ruleset of the newest revision, if it is this one
---@field decide fun(self, tenant: string, trigger: string, category?: integer, lead_status?: integer): string?, integer|string|nil, string, integer? action, to, reason, revision, by the newest rules saved through any handle; revision 0 and `rule_disabled` before the first. `corrupt`: to be repaired
---@field explain fun(self, tenant: string, trigger: string, category?: integer, lead_status?: integer): string?, integer|string|nil, string, integer?, table[]?, integer? as `decide`; then each check `{name, pass?, ...}`, and the target of the rule that the facts choose
---@field decider fun(self, tenant: string, repair: fun(): true?, string?): leadcat.Decider, userdata `decide` as a function of trigger, category and lead_status, without I/O, and what it answers from, for LuaJIT's FFI: both as `core.decider` gives them
--
-- Events: above.
---@field handle fun(self, tenant: string, events: leadcat.Event[], results: table, now: number, how: table): integer|false|nil, integer|string|nil, string? how many events are not at their end (a number, or `applying`, is not one), and the digest of what was foreseen; false, i: events[i] is no plain event, false alone: `events` is no array; nothing was done then
---@field prepare fun(self, how: table): any `how`, as `handle` also takes it, any number of times; without cursor, overlay and run
---@field overlay fun(self): userdata|table an empty one, for `how.overlay`; of use to this store only
---@field seen fun(self, tenant: string, event_id: string): table?, string?, string? the entry that an event's id made. `not_found`
--
-- Answers and changes that no event asked for.
---@field newest fun(self, tenant: string, company: string): integer?, string?, string? the company's newest entry, 0: none. `conflict`: that is applying, and its end changes the company without a newer one
---@field write fun(self, tenant: string, items: table[], now: number, claim: number, cursor?: table): true?, string?, string? writes items `{company, company_is_integer, trigger, lead_status?, at, revision, from, to, action, status, details?}`, in order. A change has `newest` and the status `updated`, `applying` or `declined`, as in `handle`; an answer has `answers`, a question's id, which it closes as `accepted`, `changed`, `declined` or `conflict`, when it is applying once that is finished. Each item gets `result`: `written` (with `entry` and the final `status`), `busy` (`entry` is applying), `overtaken` (there is a newer entry), `answered` (not open any more), `overdue` (its time is over). With a cursor all are written, or none: `conflict`; no items and a cursor write the cursor
--
-- Unfinished changes: each has one owner, this handle or another, and is free once its claim has run out, its owner is gone, or it was given back.
---@field finish fun(self, tenant: string, items: table[], now: number): true?, string?, string? writes down how changes claimed by this handle ended: items `{entry, company, status, error?, retry_in?}` with the status `updated`, `conflict`, `failed`, or `applying` to give it back, due again in `retry_in` seconds. Each gets `lost`: true, and nothing was written, when this handle does not own it any more
---@field claim fun(self, tenant: string, company: string, idle: boolean, now: number, seconds: number): table?, integer|string|nil, number|string|nil claims the company's unfinished change. Gives its entry, how often it was tried in vain, and how many seconds ago it was begun. `idle`: nobody in this process is at it, so a claim of our own was left behind. `not_found`: there is none; `conflict`: another owner is at it
---@field applying fun(self, tenant: string, now: number, after: string, limit: integer): table[]?, string?, string? the entries of unfinished changes that are due, by company in any fixed order: those behind the company `after` ("": from the first)
--
-- The journal.
---@field entry fun(self, tenant: string, entry: integer): table?, string?, string? one entry. `not_found`
---@field history fun(self, tenant: string, company?: string, since?: number, after?: integer, limit: integer, unchanged?: boolean): table[]?, string?, string? entries, of one company or all, with `at` >= since, older than the entry `after`; `unchanged`: unchanged events instead
---@field add_unchanged fun(self, tenant: string, items: table[], now: number): true?, string?, string? records unchanged events: items as for `write`, with `reason`, `event_id?`, `error?`. Neither `seen` nor `newest` knows of them
--
-- Questions.
---@field confirmation fun(self, tenant: string, id: string): table?, string?, string? one question. `not_found`
---@field confirmations fun(self, tenant: string, query: table): table[]?, string?, string? those of the query `{company?, user?, state?, after?: asked before this entry, limit, unswept?, now?}`; `unswept`: open ones whose time is over by `now` count as expired
---@field count_confirmations fun(self, tenant: string, query: table): integer?, string?, string? how many the query has, up to its limit
---@field expire fun(self, tenant: string, now: number): integer?, boolean|string|nil, string? closes some open questions whose time is over, each with an entry: how many, and whether there may be more. One whose answer is applying stays
--
-- Companies that are kept here.
---@field company fun(self, tenant: string, company: string): integer?, string?, string? its category. `not_found`
---@field create fun(self, tenant: string, items: table[], category: integer): integer?, string?, string? adds companies `{company, company_is_integer}`, those that are there stay as they are; how many were new
---@field set_category fun(self, tenant: string, company: string, to: integer, from: integer): true?, string?, string? compare and set, without an entry. `conflict`: it does not stand in `from`; `not_found`
---@field companies fun(self, tenant: string, after: string, limit: integer): table?, integer[]|string|nil, string? companies behind `after`, as the host knows them, and their categories; the order is fixed
--
-- Cursors: written by `write` and `handle`.
---@field cursor fun(self, tenant: string, name: string): string?, string?, string? the text. `not_found`
--
-- Counters, in which those of all processes meet; `journal_entries` and `unchanged_entries` are the store's own.
---@field add fun(self, tenant: string, items: table[]): true?, string?, string? adds to counters: items `{name, value}`
---@field counters fun(self, tenant: string): table<string, number>?, string?, string?
--
-- Upkeep, in short steps.
---@field trim fun(self, tenant: string, age: number, count: integer, now: number, from: integer, unchanged?: boolean): integer?, integer|string|nil, string? removes some entries written over `age` seconds ago, or beyond the newest `count` (0: without limit), with their seen-marks and closed questions: how many, and where to go on (`from`; 0: at the start, and when done). What is applying, or open, stays
---@field due fun(self, work: "changes"|"questions"|"journal"|"unchanged", age: number, count: integer, now: number, place: string): string[]?, string?, string? some tenants that have such work due (`applying`, `expire`, `trim`), and where to go on ("": at the start, and when all were looked at)
---@field check_readers fun(self): integer?, string?, string? frees what dead processes have left behind; how much
---@field stats fun(self): table?, string?, string? `{unfinished, config, journal = {used, size (bytes), readers, max_readers}, commits = {count, seconds, slowest}}`
---@field copy fun(self, path: string, compact?: boolean): true?, string?, string? copies the store, while it is in use, into a new directory. `conflict`: there is one
---@field close fun(self) closing again does nothing

--- The names of the methods, by group.
---@type table<string, string[]>
return {
  rules = { "save", "config", "revisions", "repair", "decide", "explain", "decider" },
  events = { "handle", "prepare", "overlay", "seen" },
  changes = { "newest", "write" },
  unfinished = { "finish", "claim", "applying" },
  journal = { "entry", "history", "add_unchanged" },
  questions = { "confirmation", "confirmations", "count_confirmations", "expire" },
  companies = { "company", "create", "set_category", "companies" },
  cursors = { "cursor" },
  counters = { "add", "counters" },
  upkeep = { "trim", "due", "check_readers", "stats", "copy", "close" },
}

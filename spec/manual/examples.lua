-- An example of each public function, for the manual. A spec runs each with `leadcat`, and with an `engine` whose rules set
-- Customer (5) when a sale is won, and ask for Opportunity (3) when one is registered; Acme is a Lead (1); `entry` has
-- changed Bolt, `question` asks about Coil; `ann` is an administrator.

return {
["leadcat.open"] = [[
local store = assert(leadcat.open { path = "/var/lib/leadcat", language = "no", retention = { age = 365 * 86400 } })
store:close()]],
["leadcat.preset"] = [[
local config = leadcat.preset "superoffice"
config.rules[1].enabled, config.rules[1].set_category = true, 5]],
["leadcat.check"] = [[
for _, problem in ipairs(leadcat.check { rules = { { trigger = "sale_won", set_category = 99 } } }) do
  print(problem.severity, problem.path, problem.message)
end]],
["engine:apply_pending"] = [[
local done = assert(engine:apply_pending())
print(done.finished, done.failed, done.busy)]],
["engine:approve"] = [[
local draft = assert(engine:save_draft(engine:config(), { actor = { id = "bob", admin = true } }))
print(assert(engine:approve(draft.id, { actor = ann })).revision)]],
["engine:assign"] = [[
local record = assert(engine:assign(question, { to = { id = "bob", name = "Bob" } }, { actor = ann }))
print(record.state)]],
["engine:backfill"] = [[
local sales = { { trigger = "sale_won", company = "Acme", id = "sale-17-won", at = 1700000000 } }
local report = assert(engine:backfill(sales, { preview = true }))
print(report.events, report.companies)]],
["engine:backup"] = [[
assert(engine:backup("/backup/leadcat", { compact = true }))]],
["engine:calendar"] = [[
local page = assert(engine:calendar { preview = true }) -- of rules for no_sale_for; without `preview` it is done
print(page.looked_at, page.counts.silent, page.counts.unknown)]],
["engine:can"] = [[
local allowed, why = engine:can({ id = "bob" }, "configure")
print(allowed, why) -- false: only administrators may, where the host has no `can`]],
["engine:cancel"] = [[
local outcome, message, code = engine:cancel(entry, { actor = ann })
print(outcome, code) -- nil, "invalid": this entry is not scheduled]],
["engine:changes"] = [[
local changes, cursor = engine:changes(nil, { limit = 10 })
for _, change in ipairs(changes) do
  print(change.kind, change.entry.company, change.entry.status)
end
local newer = engine:changes(cursor) -- what was done since]],
["engine:check"] = [[
local config = engine:config()
config.rules[1].set_category = 99
print(engine:check(config)[1].message)]],
["engine:close"] = [[
engine:close() -- closing again does nothing]],
["engine:company_deleted"] = [[
local gone = assert(engine:company_deleted("Bolt", { actor = ann }))
print(gone.status, gone.closed)]],
["engine:company_merged"] = [[
assert(engine:company_merged("Bolt", "Acme", { actor = ann }))]],
["engine:company_name"] = [[
print(engine:company_name("Acme") or "Acme")]],
["engine:company_renamed"] = [[
assert(engine:company_renamed("Bolt", "Bolt Inc", { actor = ann }))]],
["engine:config"] = [[
local config = engine:config()
print(config.revision, #config.rules)]],
["engine:confirmation"] = [[
local record = assert(engine:confirmation(question))
print(record.state, record.company, record.from, record.to)]],
["engine:confirmations"] = [[
for _, record in ipairs(assert(engine:confirmations { state = "open", limit = 20 })) do
  print(record.id, record.company)
end]],
["engine:count_confirmations"] = [[
print(engine:count_confirmations { user = "bob", state = "open" })]],
["engine:cursor"] = [[
assert(engine:handle_many({}, { cursor = { name = "webshop", text = "17" } }))
print(engine:cursor "webshop")]],
["engine:decide"] = [[
local action, to, reason = engine:decide("sale_won", 1)
print(action, to, reason) -- update 5 matched]],
["engine:decider"] = [[
local decide = engine:decider()
print(decide("sale_won", 1))]],
["engine:deliveries"] = [[
for _, delivery in ipairs(assert(engine:deliveries { state = "failed" })) do
  print(delivery.id, delivery.hook, delivery.problem)
end]],
["engine:delivery"] = [[
local delivery, message, code = engine:delivery(1)
print(delivery and delivery.body or code)]],
["engine:discard"] = [[
local draft = assert(engine:save_draft(engine:config(), { actor = ann }))
assert(engine:discard(draft.id, { actor = ann }))]],
["engine:draft"] = [[
local saved = assert(engine:save_draft(engine:config(), { actor = ann, note = "for Monday" }))
local draft, foreseen = engine:draft(saved.id)
print(draft.note, #foreseen.conflicts)]],
["engine:drafts"] = [[
for _, draft in ipairs(engine:drafts()) do
  print(draft.id, draft.effect.moved, draft.due)
end]],
["engine:drift"] = [[
local page = assert(engine:drift { source = "journal", limit = 1000 })
for _, item in ipairs(page.items) do
  print(item.company, item.kind, item.sentence)
end]],
["engine:drop"] = [[
local dropped, message, code = engine:drop(entry, { actor = ann })
print(dropped, code) -- this entry is not held]],
["engine:drop_delivery"] = [[
local delivery, message, code = engine:drop_delivery(1)
print(delivery and delivery.state or code)]],
["engine:drop_notices"] = [[
print(engine:drop_notices(nil, "webhook"))]],
["engine:explain"] = [[
local why = assert(engine:explain { trigger = "sale_won", company = "Acme" })
print(why.reason, why.sentence)]],
["engine:fields"] = [[
for _, field in ipairs(engine:fields()) do
  print(field.field, field.type)
end]],
["engine:flush"] = [[
assert(engine:flush()) -- from a timer, every few seconds]],
["engine:forget"] = [[
local forgotten = assert(engine:forget({ contact = 7 }, { actor = ann }))
print(forgotten.journal, table.concat(forgotten.remains, ", "))]],
["engine:handle"] = [[
local outcome, message, code = engine:handle {
  id = "sale-17-won", trigger = "sale_won", company = "Acme", sale = { id = 17, name = "Printers" },
}
print(outcome.status, outcome.from, outcome.to) -- updated 1 5]],
["engine:handle_many"] = [[
local outcomes = assert(engine:handle_many {
  { id = "1", trigger = "sale_registered", company = "Acme" }, { id = "2", trigger = "sale_won", company = "Acme" },
})
print(outcomes[1].status, outcomes[2].status)]],
["engine:health"] = [[
local health = assert(engine:health { days = 30 })
print(health)]],
["engine:held"] = [[
for _, item in ipairs(assert(engine:held { limit = 10 })) do
  print(item.entry, item.company, item.rule)
end]],
["engine:history"] = [[
for _, item in ipairs(assert(engine:history { company = "Bolt", limit = 10 })) do
  print(item.entry, item.trigger, item.status)
end]],
["engine:licensed"] = [[
print(engine:licensed()) -- nil: the host does not license]],
["engine:maintain"] = [[
local done = assert(engine:maintain()) -- from a timer, every half minute
print(done.expired, done.removed)]],
["engine:make_real"] = [[
print(engine:make_real("sale_won", { actor = ann })) -- nil, and why: that rule is not on trial]],
["engine:metrics"] = [[
print(assert(engine:metrics()))]],
["engine:notices"] = [[
for _, notice in ipairs(assert(engine:notices { state = "failed" })) do
  print(notice.notifier, notice.error)
end]],
["engine:on"] = [[
engine:on("guard", function(event, decision, about)
  if about.tenant == "" and event.company == "Acme" then
    return false, "Acme is under audit"
  end
end)
engine:on("updated", function(event, outcome, about)
  print(about.tenant, event.company, outcome.to)
end)]],
["engine:probe"] = [[
assert(engine:probe())]],
["engine:propose"] = [[
local event = { trigger = "sale_registered", company = "Acme", actor = ann }
local view = engine:propose(event)
event.choice = view and view.to.id -- what the user has chosen, or false to keep the category
print(engine:handle(event).status)]],
["engine:recount"] = [[
assert(engine:recount())]],
["engine:recover"] = [[
print(assert(engine:recover()).finished)]],
["engine:release"] = [[
local released, message, code = engine:release(entry, { actor = ann })
print(released, code) -- this entry is not held]],
["engine:render"] = [[
print(engine:render(engine:view(engine:confirmation(question)), "text"))]],
["engine:resolve"] = [[
local outcome = assert(engine:resolve(question, { accept = true }, { actor = ann }))
print(outcome.status, outcome.to)]],
["engine:retry"] = [[
local outcome, message, code = engine:retry(entry, { actor = ann })
print(outcome, code) -- nil, "invalid": this entry has not failed]],
["engine:retry_delivery"] = [[
local delivery, message, code = engine:retry_delivery(1)
print(delivery and delivery.state or code)]],
["engine:retry_notices"] = [[
print(engine:retry_notices())]],
["engine:revert"] = [[
print(assert(engine:revert(1, { actor = ann }))) -- the new revision]],
["engine:revisions"] = [[
for _, revision in ipairs(assert(engine:revisions())) do
  print(revision.revision, revision.at, revision.actor and revision.actor.name)
end]],
["engine:save"] = [[
local config = engine:config()
config.rules[1].ask = true
local revision, message, code, problems = engine:save(config, { actor = ann, revision = config.revision })
print(revision)]],
["engine:save_draft"] = [[
local config = engine:config()
config.rules[1].set_category = 6
local draft = assert(engine:save_draft(config, { actor = ann }))
print(draft.effect.moved, draft.effect.companies)]],
["engine:set_right"] = [[
local page = assert(engine:drift { source = "journal" })
print(engine:set_right(page.items, { actor = ann, preview = true }))]],
["engine:shadow"] = [[
local report, message = engine:shadow { days = 7 }
print(report or message)]],
["engine:suggest"] = [[
for _, found in ipairs(assert(engine:suggest { days = 90 }).suggestions) do
  print(found.rule, found.sentence)
end]],
["engine:simulate"] = [[
local config = engine:config()
config.rules[1].set_category = 6
local report = assert(engine:simulate({ { trigger = "sale_won", company = "Acme", category = 1 } }, {
  config = config, against = engine:config(),
}))
print(report.changed.companies)]],
["engine:stats"] = [[
local stats = assert(engine:stats())
print(stats.journal.used, stats.commits.count)]],
["engine:sweep"] = [[
print(assert(engine:sweep()).expired)]],
["engine:tenant"] = [[
local other = engine:tenant "customer-2"
print(other:config().revision) -- 0: rules of its own]],
["engine:triggers"] = [[
for _, trigger in ipairs(assert(engine:triggers())) do
  print(trigger.trigger, trigger.own)
end]],
["engine:undo"] = [[
local outcome = assert(engine:undo(entry, { actor = ann }))
print(outcome.status, outcome.to)
local undone = assert(engine:undo({ revision = 1, preview = true }))
print(#undone.undone)]],
["engine:view"] = [[
local view = assert(engine:view(engine:confirmation(question), { actor = ann }))
print(view.title, view.sentence)]],
["engine:why"] = [[
for _, decision in ipairs(assert(engine:why "Acme").decisions) do
  print(decision.trigger, decision.sentence)
end]],
["engine.host:companies"] = [[
for company, category in engine.host:companies() do
  print(company, category)
end]],
["engine.host:create"] = [[
assert(engine.host:create("Dyno", 1))]],
["engine.host:create_many"] = [[
print(engine.host:create_many({ "Dyno", "Edda" }, 1))]],
["engine.host:get"] = [[
print(engine.host:get "Acme")]],
["leadcat.hooks.contact_saved"] = [[
local events = leadcat.hooks.contact_saved({ id = 7, company = "Acme", lead_status = 1 },
  { id = 7, company = "Acme", lead_status = 5 }, { source = "crm", version = 2 })
print(events[1].trigger, events[1].lead_status)]],
["leadcat.hooks.sale_saved"] = [[
local before, after = { id = 17, company = "Acme", status = "open" }, { id = 17, company = "Acme", status = "won" }
for _, event in ipairs(leadcat.hooks.sale_saved(before, after, { source = "crm", version = 2 })) do
  assert(engine:handle(event))
end]],
["leadcat.resty.serve"] = [[
require("leadcat.resty").serve { engine = engine, authenticate = function(request)
  return crm.session_of(request.headers.cookie) -- {id, name, language, admin}, and a tenant; or nil
end }]],
["leadcat.resty.start"] = [[
require("leadcat.resty").start(engine)]],
["leadcat.http.new"] = [[
local app = require("leadcat.http").new { engine = engine, authenticate = function() return ann end }]],
["app:respond"] = [[
local app = require("leadcat.http").new { engine = engine, authenticate = function() return ann end }
local answer = app:respond { method = "GET", path = "/leadcat/api/config", headers = {} }
print(answer.status, answer.headers["Content-Type"], #answer.body)]],
["leadcat.host.sql"] = [[
local host = require "leadcat.host.sql" {
  adapter = require "leadcat.host.sql.dbi" { driver = "SQLite3", database = "/tmp/crm.sqlite" },
  companies = { table = "companies", id = "id", category = "category_id" },
}]],
["leadcat.host.sql.schema"] = [[
print(require("leadcat.host.sql").schema("postgresql"))]],
["leadcat.host.sql.dbi"] = [[
local adapter = require "leadcat.host.sql.dbi" { driver = "PostgreSQL", database = "crm", host = "127.0.0.1" }]],
["leadcat.host.sql.pg"] = [[
local adapter = require "leadcat.host.sql.pg" { url = "postgresql://crm@127.0.0.1/crm", size = 4 }]],
["leadcat.host.http"] = [[
local host = require "leadcat.host.http" {
  url = "https://crm.example.com", headers = { Authorization = "Bearer secret" },
  read = { path = "/companies/{company}", category = "category.id" },
  write = { path = "/companies/{company}", body = { category = "{to}" } },
}]],
["leadcat.host.http.list"] = [[
local body = { ids = require("leadcat.host.http").list {} } -- {"ids": []}]],
["leadcat.host.http.request"] = [[
local answer, message = require("leadcat.host.http").request { url = "http://127.0.0.1:1/token", body = { id = "crm" } }
print(answer and answer.json.token or message)]],
["leadcat.source.outbox"] = [[
local source = require "leadcat.source.outbox" {
  adapter = require "leadcat.host.sql.dbi" { driver = "SQLite3", database = "/tmp/crm.sqlite" },
  statuses = { new = "open", signed = "won", rejected = "lost" },
}]],
["leadcat.source.outbox.schema"] = [[
print(require("leadcat.source.outbox").schema { dialect = "postgresql", sales = "sales", company = "company_id" })]],
["leadcat.source.poll"] = [[
local source = require "leadcat.source.poll" {
  name = "crm", overlap = 60,
  since = function(cursor, limit) return {}, cursor end, -- what has changed since then
}
print(source:step(engine).handled)]],
["leadcat.source.webhook"] = [[
local hook = require "leadcat.source.webhook" { kind = "pipedrive", secret = "leadcat:secret" }
print(hook:step(engine).handled)]],
["leadcat.notify.webhook"] = [[
local notifier = require "leadcat.notify.webhook" {
  url = "https://crm.example.com/leadcat", secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}]],
["leadcat.notify.command"] = [[
local notifier = require "leadcat.notify.command" { "/usr/local/bin/tell-sales", events = { "question.asked" } }]],
["leadcat.render.confirmation.element"] = [[
local h, view = require "leadcat.render.html", engine:view(engine:confirmation(question))
print(h.render(h.div { require("leadcat.render.confirmation").element(view) }))]],
["leadcat.render.confirmation.html"] = [[
local view = engine:view(engine:confirmation(question))
print(require("leadcat.render.confirmation").html(view, { base = "/leadcat" }))]],
["leadcat.render.html.document"] = [[
local h = require "leadcat.render.html"
print(h.document { lang = "en", h.head { h.title { "Hello" } }, h.body { h.p { "Hello" } } })]],
["leadcat.render.html.raw"] = [[
local h = require "leadcat.render.html"
print(h.render(h.p { h.raw "<b>safe</b>" }))]],
["leadcat.render.html.render"] = [[
local h = require "leadcat.render.html"
print(h.render(h.p { class = "note", "1 < 2" })) -- <p class="note">1 &lt; 2</p>]],
["leadcat.render.text.confirmation"] = [[
print(require("leadcat.render.text").confirmation(engine:view(engine:confirmation(question))))]],
}

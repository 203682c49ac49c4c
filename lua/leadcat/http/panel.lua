--- The panel: a small page that a host embeds beside a company. It has buttons only where the integrator has said which
-- pages may frame it (`frame_ancestors`), so that no other one can have somebody press them unseen.

local about = require "leadcat.http.about"
local held = require "leadcat.http.held"
local history = require "leadcat.http.history"
local pages = require "leadcat.http.pages"
local panel_page = require "leadcat.pages.panel"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local standing = require "leadcat.past.standing"

local must = response.must

local panel = {}

-- The company, if the actor may see it. Who may not does not learn whether there is one.
local function find(context)
  local engine, actor = context.engine, context.actor
  local found = #context.id <= 255 and must(engine:can(actor, "view")) and about.find(context, context.id)
  return found and found.is_known and must(engine:can(actor, "view", { company = found.company })) and found
    or response.fail "not_found"
end

-- What the actor may do about what stands, by what it is about.
local function buttons_of(context, now)
  local engine, offers = context.engine, response.offers
  return {
    change = now.change and not engine.readonly
      and must(standing.actions(engine, { now.change }, context.actor))[now.change.entry] or nil,
    question = now.question and offers(context, "confirm", now.question),
    scheduled = now.scheduled and offers(context, "undo", now.scheduled),
    held = now.held and offers(context, "release", now.held),
  }
end

function panel.page(context)
  local found, engine = find(context), context.engine
  local now, cfg = about.standing(context, found.company), must(engine:config())
  local sent = request_of.fields(context.request.query)
  local refused, said, kind = history.refused(context, sent, cfg), pages.said(context)
  return response.page(context, 200, panel_page.html, {
    company = found.company, name = engine:company_name(found.company), category = found.category, cfg = cfg,
    change = now.change, scheduled = now.scheduled, held = now.held,
    question = now.question and must(engine:view(now.question, { actor = context.actor })),
    may = buttons_of(context, now), has_buttons = context.app.options.frame_ancestors ~= nil,
    said = said or held.said(context, sent) or history.done(context, sent, cfg),
    kind = kind or not (sent.cancelled or sent.released) and "updated" or nil,
    refused = refused and refused.words or held.refused(context, sent),
  })
end

return panel

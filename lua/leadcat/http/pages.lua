--- The pages of questions, and what their forms do with several of them, or with whose they are. Everything works without
-- JavaScript: scripts post the same forms, or call `http/api.lua`. Handlers are called as `http.lua` says.

local api = require "leadcat.http.api"
local confirmation = require "leadcat.events.confirmation"
local event_of = require "leadcat.events.event"
local inbox_page = require "leadcat.pages.inbox"
local page = require "leadcat.pages.page"
local platform = require "leadcat.util.platform"
local problem_page = require "leadcat.pages.problem"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local wording = require "leadcat.words.wording"

local allow, fail, must = response.allow, response.fail, response.must

local pages = {}

local PAGE = 50
local MOST = 100 -- questions that one form answers
local EVERYONE = { everyone = true } -- the subject of being asked whether others' questions may be answered

-- Where the reader is -------------------------------------------------------------------------------------------------

-- Whose questions the address asks for, and after which.
local function asked_for(context)
  local sent = request_of.fields(context.request.query)
  local everyone = sent.everyone == "true"
  local query = api.query(context, everyone and { "user" } or {}, api.cursor_of_confirmations)
  return { everyone = everyone or nil, user = query.user, after = query.after }
end

-- The users that the host knows, to choose from; nil: it does not say.
local function users_of(context)
  local ask = context.app.options.users
  return ask and must(ask(context.actor, context.engine._tenant)) or nil
end

local function may_everyone(context)
  return context.engine:can(context.actor, "confirm", EVERYONE) == true
end

-- The inbox -----------------------------------------------------------------------------------------------------------

-- The question as it is now; nil where the reader may not see it.
local function view_of(context, id)
  local record = context.engine:confirmation(id)
  return record and context.engine:can(context.actor, "view", record) == true
    and context.engine:view(record, { actor = context.actor }) or nil
end

--- The sentence about the question that was just answered, or given to somebody else, and how it looks.
function pages.said(context)
  local sent = request_of.fields(context.request.query)
  local id = sent.answered or sent.assigned
  local view = id and view_of(context, id)
  if not view then
    return nil
  elseif sent.assigned then
    return view.assigned and wording.sentence(context, "inbox.assigned_one", {
      company = view.company, user = view.owner or wording.sentence(context, "confirmation.somebody"),
    }) or nil
  end
  return inbox_page.said(view, context)
end

-- Fills in the questions of the page, and what the reader may do with each.
local function find(context, model)
  local query = { user = model.user, state = "open", after = model.after }
  if not model.everyone then
    query.user = context.actor.id
  end
  local nobody = not model.everyone and query.user == nil
  local found = nobody and { items = {} } or api.questions(context, query, PAGE)
  model.views, model.owners, model.locked, model.companies, model.next = {}, {}, {}, {}, found.next
  for i, record in ipairs(found.items) do
    model.views[i] = must(context.engine:view(record, { actor = context.actor }))
    model.owners[i], model.companies[record.id] = confirmation.owner(record) or false, record.company
    model.locked[record.id] = not response.offers(context, "confirm", record) or nil
    platform.give_way()
  end
end

local function show(context, model)
  model.may_everyone = may_everyone(context)
  find(context, model)
  model.users = model.views[2] and users_of(context)
  return response.page(context, 200, inbox_page.html, model)
end

--- The open questions: the reader's, or everyone's, or another user's, for who may answer these.
function pages.inbox(context)
  local model = asked_for(context)
  if model.everyone then
    allow(context, "confirm", EVERYONE)
  end
  model.said, model.kind = pages.said(context)
  return show(context, model)
end

-- Several at once -----------------------------------------------------------------------------------------------------

-- The ids that a form has chosen, in order.
local function chosen(fields)
  local prefix, ids = fields.all == "true" and "shown" or "pick", {}
  for name in pairs(fields) do
    ids[#ids + 1] = name:match("^" .. prefix .. "%-(%x+)$")
  end
  table.sort(ids)
  return ids
end

-- Whom a form names; nil for nobody. A user that the host knows has the id and the name that it says.
local function user_of(context, fields)
  local id = fields.user ~= "" and fields.user or nil
  for _, user in ipairs(id and users_of(context) or {}) do
    if event_of.key(user.id) == id then
      return user
    end
  end
  return id and { id = id, name = wording.line(fields.name) and fields.name or nil }
end

local DONE = { updated = true, applying = true, declined = true }

-- Why an answer has not been carried out, in the reader's language.
local function why_not(context, view, outcome, code)
  if outcome and outcome.status == "failed" then
    local key = outcome.code == "refused" and "inbox.refused" or "inbox.failed"
    return wording.sentence(context, key, { company = view.company })
  end
  return view.closed or problem_page.detail(context.strings, context.language, code or "conflict")
end

-- Does what is to be done with one question: true, or why not as the page shows it.
local function do_one(context, id, act)
  local outcome, _, code = act(id)
  if outcome and (outcome.state or DONE[outcome.status]) then
    return true
  end
  local view = view_of(context, id)
  if not view then
    return { why = problem_page.detail(context.strings, context.language, "not_found") }
  end
  return { id = view.state == "open" and id or nil, company = view.company,
    why = why_not(context, view, outcome, code) }
end

-- What the form's button does with a question; nil: it is none.
local function act_of(context, fields, to)
  local engine, options = context.engine, { actor = context.actor }
  local answers = { accept = { accept = true }, decline = { decline = true } }
  if fields["do"] == "assign" then
    return function(id) return engine:assign(id, { to = to }, options) end
  end
  local answer = answers[fields["do"]]
  return answer and function(id) return engine:resolve(id, answer, options) end
end

-- Why nothing can be done; nil when something can.
local function problem_of(context, fields, ids, to)
  if not ids[1] then
    return wording.sentence(context, "inbox.none_chosen")
  elseif #ids > MOST then
    return wording.sentence(context, "inbox.too_many", { count = ("%d"):format(MOST) })
  elseif fields["do"] == "assign" and not to then
    return wording.sentence(context, "inbox.cannot_assign")
  end
end

--- Answers the chosen questions, or gives them to somebody else, each by itself; shows what is left, and why.
function pages.several(context)
  local fields = must(request_of.form(context.request))
  local ids, to = chosen(fields), fields["do"] == "assign" and user_of(context, fields) or nil
  local act, model = act_of(context, fields, to) or fail "malformed", asked_for(context)
  model.everyone = model.everyone and may_everyone(context) or nil
  model.problem = problem_of(context, fields, ids, to)
  if model.problem then
    return show(context, model)
  end
  model.left = {}
  for _, id in ipairs(ids) do
    local done = do_one(context, id, act)
    model.left[#model.left + 1] = done ~= true and done or nil
    platform.give_way()
  end
  local count = #ids - #model.left
  model.said = count > 0 and wording.sentence(context, to and "inbox.assigned_many" or "inbox.answered_many", {
    count = ("%d"):format(count), user = wording.called(to),
  }) or nil
  model.kind = not to and fields["do"] == "accept" and "updated" or nil
  return show(context, model)
end

-- One question --------------------------------------------------------------------------------------------------------

--- The page of one question. `dialog`, for scripts: the dialog is shown on another page, and leaving it only closes it.
function pages.question(context)
  local record, model = api.find(context), asked_for(context)
  local place = inbox_page.place(model)
  local view = must(context.engine:view(record, { actor = context.actor }))
  local is_dialog = request_of.fields(context.request.query).dialog
  local dialog = context.engine:render(view, "html", {
    action = ("%s/api/confirmations/%s%s"):format(context.app.prefix, record.id, place),
    back = not is_dialog and context.app.prefix .. "/confirmations" .. place or nil,
  })
  local may_assign = record.state == "open" and response.offers(context, "assign", record)
  return response.page(context, 200, inbox_page.question, {
    dialog = dialog, view = view, place = place, may_assign = may_assign, users = may_assign and users_of(context),
  })
end

-- Goes back to where the reader was in the inbox, which says what was done.
local function back(context, what)
  local place = inbox_page.place(asked_for(context))
  local sign = place == "" and "?" or "&"
  return response.redirect(context, ("/confirmations%s%s%s=%s"):format(place, sign, what, context.id))
end

--- Answers a question: `{"accept": true}`, `{"category": ID}` or `{"decline": true}`, or a form.
function pages.resolve(context)
  local made = api.resolve(context)
  if not context.wants_page or made.status >= 300 then
    return made
  elseif context.panel then
    return response.redirect(context, page.panel(context.panel) .. "?answered=" .. context.id)
  end
  return back(context, "answered")
end

--- Gives a question to somebody else: `{"to": {"id": ID, "name": NAME}}`, or a form.
function pages.assign(context)
  local what
  if context.wants_page then
    what = { to = user_of(context, must(request_of.form(context.request))) }
  else
    what = must(request_of.json_table(context.request, "an object with to expected"))
  end
  local record, message, code, closed = context.engine:assign(context.id, what, { actor = context.actor })
  if code == "forbidden" then
    allow(context, "assign", api.find(context)) -- the question cannot be found when the actor may not even see it
    fail(code)
  elseif code == "invalid" and context.wants_page then
    fail(code, message, wording.sentence(context, "inbox.cannot_assign"))
  elseif not record then
    fail(code, not closed and message or nil, api.why_closed(context, closed))
  elseif context.wants_page then
    return back(context, "assigned")
  end
  return response.json(200, record)
end

return pages

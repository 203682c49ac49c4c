--- The pages of questions. Everything works without JavaScript: scripts post the same forms, or call
-- `http/api.lua`. Handlers are called as `http.lua` says.

local api = require "leadcat.http.api"
local inbox_page = require "leadcat.pages.inbox"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"

local must = response.must

local pages = {}

local PAGE = 50

-- Questions -----------------------------------------------------------------------------------------------------------

--- The sentence about the question that was just answered.
function pages.said(context)
  local id = request_of.fields(context.request.query).answered
  local record = id and context.engine:confirmation(id)
  local view = record and context.engine:can(context.actor, "view", record)
    and context.engine:view(record, { actor = context.actor })
  return view and inbox_page.said(view, context) or nil
end

function pages.inbox(context)
  local query, views, companies = api.query(context, {}, api.cursor_of_confirmations), {}, {}
  query.user, query.state = context.actor.id, "open"
  local found = query.user == nil and { items = {} } or api.questions(context, query, PAGE)
  for i, record in ipairs(found.items) do
    views[i], companies[record.id] = must(context.engine:view(record, { actor = context.actor })), record.company
  end
  return response.page(context, 200, inbox_page.html, {
    views = views, companies = companies, next = found.next, said = pages.said(context),
  })
end

function pages.question(context)
  local record = api.find(context)
  local view = must(context.engine:view(record, { actor = context.actor }))
  local action = ("%s/api/confirmations/%s"):format(context.app.prefix, record.id)
  local dialog = context.engine:render(view, "html", { action = action })
  return response.page(context, 200, inbox_page.question, { dialog = dialog, view = view })
end

return pages

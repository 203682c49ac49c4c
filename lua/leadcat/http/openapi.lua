--- `GET /openapi.json`: what the routes take and give, as OpenAPI 3.1. Routes and permissions are those of `http.lua`,
-- parameters those of `http/api.lua`, shapes those of the annotations (`web/schemas.json`, of `make schemas`); this file
-- says what each route is for, and which shapes go with it.

local api = require "leadcat.http.api"
local core = require "leadcat.core"
local json = require "leadcat.util.json"
local request_of = require "leadcat.http.request"
local response = require "leadcat.http.response"
local web = require "leadcat.pages.web"

local openapi = {}

-- What routes take and give ------------------------------------------------------------------------------------------

local function ref(name)
  return { ["$ref"] = "#/components/schemas/" .. name }
end

local function list(name)
  return { type = "array", items = ref(name) }
end

local function object(properties, required)
  return { type = "object", properties = properties, required = json.array(required or {}) }
end

local ID = { anyOf = json.array { { type = "string" }, { type = "integer" } } }
local INTEGER = { type = "integer" }
local EVENTS = { anyOf = json.array { ref "Event", list "Event" } }
local OUTCOMES = { anyOf = json.array { ref "Outcome", list "Outcome" } }
local CHANGES = object({ changes = list "Change", next = { type = "string" } }, { "changes", "next" })

-- 202: a draft, with four eyes.
local SAVED = object { revision = INTEGER, draft = ref "Draft" }

local HELD = object {
  entries = { type = "array", items = INTEGER, minItems = 1, maxItems = 1000 }, rule = { type = "string" },
  all = { const = true },
}

-- By method and path: what it does; `takes`: a body; `gives`: an answer with 200; `list`: of the parameters in
-- `api.PARAMETERS`, described as the fields of the class; `codes`: errors besides those that every route may have; `id`: what the
-- path has; `later`: 202 where the change is not made yet; `asks`: the permission for what it finds.
local OPERATIONS = {
  ["POST /api/events"] = {
    "Handles an event, or up to 1,000 in order. The caller is the actor, the host says the category; `facts` are for "
      .. "services.",
    takes = EVENTS, gives = OUTCOMES, later = true, codes = "too_large unsupported_type malformed",
  },
  ["POST /api/propose"] = {
    "The question that an event would ask, before anything is saved; 204 when there is nothing to ask. As HTML with "
      .. "Accept: text/html.",
    takes = ref "Event", gives = ref "View", html = true, nothing = true,
    codes = "too_large unsupported_type malformed",
  },
  ["GET /api/explain"] = {
    "Why: what each trigger would do to a company now, and what was done with it last; with `at` or `entry` what the "
      .. "rules of then would have done.", list = "why", class = "WhyOptions", codes = "not_found",
    gives = ref "Why", pages = true,
  },
  ["POST /api/explain"] = {
    "Why: the decision about an event, check by check.", takes = ref "Event", gives = ref "Explanation",
    codes = "too_large unsupported_type malformed",
  },
  ["GET /api/config"] = { "The newest config; its ETag is the revision.", gives = ref "Config", is_tagged = true },
  ["PUT /api/config"] = {
    "Saves a whole config as a new revision, if the newest one is that of If-Match. 202: as a draft, with four eyes.",
    takes = ref "Config", if_match = true, gives = SAVED, later = true,
    codes = "stale revision_required too_large unsupported_type malformed",
  },
  ["GET /api/drafts"] = { "Drafts of the config, newest first; at most 20.", gives = list "Draft" },
  ["POST /api/drafts"] = {
    "Saves a config as a draft, with what it would have done; its `revision` is the one that it was made from.",
    takes = object({ config = ref "Config", note = { type = "string" } }, { "config" }), gives = ref "Draft",
    codes = "not_found too_large unsupported_type malformed",
  },
  ["GET /api/drafts/{id}"] = {
    "A draft, its config, and what it would change now.", id = "of the draft", gives = ref "DraftView",
    codes = "not_found",
  },
  ["POST /api/drafts/{id}/approve"] = {
    "Makes a draft active, now or `at` a time. With four eyes not one's own.", id = "of the draft", asks = "approve",
    takes = object { at = { type = "number" } }, gives = ref "Draft",
    codes = "not_found conflict too_large unsupported_type malformed",
  },
  ["POST /api/drafts/{id}/discard"] = {
    "Removes a draft.", id = "of the draft", gives = object({ discarded = INTEGER }, { "discarded" }),
    codes = "not_found conflict",
  },
  ["GET /api/fields"] = { "What conditions may compare.", gives = list "Field" },
  ["GET /api/triggers"] = { "What triggers events and rules may have.", gives = list "Trigger" },
  ["GET /api/confirmations"] = {
    "Questions that were put to users, newest first.", list = "confirmations", class = "ConfirmationsQuery",
    gives = list "Confirmation", pages = true, codes = "not_found",
  },
  ["GET /api/confirmations/count"] = {
    "How many open questions wait for the caller, at most 1,000.", gives = object({ count = INTEGER }, { "count" }),
  },
  ["GET /api/confirmations/{id}"] = {
    "A question.", id = "of the question", asks = "view", gives = ref "Confirmation", codes = "not_found",
  },
  ["POST /api/confirmations/{id}"] = {
    "Answers a question, once. A form, as the dialog sends it, is answered with a redirect to the inbox.",
    id = "of the question", asks = "confirm", takes = ref "Answer", form = true, gives = ref "Outcome", later = true,
    codes = "not_found already_resolved expired conflict too_large unsupported_type malformed",
  },
  ["POST /api/confirmations/{id}/assign"] = {
    "Gives an open question to another user. A form is answered with a redirect to the inbox.", id = "of the question",
    asks = "assign", takes = object({ to = ref "Actor" }, { "to" }), form = true, gives = ref "Confirmation",
    codes = "not_found already_resolved expired too_large unsupported_type malformed",
  },
  ["GET /api/history"] = {
    "The journal, newest first. `actor=me` is the caller, `status=waiting` what waits now.", list = "history",
    class = "HistoryQuery", gives = list "Entry", pages = true,
  },
  ["POST /api/history/{id}/undo"] = {
    "Takes a change back. A form is answered with a redirect to the history, as by the next two.", id = "of the entry",
    asks = "undo", form = true, gives = ref "Outcome", later = true, codes = "not_found conflict",
  },
  ["POST /api/history/{id}/retry"] = {
    "Has the host asked again for a change that has failed.", id = "of the entry", asks = "undo", form = true,
    gives = ref "Outcome", later = true, codes = "not_found conflict",
  },
  ["POST /api/history/{id}/cancel"] = {
    "Calls off what is scheduled.", id = "of the entry", asks = "undo", form = true, gives = ref "Outcome",
    codes = "not_found conflict",
  },
  ["POST /api/undo"] = {
    "Takes back all that a run or a revision has done, or says what that would do.", takes = ref "UndoWhat",
    gives = { anyOf = json.array { ref "Undone", ref "Outcome" } }, pages = true,
    codes = "not_found conflict too_large unsupported_type malformed",
  },
  ["GET /api/shadow"] = {
    "What rules on trial would have done, beside what was done; with `rule` also the cases.", list = "shadow",
    class = "ShadowQuery", gives = ref "ShadowReport", codes = "not_found",
  },
  ["GET /api/suggestions"] = {
    "What the answers teach: rules that would spare users to correct what is proposed.", list = "suggestions",
    class = "SuggestOptions", gives = ref "Suggestions", codes = "not_found",
  },
  ["POST /api/shadow/real"] = {
    "Saves the rules with this one no longer on trial.", takes = object({ rule = { type = "string" } }, { "rule" }),
    gives = SAVED, later = true,
    codes = "not_found stale too_large unsupported_type malformed",
  },
  ["GET /api/held"] = {
    "What rules at their limit have matched, the oldest first.", list = "held", class = "HeldQuery",
    gives = list "HeldEntry", pages = true,
  },
  ["POST /api/held/release"] = {
    "Has what is held decided anew: `entries`, all of a `rule`, or `all`; at most 1,000 in a request.", takes = HELD,
    gives = ref "Released", codes = "not_found too_large unsupported_type malformed",
  },
  ["POST /api/held/drop"] = {
    "Has what is held come to nothing.", takes = HELD, gives = ref "Released",
    codes = "not_found too_large unsupported_type malformed",
  },
  ["GET /api/health"] = {
    "How the rules fare: what each has done by day, and which is silent.", list = "health", class = "HealthOptions",
    gives = ref "Health",
  },
  ["GET /api/changes"] = {
    "All that was done, oldest first, and the cursor to go on with; waits for it when told.", list = "changes",
    class = "ChangesOptions", gives = CHANGES, codes = "expired",
  },
  ["POST /api/companies/{id}/rename"] = {
    "The company has another id now.", id = "of the company",
    takes = object({ to = ID }, { "to" }), gives = ref "Moved",
    codes = "not_found conflict too_large unsupported_type malformed",
  },
  ["POST /api/companies/{id}/merge"] = {
    "The company has become part of another one, which keeps its category.", id = "of the company",
    takes = object({ into = ID }, { "into" }), gives = ref "Moved",
    codes = "not_found conflict too_large unsupported_type malformed",
  },
  ["POST /api/companies/{id}/delete"] = {
    "There is no such company any more.", id = "of the company", gives = ref "Moved", codes = "not_found conflict",
  },
  ["POST /api/forget"] = {
    "Erases a person from all that is kept.", takes = ref "ForgetWhat", gives = ref "Forgotten",
    codes = "conflict too_large unsupported_type malformed",
  },
  ["POST /hooks/{id}"] = {
    "Stores what a CRM sends; its signature says who that is. 200 when it is on disk.",
    id = "of the webhook, as `serve` was told", takes = {},
    gives = object({ status = { type = "string", enum = json.array { "stored", "known" } } }, { "status" }),
    codes = "unauthenticated not_found too_large unsupported_type",
  },
  ["GET /metrics"] = { "Counters and state, in Prometheus' text format.", text = "text/plain" },
  ["GET /health"] = {
    "200 when the store can be read and written, else 503.",
    gives = object({ status = { const = "ok" } }, { "status" }), codes = "unavailable",
  },
  ["GET /openapi.json"] = { "This.", gives = { type = "object" } },
}

-- The same of pages, for people: HTML, without a shape.
local PAGES = {
  ["GET /settings"] = "The tab *Lead categorization*, for administrators.",
  ["POST /settings"] = "Saves the settings, also as a draft, or tries them.",
  ["GET /drafts"] = "Drafts of the rules, newest first.",
  ["GET /drafts/{id}"] = "What a draft would change.",
  ["POST /drafts/{id}"] = "Approves or discards it.",
  ["GET /drift"] = "Companies that stand elsewhere than their sales imply, some at a time.",
  ["POST /drift"] = "What setting the chosen ones right would do; with `sure=1` does it.",
  ["GET /drift.csv"] = "The same as CSV.",
  ["GET /versions"] = "All versions of the rules, newest first.",
  ["GET /versions/{id}"] = "What going back to a version would change.",
  ["POST /versions/{id}"] = "Goes back to it.",
  ["GET /confirmations"] = "The inbox.",
  ["POST /confirmations"] = "Answers several of its questions, or gives them to somebody else.",
  ["GET /confirmations/{id}"] = "The dialog of a question.",
  ["GET /overview"] = "How the rules fare, and how companies were moved, over time; `days` says of how many days.",
  ["GET /suggestions"] = "What the answers teach: rules that would spare users to correct what is proposed.",
  ["GET /why"] = "Why nothing happened to a company, and what would happen now.",
  ["GET /companies/{id}/panel"] = "A small page to embed beside a company.",
  ["GET /history"] = "The journal.",
  ["GET /history.csv"] = "The same as a file.",
  ["GET /history/revisions/{id}"] = "Who saved a version of the rules, and what that changed.",
  ["GET /held"] = "What rules at their limit have matched, and what releasing it would come to.",
  ["POST /held"] = "Releases or drops it.",
  ["GET /trials"] = "What rules on trial would have done, beside what was done.",
  ["POST /trials"] = "Switches one on for real.",
  ["GET /history/undo"] = "What taking all of a run, or of a version, back would do.",
  ["POST /history/undo"] = "Takes it back.",
}

-- The permission that a page asks for when it has found what it is about.
local PAGES_ASK = { ["GET /confirmations/{id}"] = "view", ["GET /companies/{id}/panel"] = "view" }

openapi.OPERATIONS, openapi.PAGES = OPERATIONS, PAGES

-- The document ---------------------------------------------------------------------------------------------------------

local PAGE_OF = "Where there are more, a Link to the next page (rel=next)."

-- The errors of a route, by status.
local function add_errors(responses, route, codes)
  local of = {}
  for code in codes:gmatch "%S+" do
    local status = ("%d"):format(response.STATUS[code])
    of[status] = of[status] or {}
    table.insert(of[status], code)
  end
  for status, names in pairs(of) do
    table.sort(names)
    responses[status] = {
      description = table.concat(names, ", "),
      content = { [route.page and "text/html" or "application/problem+json"] = {
        schema = not route.page and { allOf = json.array {
          ref "HttpProblem", { properties = { code = { enum = json.array(names) } } },
        } } or nil,
      } },
    }
  end
end

local function codes_of(route, operation)
  if route.open then
    return operation.codes or ""
  end
  return (operation.codes or "") .. " invalid unauthenticated forbidden unavailable readonly io corrupt full"
    .. (route.method == "GET" and "" or " cross_site")
end

local function content(operation)
  local made = {}
  if operation.gives then
    made["application/json"] = { schema = operation.gives }
  end
  if operation.html then
    made["text/html"] = {}
  end
  if operation.text then
    made[operation.text] = {}
  end
  return made
end

local function responses_of(route, operation)
  local responses = { ["200"] = { description = operation.pages and PAGE_OF or "done", content = content(operation) } }
  if operation.later then
    responses["202"] = { description = "written down; the change is not made yet", content = content(operation) }
  end
  if operation.nothing then
    responses["204"] = { description = "there is nothing to ask" }
  end
  if operation.form then
    responses["303"] = { description = "of a form: to the page that says what was done" }
  end
  if operation.is_tagged then
    responses["304"] = { description = "as of If-None-Match" }
  end
  add_errors(responses, route, codes_of(route, operation))
  return responses
end

local function parameter(name, place, schema, description)
  return { name = name, ["in"] = place, required = place == "path" or nil, schema = schema, description = description }
end

-- In an address every id is a text.
local function in_address(schema)
  return schema.anyOf and { type = "string" } or { type = schema.type, enum = schema.enum }
end

local function parameters_of(operation, shapes)
  local parameters = json.array {}
  if operation.id then
    parameters[1] = parameter("id", "path", { type = "string" }, operation.id)
  end
  if operation.if_match then
    parameters[#parameters + 1] = parameter("If-Match", "header", { type = "string" }, 'the revision in quotes, or *')
  end
  local properties = operation.class and shapes[operation.class].properties or {}
  for _, name in ipairs(operation.list and api.PARAMETERS[operation.list] or {}) do
    local known = properties[name] or { type = "string" }
    parameters[#parameters + 1] = parameter(name, "query", in_address(known), known.description)
  end
  if operation.list then
    local after = properties.after or { type = "string", description = "where to go on: as the Link or `next` says" }
    parameters[#parameters + 1] = parameter("after", "query", in_address(after), after.description)
  end
  return parameters
end

local function permission_of(route, operation)
  if route.open then
    return nil
  end
  return route.permission or operation.asks or "configure"
end

local function operation_of(route, shapes)
  local name = route.method .. " " .. route.path
  local page = PAGES[name]
  local operation = OPERATIONS[name] or {
    page, text = "text/html", id = route.path:find "{id}" and "" or nil, asks = PAGES_ASK[name],
  }
  local permission = permission_of(route, operation)
  return {
    summary = operation[1], tags = json.array { page and "pages" or "api" }, ["x-permission"] = permission,
    description = permission and ("Needs the permission `%s`."):format(permission) or nil,
    parameters = parameters_of(operation, shapes),
    requestBody = operation.takes and {
      required = true, content = { ["application/json"] = { schema = operation.takes } },
    },
    responses = responses_of(route, operation),
  }
end

local PROBLEM = {
  type = "object", description = "RFC 9457", required = json.array { "status", "title" },
  properties = {
    status = INTEGER, title = { type = "string" }, detail = { type = "string" }, code = { type = "string" },
    error = { type = "string", description = "the engine's words, where the detail is the reader's" },
    problems = list "Problem", outcome = ref "Outcome", start = { type = "string" },
  },
}

local function is_told(route)
  return OPERATIONS[route.method .. " " .. route.path] or PAGES[route.method .. " " .. route.path]
end

--- The document of an application.
---@param app leadcat.http.App
---@return table
function openapi.document(app)
  local shapes, paths = json.decode(web.content "schemas.json"), {}
  for _, route in ipairs(app.routes()) do
    if is_told(route) then -- not so the files that pages load
      paths[route.path] = paths[route.path] or {}
      paths[route.path][route.method:lower()] = operation_of(route, shapes)
    end
  end
  shapes.HttpProblem = PROBLEM
  return {
    openapi = "3.1.0",
    info = {
      title = "leadcat", version = core.version,
      description = "Who calls is said by the host's own session. What changes something must come from a page of the "
        .. "same origin, unless the caller is a service.",
    },
    servers = json.array { { url = app.prefix } }, paths = paths, components = { schemas = shapes },
  }
end

function openapi.get(context)
  local text = json.encode(openapi.document(context.app))
  local headers = { ETag = ('"%s"'):format(core.checksum(text)), ["Cache-Control"] = "public, max-age=300" }
  if request_of.has_tag(context.request, headers.ETag) then
    return response.new(304, nil, nil, headers)
  end
  return response.new(200, text, "application/json", headers)
end

return openapi

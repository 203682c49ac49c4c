--- The route by which programs follow what is done. The handler is called as `http.lua` says.

local api = require "leadcat.http.api"
local json = require "leadcat.util.json"
local pager = require "leadcat.http.pager"
local response = require "leadcat.http.response"

local changes = {}

local DEFAULT_LIMIT = 100

-- What the actor may see of a change: of one about a question both that and the entry.
local function is_visible(context, change)
  return api.is_visible(context, change.entry)
    and (change.confirmation == nil or api.is_visible(context, change.confirmation))
end

-- Where to go on has its place in the problem: `start`.
local function expired(message, start)
  return response.new(410, json.encode {
    status = 410, code = "expired", title = "Changes behind this cursor are no longer kept.", detail = message,
    start = start,
  }, "application/problem+json")
end

--- A page of changes, and the cursor to go on with, also when there are none.
function changes.changes(context)
  local query = api.query(context, api.PARAMETERS.changes, tostring)
  local wait, last, start = query.wait, query.after, nil
  query.wait = nil
  local function read(asked)
    local found, going_on, code, behind = context.engine:changes(asked.after, { limit = asked.limit, wait = wait })
    if code == "expired" then
      last, start = going_on, behind
      return {}
    end
    response.must(found, going_on, code)
    wait, last = nil, going_on
    return found, #found == asked.limit and going_on or nil
  end
  local page = pager.read {
    query = query, limit = query.limit or DEFAULT_LIMIT, read = read,
    visible = function(change) return is_visible(context, change) end,
    cursor = function(change) return change.cursor end,
  }
  if start then
    return expired(last, start)
  end
  local body = ('{"changes":[%s],"next":%s}'):format(table.concat(page.texts, ","), json.encode(page.next or last))
  return response.new(200, body, "application/json")
end

return changes

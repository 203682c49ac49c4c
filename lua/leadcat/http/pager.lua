--- Pages of lists: by number, and by bytes, so that no answer is large and no other request waits long.

local json = require "leadcat.util.json"
local merged = require "leadcat.util.merged"
local platform = require "leadcat.util.platform"
local response = require "leadcat.http.response"
local url = require "leadcat.util.url"

local pager = {}

local MOST = 256 * 1024 -- bytes of the items of a page, as JSON
local BLOCK = 50 -- items that are read at a time
local TRIES = 10 -- reads of a page that find less than they may: each looks at some of what is searched through

---@class leadcat.http.Page
---@field items table[] that the actor may see
---@field texts string[] the same as JSON
---@field next? string|integer the cursor of the next page; nil at the end
---@field searched boolean whether all items of the page were found; false: the search stopped early

--- Links to the next page.
---@param context leadcat.http.Context
---@param query table<string, any> parameters of the address
---@param after? string|integer nil: this is the last page
---@return table<string, string> headers
function pager.link(context, query, after)
  if not after then
    return {}
  end
  local words = {}
  for name, value in pairs(query) do
    words[#words + 1] = name ~= "after" and name .. "=" .. url.escape(tostring(value)) or nil
  end
  table.sort(words)
  table.insert(words, 1, "after=" .. url.escape(tostring(after)))
  return { Link = ('<%s?%s>; rel="next"'):format(context.request.path, table.concat(words, "&")) }
end

-- Adds a block to the page. Returns false when the page is full.
local function add(page, block, how, room)
  for _, item in ipairs(block) do
    local seen = how.visible(item)
    local text = seen and json.encode(item) or ""
    if page.bytes + #text > room and page.items[1] then
      return false
    end
    page.bytes, page.next = page.bytes + #text, how.cursor(item)
    if seen then
      page.items[#page.items + 1], page.texts[#page.texts + 1] = item, text
    end
  end
  return true
end

--- Reads a page: at most `limit` items and 256 KB, at least one item.
---@param how {query: table, limit: integer, bytes?: integer, tries?: integer, read: (fun(query: table): table[], any), visible: (fun(item: table): any), cursor: fun(item: table): string|integer} read: gives items, and where to go on; nil at the end
---@return leadcat.http.Page
function pager.read(how)
  local page, left = { items = {}, texts = {}, bytes = 0, searched = true }, how.limit
  local after, tries = how.query.after, how.tries or TRIES
  repeat
    local size = math.min(left, BLOCK)
    local block, going_on = how.read(merged(how.query, { limit = size, after = after }))
    if not add(page, block, how, how.bytes or MOST) then
      return page
    end
    after, page.next, left = going_on, going_on, left - #block
    tries = #block == size and tries or tries - 1
    platform.give_way()
  until left == 0 or not going_on or tries == 0
  page.searched = left == 0 or not page.next
  return page
end

--- The rows of a list from a place on that fit into a page, as JSON, and the place of the last one; nil at the end.
---@param rows any[]
---@param after integer 0: from the first one
---@param most? integer bytes
---@param limit? integer rows
---@return table[] rows, integer? next
function pager.slice(rows, after, most, limit)
  local part, bytes = json.array {}, 0
  for place = after + 1, #rows do
    bytes = bytes + #json.encode(rows[place])
    if (bytes > (most or MOST) or #part == limit) and part[1] then
      return part, place - 1
    end
    part[#part + 1] = rows[place]
    platform.give_way()
  end
  return part, nil
end

--- The response of a page.
---@param context leadcat.http.Context
---@param query table
---@param page leadcat.http.Page
function pager.respond(context, query, page)
  local body = "[" .. table.concat(page.texts, ",") .. "]"
  return response.new(200, body, "application/json", pager.link(context, query, page.next))
end

return pager

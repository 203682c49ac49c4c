--- The events of a file, by company: a source for `engine:drift`. In a file a company's events are far apart. They are dealt out
-- to temporary files by their company, so that one part of the companies fits into memory at a time.

local core = require "leadcat.core"
local event_of = require "leadcat.events.event"
local json = require "leadcat.util.json"
local platform = require "leadcat.util.platform"

local grouped = {}
grouped.__index = grouped

local PARTS = 64
local STEP = 1000 -- events between two chances for others

-- The part of a company: the same in each run.
local function part_of(key)
  return tonumber(core.checksum(key):sub(-4), 16) % PARTS + 1
end

local function open_parts()
  local parts = {}
  for number = 1, PARTS do
    local file, message = io.tmpfile()
    if not file then
      return nil, "a temporary file: " .. tostring(message), "io"
    end
    parts[number] = file
  end
  return parts
end

local function put(parts, event)
  local ok, message = parts[part_of(event_of.key(event.company))]:write(json.encode(event), "\n")
  return ok, not ok and "a temporary file: " .. tostring(message) or nil, not ok and "io" or nil
end

-- Deals out all events.
local function deal(parts, next_event, own)
  local count = 0
  while true do
    local event, message, code = next_event()
    if event == nil then
      return not message or nil, message, message and (code or "invalid")
    end
    count = count + 1
    local problem = event_of.problem(event, own)
    if problem then
      return nil, ("event %d: %s"):format(count, problem), "invalid"
    end
    local ok
    ok, message, code = put(parts, event)
    if not ok then
      return nil, message, code
    end
    if count % STEP == 0 then
      platform.give_way()
    end
  end
end

--- Reads all events.
---@param next_event fun(): leadcat.Event?, string?, string? in any order; nil, message, code when it fails
---@param own? string[] the integrator's own triggers
---@return leadcat.DriftSource? source, string? message, string? code
function grouped.new(next_event, own)
  local parts, message, code = open_parts()
  local ok
  if parts then
    ok, message, code = deal(parts, next_event, own)
  end
  return ok and setmetatable({ name = "file", parts = parts }, grouped) or nil, message, code
end

-- Puts events in the order of their times; those of one time, and without any, stay as they came.
local function sort(events)
  local places = {}
  for place, event in ipairs(events) do
    places[event] = place
  end
  table.sort(events, function(a, b)
    local at, other = a.at or -math.huge, b.at or -math.huge
    return at < other or at == other and places[a] < places[b]
  end)
end

-- The companies of a part, by their texts, each with its events in order.
local function read_part(self, number)
  local file, companies, by_key = self.parts[number], {}, {}
  local ok, message = file:seek("set", 0)
  if not ok then
    return nil, "a temporary file: " .. tostring(message), "io"
  end
  for line in file:lines() do
    local event = json.decode(line)
    local key = event_of.key(event.company)
    local company = by_key[key]
    if not company then
      company = { key = key, company = event.company, events = {} }
      companies[#companies + 1], by_key[key] = company, company
    end
    company.events[#company.events + 1] = event
  end
  for _, company in ipairs(companies) do
    sort(company.events)
  end
  table.sort(companies, function(a, b) return a.key < b.key end)
  self.number, self.companies = number, companies
  return companies
end

-- Whether something has happened since then.
local function is_recent(company, since)
  local last = company.events[#company.events]
  return since == nil or last.at == nil or last.at >= since
end

--- The companies behind a place, which is a part's number and how many of it are done.
function grouped:page(_, after, limit, since)
  local number, done = (after or ""):match "^(%d+)%.(%d+)$"
  number, done = tonumber(number) or 1, tonumber(done) or 0
  local found = {}
  while number <= PARTS do
    local companies, message, code = self.companies, nil, nil
    if self.number ~= number then
      companies, message, code = read_part(self, number)
    end
    if not companies then
      return nil, message, code
    end
    while done < #companies and #found < limit do
      done = done + 1
      local company = companies[done]
      found[#found + 1] = is_recent(company, since) and company or nil
    end
    if #found == limit then
      return { companies = found, after = ("%d.%d"):format(number, done) }
    end
    number, done = number + 1, 0
  end
  self.number, self.companies = nil, nil
  return { companies = found }
end

--- Lets go of the temporary files.
function grouped:close()
  for _, file in ipairs(self.parts) do
    file:close()
  end
  self.parts = {}
end

return grouped

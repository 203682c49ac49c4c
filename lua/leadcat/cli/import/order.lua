--- Events in the order of their times, however many: sort(1) sorts what is larger than memory.

local json = require "leadcat.util.json"

local order = {}

---@class leadcat.import.Ordered the events of an iterator, which it also stands for
local Ordered = {}

-- The fields that are not its own are those of the iterator whose events were sorted.
function Ordered.__index(self, name)
  return Ordered[name] or self.unsorted[name]
end

-- Sends each event to sort(1): its time, its line, and itself. Those without a time stay behind the one before them.
local function send_all(self, pipe, keep_going)
  local at = 0
  while true do
    local event, line, code, bad_line = self.unsorted:next()
    if event then
      at = type(event.at) == "number" and event.at or at
      assert(pipe:write(("%.6f\t%d\t%s\n"):format(at, line, json.encode(event))))
    elseif not code then
      return true
    elseif code == "io" or not keep_going or self.unsorted.failed then
      return nil, line, code, bad_line
    else
      self.bad_count = self.bad_count + 1
      self.bad[#self.bad + 1] = #self.bad < 1000 and { line = bad_line, message = line } or nil
    end
  end
end

local function sort(self)
  local name = os.tmpname()
  local pipe = assert(io.popen(("LC_ALL=C sort -s -t '\t' -k 1,1n -o '%s'"):format(name), "w"))
  local ok, message, code, line = send_all(self, pipe, self.unsorted.options.keep_going)
  local sorted = pipe:close()
  self.file = ok and sorted and io.open(name, "rb") or nil
  os.remove(name)
  if not ok then
    return message, code, line
  end
  return not self.file and "sort(1) has failed" or nil, "io"
end

--- The next event and its line, as the iterator's.
function Ordered:next()
  if not self.file and not self.failed then
    local message, code, line = sort(self)
    if message then
      self.failed = true
      return nil, message, code, line
    end
  end
  local text = self.file and self.file:read "*l"
  if not text then
    return nil
  end
  local line, event = text:match "^[^\t]*\t(%d+)\t(.*)$"
  return json.decode(event), json.integer(tonumber(line))
end

--- None are lines of the file any more.
function Ordered.feed()
  return 0
end

--- The same events, sorted before the first is given.
---@param events leadcat.import.Iterator of which nothing has been read
---@return leadcat.import.Iterator
function order.sorted(events)
  return setmetatable({ unsorted = events, bad = {}, bad_count = 0, failed = false }, Ordered)
end

return order

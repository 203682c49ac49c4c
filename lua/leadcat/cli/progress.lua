--- The progress bar of a command.

local common = require "leadcat.cli.common"
local tables = require "leadcat.cli.tables"

--- Draws the bar on stderr when that is a terminal, at most once a second.
---@param events {total?: integer, position?: fun(self: table): integer} how many there are if known, else the bytes read
---@param size? integer bytes of their file
---@param step integer events between two looks at the clock
---@param what? string they are; default "events"
---@return fun(count: integer) show takes the number of events done
---@return fun(...): ... done wipes the line; returns its arguments
return function(events, size, step, what)
  local terminal, begun, next_look, shown = common.is_terminal(2), os.time(), step, false
  local last = begun
  local function show(count)
    if not terminal or count < next_look then
      return
    end
    next_look = count + step
    local now = os.time()
    if now == last then
      return
    end
    last, shown = now, true
    local share = events.total and count / events.total or size and events:position() / size
    io.stderr:write("\r", tables.progress(count, share, now - begun, what), "\27[K")
    io.stderr:flush()
  end
  local function done(...)
    if shown then
      io.stderr:write "\r\27[K"
    end
    return ...
  end
  return show, done
end

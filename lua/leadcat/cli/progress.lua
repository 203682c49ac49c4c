--- How far a command has come, for who watches it.

local tables = require "leadcat.cli.tables"

local function is_terminal()
  local ok = os.execute "test -t 2"
  return ok == true or ok == 0
end

--- A function to be called with the number of events done. It draws a bar to stderr when that is a terminal and a second has
-- gone by, at most once a second, after so many events; `done` wipes the line.
---@param events {total?: integer, position?: fun(self: table): integer} how many there are, where that is known, else how far they are read
---@param size? integer bytes of their file
---@param step integer
---@return fun(count: integer) show
---@return fun() done
return function(events, size, step)
  local terminal, begun, next_look, shown = is_terminal(), os.time(), step, false
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
    io.stderr:write("\r", tables.progress(count, share, now - begun), "\27[K")
    io.stderr:flush()
  end
  local function done()
    if shown then
      io.stderr:write "\r\27[K"
    end
  end
  return show, done
end

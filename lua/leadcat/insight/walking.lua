--- Going through companies page by page, for what looks at all of them: where they come from, and where to go on.

local grouped = require "leadcat.insight.grouped"
local options_of = require "leadcat.util.options"
local platform = require "leadcat.util.platform"
local simulate = require "leadcat.past.simulate"
local sources = require "leadcat.insight.source"

local walking = {}

local PART = 500 -- companies that are looked at together
local PAGE = 1000 -- by default

--- The most companies of a page.
walking.MOST = 10000

--- What tells of sales, as an option.
---@type leadcat.Option
walking.SOURCE = options_of.kind('"host", "journal", a list of events or a source', function(value)
  return sources.NAMED[value] ~= nil or type(value) == "table"
end)

--- The source that the option names: by default the host where there is `host.sales`, else the journal.
---@param self leadcat.Engine
---@param wanted? "host"|"journal"|leadcat.Event[]|leadcat.DriftSource
---@return leadcat.DriftSource? source, string? message, string? code
function walking.source(self, wanted)
  wanted = wanted or self.host.sales and "host" or "journal"
  if wanted == "host" and not self.host.sales then
    return nil, "there is no host.sales that could tell of sales", "invalid"
  elseif type(wanted) == "string" then
    return sources.NAMED[wanted]
  elseif wanted.page then
    return wanted
  end
  local own, message, code = self:_own_triggers()
  if not own then
    return nil, message, code
  end
  return grouped.new(simulate.iterate(wanted), own)
end

-- Cursors name their source, so that one is not gone on with in another.
local function cursor_of(source, after)
  return after and source.name .. ":" .. after
end

--- The place that a cursor stands for.
---@param source leadcat.DriftSource
---@param cursor? string
---@return string? place, string? message, string? code nothing: the start
function walking.place(source, cursor)
  if cursor == nil then
    return nil
  end
  local name, after = cursor:match "^(%l+):(.+)$"
  if name ~= source.name then
    return nil, ("cursor: '%s' is none of the source %s"):format(cursor:sub(1, 60), source.name), "invalid"
  end
  return after
end

--- Looks at companies of the source, some at a time.
---@param engine leadcat.Engine
---@param source leadcat.DriftSource
---@param options {limit?: integer, since?: number, on_progress?: fun(companies: integer)}
---@param after? string a place
---@param look fun(companies: leadcat.DriftCompany[]): true?, string?, string?
---@return boolean ok, string? cursor, string? code cursor: where to go on, nil at the end (or the message)
function walking.walk(engine, source, options, after, look)
  local left, looked_at = options.limit or PAGE, 0
  while true do
    local page, message, code = source:page(engine, after, math.min(left, PART), options.since)
    local ok = page
    if page then
      ok, message, code = look(page.companies)
    end
    if not ok then
      return false, message, code
    end
    after, left, looked_at = page.after, left - #page.companies, looked_at + #page.companies
    if options.on_progress then
      options.on_progress(looked_at)
    end
    if not after or left <= 0 or #page.companies == 0 then
      return true, cursor_of(source, after)
    end
    platform.give_way()
  end
end

return walking

--- The locations that spec/bench/shared.lua compares.

local leadcat = require "leadcat"
local pg = require "leadcat.store.pg"

local bench = {}

local ngx = ngx -- luacheck: ignore (OpenResty's global)
local COMPANIES = 20000
local engine, decide, pool, sent, inserted
local INSERT = pg.statement("INSERT INTO plain VALUES ($1, $2, $3, $4, $5)", {
  "bytea", "int8", "bytea", "bytea", "bytea",
})
local RECORD = ("r"):rep(150)

--- In a timer: a worker connects to nothing before it has started.
function bench.start(url)
  pool = pg.pool(url, { size = 64 })
  engine = assert(leadcat.open { path = ngx.config.prefix() .. "store", shared = url, recover = false })
  decide, sent, inserted = engine:decider(), 0, 0
end

--- An event that changes its company: 4 -> 3, and in the next turn back.
function bench.event()
  local number = sent
  sent = sent + 1
  local outcome, message = engine:handle {
    trigger = math.floor(number / COMPANIES) % 2 == 0 and "sale_registered" or "sale_lost",
    company = number % COMPANIES + 1, id = ("event-%09d"):format(number),
  }
  if not outcome or outcome.status ~= "updated" then
    ngx.log(ngx.ERR, message or outcome.status .. " " .. tostring(outcome.reason))
    return ngx.exit(500)
  end
  ngx.print(outcome.entry)
end

--- One row by itself.
function bench.insert()
  inserted = inserted + 1
  local done, message = pool:run(INSERT, {
    "", inserted, ("%d"):format(inserted % COMPANIES + 1), ("event-%09d"):format(inserted), RECORD,
  })
  if not done then
    ngx.log(ngx.ERR, message)
    return ngx.exit(500)
  end
  ngx.print(inserted)
end

function bench.stats()
  return engine._store:stats(true).shared
end

function bench.page()
  ngx.print((decide("sale_won", 4)))
end

return bench

--- `move --to` and `move --from`: the whole store goes into a database of several machines, or comes back.

local common = require "leadcat.cli.common"
local mover = require "leadcat.store.moving"
local progress = require "leadcat.cli.progress"
local tables = require "leadcat.cli.tables"

local moving = {}

local STEP = 500 -- records between two looks at the clock

function moving.declare(command)
  command:mutex(
    command:option("--to", "Move the store in --path to this database; `leadcat shared init` has made its tables.")
      :argname("DATABASE"):target "to_database",
    command:option("--from", "Move the shared store of this database to --path, a new directory.")
      :argname("DATABASE"):target "from_database")
end

--- Whether it is the store that is to be moved.
function moving.is_asked(args)
  return (args.to_database or args.from_database) ~= nil
end

function moving.run(args)
  if args.to_database and not common.has_store(args.path) then
    common.fail("there is no store in %s", args.path)
  end
  local events = {}
  local show, done = progress(events, nil, STEP)
  local moved, message = done((args.to_database and mover.there or mover.back) {
    path = args.path, database = args.to_database or args.from_database,
    progress = function(count, total)
      events.total = math.max(total, 1)
      show(count)
    end,
  })
  common.must(moved, message)
  return { records = moved.records, moved = args.to_database and "to the database" or "to the directory" }, function()
    local count = moved.records > 0 and tables.number(moved.records) .. " records" or "the move that was interrupted"
    return args.to_database
      and ("moved: %s. Open it with `shared` and a new directory; %s can only be read now\n"):format(count, args.path)
      or ("moved: %s. Open %s without `shared`; the database can only be read now\n"):format(count, args.path)
  end
end

return moving

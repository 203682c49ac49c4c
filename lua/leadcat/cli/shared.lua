--- `shared init`, `check` and `upgrade`: the tables of a shared store in its database.

local common = require "leadcat.cli.common"
local pg = require "leadcat.store.pg"
local protected = require "leadcat.util.protected"
local schema = require "leadcat.store.sql.schema"

-- Runs `fn(database)` with a connection to the database that the argument names.
local function with_database(args, fn)
  local made, database = protected.call(pg.pool, args.database, { size = 1 })
  if not made then
    common.fail("%s", (tostring(database):gsub("^.-: the connection", "the connection")))
  end
  return protected.finally(function() database:close() end, fn, database)
end

local function say(version, text)
  return { version = version }, function() return text .. "\n" end
end

local function check(args)
  return with_database(args, function(database)
    local version = common.must(schema.version(database))
    if version == 0 then
      common.fail "the database has no tables of leadcat: leadcat shared init makes them"
    elseif version > schema.VERSION then
      common.fail("the tables have version %d, and this leadcat knows version %d: update leadcat", version,
        schema.VERSION)
    elseif version < schema.VERSION then
      common.fail("the tables have version %d: leadcat shared upgrade brings them to version %d", version,
        schema.VERSION)
    end
    local missing = common.must(schema.missing(database))
    if missing[1] then
      common.fail("the tables have version %d, but these are missing: %s", version, table.concat(missing, ", "))
    end
    return say(version, ("the tables have version %d, as this leadcat needs it"):format(version))
  end)
end

-- A command that makes the tables, or upgrades them.
local function changing(name, summary, from_none)
  return {
    name = name, summary = summary, output = "json",
    arguments = function(command)
      command:argument("database",
        "The database, such as postgresql://leadcat@db1,db2/crm; the password may be in PGPASSWORD.")
    end,
    run = function(args)
      return with_database(args, function(database)
        local version = common.must(schema.version(database))
        if (version == 0) ~= from_none and version ~= schema.VERSION then
          common.fail(from_none and "the tables have version %d: leadcat shared upgrade brings them to version %d"
            or "the database has no tables of leadcat: leadcat shared init makes them", version, schema.VERSION)
        end
        common.must(schema.upgrade(database))
        return say(schema.VERSION, version == schema.VERSION and ("the tables have version %d already"):format(version)
          or ("the tables have version %d now"):format(schema.VERSION))
      end)
    end,
  }
end

return {
  shared = {
    name = "shared", summary = "The tables of a shared store, in a database that speaks PostgreSQL's protocol.",
    commands = {
      changing("init", "Make the tables, in the schema leadcat.", true),
      {
        name = "check", summary = "Look whether the tables are those that this leadcat needs.", output = "json",
          run = check,
        arguments = function(command) command:argument("database", "The database, as for init.") end,
      },
      changing("upgrade", "Bring the tables of an older leadcat to this version, in one transaction.", false),
    },
  },
}

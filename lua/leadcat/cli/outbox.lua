--- `outbox sql`: the DDL of a table that triggers fill, for `leadcat.source.outbox`.

local common = require "leadcat.cli.common"
local outbox = require "leadcat.source.outbox"

local function run(args)
  local ddl = common.must(outbox.schema {
    dialect = args.dialect, sales = args.sales, company = args.company, id = args.id, status = args.status,
    name = args.name, actor = args.actor, table = args.table,
  })
  return nil, function() return ddl end
end

local sql = {
  name = "sql", run = run,
  summary = "Print the SQL that makes triggers write each change of a sale into a table, for leadcat worker, and how "
    .. "to remove it. Names are as the database has them, in upper and lower case.",
  arguments = function(command)
    command:option("--dialect", "The database's."):argname("postgresql|mariadb|sqlite")
      :choices { "postgresql", "mariadb", "sqlite" }:count "1"
    command:option("--sales", "The table of sales, such as sales or crm.sales."):argname("TABLE"):count "1"
    command:option("--company", "Its column of the company's id."):argname("COLUMN"):count "1"
    command:option("--id", "Its column of the sale's id."):argname("COLUMN"):default "id"
    command:option("--status", "Its column of the sale's status."):argname("COLUMN"):default "status"
    command:option("--name", "Its column of what the sale is called."):argname "COLUMN"
    command:option("--actor", "An SQL expression of who saves the sale, such as NEW.changed_by. Where a sale is "
      .. "deleted, NEW is written as OLD."):argname "EXPRESSION"
    command:option("--table", "The table that is made."):argname("NAME"):default "leadcat_outbox"
  end,
}

return {
  outbox = {
    name = "outbox", summary = "A table of the CRM's database that its triggers fill with what happens to sales.",
    commands = { sql },
  },
}

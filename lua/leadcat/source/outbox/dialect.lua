--- What differs between PostgreSQL, MariaDB (or MySQL) and SQLite, for the table that triggers write.

local dialects = require "leadcat.host.sql.dialect"
local merged = require "leadcat.util.merged"

---@class leadcat.outbox.Dialect: leadcat.sql.Dialect
---@field quote string around a name
---@field longest integer bytes of a name
---@field now string the time in seconds since 1970, with fractions: when a statement runs
---@field id string the type of a key that counts by itself
---@field number string the type of such a time
---@field table_options string what ends CREATE TABLE
---@field has_schemas boolean whether a name may be schema.name
---@field differs string whether two values differ, NULL being a value

return { ---@type table<string, leadcat.outbox.Dialect>
  postgresql = merged(dialects.postgresql, {
    quote = '"', longest = 63, has_schemas = true, id = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    number = "NUMERIC(16, 6)", now = "EXTRACT(EPOCH FROM clock_timestamp())", table_options = "",
    differs = "%s IS DISTINCT FROM %s",
  }),
  mariadb = merged(dialects.mariadb, {
    text = "CHAR CHARACTER SET utf8mb4", -- whatever the client that makes the triggers uses
    quote = "`", longest = 64, has_schemas = true, id = "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
    number = "DECIMAL(16, 6)", table_options = " ENGINE = InnoDB, CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    now = "(UNIX_TIMESTAMP() + MICROSECOND(NOW(6)) / 1000000)", -- not of NOW(6), which comes twice in autumn
    differs = "NOT (%s <=> %s)",
  }),
  sqlite = merged(dialects.sqlite, {
    quote = '"', longest = 200, has_schemas = false, id = "INTEGER PRIMARY KEY AUTOINCREMENT", number = "REAL",
    now = "((julianday('now') - 2440587.5) * 86400.0)", table_options = "", differs = "%s IS NOT %s",
  }),
}

--- What differs between PostgreSQL, MariaDB (or MySQL) and SQLite, for the host whose companies are in a table.

---@class leadcat.sql.Dialect
---@field text string the type that a value is cast to, to be read as text
---@field insert_new fun(insert: string): string the statement, such that it adds no row when the key is there already
---@field settings string[] statements for a new connection: what waits for ever must fail well before a claim ends
---@field transaction? {begin: string, commit: string, rollback: string} statements, where LuaDBI's own calls do not tell whether a commit has failed
---@field failures? string a query for the number and text of the error of the statement before
---@field refuses fun(message: string, number?: integer): boolean whether the database will never do it: a constraint, a missing right, a value that does not fit, a trigger that says no
---@field applied string the table of keys; `%s`: its name

local STATEMENT_SECONDS, LOCK_SECONDS = 5, 3

-- Whether a text has one of these patterns, without regard to case.
local function has_any(text, patterns)
  text = text:lower()
  for _, pattern in ipairs(patterns) do
    if text:find(pattern) then
      return true
    end
  end
  return false
end

local function set(numbers)
  local members = {}
  for _, number in ipairs(numbers) do
    members[number] = true
  end
  return members
end

local TABLE = [[
-- One row for each change that leadcat has made, so that none is made twice. Old rows may be deleted.
CREATE TABLE IF NOT EXISTS %%s (
  change_key VARCHAR(64) NOT NULL PRIMARY KEY, -- outcome.key
  company VARCHAR(255) NOT NULL,
  category_before VARCHAR(255) NOT NULL,
  category_after VARCHAR(255) NOT NULL,
  applied_at %s NOT NULL DEFAULT CURRENT_TIMESTAMP
);]]

local function on_conflict(insert)
  return insert .. " ON CONFLICT DO NOTHING"
end

-- As the server's messages name them in English; others are tried again, and fail in the end.
local POSTGRESQL_REFUSES = {
  "violates [%l -]+ constraint", "permission denied", "line %d+ at raise%f[%W]", "value too long",
  "out of range", "invalid input", "cannot update", "row%-level security",
}

-- Denied columns, tables and routines, NULLs, duplicates, foreign keys, checks, values that do not fit, and SIGNAL.
local MARIADB_REFUSES = set {
  1048, 1062, 1142, 1143, 1264, 1265, 1288, 1292, 1364, 1366, 1370, 1406, 1451, 1452, 1644, 4025,
}

-- SQLite's own messages for what can pass, or be mended. Any other is a constraint's, or that of a trigger's RAISE.
local SQLITE_PASSES = {
  "is locked", "disk i/o error", "is full", "readonly database", "unable to open", "out of memory", "interrupted",
  "schema has changed", "locking protocol", "malformed", "not a database", "no such ", "syntax error", "unknown error",
}

return { ---@type table<string, leadcat.sql.Dialect>
  postgresql = {
    text = "TEXT",
    insert_new = on_conflict,
    settings = {
      "SET client_min_messages = 'error'", -- others would be printed
      ("SET statement_timeout = '%ds'"):format(STATEMENT_SECONDS), ("SET lock_timeout = '%ds'"):format(LOCK_SECONDS),
    },
    transaction = { begin = "BEGIN", commit = "COMMIT", rollback = "ROLLBACK" },
    refuses = function(message) return has_any(message, POSTGRESQL_REFUSES) end,
    applied = TABLE:format "TIMESTAMP WITH TIME ZONE",
  },
  mariadb = {
    text = "CHAR",
    insert_new = function(insert) return (insert:gsub("^INSERT", "INSERT IGNORE")) end,
    settings = {
      ("SET SESSION max_statement_time = %d, innodb_lock_wait_timeout = %d"):format(STATEMENT_SECONDS, LOCK_SECONDS),
      "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), tx_isolation = 'READ-COMMITTED'",
    },
    failures = "SHOW ERRORS",
    refuses = function(_, number) return MARIADB_REFUSES[number] == true end,
    applied = TABLE:format "TIMESTAMP",
  },
  sqlite = {
    text = "TEXT",
    insert_new = on_conflict,
    settings = { ("PRAGMA busy_timeout = %d"):format(1000 * LOCK_SECONDS) },
    refuses = function(message) return not has_any(message, SQLITE_PASSES) end,
    applied = TABLE:format "TIMESTAMP",
  },
}

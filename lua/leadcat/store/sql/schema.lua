--- The tables of a shared store, in a database that speaks PostgreSQL's protocol, and their versions.
--
-- A company's row is its lock, its order and its only open question: whatever is written about a company compares and
-- sets the `version` of that row. An entry's event id is unique: it marks the event as seen. Columns are what SQL
-- looks at; `record` is all of it, packed as on one machine (src/store/record.h), so that the same code reads and
-- writes both. Times are milliseconds or microseconds (µs) since 1970 by the database's clock. What leadcat does to
-- these tables is understood by CockroachDB, YugabyteDB and Citus too: no stored functions, no LISTEN, no advisory
-- locks, and each table is modified at most once in a statement.

local pg = require "leadcat.store.pg"

local schema = {}

local MINUTES = 600 -- seconds that making the tables may take

--- The version that this leadcat reads and writes.
schema.VERSION = 4

-- What brings a database from one version to the next: a list of statements each.
local STEPS = {
  [1] = {
    "CREATE SCHEMA IF NOT EXISTS leadcat",
    [[CREATE TABLE leadcat.meta ( -- what there is once
  name text PRIMARY KEY,        -- format; configs: moves with every save; cluster: a random number of this database;
                                -- recounts: moves with every count of a journal, one at a time
  value int8 NOT NULL
)]],
    [[CREATE TABLE leadcat.config ( -- rules
  tenant bytea, revision int8,
  changed int8 NOT NULL,        -- meta.configs, as it was moved when this was saved
  json bytea NOT NULL,          -- the config, which is the source of truth
  about bytea NOT NULL,         -- JSON: who saved it and when
  PRIMARY KEY (tenant, revision)
)]],
    "CREATE INDEX config_changed ON leadcat.config (changed)",
    [[CREATE TABLE leadcat.trigger ( -- the integrator's own triggers, of all tenants
  number int4 PRIMARY KEY,      -- from 0, for ever
  name text NOT NULL,
  about bytea NOT NULL          -- JSON, or nothing
)]],
    "CREATE UNIQUE INDEX trigger_name ON leadcat.trigger (name)",
    [[CREATE TABLE leadcat.company ( -- all that is under way
  tenant bytea, company bytea,
  version int8 NOT NULL,        -- one more with each change of the row
  newest int8 NOT NULL,         -- its newest entry, 0: none
  category int4,                -- where leadcat keeps companies (the embedded host)
  changed int8 NOT NULL,        -- the entry that changed the category last
  is_integer bool NOT NULL,     -- the type of the id that the host gave
  applying int8,                -- its unfinished entry, which belongs to
  owner int8,                   -- whoever works on it (a random number of an open engine),
  deadline int8,                -- until then (ms)
  retry_at int8,                -- when it is tried again (ms)
  attempts int4, begun int8,    -- failed ones; when the entry was written (s)
  question bytea,               -- its open question
  scheduled int8, scheduled_at int8, -- what is decided later, and when (ms)
  PRIMARY KEY (tenant, company)
) WITH (fillfactor = 80)]],
    "CREATE INDEX company_applying ON leadcat.company (tenant, retry_at) WHERE applying IS NOT NULL",
    "CREATE INDEX company_scheduled ON leadcat.company (tenant, scheduled_at) WHERE scheduled IS NOT NULL",
    [[CREATE TABLE leadcat.entry ( -- the journal
  tenant bytea,
  entry int8,                   -- ms * 1024 and a little, higher than those of its company before
  company bytea NOT NULL,
  former bytea,                 -- of a note: the company's other name
  event_id bytea,
  status int2 NOT NULL,         -- lc_entry_status
  change int2,                  -- of a change that counts: 1; with a time of its event: 2; of a question with one: 3
  at int8 NOT NULL, written int8 NOT NULL, -- µs
  record bytea NOT NULL,
  PRIMARY KEY (tenant, entry)
) WITH (fillfactor = 90)]],
    "CREATE UNIQUE INDEX entry_event ON leadcat.entry (tenant, event_id) WHERE event_id IS NOT NULL",
    "CREATE INDEX entry_company ON leadcat.entry (tenant, company, entry)",
    "CREATE INDEX entry_former ON leadcat.entry (tenant, former, entry) WHERE former IS NOT NULL",
    "CREATE INDEX entry_queued ON leadcat.entry (tenant, company, entry) WHERE status = 13",
    [[CREATE TABLE leadcat.unchanged ( -- events that changed nothing, where these are recorded
  tenant bytea, entry int8, company bytea NOT NULL, at int8 NOT NULL, written int8 NOT NULL, record bytea NOT NULL,
  PRIMARY KEY (tenant, entry)
)]],
    "CREATE INDEX unchanged_company ON leadcat.unchanged (tenant, company, entry)",
    [[CREATE TABLE leadcat.question (
  tenant bytea, id bytea,
  entry int8 NOT NULL,          -- that asked
  company bytea NOT NULL, user_id bytea,
  state int2 NOT NULL,          -- lc_question_state; 0: open
  expires_at int8 NOT NULL,     -- ms
  record bytea NOT NULL,
  PRIMARY KEY (tenant, id)
)]],
    "CREATE INDEX question_entry ON leadcat.question (tenant, entry)",
    "CREATE INDEX question_company ON leadcat.question (tenant, company, entry)",
    "CREATE INDEX question_user ON leadcat.question (tenant, user_id, entry) WHERE user_id IS NOT NULL",
    "CREATE INDEX question_open ON leadcat.question (tenant, expires_at) WHERE state = 0",
    [[CREATE TABLE leadcat.mark ( -- ids of events that came to nothing
  tenant bytea, event_id bytea, written int8 NOT NULL, record bytea NOT NULL, PRIMARY KEY (tenant, event_id)
)]],
    "CREATE INDEX mark_written ON leadcat.mark (tenant, written)",
    [[CREATE TABLE leadcat.cursor ( -- how far sources are
  tenant bytea, name bytea, text bytea NOT NULL, PRIMARY KEY (tenant, name)
)]],
    "CREATE TABLE leadcat.counter (tenant bytea, name bytea, value int8 NOT NULL, PRIMARY KEY (tenant, name))",
    [[INSERT INTO leadcat.meta (name, value) VALUES ('format', 1), ('configs', 0),
  ('cluster', (random() * 9e15)::int8)]],
  },
  [2] = {
    [[CREATE TABLE leadcat.delivery ( -- what webhooks have left
  tenant bytea,
  id int8,                      -- µs when it came, and nobody else's
  key bytea NOT NULL,           -- tells it from others
  hook bytea NOT NULL,
  state int2 NOT NULL,          -- lc_delivery_state; 0: waiting
  written int8 NOT NULL,        -- when it came (µs)
  due int8 NOT NULL,            -- of one that waits: when it may be taken (µs)
  attempts int4 NOT NULL,       -- how often it was taken
  sender_id bytea, about bytea, problem bytea,
  body bytea,                   -- until it is done or dropped
  PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80)]],
    "CREATE UNIQUE INDEX delivery_key ON leadcat.delivery (tenant, key)",
    "CREATE INDEX delivery_waiting ON leadcat.delivery (tenant, hook, due, id) WHERE state = 0",
  },
  [3] = {
    [[CREATE TABLE leadcat.change ( -- all that was done
  tenant bytea,
  place int8,                   -- later ones are higher where one knew of the other
  made int8 NOT NULL,           -- when, as a number like those of entries
  entry int8 NOT NULL,
  kind text NOT NULL,           -- what the entry has done
  number int8,                  -- where it stands in the sequence, since somebody has followed it, or trimmed
  PRIMARY KEY (tenant, place)
) WITH (fillfactor = 80)]],
    "CREATE UNIQUE INDEX change_number ON leadcat.change (tenant, number) WHERE number IS NOT NULL",
    "CREATE INDEX change_new ON leadcat.change (tenant, place) WHERE number IS NULL",
    [[CREATE TABLE leadcat.sequence ( -- of changes
  tenant bytea PRIMARY KEY,
  last int8 NOT NULL,           -- the last number that was given: whoever gives some has this row
  removed int8 NOT NULL         -- up to which they were removed
)]],
    "CREATE SEQUENCE leadcat.change_place",
  },
  [4] = {
    "DROP SEQUENCE IF EXISTS leadcat.entry_low", -- of tables that an older leadcat has made
    -- Room for a new version of each row of a page, so that none moves: indexes would have to follow.
    "ALTER TABLE leadcat.company SET (fillfactor = 45)",
    -- Several changes of one commit in a row: `number` is that of the last one, `made` that of the newest.
    "ALTER TABLE leadcat.change ALTER COLUMN entry TYPE int8[] USING ARRAY[entry]",
    "ALTER TABLE leadcat.change ALTER COLUMN kind TYPE text[] USING ARRAY[kind]",
    [[CREATE TABLE leadcat.brake ( -- what rules with a limit have done of late, and how much of theirs is held
  tenant bytea, rule bytea,     -- its trigger, lead status and id
  version int8 NOT NULL,        -- one more with each change of the row
  record bytea NOT NULL,        -- lc_window
  PRIMARY KEY (tenant, rule)
) WITH (fillfactor = 50)]],
    "ALTER TABLE leadcat.question ADD COLUMN on_expiry int2 NOT NULL DEFAULT 0", -- lc_on_expiry
    "CREATE INDEX entry_held ON leadcat.entry (tenant, entry) WHERE status = 18",
    [[CREATE TABLE leadcat.daily ( -- counters by day
  tenant bytea,
  counted bytea,                -- an lc_daily, packed
  count int8 NOT NULL,
  PRIMARY KEY (tenant, counted)
)]],
    [[CREATE TABLE leadcat.daily_new ( -- what is to be added to them: rows of their own, so that nobody waits
  tenant bytea,
  place int8,                   -- tells it from others
  counted bytea NOT NULL,
  more int4 NOT NULL,
  PRIMARY KEY (tenant, place)
)]],
    [[CREATE TABLE leadcat.daily_head ( -- what is known of a tenant's counters, in days since 1970
  tenant bytea PRIMARY KEY,
  since int8 NOT NULL,          -- the first that is counted whole; 0: all are
  removed int8 NOT NULL         -- the last of which retention has removed entries; 0: none
)]],
    [[CREATE TABLE leadcat.draft ( -- of configs
  tenant bytea,
  id int8,                      -- µs when it was made
  due int8,                     -- when it is made active (ms)
  json bytea NOT NULL,
  PRIMARY KEY (tenant, id)
)]],
    "CREATE INDEX draft_due ON leadcat.draft (tenant, due) WHERE due IS NOT NULL",
    [[CREATE TABLE leadcat.spread ( -- where tenants are spread over databases: one of each of them, for new nodes
  tenant bytea PRIMARY KEY
)]],
    "INSERT INTO leadcat.meta (name, value) VALUES ('recounts', 0)",
    [[INSERT INTO leadcat.daily_head (tenant, since, removed)
SELECT tenant, max(written) / 86400000000 + 1, 0 FROM leadcat.entry GROUP BY tenant]],
  },
}

local FORMAT = pg.statement "SELECT value FROM leadcat.meta WHERE name = 'format'"
local ABSENT = { ["42P01"] = true, ["3F000"] = true } -- no such table, no such schema

--- The version of the tables; 0 where there are none.
---@param database leadcat.pg.Pool
---@return integer? version, string? message, string? code
function schema.version(database)
  local result, message, code, problem = database:run(FORMAT)
  if result then
    return result[1] and result[1][1] or 0
  elseif problem and ABSENT[problem.sqlstate] then
    return 0
  end
  return nil, message, code
end

local TABLES = {
  "brake", "change", "change_place", "company", "config", "counter", "cursor", "daily", "daily_head", "daily_new",
  "delivery", "draft", "entry", "mark", "meta", "question", "sequence", "spread", "trigger", "unchanged",
  "change_new", "change_number", "delivery_key", "entry_event", "entry_company", "entry_held", "company_applying",
  "company_scheduled",
}

local FIND = pg.statement([[
SELECT name FROM unnest($1::text[]) AS t(name) WHERE to_regclass('leadcat.' || name) IS NULL]], { "text[]" })

--- What of the tables, and of the indexes on which more than speed depends, is not there.
---@param database leadcat.pg.Pool
---@return string[]? names, string? message, string? code
function schema.missing(database)
  local rows, message, code = database:run(FIND, { TABLES })
  if not rows then
    return nil, message, code
  end
  local names = {}
  for i, row in ipairs(rows) do
    names[i] = row[1]
  end
  return names
end

--- The statements that bring the tables of a version to today's.
---@param version integer
---@return string[]
function schema.steps(version)
  local list = {}
  for step = version + 1, schema.VERSION do
    for _, text in ipairs(STEPS[step]) do
      list[#list + 1] = text
    end
    if step > 1 then
      list[#list + 1] = ("UPDATE leadcat.meta SET value = %d WHERE name = 'format'"):format(step)
    end
  end
  return list
end

--- Makes the tables, or brings them to today's version, in one transaction. Where there is nothing to do, nothing is
-- done.
---@param database leadcat.pg.Pool
---@return integer? version the one before, string? message, string? code `conflict`: the tables are of a newer leadcat
function schema.upgrade(database)
  local version, message, code = schema.version(database)
  if not version then
    return nil, message, code
  elseif version > schema.VERSION then
    return nil, ("the tables have version %d, and this leadcat knows version %d: update leadcat"):format(version,
      schema.VERSION), "conflict"
  elseif version == schema.VERSION then
    return version
  end
  local calls = {}
  for i, text in ipairs(schema.steps(version)) do
    calls[i] = { pg.statement(text) }
  end
  local session
  session, message, code = database:acquire()
  if not session then
    return nil, message, code
  end
  local results
  results, message, code = session:pipeline(calls, MINUTES)
  database:release(session)
  return results and version, message, code
end

return schema

--- What a user would build instead: a trigger of PostgreSQL that keeps companies' categories by rules in a table, once an event,
--- and writes down what it did. It has neither questions nor conditions, nor can it tell why nothing happened.

local trigger = {}

local STATEMENTS = {
  "CREATE TABLE kept (id BIGINT PRIMARY KEY, category INT NOT NULL)",
  "CREATE TABLE categories (id INT PRIMARY KEY, is_potential BOOLEAN NOT NULL, lead_status BOOLEAN NOT NULL)",
  "INSERT INTO categories VALUES (1, true, true), (3, true, false), (4, true, false), (5, false, false)",
  [[CREATE TABLE rules (event TEXT, lead_status INT DEFAULT 0, is_enabled BOOLEAN NOT NULL, category INT NOT NULL,
      PRIMARY KEY (event, lead_status))]],
  [[INSERT INTO rules VALUES ('sale_registered', 0, true, 3), ('sale_won', 0, true, 5), ('sale_lost', 0, true, 4),
      ('lead_status_set', 2, true, 3)]],
  "CREATE TABLE events (id TEXT PRIMARY KEY, company BIGINT NOT NULL, event TEXT NOT NULL, lead_status INT DEFAULT 0)",
  [[CREATE TABLE done (id BIGSERIAL PRIMARY KEY, event_id TEXT NOT NULL, company BIGINT NOT NULL,
      category_before INT NOT NULL, category_after INT NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT now())]],
  "CREATE INDEX ON done (company, id)",
  [[CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $body$
    DECLARE
      stands INT;
      target INT;
    BEGIN
      SELECT category INTO stands FROM kept WHERE id = NEW.company FOR UPDATE;
      SELECT r.category INTO target FROM rules r JOIN categories c ON c.id = stands
        WHERE r.event = NEW.event AND r.lead_status = NEW.lead_status AND r.is_enabled AND c.is_potential
          AND (NEW.event <> 'lead_status_set' OR c.lead_status) AND r.category <> stands;
      IF FOUND THEN
        UPDATE kept SET category = target WHERE id = NEW.company;
        INSERT INTO done (event_id, company, category_before, category_after)
          VALUES (NEW.id, NEW.company, stands, target);
      END IF;
      RETURN NEW;
    END $body$]],
  "CREATE TRIGGER keep AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION keep()",
}

--- Makes its tables, and companies that stand in category 4.
---@param connection table
---@param companies integer
function trigger.create(connection, companies)
  for _, statement in ipairs(STATEMENTS) do
    assert(connection:execute(statement))
  end
  assert(connection:execute(("INSERT INTO kept SELECT n, 4 FROM generate_series(1, %d) n"):format(companies)))
end

--- Tells it of an event, in a transaction of its own.
---@param connection table
---@param event {id: string, company: integer, trigger: string}
function trigger.handle(connection, event)
  assert(connection:execute("INSERT INTO events (id, company, event) VALUES (?, ?, ?)",
    { event.id, ("%d"):format(event.company), event.trigger }))
end

--- How many changes it has made.
---@param connection table
---@return integer
function trigger.count(connection)
  return tonumber(connection:query("SELECT CAST(count(*) AS TEXT) FROM done")[1][1]) or 0
end

return trigger

--- A Tryton for specs, on a free port of 127.0.0.1, with a company that sells, and what its users do. A trigger in Tryton's own
-- database writes down each change of a party's categories, whoever makes it.

local client = require "leadcat.demo.tryton.client"
local databases = require "support.databases"
local dbi = require "leadcat.host.sql.dbi"
local server = require "nginx.server"
local socket = require "socket"

local tryton = {}

local STARTING = 300 -- seconds, on a slow machine
local PASSWORD = "Quay-7-Lantern" -- of the user leadcat; Tryton refuses simple ones

local AUDIT = {
  sqlite = {
    "CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, party INT, category INT, sign INT, who INT)",
    "CREATE TRIGGER audited_insert AFTER INSERT ON party_category_rel BEGIN "
      .. "INSERT INTO audit (party, category, sign, who) VALUES (NEW.party, NEW.category, 1, NEW.create_uid); END",
    "CREATE TRIGGER audited_delete AFTER DELETE ON party_category_rel BEGIN "
      .. "INSERT INTO audit (party, category, sign) VALUES (OLD.party, OLD.category, -1); END",
  },
  postgresql = {
    "CREATE TABLE audit (id BIGSERIAL PRIMARY KEY, party INT, category INT, sign INT, who INT)",
    "CREATE FUNCTION audit_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'INSERT' THEN "
      .. "INSERT INTO audit (party, category, sign, who) VALUES (NEW.party, NEW.category, 1, NEW.create_uid); ELSE "
      .. "INSERT INTO audit (party, category, sign) VALUES (OLD.party, OLD.category, -1); END IF; RETURN NULL; END $$",
    "CREATE TRIGGER audited AFTER INSERT OR DELETE ON party_category_rel FOR EACH ROW EXECUTE FUNCTION audit_change()",
  },
}

---@class support.Tryton
---@field client leadcat.tryton.Client the administrator's
---@field directory string
---@field url string
---@field dialect string
local Tryton = {}
Tryton.__index = Tryton

-- What a command prints.
local function output_of(command)
  local pipe = assert(io.popen(command))
  local output = pipe:read "*a"
  pipe:close()
  return output
end

local function is_alive(pid)
  return output_of(("kill -0 %s 2>/dev/null && echo yes"):format(pid)) ~= ""
end

-- Waits for a function to give something.
local function wait(seconds, what, check)
  local last = socket.gettime() + seconds
  repeat
    local found, message = check()
    if found then
      return found
    end
    assert(socket.gettime() < last, ("%s: %s"):format(what, message or "it took too long"))
    socket.sleep(0.05)
  until false
end

tryton.wait = wait

local function read(name)
  local file = io.open(name)
  local content = file and file:read "*a"
  return file and file:close() and content
end

--- Starts a server with an empty database.
---@param dialect "sqlite"|"postgresql"
---@return support.Tryton
function tryton.start(dialect)
  local directory, port = output_of "mktemp -d":match "[^\n]+", server.free_port()
  local database = { driver = "SQLite3", database = directory .. "/crm.sqlite" }
  local environment = ("PORT=%d DATABASE=crm"):format(port)
  if dialect == "postgresql" then
    database = databases.get(dialect).options
    environment = ("%s URI=postgresql://leadcat@127.0.0.1:%d/"):format(environment, database.port)
  end
  local pid = output_of(("%s sh lua/leadcat/demo/tryton/serve.sh %s >%s/log 2>&1 & echo $!"):format(environment,
    directory, directory)):match "%d+"
  local self = setmetatable({
    directory = directory, pid = pid, dialect = dialect, url = "http://127.0.0.1:" .. port, adapter = dbi(database),
  }, Tryton)
  wait(STARTING, "Tryton does not start", function()
    assert(is_alive(pid), read(directory .. "/log"))
    local found = socket.connect("127.0.0.1", port)
    return found and found:close()
  end)
  self.client = self:connect "admin"
  return self
end

--- Stops it, and removes what it had.
function Tryton:stop()
  if self.connection then
    self.adapter:release(self.connection, true)
  end
  os.execute("kill " .. self.pid)
  wait(30, "Tryton does not stop", function() return not is_alive(self.pid) end)
  os.execute("rm -rf " .. self.directory)
end

--- A client of a user.
---@param user "admin"|"leadcat"
---@return leadcat.tryton.Client
function Tryton:connect(user)
  return client.new { url = self.url, database = "crm", user = user, password = read(self:password_file(user)) }
end

--- The file with the password of a user.
function Tryton:password_file(user)
  return self.directory .. (user == "admin" and "/password" or "/leadcat")
end

--- Calls a method of a model as the administrator. Raises when it fails.
function Tryton:call(method, ...)
  local result, message = self.client:call("model." .. method, { ... })
  if result == nil then
    error(message, 2)
  end
  return result
end

-- The id of a new record.
local function create(self, model, values)
  return self:call(model .. ".create", { values })[1]
end

local function query(self, statement)
  self.connection = self.connection or assert(self.adapter:acquire())
  return assert(self.connection:query(statement))
end

--- Makes what every user of Tryton has: a company that sells, an employee, a user `leadcat` for the worker; and the audit.
function Tryton:furnish()
  local euro = create(self, "currency.currency", { name = "Euro", code = "EUR", symbol = "E", rates = { { "create", {
    { rate = { __class__ = "Decimal", decimal = "1" }, date = { __class__ = "date", year = 2020, month = 1, day = 1 } },
  } } } })
  local company = create(self, "company.company", {
    party = create(self, "party.party", { name = "Our Own Ltd" }), currency = euro,
  })
  self.employee = create(self, "company.employee", {
    party = create(self, "party.party", { name = "Ann Seller" }), company = company,
  })
  local working = {
    companies = { { "add", { company } } }, company = company, employees = { { "add", { self.employee } } },
    employee = self.employee,
  }
  self:call("res.user.write", { 1 }, working)
  working.name, working.login, working.password = "leadcat", "leadcat", PASSWORD
  local group = assert(self.client:find("res.group", { { "name", "=", "Sales" } }, {}, 1))[1].id
  working.groups = { { "add", { group } } }
  local file = assert(io.open(self:password_file "leadcat", "w"))
  file:write(PASSWORD)
  file:close()
  self.worker = create(self, "res.user", working)
  self.client = self:connect "admin" -- with its company now
  self.newsletter = create(self, "party.category", { name = "Newsletter" })
  query(self, "SELECT COUNT(*) FROM party_category_rel")
  for _, statement in ipairs(AUDIT[self.dialect]) do
    assert(self.connection:execute(statement, {}))
  end
end

-- What users do -------------------------------------------------------------------------------------------------------

--- A new party that has an address, gets the newsletter, and is in a category; nil for none.
---@return integer party
function Tryton:party(name, category)
  return create(self, "party.party", {
    name = name, addresses = { { "create", { { street = "Quay 1", city = "Oslo" } } } },
    categories = { { "add", { self.newsletter, category } } },
  })
end

local function address_of(self, party)
  return assert(self.client:find("party.party", { { "id", "=", party } }, { "addresses" }, 1))[1].addresses[1]
end

--- A new opportunity, a lead; without a party it is a lead that nobody knows.
---@return integer opportunity
function Tryton:lead(party)
  return create(self, "sale.opportunity", {
    party = party, address = party and address_of(self, party), description = "Printers", employee = self.employee,
  })
end

--- The party of a lead becomes known.
function Tryton:set_party(opportunity, party)
  self:call("sale.opportunity.write", { opportunity }, { party = party, address = address_of(self, party) })
end

--- Presses buttons of an opportunity, such as "lost".
function Tryton:press(opportunity, ...)
  for _, button in ipairs { ... } do
    self:call("sale.opportunity." .. button, { opportunity })
  end
end

--- Presses buttons of the quotation that a converted opportunity has.
function Tryton:press_sale(opportunity, ...)
  local origin = ("sale.opportunity,%d"):format(opportunity)
  local sale = assert(self.client:find("sale.sale", { { "origin", "=", origin } }, { "state" }, 1))[1]
  for _, button in ipairs { ... } do
    self:call("sale.sale." .. button, { sale.id })
  end
end

--- An opportunity is converted into a quotation, which the customer confirms.
function Tryton:sell(opportunity)
  self:press(opportunity, "opportunity", "convert")
  self:press_sale(opportunity, "quote", "confirm")
end

--- What the audit has of a party, oldest first: "+5 -3 +7". `who`: only what this user has added, the newsletter left out.
---@return string
function Tryton:audit(party, who)
  local found = {}
  local statement = ("SELECT CAST(sign * category AS CHAR(9)) FROM audit WHERE party = %d AND category <> %d%s "
    .. "ORDER BY id"):format(party, self.newsletter, who and " AND who = " .. who or "")
  for i, row in ipairs(query(self, statement)) do
    found[i] = ("%+d"):format(row[1])
  end
  return table.concat(found, " ")
end

return tryton

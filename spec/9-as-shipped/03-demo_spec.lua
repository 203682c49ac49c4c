-- The demo CRM: what each user can live through there, with forms alone; and `make serve`, from its first line to Ctrl-C.

local companies = require "leadcat.demo.companies"
local crm = require "leadcat.demo.crm"
local i18n = require "leadcat.words.i18n"
local language_tag = require "leadcat.util.language"
local processes = require "support.processes"
local stores = require "support.stores"
local words = require "leadcat.demo.words"

local LEAD, OPPORTUNITY, LOST_OPPORTUNITY, CUSTOMER, PARTNER = 1, 3, 4, 5, 6
local QUALIFIED = 5
local LARKSPINDLE = "Larkspindle Events" -- a lead

local function escape(text)
  return (text:gsub("[^%w]", function(character) return ("%%%02X"):format(character:byte()) end))
end

local function encode(fields)
  local words_of = {}
  for name, value in pairs(fields) do
    words_of[#words_of + 1] = name .. "=" .. escape(tostring(value))
  end
  return table.concat(words_of, "&")
end

-- A browser of a user, which sends forms from the page itself.
local function browser(engine, user, language)
  local cookie = ("leadcat_user=%s; leadcat_language=%s"):format(user or "", language or "en")
  local self = { headers = { cookie = cookie, ["sec-fetch-site"] = "same-origin" } }
  local function send(method, address, body)
    local path, query = address:match "^([^?]*)%??(.*)$"
    return crm.respond({ method = method, path = path, query = query, headers = self.headers, body = body }, engine)
  end
  function self.get(address)
    return send("GET", address)
  end
  function self.post(address, fields)
    self.headers["content-type"] = "application/x-www-form-urlencoded"
    return send("POST", address, encode(fields))
  end
  return self
end

-- Sends the form of a company; gives where that leads to.
local sent = 0
local function report(sales, trigger, fields)
  sent = sent + 1
  local form = { id = "page" .. sent, company = LARKSPINDLE, trigger = trigger, sale = "Crema Duo" }
  for name, value in pairs(fields or {}) do
    form[name] = value
  end
  local answer = sales.post("/demo/events", form)
  return answer.headers.Location, answer
end

describe("the demo CRM", function()
  local engine, sales

  before_each(function()
    engine = stores.open()
    assert(companies.prepare(engine))
    sales = browser(engine, "sales")
  end)

  after_each(function()
    engine:close()
    stores.check()
  end)

  it("has a config without a problem, and companies in several groups", function()
    assert.same({}, engine:check(companies.config()))
    local count, categories = 0, {}
    for _, category in engine.host:companies() do
      count, categories[category] = count + 1, true
    end
    assert.equal(12, count)
    assert.is_true(categories[LEAD] and categories[CUSTOMER] and categories[PARTNER])
  end)

  it("fills a store once", function()
    engine.host.set_category(LARKSPINDLE, CUSTOMER, LEAD)
    assert(companies.prepare(engine))
    assert.equal(CUSTOMER, engine.host:get(LARKSPINDLE))
    assert.equal(1, engine:config().revision)
  end)

  for _, row in ipairs {
    { "no cookie", nil, nil },
    { "an unknown user", "leadcat_user=root", nil },
    { "the administrator", "leadcat_user=admin",
      { id = "admin", name = "Ingrid Solås", admin = true, language = "en" } },
    { "the salesperson", "a=b; leadcat_language=nl; leadcat_user=sales",
      { id = "sales", name = "Jon Brekke", language = "nl" } },
    { "an unknown language", "leadcat_user=sales;leadcat_language=xx",
      { id = "sales", name = "Jon Brekke", language = "en" } },
    { "another cookie", "xleadcat_user=admin", nil },
  } do
    it("knows the user by " .. row[1], function()
      assert.same(row[3], crm.authenticate { headers = { cookie = row[2] } })
    end)
  end

  it("takes the browser's language when none was chosen", function()
    local headers = { cookie = "leadcat_user=sales", ["accept-language"] = "nb-NO,en;q=0.5" }
    assert.equal("no", crm.authenticate({ headers = headers }).language)
  end)

  it("lets nobody do anything before signing in", function()
    local nobody = browser(engine)
    assert.matches("<h1>Sign in</h1>", nobody.get("/demo").body, 1, true)
    assert.equal(401, nobody.post("/demo/events", { company = LARKSPINDLE, trigger = "sale_lost" }).status)
    assert.same({}, engine:history())
    local signed_in = nobody.post("/demo/sign-in", { user = "sales" })
    assert.matches("^leadcat_user=sales; Path=/; ", signed_in.headers["Set-Cookie"])
    assert.equal(422, nobody.post("/demo/sign-in", { user = "root" }).status)
    assert.matches("^leadcat_user=; .*Max%-Age=0;", sales.post("/demo/sign-out", {}).headers["Set-Cookie"])
  end)

  it("takes forms only from its own pages", function()
    sales.headers["sec-fetch-site"] = "cross-site"
    for _, path in ipairs { "/demo/events", "/demo/sign-in", "/demo/sign-out", "/demo/language" } do
      assert.equal(403, sales.post(path, { company = LARKSPINDLE, trigger = "sale_lost" }).status, path)
    end
    assert.same({}, engine:history())
  end)

  it("changes the category at once where the rule does not ask", function()
    for _, row in ipairs {
      { "sale_registered", OPPORTUNITY }, { "sale_lost", LOST_OPPORTUNITY }, { "sale_registered", OPPORTUNITY },
    } do
      local location = report(sales, row[1])
      assert.equal(row[2], engine.host:get(LARKSPINDLE))
      assert.matches("Larkspindle Events.- now has the category", sales.get(location).body)
    end
  end)

  it("sets a lead status", function()
    report(sales, "lead_status_set", { lead_status = QUALIFIED, contact = "Nora Quayle" })
    assert.equal(OPPORTUNITY, engine.host:get(LARKSPINDLE))
    assert.same({ id = "Nora Quayle", name = "Nora Quayle" }, engine:history()[1].contact)
    assert.matches("no rule is about this lead status",
      sales.get(report(sales, "lead_status_set", { lead_status = 1 })).body, 1, true)
  end)

  it("leads to the question where the rule asks, and counts it in the badge", function()
    local location = report(sales, "sale_won")
    local id = location:match "^/leadcat/confirmations/(%x+)$"
    assert.equal("sales", engine:confirmation(id).actor.id)
    assert.matches('id="demo%-badge">1<', sales.get("/demo").body)
    assert.equal(LEAD, engine.host:get(LARKSPINDLE))
  end)

  it("says why nothing was done", function()
    assert.matches("only companies that are potential customers are updated",
      sales.get(report(sales, "sale_won", { company = "Odd Little Otter Brewing" })).body, 1, true)
  end)

  it("takes a form that is sent twice for one event", function()
    report(sales, "sale_lost", { id = "one page" })
    local location = report(sales, "sale_lost", { id = "one page" })
    assert.equal(1, #engine:history())
    assert.matches("That had been reported already", sales.get(location).body, 1, true)
  end)

  describe("asks before saving", function()
    local function ask()
      local _, answer = report(sales, "sale_won", { before = "true" })
      assert.matches("<dialog", answer.body, 1, true)
      assert.same({}, engine:history()) -- nothing has happened yet
      return answer.body:match '<form action="(/demo/events%?[^"]+)"':gsub("&amp;", "&")
    end

    for _, row in ipairs {
      { "the proposal", { category = CUSTOMER }, CUSTOMER }, { "another category", { category = PARTNER }, PARTNER },
      { "to keep the category", { category = CUSTOMER, decline = "true" }, LEAD },
    } do
      it("and does as it is told: " .. row[1], function()
        local answer = sales.post(ask(), row[2])
        assert.equal(row[3], engine.host:get(LARKSPINDLE))
        assert.equal("sale_won", engine:history()[1].trigger)
        assert.matches("Larkspindle Events", sales.get(answer.headers.Location).body)
      end)
    end

    it("only where there is something to ask", function()
      report(sales, "sale_lost", { before = "true" })
      assert.equal(LOST_OPPORTUNITY, engine.host:get(LARKSPINDLE))
    end)
  end)

  it("refuses what no form sends", function()
    for _, fields in ipairs { { trigger = "sale_stolen" }, { company = "" }, { company = ("x"):rep(300) } } do
      local _, answer = report(sales, fields.trigger or "sale_won", fields)
      assert.equal(422, answer.status)
    end
    assert.equal(404, sales.get("/demo/company?id=Nobody").status)
    assert.equal(404, sales.get("/demo/nothing").status)
    assert.equal(405, sales.get("/demo/events").status)
    assert.equal(422, sales.post("/demo/language", { language = "xx" }).status)
  end)

  it("shows names as they are, whatever an address says", function()
    local page = sales.get("/demo?status=declined&company=" .. escape "<script>alert(1)</script>").body
    assert.not_matches("<script>alert", page, 1, true)
    assert.matches("&lt;script&gt;alert(1)", page, 1, true)
  end)

  for _, language in ipairs(i18n.LANGUAGES) do
    it("has all words in " .. language, function()
      local texts, english = words.TEXTS[language], words.TEXTS.en
      for key, text in pairs(english) do
        assert.same(i18n.placeholders(text), i18n.placeholders(texts[key] or ""), key)
      end
      for key in pairs(texts) do
        assert.is_string(english[key], key)
      end
      local page = browser(engine, "sales", language).get("/demo").body
      assert.matches(('<html lang="%s">'):format(language_tag.of_page(language)), page, 1, true)
      assert.matches("<h1>" .. texts.companies .. "</h1>", page, 1, true)
    end)
  end
end)

if rawget(_G, "jit") or os.getenv "LEADCAT_SLOW" then
  return -- nginx has LuaJIT in it either way
end

describe("make serve", function()
  local server = require "nginx.server"
  if not server.is_installed() then
    pending "nginx or its Lua module is not installed: apt-get install nginx libnginx-mod-http-lua"
    return
  end

  local build = os.getenv "LEADCAT_BUILD" or "build"
  local directory

  before_each(function()
    directory = stores.path()
    local copy = ("mkdir -p '%s' && cp -r '%s/luajit' '%s/lua5.4' '%s'"):format(directory, build, build, directory)
    assert(os.execute(copy))
  end)

  after_each(stores.check)

  -- Runs what `make serve` runs; gives the process, and the server to be asked.
  local function serve(port)
    local process = processes.start("", {}, ("exec env BUILD='%s' PORT=%d sh lua/leadcat/demo/serve.sh '%s'"):format(
      directory, port, os.getenv "LEADCAT_LUA" or "lua5.4"))
    return process
  end

  it("says where it is, serves, and ends with Ctrl-C", function()
    local port = server.free_port()
    local process = serve(port)
    assert.equal(("The demo CRM is at http://127.0.0.1:%d/demo"):format(port), process:line())
    local running = assert(server.attach(directory .. "/serve", port))
    assert(server.wait_for(function() return running:request("GET", "/demo") end))
    local sales = { headers = { Cookie = "leadcat_user=sales; leadcat_language=sv" } }
    for _, row in ipairs {
      { "/demo", {}, 200, "<h1>Sign in</h1>" }, { "/demo", sales, 200, "<h1>Företag</h1>" },
      { "/leadcat/confirmations", {}, 401, "" }, { "/leadcat/confirmations", sales, 200, 'href="/demo"' },
      { "/leadcat/history", sales, 200, 'href="/demo"' }, { "/leadcat/settings", sales, 403, 'href="/demo"' },
      { "/leadcat/leadcat.css", {}, 200, ".leadcat-" }, { "/demo/files/demo.css", {}, 200, ".demo-" },
      { "/demo/files/demo.js", {}, 200, "leadcat.report" }, { "/", {}, 302, "" },
    } do
      local status, body = running:request("GET", row[1], row[2])
      assert.equal(row[3], status, row[1])
      assert.matches(row[4], body, 1, true)
    end
    local output, status = serve(port):wait()
    assert.equal(1, status)
    assert.matches(("port %d is taken"):format(port), output, 1, true)
    running:stop "INT"
    output, status = process:wait()
    assert.equal(0, status)
    assert.not_matches("error", output)
  end)
end)

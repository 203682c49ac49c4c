-- Notices out: whom they are for fails, is slow, redirects, answers too much, or dies; none is lost, and each company's stay in order.

if os.getenv "LEADCAT_SLOW" then
  return
end

local asking = require "support.asking"
local core = require "leadcat.core"
local http = require "leadcat.util.http"
local json = require "leadcat.util.json"
local processes = require "support.processes"
local server = require "nginx.server"
local standard = require "leadcat.source.webhook.standard"
local stores = require "support.stores"
local webhook = require "leadcat.notify.webhook"

local LEAD, CUSTOMER = 1, 5 -- the preset's categories
local NOW, DAY = 1700000000, 86400
local SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" -- of the published vector

local port, receiver

-- Says how the receiver answers, by company, and gives what has come so far.
local function tell(modes, method)
  local answer = assert(http.request {
    url = ("http://127.0.0.1:%d/test"):format(port), method = method or modes and "POST" or "GET",
    body = modes and json.encode(modes) or nil,
  })
  return json.decode(answer.body)
end

-- What has come, as words: each with how it was answered.
local function come()
  local words = {}
  for place, one in ipairs(tell()) do
    words[place] = ("%s %s %s"):format(one.company, one.type, one.mode)
  end
  return words
end

setup(function()
  port = server.free_port()
  receiver = processes.launch("../servers/receiver.lua", port)
end)
teardown(function() processes.kill(receiver) end)
before_each(function() tell(nil, "DELETE") end)
after_each(stores.check)

describe("leadcat.notify.webhook", function()
  local now, engine, path, notify

  local function options_of(options)
    options = options or {}
    options.url = options.url or ("http://127.0.0.1:%d/hook/secret-path"):format(port)
    options.secret, options.timeout = options.secret or SECRET, 0.5
    return options
  end

  local function open(options)
    engine = stores.open { path = path, clock = function() return now end, durability = "relaxed" }
    notify = webhook(options_of(options))
  end

  before_each(function()
    now, path = NOW, stores.path()
    open()
    assert(engine:save(stores.config { sale_won = CUSTOMER, sale_registered = { 3, ask = true } }))
    assert(engine.host:create_many({ "Acme", "Bolt", "Cog" }, 1))
    assert.same({ handled = 0, parked = 0, problems = 0, more = false }, notify:step(engine))
  end)
  after_each(function()
    engine:close()
    assert.same({}, core.check_store(path))
  end)

  local function handle(company, trigger)
    return assert(engine:handle { trigger = trigger or "sale_won", company = company, actor = asking.BOB })
  end

  local function undo(company)
    assert(engine:undo(engine:history({ company = company })[1].entry, { actor = asking.ANN }))
  end

  -- A step; what it has counted, and its error.
  local function step()
    local counts = assert(notify:step(engine))
    return { counts.handled, counts.parked, counts.problems }, counts.error
  end

  it("tells of an event of any year", function()
    assert(engine:handle { trigger = "sale_won", company = "Acme", at = -1e300 })
    assert.equal(1, step()[1])
    assert.equal("1970-01-01T00:00:00Z", json.decode(tell()[1].body).timestamp)
  end)

  it("tells of a rule that has fallen silent, once, and again when it has matched meanwhile", function()
    local function win(day)
      now = NOW + day * DAY
      engine.host:create("day" .. day, LEAD)
      handle("day" .. day)
    end
    local function silence(day)
      now = NOW + day * DAY
      return { step()[1], #engine:notices() }
    end
    for day = 1, 12 do
      win(day)
    end
    notify = webhook(options_of { name = "silence", events = { "rule.silent" } })
    assert.same({ 0, 0 }, silence(12))
    assert.same({ 0, 0 }, silence(15))
    tell { sale_won = "fail" }
    assert.same({ 0, 1 }, silence(16))
    local waiting = engine:notices()[1]
    assert.same({ "rule.silent", "silence" }, { waiting.type, waiting.notifier })
    tell { x = "take" }
    assert.equal(1, engine:retry_notices(waiting.id))
    for day = 16, 20 do
      assert.same({ day == 16 and 1 or 0, 0 }, silence(day))
    end
    local one = tell()[2]
    assert.equal(waiting.id, one.id)
    local body = json.decode(one.body)
    assert.same({ rule = "sale_won", trigger = "sale_won", last = "2023-11-26", quiet = 3, longest_pause = 0 },
      body.data.rule)
    assert.equal("2023-11-30T22:13:20Z", body.timestamp)

    win(21)
    assert.same({ 0, 0 }, silence(22))
    assert.same({ 0, 0 }, silence(38))
    assert.same({ 1, 0 }, silence(39)) -- the longest pause is eight days now
    assert.equal(3, #tell())
  end)

  it("tells what was done, once, signed and in order", function()
    local first = handle "Acme"
    local asked = handle("Bolt", "sale_registered")
    undo "Acme"
    assert.same({ 3, 0, 0 }, (step()))
    assert.same({ 0, 0, 0 }, (step()))
    assert.same({ "Acme change.made take", "Bolt question.asked take", "Acme change.made take" }, come())
    local all = tell()
    local body = json.decode(all[1].body)
    assert.same({ "change.made", "2023-11-14T22:13:20Z" }, { body.type, body.timestamp })
    assert.same(engine:history({ company = "Acme" })[2], body.data.entry)
    assert.same({ company = "Acme", from = "Lead", to = "Customer" }, body.data.names)
    assert.equal(1, (all[1].id:find(first.key .. ".", 1, true)))
    assert.equal(asked.confirmation, json.decode(all[2].body).data.confirmation.id)
    local keys = standard.prepare { SECRET }
    for _, one in ipairs(all) do
      assert.is_true(standard.verify({ secrets = keys }, { headers = one.headers, body = one.body }, core.now()))
      assert.equal("application/json", one.headers["content-type"])
    end
    assert.is_nil((standard.verify({ secrets = keys }, { headers = all[1].headers, body = "{}" }, core.now())))
  end)

  it("signs as the published vector has it", function()
    assert.equal("g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", standard.sign(
      standard.prepare({ SECRET })[1], "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", '{"test": 2432232314}'))
  end)

  it("signs with each of several secrets", function()
    notify = webhook(options_of { secret = { SECRET, "whsec_b3RoZXI=" } })
    handle "Acme"
    step()
    local sent = tell()[1]
    assert.matches("^v1,%S+ v1,%S+$", sent.headers["webhook-signature"])
    for _, secret in ipairs { SECRET, "whsec_b3RoZXI=" } do
      assert.is_true(standard.verify({ secrets = standard.prepare { secret } }, sent, core.now()))
    end
  end)

  for mode, message in pairs {
    fail = "the receiver has answered with status 500", redirect = "the receiver has answered with status 307",
    slow = "it took too long", much = "answer", die = "has closed the connection",
  } do
    it(("holds back only the company whose receiver is in the mode '%s'"):format(mode), function()
      tell { Acme = mode }
      handle "Acme"
      handle "Bolt"
      undo "Acme"
      handle "Cog"
      local counts, why = step()
      assert.same({ 2, 1, 0 }, counts)
      assert.matches(message, why, 1, true)
      assert.is_nil(why:find "secret") -- nor the path
      assert.is_nil(why:find "whsec_", 1, true)
      assert.same({ 0, 0, 0 }, (step()))
      tell { x = "take" }
      now = now + 5
      assert.same({ 2, 0, 0 }, (step()))
      assert.same({
        "Acme change.made " .. mode, "Bolt change.made take", "Cog change.made take", "Acme change.made take",
        "Acme change.made take",
      }, come())
      local all = tell()
      assert.equal(all[1].id, all[4].id)
      assert.same({ CUSTOMER, LEAD },
        { json.decode(all[4].body).data.entry.to, json.decode(all[5].body).data.entry.to })
      assert.same({}, engine:notices())
    end)
  end

  it("tries for a day, then it has failed, and the next one has its turn", function()
    tell { Acme = "fail" }
    handle "Acme"
    undo "Acme"
    step()
    local tries, pauses = 1, {}
    while engine:notices()[1].state == "waiting" and engine:notices()[1].tries == tries do
      local due = engine:notices()[1].due
      pauses[tries], now, tries = due - now, due, tries + 1
      step()
      if engine:notices({ state = "failed" })[1] then
        break
      end
    end
    assert.same({ 5, 10, 20, 40 }, { pauses[1], pauses[2], pauses[3], pauses[4] })
    assert.is_true(tries > 20 and tries < 50, tries)
    assert.equal(NOW + DAY, now)
    local failed = engine:notices({ state = "failed" })[1]
    assert.same({ "webhook", "change.made", "Acme", tries, "the receiver has answered with status 500" },
      { failed.notifier, failed.type, failed.company, failed.tries, failed.error })
    tell { x = "take" }
    assert.same({ 1, 0, 0 }, (step()))
    assert.equal(1, engine:retry_notices(failed.id))
    assert.same({ 1, 0, 0 }, (step()))
    assert.same({}, engine:notices())
    assert.equal("not_found", select(3, engine:retry_notices(failed.id)))
  end)

  it("lets waiting ones be tried at once, and given up", function()
    tell { Acme = "fail", Bolt = "fail" }
    handle "Acme"
    handle "Bolt"
    step()
    tell { Bolt = "fail" }
    assert.equal(2, engine:retry_notices())
    assert.same({ 1, 1, 0 }, (step()))
    local left = engine:notices()[1]
    assert.same({ "Bolt", 2, "waiting" }, { left.company, left.tries, left.state })
    assert.equal(1, engine:drop_notices(left.id, "webhook"))
    assert.same({}, engine:notices())
    assert.equal(0, engine:drop_notices())
    assert.has_error(function() engine:drop_notices(7) end, "id: a string expected, got number")
  end)

  it("keeps what it has not sent when the process ends, and the receiver is away", function()
    handle "Acme"
    processes.kill(receiver)
    local counts, why = step()
    assert.same({ { 0, 1, 0 }, true }, { counts, why:find("connection refused", 1, true) ~= nil })
    engine:close()
    receiver = processes.launch("../servers/receiver.lua", port)
    now = now + 5
    open()
    assert.same({ 1, 0, 0 }, (step()))
    assert.same({ "Acme change.made take" }, come())
  end)

  it("sends only what was asked for, of its own tenant", function()
    notify = webhook(options_of { events = { "change.failed" }, name = "alerts", tenant = "west" })
    local west = engine:tenant "west"
    assert(notify:step(west))
    handle "Acme"
    assert(west:save(stores.config { sale_won = CUSTOMER }))
    assert(west.host:create("West", 1))
    assert(west:handle { trigger = "sale_won", company = "West" })
    assert(notify:step(west))
    assert.same({}, come())
    assert.equal("west", notify.tenant)
  end)

  it("forgets whom the store has forgotten, also in what waits", function()
    tell { Acme = "fail" }
    assert(engine:handle {
      trigger = "sale_won", company = "Acme", contact = { id = 7, name = "Zoe Zimmer" }, actor = asking.BOB,
    })
    step()
    assert.matches("Zimmer", tell()[1].body, 1, true)
    assert(engine:forget({ contact = 7 }, { actor = asking.ANN }))
    tell { x = "take" }
    now = now + 5
    assert.same({ 1, 0, 0 }, (step()))
    assert.is_nil(tell()[2].body:find("Zimmer", 1, true))
  end)

  it("tells once that a question is about to expire, unless it has been answered", function()
    local questions = {}
    for _, company in ipairs { "Acme", "Bolt", "Cog" } do
      questions[company] = handle(company, "sale_registered").confirmation
    end
    assert.same({ 3, 0, 0 }, (step()))
    local ends = engine:confirmation(questions.Acme).expires_at
    now = ends - 3601
    assert.same({ 0, 0, 0 }, (step()))
    now = ends - 3600
    assert(engine:resolve(questions.Bolt, { decline = true }, { actor = asking.BOB }))
    tell { Cog = "fail" }
    assert.same({ 1, 1, 0 }, (step()))
    assert.same({ 0, 0, 0 }, (step()))
    local all = tell()
    assert.same({ "Acme question.expiring take", "Cog question.expiring fail" }, { come()[4], come()[5] })
    assert.equal(questions.Acme .. ".expiring", all[4].id)
    assert.equal(questions.Acme, json.decode(all[4].body).data.confirmation.id)
    assert.same({ "Cog", "question.expiring" }, { engine:notices()[1].company, engine:notices()[1].type })
    assert(engine:resolve(questions.Cog, { decline = true }, { actor = asking.BOB })) -- so there is nothing to tell
    now = now + 5
    assert.same({ { 0, 0, 0 } }, { step() })
    assert.same({ 5, {} }, { #tell(), engine:notices() })
  end)

  it("does not tell that a question is about to expire which has just been asked", function()
    notify = webhook(options_of { expiring_before = 1e8, events = { "question.expiring" } })
    handle("Acme", "sale_registered")
    assert.same({ 0, 0, 0 }, (step()))
    assert.same({}, come())
  end)

  it("begins nothing new when very many wait", function()
    local companies = {}
    for i = 1, 1105 do
      companies[i] = "c" .. i
    end
    assert(engine.host:create_many(companies, 1))
    for _, company in ipairs(companies) do
      handle(company)
    end
    local fails = true
    notify.send = function() return not fails or nil, "away" end
    local said
    for _ = 1, 10 do
      local counts = assert(notify:step(engine))
      said = counts.error and counts.error:find "^%d+ notices wait" and counts.error or said
    end
    assert.is_nil(select(2, step()))
    local left = #engine:notices { limit = 1000 }
    assert.equal(1000, left)
    fails = false
    engine:retry_notices()
    local sum = 0
    for _ = 1, 10 do
      sum = sum + notify:step(engine).handled
    end
    assert.equal(1105, sum)
  end)

  it("says what is wrong with its options", function()
    for _, row in ipairs {
      { nil, "option 'url' is missing" },
      { { secret = SECRET }, "option 'url' is missing" },
      { { url = "http://a" }, "option 'secret' is missing" },
      { { url = "ftp://a/hidden", secret = SECRET }, "option 'url': a URL begins with http:// or https://" },
      { { url = "http://a", secret = "whsec_!!!hidden" }, "option 'secret': whsec_ and base64 expected" },
      { { url = "http://a", secret = SECRET, events = { "all" } }, "option 'events': a list of question.asked" },
      { { url = "http://a", secret = SECRET, name = "a b" }, "option 'name': a text of 1 to 40 letters" },
      { { url = "http://a", secret = SECRET, x = 1 }, "unknown option 'x'" },
    } do
      local ok, message = pcall(webhook, row[1])
      assert.is_false(ok)
      assert.matches("leadcat.notify.webhook: " .. row[2], message, 1, true)
      assert.is_nil(message:find "hidden")
    end
  end)
end)

describe("leadcat worker and notices", function()
  -- A store with what was done in it since the notifier began, behind a worker's file.
  local function made(companies)
    local path = stores.path()
    local file = stores.file(([[
      return {
        engine = assert(require("leadcat").open { path = "%s", map_size = 2 ^ 26 }),
        notify = { require "leadcat.notify.webhook" { url = "http://127.0.0.1:%d/hook", secret = "%s" } },
      }
    ]]):format(path, port, SECRET), ".lua")
    local engine = stores.open { path = path }
    assert(engine:save(stores.config { sale_won = CUSTOMER }))
    assert(engine.host:create_many(companies, LEAD))
    assert.same({ "", "", 0 }, { stores.leadcat("worker", "--once", file) })
    for _, company in ipairs(companies) do
      assert(engine:handle { trigger = "sale_won", company = company })
    end
    engine:close()
    return path, file
  end

  it("sends notices, lists those that have not arrived, and sends them again", function()
    local path, file = made { "Acme", "Bolt" }
    tell { Acme = "fail" }
    local _, errors, status = stores.leadcat("worker", "--once", "--verbose", file)
    assert.equal(1, status)
    assert.matches("leadcat: notify webhook: company Acme, notice %S+: the receiver has answered with status 500\n",
      errors)
    assert.matches("leadcat: notify webhook: 1 handled, 1 parked\n", errors)
    local output = stores.leadcat("notices", "--path", path)
    local id = output:match "\n(%S+)"
    assert.matches("webhook +change.made +Acme .* waiting +1 .*the receiver has answered with status 500\n$", output)
    assert.equal(id, json.decode((stores.leadcat("notices", "--path", path, "--json")))[1].id)
    assert.equal("no notices wait or have failed\n", (stores.leadcat("notices", "--path", path, "--state", "failed")))
    tell { x = "take" }
    assert.equal("1 to be sent again\n", (stores.leadcat("notices", "--path", path, "retry", id)))
    assert.same({ "", "", 0 }, { stores.leadcat("worker", "--once", file) })
    assert.equal("no notices wait or have failed\n", (stores.leadcat("notices", "--path", path)))
    assert.same({ "Acme change.made fail", "Bolt change.made take", "Acme change.made take" }, come())
  end)

  it("drops notices, and says what is wrong with its arguments", function()
    local path, file = made { "Acme", "Bolt" }
    tell { ["*"] = "fail" }
    stores.leadcat("worker", "--once", file)
    assert.equal("2 dropped\n", (stores.leadcat("notices", "--path", path, "drop", "all")))
    for _, row in ipairs {
      { 1, "no notice x waits or has failed", "drop", "x" }, { 2, "retry needs the ids of notices, or all", "retry" },
      { 2, "retry or drop expected, not 'x'", "x" },
    } do
      local _, errors, status = stores.leadcat("notices", "--path", path, row[3], row[4])
      assert.same({ row[1], "leadcat: " .. row[2] }, { status, errors:match "^[^\n]*" })
    end
  end)

  it("refuses two notifiers of one name, and what is none", function()
    for text, message in pairs {
      ["{ name = 'a', step = print }, { name = 'a', step = print }"] = "option 'notify': there are two of the name 'a'",
      ["5"] = "option 'notify': a list of notifiers, such as those of leadcat.notify.webhook expected",
    } do
      local _, errors, status = stores.leadcat("worker", stores.file(([[
        return { engine = { handle_many = print, maintain = print }, notify = { %s } }
      ]]):format(text), ".lua"))
      assert.equal(1, status)
      assert.matches(message, errors, 1, true)
    end
  end)

  it("loses none and keeps each company's in order, whoever is killed meanwhile", function()
    local companies, count = {}, 60
    for i = 1, 6 do
      companies[i] = "c" .. i
    end
    local path, file = made(companies)
    local engine = stores.open { path = path }
    local first = engine:history({ limit = 1000 })
    for i = #first + 1, count do -- back and forth
      local company = companies[i % 6 + 1]
      assert(engine:undo(engine:history({ company = company, limit = 1 })[1].entry, { actor = asking.ANN }))
    end
    local expected = {}
    for _, change in ipairs(engine:changes(nil, { limit = 1000 })) do
      table.insert(expected, change.cursor)
    end
    assert.equal(count, #expected)
    tell { c2 = "fail", c5 = "die" }
    local rounds, kills = 0, 0
    repeat
      rounds = rounds + 1
      local worker = processes.launch("notices.lua", file)
      core.sleep(0.002 + math.random() * 0.03 * (1 + rounds / 5))
      kills = kills + (processes.kill(worker) and 1 or 0)
      if rounds == 8 then
        tell { x = "take" }
      end
      if rounds > 8 then
        engine:retry_notices()
      end
    until rounds > 12 and #engine:notices() == 0 and engine:changes(nil, { limit = 1000 })[count].cursor
      == json.decode(engine._store:cursor("", "notices:webhook")).cursor
    engine:close()
    assert.is_true(kills > 0)
    local seen, last, missing = {}, {}, count
    for _, one in ipairs(tell()) do
      if one.mode == "take" and not seen[one.id] then
        local number = tonumber(one.id:match "%d+$")
        assert.is_true(number > (last[one.company] or 0), one.id)
        seen[one.id], last[one.company], missing = true, number, missing - 1
      end
    end
    assert.equal(0, missing)
    assert.same({}, core.check_store(path))
  end)
end)

describe("the manual of notices", function()
  after_each(stores.check)

  it("does as it says", function()
    local page = assert(io.open "lua/leadcat/notify/README.md")
    local block = page:read "*a":match "\n```lua\n(return .-)\n```"
    page:close()
    local path = stores.path()
    local file = stores.file((block:gsub("/var/lib/leadcat", path)
      :gsub('os.getenv "LEADCAT_NOTIFY_SECRET"', '"whsec_b3RoZXI="')
      :gsub("https://crm.example.com", "http://127.0.0.1:" .. port)), ".lua")
    local engine = stores.open { path = path }
    assert(engine:save(stores.config { sale_won = { CUSTOMER, ask = true } }))
    assert(engine.host:create("Acme", LEAD))
    assert.same({ "", "", 0 }, { stores.leadcat("worker", "--once", file) })
    assert(engine:handle { trigger = "sale_won", company = "Acme" })
    engine:close()
    assert.same({ "", "leadcat: notify webhook: 1 handled\n", 0 },
      { stores.leadcat("worker", "--once", "--verbose", file) })
    local sent = tell()[1]
    assert.same({ "/hooks/leadcat", "question.asked" }, { sent.path, json.decode(sent.body).type })
  end)
end)

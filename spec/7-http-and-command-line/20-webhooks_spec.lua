-- Webhooks: who sent it, whether it is old or known; and what each kind of sender says has happened.

local core = require "leadcat.core"
local http = require "leadcat.http"
local json = require "leadcat.util.json"
local senders = require "support.senders"
local stores = require "support.stores"
local webhook = require "leadcat.source.webhook"

local NOW = 1700000000

local function mac(secret, text)
  return core.hmac_sha256(secret, text)
end

local PUBLISHED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
local SECRETS = setmetatable({ standard = PUBLISHED, pipedrive = "leadcat:p4ss:word" }, {
  __index = function() return "a secret that is long enough" end,
})

-- A site with one hook at /leadcat/hooks/crm, and companies 7 (a lead) and 8 (an opportunity).
local function new_site(kind, more)
  local site = { now = NOW, kind = kind }
  site.engine, site.path = stores.open { clock = function() return site.now end, durability = "relaxed" }
  assert(site.engine:save(stores.config { sale_registered = 3, sale_won = 5, sale_lost = 7 }))
  assert(site.engine.host:create(7, 1))
  assert(site.engine.host:create(8, 3))
  site.hook = senders.hook(kind, SECRETS[kind], more)
  site.app = http.new { engine = site.engine, authenticate = function() end, hooks = { crm = site.hook } }
  return site
end

local function post(site, body, headers, query, path)
  local answer = site.app:respond {
    method = "POST", path = path or "/leadcat/hooks/crm", query = query, headers = headers, body = body,
  }
  return answer.status, answer
end

local function send(site, body, secret, now)
  local headers, query = senders.sign(site.kind, secret or SECRETS[site.kind], body, now or site.now)
  headers["content-type"] = "application/json"
  return post(site, body, headers, query)
end

local function count(site)
  return #site.engine:deliveries()
end

-- What has come of all that was sent: by the newest delivery its state and problem; and the journal's events, oldest first.
local function handle(site)
  assert(site.hook:step(site.engine))
  local entries, events = assert(site.engine:history()), {}
  for place = #entries, 1, -1 do
    local entry = entries[place]
    events[#events + 1] = ("%s %s of %s at %s: %s"):format(entry.trigger, entry.sale and entry.sale.id or "none",
      entry.company, entry.at, entry.status)
  end
  local newest = site.engine:deliveries { limit = 1 }[1]
  return events, newest.state, newest.problem
end

describe("a webhook's signature", function()
  after_each(stores.check)

  it("is that of Standard Webhooks' published vector", function()
    local site = new_site "standard"
    site.now = 1614265330
    local headers = { ["webhook-id"] = "msg_p5jXN8AQM9LWM0D4loKWxJek", ["webhook-timestamp"] = "1614265330",
      ["webhook-signature"] = "v1,bm9uZQ== v2,x v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" }
    assert.equal(200, (post(site, '{"test": 2432232314}', headers)))
    assert.equal(401, (post(site, '{"test": 2432232315}', headers)))
    site.engine:close()
  end)

  for _, kind in ipairs(senders.KINDS) do
    it("of " .. kind .. " is accepted, and no other", function()
      local site = new_site(kind)
      assert.equal(200, (send(site, "{}")))
      assert.equal(1, count(site))
      assert.equal(401, (send(site, '{"a": 1}', kind == "standard" and "whsec_QUFBQQ==" or "another:secret")))
      assert.equal(401, (post(site, '{"a": 1}', {})))
      local headers, query = senders.sign(kind, SECRETS[kind], '{"a": 1}', NOW)
      for name, value in pairs(headers) do
        if not name:find "time" and not name:find "id$" then
          headers[name] = value:sub(1, -6) .. (value:sub(-5) == "AAAA=" and "BBBB=" or "AAAA=")
        end
      end
      assert.equal(401, (post(site, '{"a": 1}', headers, query and query .. "x")))
      local changed = senders.sign(kind, SECRETS[kind], '{"a": 1}', NOW)
      local signs_body = kind ~= "pipedrive" and kind ~= "odoo"
      assert.equal(signs_body and 401 or 200, (post(site, '{"a": 2}', changed, query)))
      assert.equal(signs_body and 1 or 2, count(site))
      site.engine:close()
    end)

    it("of " .. kind .. " may be one of two secrets, while it is changed", function()
      local site = new_site(kind, { secret = { kind == "standard" and "whsec_QUFBQQ==" or "x:y", SECRETS[kind] } })
      assert.equal(200, (send(site, "{}")))
      assert.equal(200, (send(site, '{"a": 1}', kind == "standard" and "whsec_QUFBQQ==" or "x:y")))
      site.engine:close()
    end)
  end

  for _, kind in ipairs { "standard", "hubspot", "twenty" } do
    it("of " .. kind .. " is good for five minutes", function()
      local site = new_site(kind)
      for _, row in ipairs { { -300, 200 }, { -301, 401 }, { 300, 200 }, { 301, 401 } } do
        assert.equal(row[2], (send(site, ('{"a": %d}'):format(row[1]), nil, NOW + row[1])))
      end
      site.engine:close()
    end)
  end

  -- What buildSignature and buildSignatureLegacy of EspoCRM's application/Espo/Core/Webhook/Sender.php make of this, computed
  -- with Python's hmac. It sends both headers; older versions had only the second.
  it("of EspoCRM is as its source makes it, in both forms", function()
    local site = new_site("espocrm", { secret = "71b8e2c4d5f6a7b8c9d0e1f2a3b4c5d6" })
    local body = '[{"id":"5f0c","stage":"Closed Won"}]'
    local signature = "NjZmMGExYjJjM2Q0ZTVmNmE6M2YzZDA2MWEwMmMxZjZmODdjMzBkYTIwZjhm"
      .. "ZGE2NjdhMjQ3N2UyMzkxMjk5NDRhZWI5MDYwODNkMDA0ZGY5Zg=="
    local legacy = "NjZmMGExYjJjM2Q0ZTVmNmE6Pz0GGgLB9vh8MNog+P2mZ6JHfiORKZRK65Bgg9AE358="
    for _, row in ipairs {
      { 200, { signature = signature, ["x-signature"] = legacy } }, { 200, { signature = signature } },
      { 200, { ["x-signature"] = legacy } }, { 401, { signature = legacy } }, { 401, { ["x-signature"] = signature } },
      { 401, { signature = "Ojpm", ["x-signature"] = legacy } },
    } do
      assert.equal(row[1], (post(site, body, row[2])))
    end
    assert.equal(401, (post(site, body .. " ", { ["x-signature"] = legacy })))
    site.engine:close()
  end)

  -- What generateSignature of Twenty's engine/core-modules/webhook/jobs/call-webhook.job.ts makes of this, run with Node.js.
  it("of Twenty is as its source makes it", function()
    local site = new_site("twenty", { secret = "twenty secret" })
    local headers = { ["x-twenty-webhook-timestamp"] = "1700000000123", ["x-twenty-webhook-nonce"] = "5f",
      ["x-twenty-webhook-signature"] = "a321b3e31a59cb79e0755e752ac9e6967e502e3faa3c989ae997a91f94331ed0" }
    local body = '{"eventName":"opportunity.created","record":{"id":"u-1"}}'
    assert.equal(200, (post(site, body, headers)))
    assert.equal(401, (post(site, body:gsub("u%-1", "u-2"), headers)))
    site.engine:close()
  end)

  it("takes no longer when many are sent", function()
    local site, macs = new_site "standard", 0
    local original = core.hmac_sha256
    core.hmac_sha256 = function(...) -- luacheck: ignore 122
      macs = macs + 1
      return original(...)
    end
    local status = post(site, "{}", { ["webhook-id"] = "m", ["webhook-timestamp"] = ("%d"):format(NOW),
      ["webhook-signature"] = ("v1,A x "):rep(600) })
    core.hmac_sha256 = original -- luacheck: ignore 122
    assert.same({ 401, 1 }, { status, macs })
    site.engine:close()
  end)

  it("of HubSpot has the query, with some characters as they are", function()
    local site = new_site "hubspot"
    local time = ("%d"):format(NOW * 1000)
    local signed = "POST" .. senders.URL .. "?a=b:c/d%20e" .. "[]" .. time
    local headers = { ["x-hubspot-request-timestamp"] = time,
      ["x-hubspot-signature-v3"] = core.base64(mac(SECRETS.hubspot, signed)) }
    assert.equal(200, (post(site, "[]", headers, "a=b%3Ac%2Fd%20e")))
    site.engine:close()
  end)

  it("of Odoo is in the query, or behind the name", function()
    local site = new_site "odoo"
    assert.equal(200, (post(site, "{}", {}, nil, "/leadcat/hooks/crm/" .. SECRETS.odoo)))
    assert.equal(200, (post(site, "{}", {}, "a=b&secret=a+secret%20that+is+long+enough")))
    assert.equal(401, (post(site, "{}", {}, nil, "/leadcat/hooks/crm/x")))
    assert.equal(401, (post(site, "{}", {}, "nosecret=" .. SECRETS.odoo)))
    site.engine:close()
  end)
end)

describe("the route of webhooks", function()
  after_each(stores.check)

  it("stores a delivery once, and says so", function()
    local site = new_site "standard"
    local _, first = send(site, "{}")
    local _, second = send(site, "{}")
    assert.same({ '{"status":"stored"}', '{"status":"known"}', 1 }, { first.body, second.body, count(site) })
    site.engine:close()
  end)

  it("is not there without a hook of that name, and takes only POST", function()
    local site = new_site "standard"
    assert.equal(404, (post(site, "{}", {}, nil, "/leadcat/hooks/another")))
    assert.equal(405, site.app:respond { method = "GET", path = "/leadcat/hooks/crm", headers = {} }.status)
    site.engine:close()
  end)

  it("refuses what is too large, compressed or ambiguous", function()
    local site = new_site "superoffice"
    assert.equal(200, (send(site, ("x"):rep(256 * 1024))))
    assert.equal(413, (send(site, ("x"):rep(256 * 1024 + 1))))
    assert.equal(415, (post(site, "{}", { ["content-encoding"] = "gzip" })))
    assert.equal(400, (post(site, "{}", { ["x-superoffice-signature"] = { "a", "b" } })))
    site.engine:close()
  end)

  it("tells the sender to come again when it cannot store", function()
    local site = new_site "superoffice"
    local writer, reader = site.engine, stores.open { path = site.path, readonly = true }
    site.app = http.new { engine = reader, authenticate = function() end, hooks = { crm = site.hook } }
    local status, answer = send(site, "{}")
    assert.same({ 503, "5", 0 }, { status, answer.headers["Retry-After"], #writer:deliveries() })
    reader:close()
    writer:close()
  end)

  it("does not let the log be filled by whoever sends nonsense", function()
    local site = new_site "superoffice"
    local function line(body)
      return select(2, post(site, body or "{}", {})).log
    end
    local first = "hook superoffice: its signature is not that of the secret"
    assert.equal(first, line())
    assert.is_nil(line())
    assert.is_nil(line(("x"):rep(256 * 1024 + 1)))
    site.now = NOW + 9
    assert.is_nil(line())
    site.now = NOW + 10
    assert.equal(first .. " (and 3 more before that)", line())
    assert.is_nil(line())
    site.now = NOW - 60 -- a clock that is put back does not silence it
    assert.equal(first .. " (and 1 more before that)", line())
    site.now = NOW
    assert.equal(first, line())
    site.engine:close()
  end)

  it("tells neither the sender nor the log a secret", function()
    for _, kind in ipairs(senders.KINDS) do
      local site = new_site(kind)
      local _, answer = send(site, '{"a": 1}', kind == "standard" and "whsec_QUFBQQ==" or "another:secret")
      assert.matches("^hook " .. kind .. ": ", answer.log)
      assert.is_nil((answer.body .. answer.log):find(SECRETS[kind], 1, true))
      send(site, "{}")
      handle(site)
      local kept = json.encode(site.engine:delivery(site.engine:deliveries()[1].id))
      assert.is_nil(kept:find(SECRETS[kind], 1, true))
      assert.is_nil(kept:find("authorization", 1, true))
      site.engine:close()
    end
  end)
end)

-- Kind, more options, body, the events that come of it, the state and problem of the delivery.
local NOTHING = {}
local ROWS = {
  { "standard", nil, '{"type":"deal.won","deal":5,"company":7}', { "sale_won 5 of 7 at 1700000000: updated" }, "done" },
  { "standard", nil, '{"type":"deal.seen"}', NOTHING, "done", "not a deal that was won" },
  { "standard", nil, "deal", NOTHING, "failed", "^invalid JSON: " },
  { "standard", { map = function() return nil, "what is this?" end }, "{}", NOTHING, "failed", "^what is this%?$" },
  { "standard", { map = function() error("oh", 0) end }, "{}", NOTHING, "waiting", "^it raised: oh$" },
  { "standard", { map = function() return { trigger = "sale_sold", sale = { id = 1 }, company = 7 } end }, "{}",
    NOTHING, "failed", "^its event: trigger must be one of sale_registered" },
  { "standard", { map = function() return { trigger = "sale_won", company = 7 } end }, "{}", NOTHING, "failed",
    "^it does not say which sale it is about$" },
  { "superoffice", nil, '{"EventId":"e-1","Timestamp":"2023-11-14T22:00:00.5Z","Event":"sale.sold","PrimaryKey":12,'
    .. '"Changes":["status"],"ChangedByAssociateId":5,"FieldValues":{"contact_id":7,"status":2}}',
    { "sale_won 12 of 7 at 1699999200.5: updated" }, "done", "^sale_won: updated$" },
  { "superoffice", nil, '{"EventId":"e-2","Event":"sale.created","PrimaryKey":12,"FieldValues":{"contact_id":7}}',
    { "sale_registered 12 of 7 at 1700000000: updated" }, "done" },
  { "superoffice", nil, '{"EventId":"e-3","Event":"sale.lost","PrimaryKey":12,"FieldValues":{"contact_id":0}}', NOTHING,
    "failed", "needs a `lookup`$" },
  { "superoffice", nil, '{"EventId":"e-4","Event":"test","PrimaryKey":0,"Entity":"test"}', NOTHING, "done",
    "^test is no event of a sale$" },
  { "superoffice", nil, '{"EventId":"e-5","Event":"sale.changed","Changes":["status"],"PrimaryKey":1,"FieldValues":'
    .. '{"contact_id":7,"status":2}}', NOTHING, "done", "is no event of a sale" },
  { "superoffice", nil, "[]", NOTHING, "failed", "^it has no Event$" },
  { "hubspot", { lookup = function(sale) return { company = sale.id == 9 and 7 or nil, name = "Printers" } end },
    '[{"eventId":1,"subscriptionId":2,"portalId":3,"appId":4,"occurredAt":1699999000123,"subscriptionType":'
    .. '"deal.propertyChange","attemptNumber":0,"objectId":9,"propertyName":"dealstage","propertyValue":"closedwon"},'
    .. '{"eventId":2,"occurredAt":1699999000124,"subscriptionType":"contact.creation","attemptNumber":0,'
    .. '"objectId":10}]',
    { "sale_won 9 of 7 at 1699999000.123: updated" }, "done" },
  { "hubspot", { lookup = function() return { company = 7 } end }, '[{"eventId":1,"occurredAt":1699999000000,'
    .. '"subscriptionType":"object.creation","objectTypeId":"0-3","objectId":9}]',
    { "sale_registered 9 of 7 at 1699999000.0: updated" }, "done" },
  { "hubspot", { lookup = function() return {} end }, '[{"eventId":1,"occurredAt":1699999000000,'
    .. '"subscriptionType":"deal.creation","objectId":9}]', NOTHING, "done", "^the sale has no company$" },
  { "hubspot", { lookup = function() return nil, "HTTP 503" end }, '[{"eventId":1,"occurredAt":1699999000000,'
    .. '"subscriptionType":"deal.creation","objectId":9}]', NOTHING, "waiting", "^lookup: HTTP 503$" },
  { "hubspot", { lookup = function() return false, "no such deal" end }, '[{"eventId":1,"occurredAt":1699999000000,'
    .. '"subscriptionType":"deal.creation","objectId":9}]', NOTHING, "failed", "^lookup: no such deal$" },
  { "hubspot", { lookup = function() return { company = 7 } end }, '[{"eventId":1,"occurredAt":1699999000000,'
    .. '"subscriptionType":"deal.propertyChange","objectId":9,"propertyName":"dealstage","propertyValue":"qualified"}]',
    NOTHING, "failed", "^the sale's status is 'qualified', which `statuses` does not have$" },
  { "hubspot", { lookup = function() return { company = 7 } end, statuses = { qualified = "open", [17] = "lost" } },
    '[{"eventId":1,"occurredAt":1699999000000,"subscriptionType":"deal.propertyChange","objectId":9,'
    .. '"propertyName":"dealstage","propertyValue":"17"}]', { "sale_lost 9 of 7 at 1699999000.0: updated" }, "done" },
  { "hubspot", { lookup = function() return { company = 7 } end }, '[{"eventId":1,"occurredAt":1699999000000,'
    .. '"subscriptionType":"deal.propertyChange","objectId":9,"propertyName":"dealstage",'
    .. '"propertyValue":"contractsent"}]',
    NOTHING, "done", "^nothing that events are about has changed$" },
  { "pipedrive", nil, '{"v":1,"meta":{"action":"updated","object":"deal","id":4,"user_id":3,"timestamp":1699999000},'
    .. '"retry":0,"current":{"id":4,"title":"Printers","status":"won","org_id":7},'
    .. '"previous":{"id":4,"status":"open","org_id":7},"event":"updated.deal"}',
    { "sale_won 4 of 7 at 1699999000: updated" }, "done" },
  { "pipedrive", nil, '{"data":{"id":4,"status":"lost","org_id":7,"labels":[null]},"previous":{"status":"open"},"meta":'
    .. '{"action":"change","entity":"deal","entity_id":"4","timestamp":"2023-11-14T22:00:00.000Z","attempt":1}}',
    { "sale_lost 4 of 7 at 1699999200.0: updated" }, "done" },
  { "pipedrive", nil, '{"data":{"id":4,"status":"won","org_id":7},"previous":{"org_id":null},"meta":'
    .. '{"action":"change","entity":"deal","entity_id":"4","timestamp":"2023-11-14T22:00:00.000Z"}}',
    { "sale_registered 4 of 7 at 1699999200.0: updated", "sale_won 4 of 7 at 1699999200.0: updated" }, "done" },
  { "pipedrive", nil, '{"data":{"id":4,"status":"open","org_id":8},"previous":null,"meta":{"action":"create","entity":'
    .. '"deal","entity_id":"4","timestamp":"2023-11-14T22:00:00.000Z"}}',
    NOTHING, "done", "^sale_registered: unchanged$" },
  { "pipedrive", nil, '{"data":{"id":4,"status":"won","org_id":7},"previous":{"title":"x"},"meta":{"action":"change",'
    .. '"entity":"deal","entity_id":"4","timestamp":"2023-11-14T22:00:00.000Z"}}', NOTHING, "done", "is what it was" },
  { "pipedrive", nil, '{"data":{"id":4},"meta":{"action":"change","entity":"person"}}', NOTHING, "done",
    "^person is no deal$" },
  { "pipedrive", nil, '{"data":{"id":null,"status":"won","org_id":7},"previous":{"status":"open"},"meta":{"action":'
    .. '"change","entity":"deal"}}', NOTHING, "failed", "^it does not say which sale it is about$" },
  { "pipedrive", nil, "{}", NOTHING, "failed", "^it has no meta.action" },
  { "espocrm", nil, '[{"id":"5f0c","stage":"Closed Won","accountId":"7","modifiedAt":"2023-11-14 22:00:00"}]',
    { "sale_won 5f0c of 7 at 1699999200.0: updated" }, "done" },
  { "espocrm", { event = "Opportunity.create" }, '[{"id":"5f0c","name":"P","stage":"Prospecting","accountId":"7",'
    .. '"createdAt":"2023-11-14 22:00:00"}]', { "sale_registered 5f0c of 7 at 1699999200.0: updated" }, "done" },
  { "espocrm", nil, '[{"id":"5f0c","amount":5}]', NOTHING, "done", "^no opportunity's stage has changed$" },
  { "espocrm", { event = "Account.update" }, "[]", NOTHING, "done", "^Account.update is no event" },
  { "twenty", nil, '{"eventName":"opportunity.updated","eventDate":"2023-11-14T22:00:00.000Z",'
    .. '"updatedFields":["stage"],"record":{"id":"u-1","name":"P","stage":"CUSTOMER","companyId":"7"}}',
    { "sale_won u-1 of 7 at 1699999200.0: updated" }, "done" },
  { "twenty", nil, '{"eventName":"opportunity.created","eventDate":"2023-11-14T22:00:00.000Z","record":'
    .. '{"id":"u-1","stage":"NEW","companyId":"7"}}', { "sale_registered u-1 of 7 at 1699999200.0: updated" }, "done" },
  { "twenty", nil, '{"eventName":"opportunity.updated","updatedFields":["amount"],"record":{"id":"u-1"}}', NOTHING,
    "done", "^the opportunity's stage has not changed$" },
  { "twenty", nil, '{"eventName":"person.created","record":{"id":"u"}}',
    NOTHING, "done", "^person.created is no event" },
  { "odoo", { trigger = "sale_won" }, '{"_model":"crm.lead","_id":5,"_action":"Won(#3)","partner_id":7}',
    { "sale_won 5 of 7 at 1700000000: updated" }, "done" },
  { "odoo", nil, '{"_model":"crm.lead","_id":5,"partner_id":7,"active":false,"probability":0,'
    .. '"write_date":"2023-11-14 22:00:00"}', { "sale_lost 5 of 7 at 1699999200.0: updated" }, "done" },
  { "odoo", { statuses = { [4] = "won", [1] = "open" } }, '{"_model":"crm.lead","_id":5,"partner_id":7,"stage_id":4}',
    { "sale_won 5 of 7 at 1700000000: updated" }, "done" },
  { "odoo", nil, '{"_model":"crm.lead","_id":5,"partner_id":7}', NOTHING, "failed", "^it has neither stage_id" },
  { "odoo", nil, '{"_model":"res.partner","_id":5}', NOTHING, "done", "^res.partner is no crm.lead$" },
}

describe("what a sender says", function()
  after_each(stores.check)

  for i, row in ipairs(ROWS) do
    it(("becomes events: %d, %s"):format(i, row[1]), function()
      local site = new_site(row[1], row[2])
      assert.equal(200, (send(site, row[3])))
      local events, state, problem = handle(site)
      for place, event in ipairs(events) do
        events[place] = event:gsub("%.0:", ":")
      end
      local expected = {}
      for place, event in ipairs(row[4]) do
        expected[place] = event:gsub("%.0:", ":")
      end
      assert.same({ expected, row[5] }, { events, state }, problem)
      if row[6] then
        assert.matches(row[6], problem)
      end
      site.engine:close()
    end)
  end

  it("is handled once, however often it is delivered and by whichever batch", function()
    local site = new_site("hubspot", { lookup = function() return { company = 7 } end })
    local item = '{"eventId":1,"occurredAt":1699999000000,"subscriptionType":"deal.propertyChange","objectId":9,'
      .. '"propertyName":"dealstage","propertyValue":"closedwon","attemptNumber":%d}'
    assert.equal(200, (send(site, "[" .. item:format(0) .. "]")))
    assert.equal(200, (send(site, "[" .. item:format(1) .. "]")))
    assert.equal(1, count(site))
    assert.equal(200, (send(site, "[" .. item:format(1) .. "," .. item:format(1) .. "]")))
    assert.equal(1, #(handle(site)))
    site.engine:close()
  end)

  it("is handled once, whichever attempt of Pipedrive's it is", function()
    local site = new_site "pipedrive"
    for attempt = 0, 1 do
      for _, body in ipairs {
        '{"meta":{"action":"updated","object":"deal","id":4},"retry":%d,"current":{"id":4}}',
        '{"meta":{"action":"change","entity":"deal","attempt":%d},"data":{"id":4},"previous":{}}',
      } do
        assert.equal(200, (send(site, body:format(attempt))))
      end
    end
    assert.equal(2, count(site))
    site.engine:close()
  end)

  it("is not taken for another one where the sender has no ids", function()
    local site = new_site("odoo", { trigger = "sale_won" })
    local body = '{"_model":"crm.lead","_id":5,"partner_id":7}'
    send(site, body)
    send(site, body)
    assert.equal(2, count(site))
    site.engine:close()
  end)

  it("reopens a sale that leadcat knows to be closed", function()
    local site = new_site("twenty", {})
    local body = '{"eventName":"opportunity.updated","eventDate":"2023-11-14T2%d:00:00.000Z","updatedFields":["stage"],'
      .. '"record":{"id":"u-1","stage":"%s","companyId":"7"}}'
    send(site, body:format(1, "CUSTOMER"))
    handle(site)
    send(site, body:format(2, "MEETING"))
    assert.matches("^sale_reopened: ", (select(3, handle(site))))
    site.engine:close()
  end)

  it("finds the company of a deleted sale in the journal", function()
    local site = new_site("espocrm", { event = "Opportunity.delete" })
    assert(site.engine:handle { trigger = "sale_won", company = 7, sale = { id = "5f" }, id = "x" })
    send(site, '[{"id":"5f"}]')
    assert.matches("^sale_deleted: ", (select(3, handle(site))))
    site.engine:close()
  end)

  it("does not undo what has happened later", function()
    local site = new_site("superoffice")
    assert(site.engine:handle { trigger = "sale_registered", company = 7, at = NOW - 10, id = "x" })
    send(site, '{"EventId":"e-1","Timestamp":"2023-11-14T22:00:00Z","Event":"sale.sold","PrimaryKey":12,'
      .. '"FieldValues":{"contact_id":7}}')
    local _, state, problem = handle(site)
    assert.same({ "done", "sale_won: unchanged" }, { state, problem })
    site.engine:close()
  end)
end)

describe("leadcat.source.webhook", function()
  for _, row in ipairs {
    { nil, "a table of options expected" },
    { {}, "option 'kind' is missing" },
    { { kind = "sap", secret = "x" }, "option 'kind': one of standard, superoffice" },
    { { kind = "twenty" }, "option 'secret' is missing" },
    { { kind = "twenty", secret = "" }, "option 'secret': a text, or a list of texts expected$" },
    { { kind = "twenty", secret = { "hunter2", 5 } }, "option 'secret': a text, or a list of texts expected$" },
    { { kind = "standard", secret = "whsec_QUJD" }, "needs the option 'map'" },
    { { kind = "standard", secret = "hunter2!", map = print }, "option 'secret': whsec_ and base64 expected$" },
    { { kind = "hubspot", secret = "x" }, "needs the option 'public_url'" },
    { { kind = "hubspot", secret = "x", public_url = "crm.example.com" },
      "option 'public_url': an address that begins" },
    { { kind = "pipedrive", secret = "hunter2" }, "option 'secret': user:password expected$" },
    { { kind = "espocrm", secret = "x" }, "needs the option 'event'" },
    { { kind = "twenty", secret = "x", event = "a.b" }, "option 'event' is not for the kind twenty" },
    { { kind = "twenty", secret = "x", name = "a b" }, "option 'name': a name of 1 to 40" },
    { { kind = "twenty", secret = "x", statuses = { NEW = "new" } }, "option 'statuses': 'NEW' must be open, won" },
    { { kind = "twenty", secret = "x", url = "y" }, "unknown option 'url'" },
  } do
    it("refuses a wrong option: " .. row[2], function()
      local ok, message = pcall(webhook, row[1])
      assert.is_false(ok)
      assert.matches(row[2], message)
      assert.is_nil(message:find("hunter2", 1, true))
    end)
  end

  it("does not share a name with another hook of the same routes", function()
    local hook = webhook { kind = "twenty", secret = "x" }
    local function serve(hooks)
      return pcall(http.new, { engine = {}, authenticate = print, hooks = hooks })
    end
    assert.is_true((serve { a = hook, b = webhook { kind = "twenty", secret = "x", tenant = "t" } }))
    assert.is_false((serve { a = hook, b = webhook { kind = "twenty", secret = "x" } }))
    assert.is_false((serve { a = {} }))
  end)
end)

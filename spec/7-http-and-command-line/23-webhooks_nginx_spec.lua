-- Webhooks in nginx: any worker stores them, the first one handles them.

if rawget(_G, "jit") or os.getenv "LEADCAT_SLOW" then
  return -- nginx has LuaJIT in it either way
end

local core = require "leadcat.core"
local stores = require "support.stores"
local server = require "nginx.server"
describe("webhooks in nginx", function()
  after_each(stores.check)
  it("are stored by any worker and handled by the first", function()
    local directory = server.directory()
    local engine = stores.open { path = directory .. "/store", map_size = 2 ^ 26 }
    assert(engine:save(stores.config { sale_won = 5 }))
    assert(engine.host:create(7, 1))
    engine:close()
    local running, output = server.start(directory, {
      http = [[init_worker_by_lua_block {
        crm_hook = require "leadcat.source.webhook" { kind = "superoffice", secret = "s" }
        require("leadcat.resty").start(assert(require("nginx.site").engine()), { sources = { crm_hook } })
      }]],
      server = [[location /leadcat/ { content_by_lua_block {
        local site = require "nginx.site"
        require("leadcat.resty").serve {
          engine = site.engine, authenticate = site.authenticate, hooks = { crm = crm_hook },
        }
      } }]],
    })
    assert(running, output)
    local body = '{"EventId":"e","Event":"sale.sold","PrimaryKey":1,"FieldValues":{"contact_id":7}}'
    local signature = core.base64(core.hmac_sha256("s", body))
    local headers = { ["X-SuperOffice-Signature"] = signature, ["X-SuperOffice-EventId"] = "e" }
    local status, answer = running:request("POST", "/leadcat/hooks/crm", { body = body, headers = headers })
    assert.same({ 200, '{"status":"stored"}' }, { status, answer })
    assert.equal(401, (running:request("POST", "/leadcat/hooks/crm", { body = body .. " ", headers = headers })))
    assert.equal(413, (running:request("POST", "/leadcat/hooks/crm", { body = ("x"):rep(300000), headers = headers })))
    local reader = stores.open { path = directory .. "/store", map_size = 2 ^ 26 }
    assert(server.wait_for(function() return reader:deliveries { state = "done" }[1] ~= nil end))
    assert.equal(5, reader.host.category(7))
    reader:close()
    running:stop()
    os.execute("rm -rf " .. directory)
  end)
end)

-- Notices by a program: what it gets, and what becomes of it when it fails, hangs, or is not there.

if os.getenv "LEADCAT_SLOW" then
  return
end

local command = require "leadcat.notify.command"
local core = require "leadcat.core"
local crm = require "support.crm"
local json = require "leadcat.util.json"
local stores = require "support.stores"

local CUSTOMER = 5 -- of the preset
local NOW = 1700000000

local function read(name)
  local file = assert(io.open(name, "rb"))
  local content = file:read "*a"
  file:close()
  return content
end

-- Runs a shell script as the program.
local function run(script, input, seconds, ...)
  return core.run_program({ "/bin/sh", stores.file(script), ... }, input or "", seconds or 5)
end

describe("core.run_program", function()
  after_each(stores.check)

  it("gives it words and input as they are", function()
    local out = stores.file ""
    local word = "a b'\"$(touch x)`;\n\255"
    assert.is_true(run([[cat >"$1"; printf '|%s|%s' "$2" "$#" >>"$1"]], "in\0put", 5, out, word))
    assert.equal("in\0put|" .. word .. "|2", read(out))
    assert.is_true(core.run_program({ "true" }, ("x"):rep(2 ^ 20), 5)) -- found by PATH, and reads nothing
  end)

  it("gives it no other files, and every signal as ever", function()
    local files, signals = stores.file "", stores.file ""
    local engine = stores.open() -- has files
    assert.is_true(run([[exec ls /proc/self/fd >"$1"]], "", 5, files))
    assert.is_true(run([[exec grep -E 'Sig(Blk|Ign)' /proc/self/status >"$1"]], "", 5, signals))
    engine:close()
    assert.equal("0\n1\n2\n3\n", read(files)) -- 3: what it lists
    assert.matches("^SigBlk:\t0+\nSigIgn:\t%x+0000000\n$", read(signals)) -- glibc keeps 32 and 33 to itself
  end)

  for _, row in ipairs {
    { "exit 3", "it has ended with exit status 3" }, { "kill -9 $$", "signal 9 has ended it" },
  } do
    it(("says how it has ended: %s"):format(row[1]), function()
      assert.same({ nil, row[2] }, { run(row[1]) })
    end)
  end

  it("says why it cannot be started", function()
    assert.same({ nil, "it cannot be started: No such file or directory" },
      { core.run_program({ "/nowhere/program" }, "", 5) })
    assert.same({ nil, "it cannot be started: Permission denied" }, { core.run_program({ stores.file "" }, "", 5) })
  end)

  it("kills it with what it has started when the time is over", function()
    local out = stores.file ""
    local begun = core.uptime()
    assert.same({ nil, "it took too long, and was killed" }, { run([[sleep 60 & echo $! >"$1"; wait]], "", 0.3, out) })
    assert.is_true(core.uptime() - begun < 5)
    local id, lives = assert(read(out):match "%d+"), true
    for _ = 1, 200 do -- whoever adopts it sees its end
      local file = io.open("/proc/" .. id .. "/stat")
      lives = file ~= nil and not file:read "*a":find ") Z"
      if file then
        file:close()
      end
      if not lives then
        break
      end
      core.sleep(0.01)
    end
    assert.is_false(lives)
  end)

  it("refuses what is no command", function()
    for _, words in ipairs { {}, { "a\0b" }, { 5 }, { {} } } do
      assert.has_error(function() core.run_program(words, "", 1) end)
    end
    assert.has_error(function() core.run_program("true", "", 1) end)
  end)
end)

describe("leadcat.notify.command", function()
  after_each(stores.check)

  local function made(host)
    local path, now = stores.path(), NOW
    local engine = stores.open { path = path, host = host, clock = function() return now end }
    assert(engine:save(stores.config { sale_won = CUSTOMER }))
    return engine, function(seconds) now = now + seconds end
  end

  it("has a notice told by a program, and again when that fails", function()
    local out = stores.file ""
    local flag = stores.path()
    local notify = command {
      "/bin/sh", "-c", [[test -e "$1" || exit 7; cat >>"$2"]], "sh", flag, out, name = "mail", timeout = 5,
    }
    local engine, pass = made()
    assert(engine.host:create("Acme", 1))
    assert(notify:step(engine))
    local outcome = assert(engine:handle { trigger = "sale_won", company = "Acme" })
    local counts = assert(notify:step(engine))
    assert.same({ 0, 1 }, { counts.handled, counts.parked })
    assert.matches("it has ended with exit status 7", counts.error, 1, true)
    assert.equal("mail", engine:notices()[1].notifier)
    os.execute("touch " .. flag)
    pass(5)
    assert.equal(1, notify:step(engine).handled)
    os.remove(flag)
    local told = json.decode(read(out))
    assert.same({ "change.made", outcome.entry }, { told.type, told.data.entry.entry })
    assert.equal(1, (told.id:find(outcome.key .. ".", 1, true)))
    engine:close()
  end)

  it("tells what has failed, and only that", function()
    local host = crm.new { Acme = 1 }
    function host.set_category() return nil, "no right", "refused" end
    local out = stores.file ""
    local notify = command { "/bin/sh", "-c", "cat >>'" .. out .. "'", events = { "change.failed" } }
    local engine = made(host)
    assert(notify:step(engine))
    assert(engine:handle { trigger = "sale_won", company = "Acme" })
    assert.equal(1, notify:step(engine).handled)
    local told = json.decode(read(out))
    assert.same({ "change.failed", "no right" }, { told.type, told.data.entry.error })
    engine:close()
  end)

  it("says what is wrong with its options", function()
    for _, row in ipairs {
      { nil, "a table expected, got nil" }, { {}, "a program expected, such as" },
      { { "a", 5 }, "word 2 of the command: a string without zero bytes expected" },
      { { "a", timeout = 0 }, "option 'timeout': a number of seconds above 0, up to 60 expected" },
      { { "a", url = "b" }, "unknown option 'url'" },
    } do
      local ok, message = pcall(command, row[1])
      assert.is_false(ok)
      assert.matches("leadcat.notify.command: " .. row[2], message, 1, true)
    end
  end)

  it("does as the manual says", function()
    local page = read "lua/leadcat/notify/README.md"
    local directory = stores.path()
    os.execute("mkdir " .. directory)
    local function program(name, text)
      local file = assert(io.open(directory .. "/" .. name, "w"))
      file:write(text, "\n")
      file:close()
      os.execute(("chmod +x %s/%s"):format(directory, name))
    end
    program("leadcat-mail", (page:match "\n```sh\n(#!/bin/sh\n.-)\n```"
      :gsub("sendmail %-t", directory .. "/sendmail -t")))
    program("sendmail", ("#!/bin/sh\ncat >>%s/sent"):format(directory))
    local path = stores.path()
    local file = stores.file((page:match "\n```lua\n(return {[^`]-leadcat.notify.command.-)\n```"
      :gsub("/usr/local/bin", directory):gsub("/var/lib/leadcat", path)
      :gsub(" }%),", ", host = require('support.crm').new { Acme = 3 } }),", 1)), ".lua")
    local engine = stores.open { path = path, host = crm.new {} }
    assert(engine:save(stores.config { sale_won = CUSTOMER }))
    engine:close()
    assert.same({ "", "", 0 }, { stores.leadcat("worker", "--once", file) })
    local host = crm.new { Acme = 1 }
    function host.set_category() return nil, "no right", "refused" end
    engine = stores.open { path = path, host = host }
    assert(engine:handle { trigger = "sale_won", company = "Acme" })
    engine:close()
    assert.same({ "", "leadcat: notify command: 1 handled\n", 0 },
      { stores.leadcat("worker", "--once", "--verbose", file) })
    local sent = read(directory .. "/sent")
    assert.matches('^To: sales@example.com\nSubject: [^\n]+\n\n{.*"error":"no right"', sent)
  end)
end)

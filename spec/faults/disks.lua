-- Real file systems that are filled up, and two namespaces of process ids: ROUNDS. Only root may do this, and it takes room:
-- so only beyond 500 rounds. What cannot be done here is told.

local ROUNDS = tonumber(arg[1]) or 0

local function run(command)
  local ok = os.execute("(" .. command .. ") >/dev/null 2>&1")
  return ok == true or ok == 0
end

if ROUNDS <= 500 then
  print "real disks and namespaces: not tried (make faults ROUNDS=1000)"
  os.exit(0)
elseif not run "test $(id -u) = 0" then
  print "real disks and namespaces: not tried (only root may mount)"
  os.exit(0)
end

local KILOBYTES = 400000 -- the least that mkfs.xfs takes is 300 MB
local directory = os.tmpname()
os.remove(directory)
assert(run("mkdir '" .. directory .. "'"))
local image, disk = directory .. "/image", directory .. "/disk"
local failures = 0

-- Runs Lua code in a process of its own. Gives its output, and how it has ended.
local function child(code, under)
  local script = directory .. "/script"
  local file = assert(io.open(script, "w"))
  file:write(code)
  file:close()
  local pipe = assert(io.popen(("%s %s '%s' '%s' 2>&1; echo \"status $?\""):format(under or "",
    os.getenv "LEADCAT_LUA" or "lua5.4", script, disk)))
  local output = pipe:read "*a"
  pipe:close()
  return output
end

local function expect(what, expected, output)
  if output ~= expected then
    failures = failures + 1
    print(("  %s: expected %q, got %q"):format(what, expected, output))
  end
end

-- Writes until there is no room; reads on; each of the opened again has a reader's slot of its own; and removing gives room.
local FILL = [[
  local leadcat, stores = require "leadcat", require "support.stores"
  local function open(name)
    return leadcat.open { path = arg[1] .. name, map_size = 2 ^ 29, retention = { count = 20, age = false } }
  end
  local engine = assert(open "/store")
  assert(engine:save(stores.config { sale_registered = 3, sale_lost = 1, sale_won = 2 }))
  assert(engine.host:create("Acme", 1))
  for n = 1, 500 do
    assert(engine:handle { trigger = n % 2 == 1 and "sale_registered" or "sale_lost", company = "Acme" })
  end
  os.execute("dd if=/dev/zero of='" .. arg[1] .. "/fill' bs=64k 2>/dev/null; sync")
  os.execute("dd if=/dev/zero of='" .. arg[1] .. "/more' bs=1k 2>/dev/null; sync")
  local fulls, codes, i = 0, {}, 0
  while fulls < 200 and i < 100000 do
    i = i + 1
    local outcome, _, code = engine:handle {
      id = ("e"):rep(200) .. i, trigger = i % 2 == 1 and "sale_registered" or "sale_lost", company = "Acme",
    }
    fulls = fulls + (outcome and 0 or 1) -- one that would change nothing needs no room
    codes[code or "none"] = true
  end
  codes.none = nil
  print(next(codes), next(codes, next(codes)), fulls)
  local kept = {}
  for n = 1, 130 do
    kept[n] = assert(open "/store")
    assert(kept[n]:history())
  end
  print(select(3, open "/new"))
  for n = 1, 130 do
    kept[n]:close()
  end
  print(assert(engine:sweep()).removed > 20)
  print(assert(engine:handle { trigger = "sale_won", company = "Acme" }).status)
]]
local GO_ON = [[
  local leadcat = require "leadcat"
  os.remove(arg[1] .. "/fill")
  os.remove(arg[1] .. "/more")
  local engine = assert(leadcat.open { path = arg[1] .. "/store", map_size = 2 ^ 29 })
  assert(engine:handle { id = "later", trigger = "sale_lost", company = "Acme" })
  engine:close()
  print(#require("leadcat.core").check_store(arg[1] .. "/store"))
]]

for _, kind in ipairs { "ext4", "xfs", "btrfs" } do
  run(("rm -f '%s'; truncate -s %dk '%s'; mkdir -p '%s'"):format(image, KILOBYTES, image, disk))
  if not run(("mkfs.%s '%s' && mount -o loop '%s' '%s'"):format(kind, image, image, disk)) then
    print(kind .. ": not tried (it cannot be made, or mounted, here)")
  else
    expect(kind .. ", full", "full\tnil\t200\nfull\ntrue\nupdated\nstatus 0\n", child(FILL))
    expect(kind .. ", with room again", "0\nstatus 0\n", child(GO_ON))
    run(("umount '%s'"):format(disk))
    print(kind .. ": filled up")
  end
end

-- Two containers --------------------------------------------------------------------------------------------------------

local HOLD = [[
  local engine = assert(require("leadcat").open { path = arg[1] .. "/shared", map_size = 2 ^ 26 })
  io.open(arg[1] .. "/is-open", "w"):close()
  while not io.open(arg[1] .. "/stop") do
    require("leadcat.core").sleep(0.01)
  end
  engine:close()
]]
local TRY = [[
  local engine, message = require("leadcat").open { path = arg[1] .. "/shared", map_size = 2 ^ 26 }
  print(engine and "open" or message:match "another container" or message)
]]

if run "unshare --pid --fork true" then
  local hold = directory .. "/hold"
  local file = assert(io.open(hold, "w"))
  file:write(HOLD)
  file:close()
  local command = "unshare --pid --fork %s '%s' '%s' 2>&1"
  local holder = io.popen(command:format(os.getenv "LEADCAT_LUA" or "lua5.4", hold, disk))
  run(("while ! test -e '%s/is-open'; do sleep 0.01; done"):format(disk))
  expect("another namespace of process ids", "another container\nstatus 0\n", child(TRY, "unshare --pid --fork"))
  run(("touch '%s/stop'"):format(disk))
  holder:close()
  expect("another namespace, alone", "open\nstatus 0\n", child(TRY, "unshare --pid --fork"))
  print "namespaces: refused while another one lives"
else
  print "namespaces: not tried (they cannot be made here)"
end
run(("rm -rf '%s'"):format(directory))
os.exit(failures == 0 and 0 or 1)

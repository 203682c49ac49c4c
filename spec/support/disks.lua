--- Small disks for specs: what runs out of room, or may not be written to, for real. Only root may mount them.

local stores = require "support.stores"

local disks = {}

local mounted = {}

local function run(command)
  local ok = os.execute("unset LD_PRELOAD; " .. command .. " 2>/dev/null")
  return ok == true or ok == 0
end

--- A directory on a disk of its own.
---@param kilobytes integer
---@return string? path nil where we may not mount one
function disks.mount(kilobytes)
  local path = stores.path()
  if not run(("mkdir '%s' && mount -t tmpfs -o size=%dk none '%s'"):format(path, kilobytes, path)) then
    return nil
  end
  mounted[#mounted + 1] = path
  return path
end

--- Takes all the room that is left on it, in a file `fill`.
function disks.fill(path)
  run(("dd if=/dev/zero of='%s/fill' bs=1k"):format(path))
end

--- Gives that room back.
function disks.free(path)
  assert(os.remove(path .. "/fill"))
end

--- Lets it be read only from now on. Nothing may be open for writing there.
function disks.protect(path)
  assert(run(("mount -o remount,ro '%s'"):format(path)))
end

--- Takes all of them away: for `after_each`, before `stores.check`, which removes their directories.
function disks.check()
  for _, path in ipairs(mounted) do
    run(("umount -l '%s'"):format(path))
  end
  mounted = {}
end

return disks

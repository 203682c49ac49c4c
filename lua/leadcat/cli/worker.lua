--- `worker`: runs what a Lua file says.

local common = require "leadcat.cli.common"
local listener = require "leadcat.operations.listener"
local load_work = require "leadcat.cli.work"
local worker = require "leadcat.operations.worker"

local function to_address(text)
  if listener.is_address(text) then
    return tonumber(text) or text
  end
  return nil, ("--health: a path with a slash, or a port from 1 to 65535 expected, got '%s'"):format(text)
end

local function run(args)
  local done, message = worker.run(load_work(args.file), {
    once = args.once, health = args.health, warn = common.warn, say = args.verbose and common.warn or nil,
  })
  common.must(done, message)
  return nil, function() return "" end, done and 0 or 1
end

return {
  worker = {
    name = "worker", run = run,
    summary = "Handle the events of sources, finish unfinished changes and maintain the store, until SIGTERM or Ctrl-C "
      .. "ends it after the current batch. Failures are lines on standard error.",
    arguments = function(command)
      command:argument("file", "A Lua file that returns {engine = leadcat.open {...}, sources = {...}}, or a list of "
        .. "such tables.")
      command:flag("--once", "Do all there is to do, and end: for cron. Exit status 1 when something has failed.")
      command:option("--health", "Answer GET /health and /metrics on this Unix socket (a path with a slash), or this "
        .. "port of 127.0.0.1."):argname("PATH|PORT"):convert(to_address)
      command:flag("--verbose", "Say what was done, too.")
    end,
  },
}

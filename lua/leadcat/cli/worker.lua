--- `worker`: runs what a Lua file says.

local as_text = require "leadcat.util.as_text"
local common = require "leadcat.cli.common"
local files = require "leadcat.cli.files"
local protected = require "leadcat.util.protected"
local worker = require "leadcat.operations.worker"

-- What the file returns. Ends the run when it cannot be run, or returns something else.
local function load_work(path)
  local source = files.read(path):gsub("^#[^\n]*", "")
  local chunk, message = (rawget(_G, "loadstring") or load)(source, "@" .. path)
  common.must(chunk, message)
  local ok, work = protected.call(chunk)
  if not ok then
    common.fail("%s", as_text(work))
  end
  local problem = worker.problem(work)
  if problem then
    common.fail("%s: %s", path, problem)
  end
  return work
end

local function run(args)
  local done = worker.run(load_work(args.file), {
    once = args.once, warn = common.warn, say = args.verbose and common.warn or nil,
  })
  return nil, function() return "" end, done and 0 or 1
end

return {
  worker = {
    name = "worker", run = run,
    summary = "Handle the events of sources, finish unfinished changes and maintain the store, until SIGTERM or Ctrl-C "
      .. "ends it after the current batch. Failures are lines on standard error.",
    arguments = function(command)
      command:argument("file", "A Lua file that returns {engine = leadcat.open {...}, sources = {...}}.")
      command:flag("--once", "Do all there is to do, and end: for cron. Exit status 1 when something has failed.")
      command:flag("--verbose", "Say what was done, too.")
    end,
  },
}

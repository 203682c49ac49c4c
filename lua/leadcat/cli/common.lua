--- Helpers of all commands: failing, the actor, opening a store, printing.

local config = require "leadcat.rules.config"
local json = require "leadcat.util.json"
local leadcat = require "leadcat"
local protected = require "leadcat.util.protected"
local tables = require "leadcat.cli.tables"
local unicode = require "leadcat.util.unicode"

local common = {}

--- Ends the run; `cli.main` prints the message.
---@param message string a format when values follow
function common.fail(message, ...)
  error({ message = select("#", ...) > 0 and message:format(...) or message }, 0)
end

--- The value; ends the run when it is nil.
---@generic T
---@param value T?
---@param message? string why it is nil
---@return T
function common.must(value, message)
  if value == nil then
    common.fail("%s", message)
  end
  return value
end

--- Writes a message to stderr, as one line.
---@param message string a format when values follow
function common.warn(message, ...)
  local text = select("#", ...) > 0 and message:format(...) or message
  io.stderr:write("leadcat: ", unicode.visible(text), "\n")
end

--- Writes the problems of a config or a store to stderr.
---@param problems leadcat.Problem[]
function common.warn_of_problems(problems)
  io.stderr:write(tables.problems(problems))
end

--- The system's user, acting as an administrator.
---@return leadcat.Actor
function common.actor()
  return { id = os.getenv "USER" or os.getenv "LOGNAME" or "cli", admin = true }
end

--- Whether a file descriptor (0: input, 2: messages) is a terminal.
---@param number integer
---@return boolean
function common.is_terminal(number)
  local ok = os.execute(("test -t %d"):format(number))
  return ok == true or ok == 0
end

--- Asks a yes-or-no question on the terminal. Ends the run unless the answer is yes.
---@param question string
function common.confirm(question)
  io.stderr:write(question, " [y/N] ")
  io.stderr:flush()
  local answer = (io.read "*l" or ""):lower()
  if answer ~= "y" and answer ~= "yes" then
    common.fail "nothing was done"
  end
end

local DAY = 24 * 60 * 60

-- Stores --------------------------------------------------------------------------------------------------------------

local MISSING, NOT_A_DIRECTORY = 2, 20 -- the system's numbers of why a file is not there

--- Whether there is a store. One that may not be read is there: opening it says who may.
---@param path string
---@return boolean
function common.has_store(path)
  local file, _, number = io.open(path .. "/config.mdb", "rb")
  return file ~= nil and file:close() or number ~= nil and number ~= MISSING and number ~= NOT_A_DIRECTORY
end

-- Nothing is removed from the journal unless `maintain` is told to, because the retention of the store's host is not
-- known here.
local function open_for(args, reads)
  return leadcat.open {
    path = args.path, language = args.language, readonly = reads or nil, mode = args.mode,
    retention = { age = args.keep_days and args.keep_days * DAY or false, count = args.keep_entries or false },
  }
end

-- Opens a store. Only `init` makes a new one: a mistyped directory must not become an empty store. What only reads works
-- on a store that may not be written, and leaves nothing behind in one that may; one of an older form is upgraded first.
local function open_store(args, use)
  if use ~= "new" and not common.has_store(args.path) then
    common.fail("there is no store in %s: leadcat init --path %s makes one", args.path, args.path)
  elseif use ~= "read" then
    return common.must(open_for(args, false))
  end
  local engine, message, code = open_for(args, true)
  if not engine and code == "readonly" then
    local why
    engine, why = open_for(args, false)
    message = ("%s (%s)"):format(message, why)
  end
  return common.must(engine, message)
end

--- Runs `fn(engine)`, and closes the store even when that raises.
---@generic T
---@param args table
---@param use "read"|"write"|"new" what is done with the store; new: it may be made
---@param fn fun(engine: leadcat.Engine): T
---@return T
function common.with_store(args, use, fn)
  local engine = open_store(args, use)
  return protected.finally(function() engine:close() end, fn, engine)
end

-- Printing ------------------------------------------------------------------------------------------------------------

--- Prints what a command's `run` returns.
---@param args table
---@param value any printed as JSON with --json
---@param as_text fun(value: any, language: string): string prints it without
---@param status? integer the exit status; default 0
---@return integer status
function common.print(args, value, as_text, status)
  common.must(io.write(args.json and unicode.visible_json(json.encode(value, "  ")) .. "\n"
    or unicode.visible_lines(as_text(value, args.language))))
  return status or 0
end

--- The value; when it is nil, prints the config's problems to stderr and ends the run. Takes what `engine:save`,
--- `simulate.run` and `compare.run` return.
---@generic T
---@param value T?
---@param message? string
---@param problems? leadcat.Problem[]
---@return T
function common.must_accept(value, message, _, problems)
  common.warn_of_problems(problems or {})
  return common.must(value, message)
end

--- The id of the category that an option names.
---@param cfg leadcat.Config
---@param name string or an id as text
---@param option string for the message
---@return integer
function common.category_id(cfg, name, option)
  local category = config.find_by_name(cfg.categories, name)
  return common.must(category and category.id, ("%s: there is no category '%s'"):format(option, name))
end

--- A function that returns a category's name.
---@param engine leadcat.Engine
---@return fun(id: integer?): string
function common.namer(engine)
  local cfg = common.must(engine:config())
  return function(id)
    local category = config.find(cfg.categories, id)
    return category and unicode.visible(config.name(category, engine.language)) or ("#%s"):format(tostring(id))
  end
end

return common

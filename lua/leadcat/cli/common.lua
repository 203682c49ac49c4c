--- What all commands have in common: how a run fails, who acts, how a store is opened and closed, how things are told.

local config = require "leadcat.rules.config"
local json = require "leadcat.util.json"
local leadcat = require "leadcat"

local common = {}

--- A failed run: raised as a table by whatever finds it, told by `cli.main`.
---@param message string a format, where there is more
function common.fail(message, ...)
  error({ message = select("#", ...) > 0 and message:format(...) or message }, 0)
end

--- The value; without one the run has failed.
---@generic T
---@param value T?
---@param message? string why there is none
---@return T
function common.must(value, message)
  if value == nil then
    common.fail("%s", message)
  end
  return value
end

--- Says something on stderr.
---@param message string a format
function common.warn(message, ...)
  io.stderr:write("leadcat: ", message:format(...), "\n")
end

--- The command line acts as the system's user, as administrator.
---@return leadcat.Actor
function common.actor()
  return { id = os.getenv "USER" or os.getenv "LOGNAME" or "cli", admin = true }
end

-- Stores --------------------------------------------------------------------------------------------------------------

--- Whether there is a store.
---@param path string
---@return boolean
function common.has_store(path)
  local file = io.open(path .. "/config.mdb", "rb")
  return file ~= nil and file:close()
end

-- Opens a store that is there. Only `init` makes one: a mistyped directory is not to become an empty store.
local function open_store(args, new)
  if not new and not common.has_store(args.path) then
    common.fail("there is no store in %s: leadcat init --path %s makes one", args.path, args.path)
  end
  return common.must(leadcat.open { path = args.path, language = args.language, retention = args.retention })
end

--- Runs `fn(engine)` and closes the store, whatever happens.
---@generic T
---@param args table
---@param new boolean whether it may be made
---@param fn fun(engine: leadcat.Engine): T
---@return T
function common.with_store(args, new, fn)
  local engine = open_store(args, new)
  local ok, result = pcall(fn, engine)
  engine:close()
  if not ok then
    error(result, 0)
  end
  return result
end

-- Telling -------------------------------------------------------------------------------------------------------------

---@param value any
function common.print_json(value)
  print(json.encode(value, "  "))
end

--- Prints what a command has found.
---@param args table
---@param value any
---@param as_text fun(value: any, language: string): string where no JSON is asked for
function common.print(args, value, as_text)
  if args.json then
    common.print_json(value)
  else
    io.write(as_text(value, args.language))
  end
end

---@param problems leadcat.Problem[]
---@param file file*
function common.print_problems(problems, file)
  for _, problem in ipairs(problems) do
    file:write(("%s: %s [%s]\n"):format(problem.severity, problem.message, problem.code))
    if problem.example then
      file:write("  for example ", json.encode(problem.example), "\n")
    end
  end
end

--- A function that gives a category's name.
---@param engine leadcat.Engine
---@return fun(id: integer?): string
function common.namer(engine)
  local cfg = common.must(engine:config())
  return function(id)
    local category = config.find(cfg.categories, id)
    return category and config.name(category, engine.language) or ("#%s"):format(tostring(id))
  end
end

return common

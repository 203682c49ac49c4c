--- `draft`: list drafts of the config, show one with what it would change, save, approve and discard them.

local arguments = require "leadcat.cli.arguments"
local common = require "leadcat.cli.common"
local core = require "leadcat.core"
local difference = require "leadcat.rules.difference"
local files = require "leadcat.cli.files"
local json = require "leadcat.util.json"
local tables = require "leadcat.cli.tables"
local unicode = require "leadcat.util.unicode"

local must = common.must

local function who(actor)
  return actor and unicode.visible(tostring(actor.name or actor.id or "")) or ""
end

local function list(_, engine)
  return must(engine:drafts()), function(drafts)
    if #drafts == 0 then
      return "no drafts\n"
    end
    local rows = { { "id", "saved (UTC)", "by", "would move", "of", "active from (UTC)", "problem" } }
    for i, draft in ipairs(drafts) do
      rows[i + 1] = {
        ("%d"):format(draft.id), tables.time(draft.at), who(draft.actor), tables.number(draft.effect.moved),
        tables.number(draft.effect.companies), tables.time(draft.due), unicode.visible(draft.problem or ""),
      }
    end
    return tables.table(rows)
  end
end

local function told(draft)
  return ("draft %d would move %s of %s companies (%s events)\n"):format(draft.id, tables.number(draft.effect.moved),
    tables.number(draft.effect.companies), tables.number(draft.effect.events))
end

local function show(args, engine)
  local draft, foreseen = engine:draft(args.id)
  must(draft, foreseen)
  return draft, function(_, language)
    local lines = { told(draft) }
    for _, sentence in ipairs(difference.sentences(foreseen.newest, foreseen.config, engine.strings, language)) do
      lines[#lines + 1] = ("- %s\n"):format(sentence)
    end
    for _, path in ipairs(foreseen.conflicts) do
      lines[#lines + 1] = ("conflict: others have changed %s since\n"):format(path)
    end
    return table.concat(lines)
  end
end

local function save(args, engine)
  local cfg, message = json.decode(files.read(args.file))
  if cfg == nil then
    common.fail("%s: %s", args.file, message)
  end
  local draft = common.must_accept(engine:save_draft(cfg, {
    actor = common.actor(), revision = args.revision, note = args.note,
  }))
  return draft, function() return told(draft) end
end

local function approve(args, engine)
  local draft = must(engine:approve(args.id, { actor = common.actor(), at = args.at }))
  return draft, function()
    return draft.revision and ("draft %d is revision %d now\n"):format(draft.id, draft.revision)
      or ("draft %d becomes active on %s UTC\n"):format(draft.id, tables.time(draft.due))
  end
end

local function discard(args, engine)
  must(engine:discard(args.id, { actor = common.actor() }))
  return { discarded = args.id }, function() return ("draft %d is discarded\n"):format(args.id) end
end

local function to_time(text)
  for _, form in ipairs { "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d" } do
    local at = core.parse_time(text, form)
    if at then
      return at
    end
  end
  return nil, ("--at: a time in UTC such as '2026-12-01 06:00' expected, got '%s'"):format(text)
end

local function id(command)
  command:argument("id", "The number of a draft."):convert(arguments.to_entry)
end

return {
  draft = {
    name = "draft", summary = "Drafts of the config: what somebody has written and nobody has approved yet.",
    commands = {
      { name = "list", summary = "List them, newest first.", store = "read", output = "json", run = list },
      { name = "show", summary = "Show what one would change in the config in force.", store = "read",
        output = "named", run = show, arguments = id },
      { name = "save", summary = "Save a config from a JSON file as a draft, and say what it would have done.",
        store = "write", output = "json", run = save,
        arguments = function(command)
          command:argument("file", "The file, - for standard input.")
          command:option("--note", "Why, for whoever approves it."):argname "TEXT"
          command:option("--revision", "The revision that it was made from; default: the newest."):argname("N")
            :convert(arguments.integer(0, "--revision: an integer from 0"))
        end },
      { name = "approve", summary = "Make one active, now or at a time.", store = "write", output = "json",
        run = approve,
        arguments = function(command)
          id(command)
          command:option("--at", "When, in UTC, such as '2026-12-01 06:00'; `maintain` does it then."):argname("TIME")
            :convert(to_time)
        end },
      { name = "discard", summary = "Remove one.", store = "write", output = "json", run = discard, arguments = id },
    },
  },
}

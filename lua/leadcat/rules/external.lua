--- The host's own ids or codes for categories (`external`), by the newest config.

local config = require "leadcat.rules.config"
local settings = require "leadcat.rules.save"
local unicode = require "leadcat.util.unicode"

local external = {}

local indexes = setmetatable({}, { __mode = "k" }) -- ids by external id, for each config

-- The categories' ids by their external ids; a live category counts before a deleted one.
local function index_of(cfg)
  local index = indexes[cfg]
  if not index then
    index = {}
    for _, deleted in ipairs { false, true } do
      for _, category in ipairs(cfg.categories) do
        local name = category.external
        if name and (category.deleted == true) == deleted then
          index[name] = index[name] or category.id
        end
      end
    end
    indexes[cfg] = index
  end
  return index
end

--- The category that the host calls so.
---@param self leadcat.Engine
---@param name string
---@return integer? id, string? message, string? code
function external.category(self, name)
  local cfg, message, code = settings.known(self)
  if not cfg then
    return nil, message, code
  end
  local id = index_of(cfg)[name]
  if not id then
    return nil, ('no category has the external id "%s": give it to one, or return nil where leadcat has nothing to do')
      :format(unicode.visible(name)), "unavailable"
  end
  return id
end

-- The external id of a category.
local function name_of(cfg, id)
  local category = id and config.find(cfg.categories, id)
  return category and category.external
end

--- The config, if the host has ids of its own for any of its categories.
---@param self leadcat.Engine
---@return leadcat.Config?
function external.config(self)
  local cfg = settings.known(self)
  return cfg and next(index_of(cfg)) ~= nil and cfg or nil
end

--- How the host calls categories, both ways.
---@param self leadcat.Engine
---@return {id_of: (fun(text: string): integer?), text_of: (fun(id: integer): string?)}
function external.names(self)
  local cfg = settings.known(self)
  local index = cfg and index_of(cfg) or {}
  return {
    id_of = function(text) return index[text] end,
    text_of = function(id) return cfg and name_of(cfg, id) end,
  }
end

--- What the host calls the categories of a change.
---@param cfg? leadcat.Config from `external.config`
---@param change {from?: integer, to?: integer}
---@return {from?: string, to?: string}? names nil without a config
function external.of(cfg, change)
  return cfg and { from = name_of(cfg, change.from), to = name_of(cfg, change.to) }
end

return external

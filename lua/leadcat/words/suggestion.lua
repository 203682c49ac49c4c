--- What the answers teach, in words. Pure.

local conditions = require "leadcat.words.conditions"
local wording = require "leadcat.words.wording"

local suggestion = {}

--- A share in percent.
---@param words leadcat.Words
---@param share number 0 to 1
---@return string "71%"
function suggestion.percent(words, share)
  return wording.sentence(words, "suggest.percent", { number = ("%d"):format(math.floor(share * 100 + 0.5)) })
end

local function share_of(words, counted)
  return suggestion.percent(words, counted.chosen / math.max(counted.cases, 1))
end

--- A suggestion with its numbers and its simulated effect.
---@param words leadcat.Words
---@param found table {proposed, to, conditions, inside, outside, effect}
---@param cfg leadcat.Config
---@return string
function suggestion.sentence(words, found, cfg)
  local function text(key, names)
    return wording.sentence(words, "suggest." .. key, names)
  end
  local category = wording.name_of(cfg.categories, found.to, words.language)
  return table.concat({
    text("found", {
      share = share_of(words, found.inside), cases = wording.number(found.inside.cases), category = category,
      conditions = conditions.all(words, { found.conditions }, cfg.categories),
      proposed = wording.name_of(cfg.categories, found.proposed, words.language),
    }),
    text("elsewhere", { share = share_of(words, found.outside), cases = wording.number(found.outside.cases) }),
    text("effect", {
      category = category, before = wording.number(found.effect.before), after = wording.number(found.effect.after),
    }),
  }, " ")
end

return suggestion

--- What is said of a company that stands elsewhere than its sales imply.

local wording = require "leadcat.words.wording"

local drift = {}

-- What happened, as the question about it says it.
local function cause(words, because, cfg)
  local day = wording.day(because.at, words)
  return wording.cause(words, because, cfg), day and wording.sentence(words, "drift.on", { day = day }) or nil
end

--- Where a company should be and why, in a few sentences.
---@param words leadcat.Words
---@param item {kind: string, category?: integer, implied?: integer, because?: table}
---@param cfg leadcat.Config
---@return string
function drift.sentence(words, item, cfg)
  local sentences = {}
  if item.because then
    sentences[1] = wording.sentence(words, "drift.should", {
      category = wording.name_of(cfg.categories, item.implied, words.language),
    })
    local what, when = cause(words, item.because, cfg)
    sentences[2], sentences[3] = what, when
  end
  sentences[#sentences + 1] = wording.sentence(words, "drift.because." .. item.kind, {
    category = item.category and wording.name_of(cfg.categories, item.category, words.language) or "?",
  })
  return table.concat(sentences, " ")
end

return drift

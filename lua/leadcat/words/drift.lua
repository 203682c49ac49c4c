--- What is said of a company that stands elsewhere than its sales imply.

local unicode = require "leadcat.util.unicode"
local wording = require "leadcat.words.wording"

local drift = {}

--- The columns of a file of companies; programs read them, so they have the same names in all languages.
drift.HEADS = { "company", "kind", "category", "should be", "because", "sale", "at", "rule", "entry", "why" }

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

local function id_of(company)
  return type(company) == "number" and ("%d"):format(company) or company
end

--- A company as a row of a file.
---@param item leadcat.Drifted
---@param name_of fun(id: integer): string what a category is called
---@return string[]
function drift.cells(item, name_of)
  local because = item.because or {}
  local about = because.trigger == "lead_status_set" and because.contact or because.sale
  return {
    unicode.valid(id_of(item.company)), item.kind, item.category and name_of(item.category) or "",
    item.implied and name_of(item.implied) or "", because.trigger or "", wording.called(about) or "",
    wording.time(because.at) and os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(because.at)) or "", because.rule or "",
    item.entry and ("%d"):format(item.entry) or "", item.problem or item.sentence,
  }
end

return drift

--- What an export that no preset knows most likely has in its columns: only for `import inspect`, which shows the guess and
-- proposes it as options. What reads a file for good guesses nothing.

local cells_of = require "leadcat.cli.import.cells"
local presets = require "leadcat.cli.import.presets"
local tables = require "leadcat.cli.tables"
local titles = require "leadcat.cli.import.titles"

local guesses = {}

-- Titles in English, German, Dutch, Norwegian, Danish and Swedish, as `titles.plain` has them. Names of a company stand before
-- its ids.
local KNOWN = {
  company = {
    { "company", "companyname", "account", "accountname", "customer", "customername", "client", "organization",
      "organisation", "firma", "unternehmen", "kunde", "bedrijf", "klant", "bedrift", "selskap", "virksomhed", "kund" },
    { "companyid", "accountid", "customerid", "clientid", "organizationid" },
  },
  created = {
    { "created", "createdat", "createdon", "createddate", "createdate", "createdtime", "creationdate", "datecreated",
      "registered", "registeredat", "angelegt", "angelegtam", "erstellt", "erstelltam", "aangemaakt", "opprettet",
      "oprettet", "skapad" },
  },
  closed = {
    { "closed", "closedat", "closedon", "closeddate", "actualclosedate", "dateclosed", "abgeschlossen",
      "abgeschlossenam", "afgesloten", "avsluttet", "afsluttet", "avslutad" },
    { "closedate", "closingdate" },
  },
  won_at = { { "wonat", "wontime", "wonon", "wondate", "datewon" } },
  lost_at = { { "lostat", "losttime", "loston", "lostdate", "datelost" } },
  stage = {
    { "stage", "stagename", "salesstage", "dealstage", "phase", "fase", "stadium", "fas" },
    { "status", "state", "salestatus", "dealstatus", "opportunitystatus" },
  },
  sale = {
    { "opportunityid", "dealid", "saleid" }, { "id" },
  },
}

local LABELS = {
  won = { "Gewonnen", "Vunnet", "Vundet", "Vunnen", "Såld", "Solgt", "Verkocht", "Closed - Won" },
  lost = { "Verloren", "Tapt", "Tabt", "Förlorad", "Closed - Lost" },
}

-- The outcome of each label, as `cells.label` has it.
local OUTCOMES = {}
for outcome, labels in pairs(LABELS) do
  for _, label in ipairs(labels) do
    OUTCOMES[cells_of.label(label)] = outcome
  end
  for _, preset in pairs(presets.all) do
    for _, label in ipairs(preset[outcome]) do
      OUTCOMES[cells_of.label(label)] = outcome
    end
  end
end

--- The columns whose titles tell what they are; where several would do, none.
---@param header string[]
---@return table<string, string> titles by what they are
function guesses.columns(header)
  local found = {}
  for key, lists in pairs(KNOWN) do
    local all = titles.matches(header, lists)
    found[key] = #all == 1 and all[1] or nil
  end
  return found
end

--- The stages of a file whose names tell that a sale is won or lost.
---@param counts table<string, integer> rows by stage, as they are written
---@return { won: string[], lost: string[] } of spellings that are read as the same, the most frequent one
function guesses.labels(counts)
  local found, has = { won = {}, lost = {} }, {}
  for _, label in ipairs(tables.by_count(counts)) do
    local key = cells_of.label(label)
    local list = found[OUTCOMES[key]]
    if list and not has[key] then
      list[#list + 1], has[key] = label, true
    end
  end
  return found
end

--- Whether the stages of a file tell that it is none of that preset's: of those that are won, or lost, no name is the preset's.
---@param preset string
---@param counts table<string, integer> rows by stage
---@return boolean
function guesses.contradict(preset, counts)
  for outcome, labels in pairs(guesses.labels(counts)) do
    local are_others = #labels > 0
    for _, known in ipairs(presets.all[preset][outcome]) do
      for _, label in ipairs(labels) do
        are_others = are_others and cells_of.label(label) ~= cells_of.label(known)
      end
    end
    if are_others then
      return true
    end
  end
  return false
end

return guesses

--- What the columns of a history of stages are called, by the CRMs that write one.

local dates = require "leadcat.cli.import.dates"

local titles = {}

--- What a history may have.
titles.KEYS = { "sale", "company", "stage", "from", "changed", "actor", "property" }

-- Titles by what they are, without case, blanks and marks. Those of the first list that the file has count.
local KNOWN = {
  sale = {
    { "opportunityid", "dealid", "saleid" }, { "objectid", "recordid", "ownerid", "opportunity", "deal", "sale" },
  },
  company = {
    { "company", "companyname", "accountname", "account", "customer", "organization", "organisation" },
    { "companyid", "accountid", "customerid" },
  },
  stage = {
    { "newvalue", "newstage", "tostage", "newstatus" },
    { "stagename", "stage", "stageid", "dealstage", "value", "propertyvalue", "status" },
  },
  from = { { "oldvalue", "oldstage", "fromstage", "previousstage", "oldstatus" } },
  changed = {
    { "changedat", "changedate", "changeddate", "changedon", "editdate", "timestamp" },
    { "createddate", "createdat", "createdtime", "createdon", "modifiedtime", "lastmodified", "date" },
  },
  actor = {
    { "changedby", "changedbyid", "editedby", "updatedbyuserid" },
    { "createdbyid", "createdby", "modifiedby", "lastmodifiedby", "user", "userid" },
  },
  property = { { "field", "fieldevent", "property", "propertyname", "changedfield" } },
}

--- A title or the name of a property as these lists have it.
---@param text string
---@return string
function titles.plain(text)
  return (text:lower():gsub("[%s%p]", ""))
end

local function set_of(list)
  local set = {}
  for _, name in ipairs(list) do
    set[name] = true
  end
  return set
end

--- The titles of the header that the first list has of which any are there.
---@param header string[]
---@param lists string[][] titles as `titles.plain` has them
---@return string[]
function titles.matches(header, lists)
  for _, list in ipairs(lists) do
    local known, found = set_of(list), {}
    for _, title in ipairs(header) do
      found[#found + 1] = known[titles.plain(title)] and title or nil
    end
    if found[1] then
      return found
    end
  end
  return {}
end

--- The columns of a history.
---@param header string[]
---@param told? table<string, string> what the user says of some
---@return table<string, string> found titles by what they are
---@return string? problem a column that is needed is missing, or several could be it
function titles.find(header, told)
  local found, problem = {}, nil
  for _, key in ipairs(titles.KEYS) do
    local all = titles.matches(header, KNOWN[key])
    found[key] = told and told[key] or #all == 1 and all[1] or nil
    if not found[key] and #all > 1 and key ~= "actor" then
      problem = problem or ("the columns %s and %s could both be the %s: --history-column %s=COLUMN says which"):format(
        dates.show(all[1]), dates.show(all[2]), key, key)
    end
  end
  for _, key in ipairs { "sale", "stage", "changed" } do
    problem = problem or not found[key] and ("a history of stages needs a column of the %s: --history-column "
      .. "%s=COLUMN says which"):format(key, key) or nil
  end
  return found, problem
end

local function plain_set(header)
  local has = {}
  for _, title in ipairs(header) do
    has[titles.plain(title)] = true
  end
  return has
end

--- Whether a file is certainly a history of stages: it has the stage before, or the field that changed, or the columns of
--- Salesforce's OpportunityHistory or Bitrix24's history.
---@param header string[]
---@return boolean
function titles.are_of_history(header)
  local found, problem = titles.find(header)
  local has = plain_set(header)
  return not problem and (found.from ~= nil or found.property ~= nil
    or has.opportunityid and has.stagename and not found.company or has.ownerid and has.stageid) or false
end

--- The CRM whose history has these columns; nil when several might.
---@param header string[]
---@return string? preset
function titles.preset(header)
  local has = plain_set(header)
  if has.opportunityid then
    return "salesforce"
  elseif has.ownerid and has.stageid then
    return "bitrix24"
  elseif has.value and has.timestamp and (has.property or has.propertyname) then
    return "hubspot"
  end
end

return titles

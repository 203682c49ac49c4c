--- Exports that CRMs are known to write: how their columns are called, their stages, and their quirks. What a user says stands
-- over it. Of several titles the first that a file has counts.

local presets = {}

---@class leadcat.import.Preset
---@field columns table<string, string[]> titles by what they are (`leadcat.import.Export`); lost_reason: filled in where a sale is lost
---@field won string[]
---@field lost string[]
---@field company_separator? string
---@field stage_of? string a pattern whose capture is the stage, where more stands beside it

---@type table<string, leadcat.import.Preset>
presets.all = {
  hubspot = {
    columns = {
      company = { "Associated Company", "Associated Company (Primary)", "Associated Company IDs" },
      created = { "Create Date" }, closed = { "Close Date" }, stage = { "Deal Stage" },
      sale = { "Record ID", "Deal ID", "Record ID - Deal" }, actor = { "Deal owner", "Deal Owner" },
    },
    won = { "Closed Won", "closedwon" }, lost = { "Closed Lost", "closedlost" }, company_separator = ";",
    stage_of = "^(.-)%s*%([^()]*%)$", -- "Closed Won (Sales Pipeline)"
  },
  salesforce = {
    columns = {
      company = { "Account Name", "Account ID", "AccountId", "Account.Name" },
      created = { "Created Date", "CreatedDate" }, closed = { "Close Date", "CloseDate" },
      stage = { "Stage", "StageName" }, sale = { "Opportunity ID", "OpportunityId", "Id" },
      actor = { "Opportunity Owner", "OwnerId", "Owner.Name" },
    },
    won = { "Closed Won" }, lost = { "Closed Lost" },
  },
  dynamics = {
    columns = {
      company = { "Potential Customer", "Account" }, created = { "Created On" },
      closed = { "Actual Close Date" }, stage = { "Status" },
      sale = { "(Do Not Modify) Opportunity", "Opportunity" }, actor = { "Owner" },
    },
    won = { "Won" }, lost = { "Lost" },
  },
  pipedrive = {
    columns = {
      company = { "Deal - Organization", "Organization" }, created = { "Deal - Deal created", "Deal created" },
      closed = { "Deal - Deal closed on", "Deal closed on" }, won_at = { "Deal - Won time", "Won time" },
      lost_at = { "Deal - Lost time", "Lost time" }, stage = { "Deal - Status", "Status" },
      sale = { "Deal - ID", "ID" }, actor = { "Deal - Owner", "Owner" },
    },
    won = { "Won" }, lost = { "Lost" },
  },
  zoho = {
    columns = {
      company = { "Account Name" }, created = { "Created Time" }, closed = { "Closing Date" }, stage = { "Stage" },
      sale = { "Record Id", "Deal Id" }, actor = { "Deal Owner" },
    },
    won = { "Closed Won" }, lost = { "Closed Lost", "Closed-Lost to Competition", "Closed Lost to Competition" },
  },
  bitrix24 = {
    columns = {
      company = { "company_id", "COMPANY_ID", "Company" },
      created = { "created_at", "DATE_CREATE", "Created on", "Created" },
      closed = { "closed_at", "CLOSEDATE", "Close date", "Closed on" }, stage = { "stage_id", "STAGE_ID", "Stage" },
      sale = { "deal_id", "ID" }, actor = { "ASSIGNED_BY_ID", "Responsible person" },
    },
    won = { "WON", "Deal won" }, lost = { "LOSE", "APOLOGY", "Deal lost" },
  },
  superoffice = {
    columns = {
      company = { "Company", "Company name", "contact/name" }, created = { "Registered", "registeredDate" },
      closed = { "Sale date", "Closed", "saleDate", "date" }, stage = { "Status", "saleStatus", "Stage" },
      sale = { "Sale ID", "saleId" }, actor = { "Owner", "Our contact", "who" },
    },
    won = { "Sold" }, lost = { "Lost" },
  },
  odoo = {
    columns = {
      company = { "Customer", "partner_id", "Company Name" }, created = { "Created on", "create_date" },
      closed = { "Closed Date", "date_closed" }, stage = { "Is Won", "won_status", "Stage", "stage_id" },
      sale = { "External ID", "ID", "id", ".id" }, actor = { "Salesperson", "user_id" },
      lost_reason = { "Lost Reason", "lost_reason_id", "lost_reason" }, -- a lost one keeps its stage
    },
    won = { "Won" }, lost = { "Lost" },
  },
  espocrm = {
    columns = {
      company = { "Account", "accountName" }, created = { "Created At", "createdAt" },
      closed = { "Close Date", "closeDate" }, stage = { "Stage", "stage" }, sale = { "ID", "id" },
      actor = { "Assigned User", "assignedUserName" },
    },
    won = { "Closed Won" }, lost = { "Closed Lost" },
  },
}

presets.NAMES = {
  "hubspot", "salesforce", "dynamics", "pipedrive", "zoho", "bitrix24", "superoffice", "odoo", "espocrm",
}

local function title_in(titles, has)
  for _, title in ipairs(titles or {}) do
    if has[title] then
      return title
    end
  end
end

local function set_of(header)
  local has = {}
  for _, title in ipairs(header) do
    has[title] = true
  end
  return has
end

--- The options of an export with those that a preset knows and the user has not said.
---@param options leadcat.import.Export
---@param header string[]
---@return leadcat.import.Export
function presets.complete(options, header)
  local preset, has = presets.all[options.preset], set_of(header)
  if not preset then
    return options
  end
  local said = {}
  for key, titles in pairs(preset.columns) do
    said[key] = title_in(titles, has)
  end
  said.known = { won = true, lost = true }
  for _, key in ipairs { "company_separator", "stage_of", "won", "lost" } do
    said[key] = preset[key]
  end
  for key, value in pairs(options) do
    if type(value) ~= "table" or next(value) ~= nil then
      said[key], said.known[key] = value, nil
    end
  end
  return said
end

local function has_any(columns, keys, has)
  for _, key in ipairs(keys) do
    if title_in(columns[key], has) then
      return true
    end
  end
  return false
end

-- Columns that are needed; of those in one list, any.
local NEEDED = { { "company" }, { "created" }, { "closed", "won_at" }, { "stage" } }

--- The preset that a file's header looks like: it has the columns that are needed, and most of the others; nil when none.
---@param header string[]
---@return string? name
function presets.find(header)
  local has, best, most = set_of(header), nil, 0
  for _, name in ipairs(presets.NAMES) do
    local count, is_whole = 0, true
    for _, titles in pairs(presets.all[name].columns) do
      count = count + (title_in(titles, has) and 1 or 0)
    end
    for _, keys in ipairs(NEEDED) do
      is_whole = is_whole and has_any(presets.all[name].columns, keys, has)
    end
    if is_whole and count > most then
      best, most = name, count
    end
  end
  return best
end

return presets

--- What pages and programs ask about a company, by what an address calls it.

local api = require "leadcat.http.api"
local response = require "leadcat.http.response"
local standing = require "leadcat.past.standing"

local fail, must = response.fail, response.must

local about = {}

local MOST = 2 ^ 53 -- integer ids are below

-- Where the company is; nil: in no category that is known.
local function category_of(context, company)
  local category, message, code = context.engine:_category { company = company }
  if code then
    fail(code, message)
  end
  return category
end

---@class leadcat.http.Subject
---@field company string|integer as the host calls it
---@field category? integer
---@field is_known boolean whether anything is known of it

--- The company that an address names. In an address an integer id looks like a text: the journal knows what it is, and of
--- a text that is in no category the integer is tried.
---@param context leadcat.http.Context
---@param text string
---@return leadcat.http.Subject
function about.find(context, text)
  local engine = context.engine
  local newest = must(engine:history { company = text, limit = 1, unchanged = true })[1]
  local company = newest and newest.company or text
  local category = category_of(context, company)
  local number = not newest and not category and api.cursor_of_history(text)
  if number and number < MOST and ("%d"):format(number) == text then
    company, category = number, category_of(context, number)
  end
  return {
    company = company, category = category,
    is_known = newest ~= nil or category ~= nil or engine:company_name(company) ~= nil,
  }
end

---@class leadcat.http.Standing what the reader may see of it
---@field change? leadcat.Entry the newest change, or attempt at one
---@field question? leadcat.Confirmation that is open
---@field scheduled? leadcat.Entry
---@field held? leadcat.Entry the newest match of a rule at its limit

--- What stands of a company now, as far as the actor may see it.
---@param context leadcat.http.Context
---@param company string|integer
---@return leadcat.http.Standing
function about.standing(context, company)
  local now = must(standing.now(context.engine, company))
  for _, name in ipairs { "change", "question", "scheduled", "held" } do
    now[name] = now[name] and api.is_visible(context, now[name]) and now[name] or nil
  end
  return now
end

return about

--- Why a request failed, in the user's language: for problem details (RFC 9457), and as a page.

local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"

local problem = {}

---@class leadcat.ProblemModel: leadcat.Words
---@field title string
---@field detail string
---@field status? integer of the response; a page for 401 leads nowhere
---@field base? string path that leadcat is served at; default "/leadcat"
---@field panel? string id of the company in whose panel it is shown

-- The title of each code that has words of its own; others are said as `io`.
local TITLES = {
  unauthenticated = "unauthenticated", forbidden = "forbidden", not_found = "not_found",
  conflict = "changed", already_resolved = "changed", expired = "changed", stale = "changed",
  method_not_allowed = "refused", revision_required = "refused", too_large = "refused", unsupported_type = "refused",
  cross_site = "refused", malformed = "refused", invalid = "refused",
  unavailable = "unavailable", readonly = "unavailable",
  full = "unavailable", corrupt = "unavailable", io = "unavailable",
}

--- What it is, in a few words.
---@param strings leadcat.Strings
---@param language string
---@param code? string
---@return string
function problem.title(strings, language, code)
  return strings:text(language, "problem.title_" .. (TITLES[code] or TITLES.io))
end

--- What it is and what to do about it, as a sentence.
---@param strings leadcat.Strings
---@param language string
---@param code? string
---@return string
function problem.detail(strings, language, code)
  return strings:text(language, "problem." .. (TITLES[code] and code or "io"))
end

-- Where to go on.
local function way_back(model)
  if model.status == 401 then
    return nil
  elseif model.panel then
    return model.status ~= 404 and h.p {
      h.a { href = page.address(model, page.panel(model.panel)), model.strings:text(model.language, "panel.back") },
    }
  end
  return h.p {
    h.a { href = page.address(model, "/confirmations"), model.strings:text(model.language, "inbox.back") },
  }
end

--- The page.
---@param model leadcat.ProblemModel
---@return string
function problem.html(model)
  return page.document {
    title = model.title, language = model.language, base = model.base, navigation = model.navigation,
    panel = model.panel and model.title,
    main = { h.h1 { model.title }, h.p { class = "leadcat-alert", model.detail }, way_back(model) },
  }
end

return problem

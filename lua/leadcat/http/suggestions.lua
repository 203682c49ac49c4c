--- What the answers teach, as a page and for programs. Handlers are called as `http.lua` says.

local api = require "leadcat.http.api"
local response = require "leadcat.http.response"
local suggestions_page = require "leadcat.pages.suggestions"

local must = response.must

local suggestions = {}

local function read(context)
  local query = api.query(context, api.PARAMETERS.suggestions, tostring)
  query.after, query.language = nil, context.language
  return must(context.engine:suggest(query))
end

--- For programs.
function suggestions.list(context)
  return response.json(200, read(context))
end

--- The page.
function suggestions.page(context)
  return response.page(context, 200, suggestions_page.html, {
    found = read(context), cfg = must(context.engine:config()),
    may_save = context.engine:licensed() ~= false and not context.engine.readonly,
  })
end

return suggestions

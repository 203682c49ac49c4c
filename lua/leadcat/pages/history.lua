--- The page of the journal, newest first: what was done to which company, why, and by whom. It needs no script; with one,
-- times are the reader's, and what is done is done without leaving the page.

local filters_of = require "leadcat.pages.history_filters"
local h = require "leadcat.pages.html"
local page = require "leadcat.pages.page"
local parts = require "leadcat.pages.parts"
local rows = require "leadcat.pages.history_rows"
local why = require "leadcat.pages.why"
local wording = require "leadcat.words.wording"

local history = {}

---@class leadcat.HistoryModel: leadcat.Words
---@field entries leadcat.Entry[] newest first
---@field cfg leadcat.Config the newest, for names
---@field own_triggers? string[] the integrator's own, for the filter
---@field filters? table<string, string> by the names of `history.FILTERS`; also `zone`
---@field after? integer the entry that the page goes on after
---@field names? table<string|integer, string> company names by id
---@field questions? table<string, leadcat.Confirmation> that entries have asked or answered, by id
---@field saved? table<integer, number> when revisions of the rules were saved
---@field next? integer the entry after which older ones follow
---@field searched_to? number how far back the search has come that stopped before the page was full
---@field may_undo boolean
---@field actions? table<integer, string> what would work, by entry: "undo" or "retry"
---@field answers? table<string, true> the open questions that the reader may answer, by id
---@field refused? {entry: integer, words: string} what the reader wanted, and why it was not done
---@field said? string what has just happened
---@field kind? string how that looks, as `parts.said` has it
---@field base? string path that leadcat is served at; default "/leadcat"

history.FILTERS, history.PERIODS = filters_of.FILTERS, filters_of.PERIODS
history.address, history.query = filters_of.address, filters_of.query

local text = wording.sentence

local function searched_to(model)
  local time = model.searched_to and parts.time(model, model.searched_to)
  return time and parts.sentence(model, "history.searched_to", "time", time)
end

local function nothing(model)
  local key = filters_of.query(model.filters, nil, "zone") ~= "" and "history.empty_filtered" or "history.empty"
  local company = model.filters.company
  return h.p { class = "leadcat-empty", searched_to(model) or text(model, key),
    company and { " ", h.a { href = why.address(model, company), text(model, "why.title") } } }
end

local function older(model)
  local partial = searched_to(model)
  return h.p { partial and model.entries[1] and { partial, " " },
    h.a { href = filters_of.link(model, model.filters, model.next),
      text(model, partial and "history.go_on" or "history.older"),
    },
  }
end

local function download(model)
  return h.p { class = "leadcat-download",
    h.a { href = history.address(page.address(model, "/history.csv"), model.filters), text(model, "history.csv") }, " ",
    h.span { class = "leadcat-muted", text(model, "history.csv_hint") },
  }
end

-- Where all that the chosen run or version did can be taken back.
local function undo_all(model)
  local name = model.filters.run and "run" or model.filters.revision and "revision"
  return name and model.may_undo and model.entries[1] and h.p { h.a { class = "leadcat-button",
    href = page.address(model, "/history/undo?" .. filters_of.query { [name] = model.filters[name] }),
    text(model, "undo.all"),
  } }
end

-- Why something was not done, where its row is not on the page.
local function refused(model)
  for _, entry in ipairs(model.entries) do
    if model.refused and entry.entry == model.refused.entry then
      return nil
    end
  end
  return model.refused and model.refused.words
end

-- What a script takes anew from the server once something is done.
local function results(model)
  return h.div { id = "leadcat-results",
    model.entries[1] and rows.table(model) or nothing(model),
    model.next and older(model),
  }
end

--- The page of the journal.
---@param model leadcat.HistoryModel
---@return string
function history.html(model)
  local optional = { filters = model.filters or {}, names = model.names or {}, questions = model.questions or {},
    saved = model.saved or {}, actions = model.actions or {}, answers = model.answers or {}, fields = {} }
  model = setmetatable(optional, { __index = model })
  local title = text(model, "history.title")
  return page.document {
    title = title, language = model.language, base = model.base, navigation = model.navigation, wide = true,
    scripts = { "leadcat.js" },
    main = {
      h.h1 { id = "leadcat-title", title },
      parts.said(model.said, { id = "leadcat-done" }, model.kind),
      h.p { class = "leadcat-alert", role = "alert", id = "leadcat-undone",
        data_leadcat_network = text(model, "confirmation.network"), refused(model) or false },
      filters_of.form(model),
      filters_of.shortcuts(model),
      filters_of.chips(model),
      undo_all(model),
      results(model),
      model.entries[1] and download(model),
    },
  }
end

--- What has been cancelled, as a sentence for the page.
---@param entry leadcat.Entry
---@param words leadcat.Words
---@param name? string of the company in the host
---@return string
function history.said_of_cancelled(entry, words, name)
  return text(words, "history.cancel_done", { company = wording.line(name) or wording.line(entry.company) or "?" })
end

--- The result of an undo or of another try, as a sentence for the page.
---@param entry leadcat.Entry of the undo
---@param cfg leadcat.Config
---@param words leadcat.Words
---@param name? string of the company in the host
---@return string
function history.said(entry, cfg, words, name)
  return text(words, entry.undoes and "history.undone" or "history.retried", {
    company = wording.line(name) or wording.line(entry.company) or "?",
    category = wording.category(cfg, entry.to, words.language).name,
  })
end

return history

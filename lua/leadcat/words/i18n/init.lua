--- The words that users see, in six languages, with an integrator's changes. Translators find the texts in the files
-- beside this one.

local language_tag = require "leadcat.util.language"

local i18n = {}

i18n.LANGUAGES = { "en", "no", "sv", "da", "de", "nl" }

local TEXTS = {}
for _, language in ipairs(i18n.LANGUAGES) do
  TEXTS[language] = require("leadcat.words.i18n." .. language)
end

local PLACEHOLDER = "{([%w_]+)}"

---@class leadcat.Strings
---@field private _texts table<string, table<string, string>> by language, then by key
---@field private _read_triggers? fun(): table<string, leadcat.Text> what own triggers are called
local Strings = {}
Strings.__index = Strings

--- The names of a text's placeholders, each once: `Answer before {time}.` has `time`.
---@param text string
---@return string[] names sorted
function i18n.placeholders(text)
  local names, seen = {}, {}
  for name in text:gmatch(PLACEHOLDER) do
    names[#names + 1] = not seen[name] and name or nil
    seen[name] = true
  end
  table.sort(names)
  return names
end

-- An integrator's own texts -------------------------------------------------------------------------------------------

-- What is wrong with a text, if anything.
local function text_problem(key, text)
  local english = TEXTS.en[key]
  if not english then
    return "is no key"
  elseif type(text) ~= "string" then
    return "a string expected, got " .. type(text)
  end
  for _, name in ipairs(i18n.placeholders(text)) do
    if not english:find("{" .. name .. "}", 1, true) then
      return ("{%s} is no placeholder of the English text: %s"):format(name, english)
    end
  end
end

-- What is wrong with one language's texts, if anything.
local function language_problem(tag, texts)
  if not language_tag.is_tag(tag) then
    return ("strings: %s is no language tag"):format(tostring(tag))
  elseif type(texts) ~= "table" then
    return ("strings.%s: a table of texts expected, got %s"):format(tag, type(texts))
  end
  for key, text in pairs(texts) do
    local problem = text_problem(key, text)
    if problem then
      return ("strings.%s['%s']: %s"):format(tag, tostring(key), problem)
    end
  end
end

local function problem_of(strings)
  if type(strings) ~= "table" then
    return "strings: a table {language = {key = text}} expected, got " .. type(strings)
  end
  for tag, texts in pairs(strings) do
    local problem = language_problem(tag, texts)
    if problem then
      return problem
    end
  end
end

-- The tags of the languages, short ones first: "zh-Hant" before "zh-Hant-TW", which may take texts from it.
local function by_length(strings)
  local tags = {}
  for tag in pairs(strings) do
    tags[#tags + 1] = tag
  end
  table.sort(tags, function(a, b)
    return #a < #b or #a == #b and a < b
  end)
  return tags
end

-- Own texts, and those of `base` for what is missing.
local function over(base, own)
  local texts = setmetatable({}, { __index = base })
  for key, text in pairs(own or {}) do
    texts[key] = text
  end
  return texts
end

--- The words in all languages. `strings` replaces single texts and adds languages; texts that an added language lacks
--- come from the language nearest to it ("de" for "de-AT"), else from English. An unknown key, a text that is no
--- string, or a placeholder that the English text does not have raises.
---@param strings? table<string, table<string, string>> texts by key, by language tag
---@param level? integer as for `error`; default 2, which blames the caller
---@return leadcat.Strings
function i18n.new(strings, level)
  local problem = strings ~= nil and problem_of(strings)
  if problem then
    error(problem, level or 2)
  end
  local texts = {}
  for language, own in pairs(TEXTS) do
    texts[language] = own
  end
  for _, tag in ipairs(by_length(strings or {})) do
    local language = TEXTS[tag:lower()] and tag:lower() or tag
    local base = texts[language] or texts[language_tag.match(tag, texts)] or texts.en
    texts[language] = over(base, strings[tag])
  end
  return setmetatable({ _texts = texts }, Strings)
end

--- Has own triggers called by these texts.
---@param read fun(): table<string, leadcat.Text> by trigger: those that a store knows now
function Strings:name_triggers(read)
  self._read_triggers = read
end

-- Asking for words ----------------------------------------------------------------------------------------------------

--- The first language that suits one of the tags.
---@param ... any language tags, the preferred one first; nil and what is no tag are skipped
---@return string language "en" when none suits
function Strings:language(...)
  for i = 1, select("#", ...) do
    local found = language_tag.match((select(i, ...)), self._texts)
    if found then
      return found
    end
  end
  return "en"
end

--- A text without placeholders in the languages that leadcat has itself.
---@param key string
---@return table<string, string> texts by language
function Strings:all(key)
  local texts = {}
  for _, language in ipairs(i18n.LANGUAGES) do
    texts[language] = self:text(language, key)
  end
  return texts
end

--- What an own trigger is called.
---@param trigger string
---@return leadcat.Text text its name where it has no other
function Strings:trigger(trigger)
  return self._read_triggers and self._read_triggers()[trigger] or trigger
end

--- A text, its placeholders filled with the values as they are. An unknown key and a missing value raise.
---@param language string as `language` gives it; any other gives English
---@param key string
---@param values? table<string, string|number> by placeholder
---@return string
function Strings:text(language, key, values)
  local text = (self._texts[language] or self._texts.en)[key]
  if not text then
    error(("there is no text '%s'"):format(tostring(key)), 2)
  end
  for name in text:gmatch(PLACEHOLDER) do
    local value = type(values) == "table" and values[name]
    if type(value) ~= "string" and type(value) ~= "number" then
      error(("text '%s': a value for {%s} expected"):format(key, name), 2)
    end
  end
  return (text:gsub(PLACEHOLDER, values or {}))
end

return i18n

--- Finds the language that suits a BCP 47 tag best (lookup of RFC 4647, section 3.4), for names in a config, words on a
-- page and request headers. Clients may send any tag: nothing raises, and the work is bounded.

local language = {}

local MAX_TAG = 255 -- bytes; no tag in use is a tenth as long

-- Other codes of the languages that leadcat speaks: ISO 639-2's of three letters, and two that are no longer used.
local SHORT = {
  eng = "en", nor = "no", nob = "nb", nno = "nn", swe = "sv", dan = "da",
  deu = "de", ger = "de", nld = "nl", dut = "nl",
}
local OLD = { ["no-bok"] = "nb", ["no-nyn"] = "nn" }

-- Bokmål and nynorsk are both Norwegian: a request for either gets `no`, and a request for `no` gets either.
local NEAR = { nb = { "no" }, nn = { "no" }, no = { "nb", "nn" } }

-- The tag in the form in which tags are compared; nil when it is no tag.
local function fold(tag)
  if type(tag) ~= "string" or #tag > MAX_TAG then
    return nil
  end
  tag = tag:lower():gsub("_", "-")
  local well_formed = tag:find "^%a[%w-]*$" and not tag:find "%-%-" and not tag:find "%-$"
  return well_formed and tag or nil
end

--- Whether this is a language tag by its form: subtags of letters and digits between hyphens (or underscores).
---@param tag any
---@return boolean
function language.is_tag(tag)
  return fold(tag) ~= nil
end

-- A folded tag with the two-letter code that is used today, if its language has another.
local function modern(tag)
  local primary, rest = tag:match "^(%a+)(.*)$"
  return OLD[tag] or SHORT[primary] and SHORT[primary] .. rest or tag
end

-- Adds a key by its tag; of several keys the first by alphabet, so that the order of `pairs` does not matter.
local function note(keys, tag, key)
  if not keys[tag] or key < keys[tag] then
    keys[tag] = key
  end
end

-- The keys of `known` by their folded tag, and by its modern form.
local function index(known)
  local by_tag, by_modern = {}, {}
  for key in pairs(known) do
    local tag = fold(key)
    if tag then
      note(by_tag, tag, key)
      note(by_modern, modern(tag), key)
    end
  end
  return by_tag, by_modern
end

-- The tag without its last subtag, and without a single letter that would then be the last; nil when nothing is left.
local function parent(tag)
  local shorter = tag:match "^(.*)%-%w+$"
  return shorter and (shorter:match "^(.*)%-%w$" or shorter)
end

-- The key for a tag or for the nearest of its parents.
local function look_up(keys, tag)
  while tag and not keys[tag] do
    tag = parent(tag)
  end
  return keys[tag]
end

--- The key of `known` that suits a tag best: the tag itself in any letter case, else the tag with less and less of its
--- end ("de-AT", "de"), else its language by another code ("nb", "nn", "nor" and "no"; "deu" and "de").
---@param tag any
---@param known table<string, any> the languages at hand are its keys
---@return string? key nil when none suits, or `tag` is no tag
function language.match(tag, known)
  local folded = fold(tag)
  if not folded then
    return nil
  elseif known[tag] ~= nil then
    return tag
  end
  local by_tag, by_modern = index(known)
  local today = modern(folded)
  local found = look_up(by_tag, folded) or look_up(by_modern, today)
  for _, near in ipairs(not found and NEAR[today:match "^%a+"] or {}) do
    found = found or by_modern[near]
  end
  return found
end

--- The tag by which a browser knows the language, for `lang` of a page. Voices and hyphenation there are for bokmål
--- (`nb`), which `no` does not say.
---@param tag string a key of words
---@return string
function language.of_page(tag)
  return tag == "no" and "nb" or tag
end

return language

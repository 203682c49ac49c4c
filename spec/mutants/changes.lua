--- Finds the places where a small change makes a mutant of a C or Lua text: a relation, `and` and `or`, an integer, `true`
-- and `false`, `+` and `-`, a guard (`if … return`) or a statement that is dropped. Comments, strings and C's directives
-- but the values of `#define` stay as they are. Lines stay where they are.

local changes = {}

---@class leadcat.mutants.Change
---@field from integer its first byte
---@field to integer its last
---@field new string what stands there in the mutant
---@field line integer

local SWAPS = {
  ["<"] = "<=", ["<="] = "<", [">"] = ">=", [">="] = ">", ["=="] = "!=", ["!="] = "==", ["&&"] = "||", ["||"] = "&&",
  ["and"] = "or", ["or"] = "and", ["~="] = "==", ["true"] = "false", ["false"] = "true", ["+="] = "-=", ["-="] = "+=",
}
local SIGNS = { ["+"] = "-", ["-"] = "+" }

local function set(text)
  local words = {}
  for word in text:gmatch "%S+" do
    words[word] = true
  end
  return words
end

local KEYWORDS = {
  c = set "break case continue default do else enum for goto if return sizeof static struct switch typedef while",
  lua = set [[and break do else elseif end false for function goto if in local nil not or repeat return then true
    until while]],
}
local OPERATORS = { -- of several characters
  c = set "... <<= >>= -> ++ -- << >> <= >= == != && || += -= *= /= %= &= |= ^=",
  lua = set "... == ~= <= >= .. :: // << >>",
}
local OPENS, CLOSES = set "( [ {", set ") ] }"
local BLOCK_OPENS, BLOCK_CLOSES = set "function if do repeat", set "end until"

-- Tokens ---------------------------------------------------------------------------------------------------------------

-- Where a space, a comment or a directive ends that begins at `at`; nil: code begins there.
local function skipped(text, at, language)
  local patterns = language == "lua" and { "^%s+()", "^%-%-%[(=*)%[.-%]%1%]()", "^%-%-[^\n]*()", "^#![^\n]*()" }
    or { "^%s+()", "^//[^\n]*()", "^/%*.-%*/()", "^#%s*define%s+[%w_]+()", "^#[^\n]*()" }
  for _, pattern in ipairs(patterns) do
    local first, second = text:match(pattern, at)
    if first then
      return second or first
    end
  end
end

local function end_of_string(text, at)
  local level, behind = text:match("^%[(=*)%[()", at)
  if level then
    return select(2, text:find("]" .. level .. "]", behind, true))
  end
  local quote = text:match("^[\"']", at)
  if quote then
    repeat
      at = text:find("[\\" .. quote .. "]", at + 1)
      local escaped = at and text:sub(at, at) == "\\"
      at = escaped and at + 1 or at
    until not escaped
    return at
  end
end

local function token_at(text, at, language)
  local to = (language == "lua" or text:sub(at, at) ~= "[") and end_of_string(text, at)
  if to then
    return "string", to
  end
  to = select(2, text:find("^[%a_][%w_]*", at))
  if to then
    return "name", to
  end
  to = select(2, text:find("^%d[%w_.]*", at))
  if to then
    return "number", to
  end
  for size = 3, 2, -1 do
    if OPERATORS[language][text:sub(at, at + size - 1)] then
      return "operator", at + size - 1
    end
  end
  return "operator", at
end

-- Each token knows its line, whether it is the first there, and the place of the bracket that belongs to it.
local function tokens_of(text, language)
  local tokens, open, at, line, counted = {}, {}, 1, 1, 1
  while at <= #text do
    local behind = skipped(text, at, language)
    if not behind then
      local kind, to = token_at(text, at, language)
      line = line + select(2, text:sub(counted, at - 1):gsub("\n", ""))
      counted = at
      local last = tokens[#tokens]
      local token = { kind = kind, text = text:sub(at, to), from = at, to = to, line = line, depth = #open,
                      first = not last or last.line < line }
      tokens[#tokens + 1] = token
      if kind == "operator" and OPENS[token.text] then
        open[#open + 1] = #tokens
      elseif kind == "operator" and CLOSES[token.text] then
        local place = table.remove(open) or 0
        token.depth, token.mate = #open, place
        if tokens[place] then
          tokens[place].mate = #tokens
        end
      end
      behind = to + 1
    end
    at = behind
  end
  return tokens
end

-- Changes of one token -------------------------------------------------------------------------------------------------

local function ends_value(token, keywords)
  return token and (token.kind == "number" or token.kind == "string" or token.text == ")" or token.text == "]"
    or token.kind == "name" and not keywords[token.text])
end

-- The level in `error(message, level)` only says where a message points to.
local function is_error_level(tokens, i)
  local opener = tokens[i + 1] and tokens[tokens[i + 1].mate]
  return opener and opener.text == "(" and tokens[tokens[i + 1].mate - 1].text == "error"
end

local function swapped(tokens, i, language)
  local token = tokens[i]
  if token.kind == "number" then
    if is_error_level(tokens, i) then
      return nil
    end
    local digits, suffix = token.text:match(language == "c" and "^(%d+)([uUlL]*)$" or "^(%d+)()$")
    return digits and #digits < 16 and ("%d"):format(tonumber(digits) + 1) .. (language == "c" and suffix or "")
  end
  if token.kind ~= "string" then
    return SWAPS[token.text] or ends_value(tokens[i - 1], KEYWORDS[language]) and SIGNS[token.text]
  end
end

-- Dropped statements ---------------------------------------------------------------------------------------------------

-- The place of the `;` that ends the C statement at `i`; nil: it is none.
local function end_in_c(tokens, i)
  for place = i, #tokens do
    if tokens[place].depth < tokens[i].depth then
      return nil
    elseif tokens[place].text == ";" and tokens[place].depth == tokens[i].depth then
      return place
    end
  end
end

local BEFORE_STATEMENT, IN_STATEMENT = set "; { } else", set "( = -> . [ += -= |= &= ++ --"

local function begins_statement(tokens, i)
  local before = tokens[i - 1]
  if tokens[i].depth == 0 or not before then
    return false
  end
  local opener = before.text == ")" and tokens[before.mate - 1]
  return BEFORE_STATEMENT[before.text] or opener and (opener.text == "if" or opener.text == "while")
end

local function dropped_in_c(tokens, i)
  if tokens[i].text == "if" and tokens[i + 1].mate then
    local inner = tokens[i + 1].mate + 1
    return tokens[inner].text == "return" and end_in_c(tokens, inner)
  end
  local name = tokens[i].text == "*" and i + 1 or i
  return tokens[name].kind == "name" and not KEYWORDS.c[tokens[name].text] and IN_STATEMENT[tokens[name + 1].text]
    and begins_statement(tokens, i) and end_in_c(tokens, i)
end

-- The place of the `end` of a guard that begins at `i`; nil: it is none.
local function end_of_guard(tokens, i)
  local returns
  for place = i + 1, #tokens do
    local text = tokens[place].text
    returns = returns or text == "return" and tokens[place - 1].text == "then"
    if text == "end" then
      return returns and place or nil
    elseif BLOCK_OPENS[text] or text == "else" or text == "elseif" then
      return nil
    end
  end
end

-- The place of the last token of the Lua statement at `i`: the last of a line, with all brackets and blocks closed, unless an
-- operator goes on.
local function end_in_lua(tokens, i)
  local blocks = 0
  for place = i, #tokens do
    local token, next_token = tokens[place], tokens[place + 1]
    blocks = blocks + (BLOCK_OPENS[token.text] and 1 or BLOCK_CLOSES[token.text] and -1 or 0)
    if blocks < 0 or token.depth < tokens[i].depth then
      return nil
    end
    local whole = blocks == 0 and token.depth == tokens[i].depth and not OPENS[token.text]
    if whole and (not next_token or next_token.first and next_token.kind == "name"
        and next_token.text ~= "and" and next_token.text ~= "or") then
      return place
    end
  end
end

local NO_STATEMENT_BEFORE = set ", { ( [ = return and or not .. + - * / < > <= >= == ~="

local function dropped_in_lua(tokens, i)
  local token = tokens[i]
  if token.text == "if" then
    return end_of_guard(tokens, i)
  end
  return token.kind == "name" and token.first and not KEYWORDS.lua[token.text]
    and not (tokens[i - 1] and NO_STATEMENT_BEFORE[tokens[i - 1].text]) and end_in_lua(tokens, i)
end

-- All changes ----------------------------------------------------------------------------------------------------------

--- All changes of a text, in its order.
---@param text string
---@param language "c" | "lua"
---@return leadcat.mutants.Change[]
function changes.of(text, language)
  local found, tokens = {}, tokens_of(text, language)
  local dropped = language == "c" and dropped_in_c or dropped_in_lua
  for i, token in ipairs(tokens) do
    local new = swapped(tokens, i, language)
    new = new == "!=" and language == "lua" and "~=" or new
    if new then
      found[#found + 1] = { from = token.from, to = token.to, new = new, line = token.line }
    end
    local last = dropped(tokens, i)
    if last then
      local lines = text:sub(token.from, tokens[last].to):gsub("[^\n]", "")
      found[#found + 1] = { from = token.from, to = tokens[last].to, new = (language == "c" and ";" or "") .. lines,
                            line = token.line }
    end
  end
  return found
end

return changes

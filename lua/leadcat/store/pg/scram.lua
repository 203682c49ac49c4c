--- SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side: the server learns that we know the password, and we that it does,
-- while nobody sees it. Without channel binding: that the server is the right one says its certificate.

local core = require "leadcat.core"

local scram = {}

scram.MECHANISM = "SCRAM-SHA-256"

local NO_BINDING = "n,,"
local MOST_ITERATIONS = 1000000 -- half a second; a hostile server could ask for hours
local NONCE = 18 -- bytes

-- Passwords ----------------------------------------------------------------------------------------------------------

-- What SASLprep (RFC 4013) replaces by a blank, and what it leaves out.
local BLANKS = { "\194\160", "\225\154\128", "\226\128[\128-\139]", "\226\128\175", "\226\129\159", "\227\128\128" }
local UNSEEN = {
  "\194\173", "\205\143", "\225\160\134", "\225\160[\139-\141]", "\226\128[\140\141]", "\226\129\160",
  "\239\184[\128-\143]", "\239\187\191",
}

-- Whether SASLprep surely takes all characters: printable ones up to U+021F, and accents from U+0300 to U+034E.
local function is_plain(text)
  local rest = text:gsub("[\195-\199][\128-\191]", ""):gsub("\194[\161-\191]", ""):gsub("\200[\128-\159]", "")
    :gsub("\204[\128-\191]", ""):gsub("\205[\128-\142]", "")
  return not rest:find "[%z\1-\31\127-\255]"
end

--- A password as SASLprep has it: characters in the form NFKC. A text that this does not change is right in any case, since
--- PostgreSQL takes passwords as they are when SASLprep forbids them.
---@param password string
---@return string? prepared, string? message
function scram.prepare(password)
  if not password:find "[\128-\255]" or core.valid_text(password) ~= password then
    return password
  end
  local text = password
  for _, pattern in ipairs(BLANKS) do
    text = text:gsub(pattern, " ")
  end
  for _, pattern in ipairs(UNSEEN) do
    text = text:gsub(pattern, "")
  end
  text = core.nfkc(text)
  if text == password or is_plain(text) then
    return text
  end
  return nil, "the password has characters that could be read in several ways; give the user another one"
end

-- The exchange -------------------------------------------------------------------------------------------------------

local function exclusive_or(a, b)
  local bytes = {}
  for i = 1, #a do
    local x, y, result, bit = a:byte(i), b:byte(i), 0, 1
    for _ = 1, 8 do
      if x % 2 ~= y % 2 then
        result = result + bit
      end
      x, y, bit = math.floor(x / 2), math.floor(y / 2), bit * 2
    end
    bytes[i] = string.char(result)
  end
  return table.concat(bytes)
end

---@class leadcat.pg.Scram
---@field first string the client's first message
local Scram = {}
Scram.__index = Scram

--- Begins an exchange.
---@param password string as `scram.prepare` gives it
---@param user? string of SCRAM; PostgreSQL goes by that of the startup
---@param nonce? string printable; random when not given
---@return leadcat.pg.Scram? exchange, string? message
function scram.new(password, user, nonce)
  local message
  if not nonce then
    nonce, message = core.random_bytes(NONCE)
    if not nonce then
      return nil, message
    end
    nonce = core.base64(nonce)
  end
  local self = setmetatable({ password = password, nonce = nonce }, Scram)
  self.bare = ("n=%s,r=%s"):format(user or "", nonce)
  self.first = NO_BINDING .. self.bare
  return self
end

--- Answers the server's first message with the client's last.
---@param server_first string
---@return string? last, string? message
function Scram:answer(server_first)
  local nonce, encoded, count = server_first:match "^r=([!-+--~]+),s=([^,]+),i=(%d+)$"
  local salt, iterations = encoded and core.unbase64(encoded), tonumber(count)
  if not salt or nonce:sub(1, #self.nonce) ~= self.nonce or #nonce == #self.nonce then
    return nil, "the server's part of SCRAM is malformed"
  elseif iterations < 1 or iterations > MOST_ITERATIONS then
    return nil, ("the server wants %s iterations of SCRAM; at most %d are made"):format(count, MOST_ITERATIONS)
  end
  local salted = core.pbkdf2_sha256(self.password, salt, iterations)
  local key = core.hmac_sha256(salted, "Client Key")
  local without_proof = ("c=%s,r=%s"):format(core.base64(NO_BINDING), nonce)
  local signed = table.concat({ self.bare, server_first, without_proof }, ",")
  self.signature = core.hmac_sha256(core.hmac_sha256(salted, "Server Key"), signed)
  local proof = exclusive_or(key, core.hmac_sha256(core.sha256(key), signed))
  return ("%s,p=%s"):format(without_proof, core.base64(proof))
end

--- Whether the server's last message proves that it knows the password, too.
---@param server_last string
---@return boolean
function Scram:is_proven(server_last)
  local signature = core.unbase64(server_last:match "^v=([^,]+)" or "")
  return self.signature ~= nil and signature ~= nil and core.equal(signature, self.signature)
end

return scram

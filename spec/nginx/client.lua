--- A client that reports events one after the other until a file is there: client.lua PORT COMPANY FILE. Prints the id of
-- each event that was acknowledged, once, and "failed ..." for each request that got no good answer; that is sent again.

local http = require "socket.http"
local ltn12 = require "ltn12"

local port, company, stop = arg[1], arg[2], arg[3]
local TRIGGERS = { "sale_registered", "sale_lost" } -- each changes the category that the other one has set

local function send(body)
  local chunks = {}
  local ok, status = http.request {
    url = ("http://127.0.0.1:%s/leadcat/api/events"):format(port), method = "POST",
    headers = {
      ["Content-Type"] = "application/json", ["Content-Length"] = #body, ["X-User"] = "admin", Connection = "close",
    },
    source = ltn12.source.string(body), sink = ltn12.sink.table(chunks),
  }
  local answer = table.concat(chunks)
  return ok and status == 200 and answer:find '"status":"updated"', ok and status .. " " .. answer or status
end

-- Ends where nobody reads it any more: its spec has failed.
local function say(line)
  assert(io.write(line, "\n"))
end

local n = 0
repeat
  n = n + 1
  local id = company .. "-" .. n
  local body = ('{"id":"%s","trigger":"%s","company":"%s"}'):format(id, TRIGGERS[n % 2 + 1], company)
  local acknowledged, answer
  repeat
    acknowledged, answer = send(body)
    if not acknowledged then
      say("failed " .. tostring(answer))
    end
  until acknowledged
  say(id)
  local file = io.open(stop)
until file

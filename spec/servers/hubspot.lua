-- HubSpot's API, as far as the manual of webhooks asks it, on 127.0.0.1: PORT. Deal 9 belongs to company 7.

local loop = require "servers.loop"
local socket = require "socket"

local port = tonumber(arg[1])

local function answer_of(request)
  if request.headers.authorization ~= "Bearer secret" then
    return 401, '{"status":"error","message":"wrong token"}'
  elseif request.target == "/crm/v4/objects/deals/9/associations/companies" then
    return 200, '{"results":[{"toObjectId":7,"associationTypes":[{"category":"HUBSPOT_DEFINED","typeId":5}]}]}'
  end
  return 404, '{"status":"error","message":"not found"}'
end

loop.run(assert(socket.bind("127.0.0.1", port)), function(connection)
  local request = connection:request()
  while request do
    local status, body = answer_of(request)
    connection:send(("HTTP/1.1 %d Status\r\nContent-Length: %d\r\n\r\n%s"):format(status, #body, body))
    request = connection:request()
  end
end)

--- The locations that spec/nginx/bench.lua compares.

local cjson = require "cjson"
local leadcat = require "leadcat"
local resty = require "leadcat.resty"
local site = require "nginx.site"

local bench = {}

local ngx = ngx -- luacheck: ignore (OpenResty's global)
local decide, updating

--- A page that says what it was asked for.
function bench.plain()
  local sent = ngx.req.get_uri_args()
  ngx.header["Content-Type"] = "text/plain"
  ngx.print("sale_won ", sent.category or "")
end

--- The same, with a decision.
function bench.decided()
  decide = decide or site.engine():decider()
  local sent = ngx.req.get_uri_args()
  local action = decide("sale_won", tonumber(sent.category))
  ngx.header["Content-Type"] = "text/plain"
  ngx.print("sale_won ", sent.category or "", action == "none" and "" or "!")
end

--- Events that update companies of the embedded host, in a store that has room for many.
function bench.updates()
  updating = updating or assert(leadcat.open { path = ngx.config.prefix() .. "updates" })
  resty.serve { engine = updating, authenticate = site.authenticate, prefix = "/updates" }
end

--- What every JSON API does before it does anything.
function bench.echo()
  ngx.req.read_body()
  local value = cjson.decode(ngx.req.get_body_data())
  ngx.header["Content-Type"] = "application/json"
  ngx.print(cjson.encode(value))
end

return bench

--- For `leadcat worker`: what happens to Tryton's opportunities changes the categories of their parties in Tryton.

local history = require "leadcat.demo.tryton.history"
local host = require "leadcat.demo.tryton.host"
local leadcat = require "leadcat"
local poll = require "leadcat.source.poll"
local settings = require "leadcat.demo.tryton.settings"

local tryton = settings.client()
local root = settings.categories(tryton)(settings.ROOT) or error("Tryton has no such category yet: run prepare.lua", 0)

return {
  engine = assert(leadcat.open {
    path = settings.store(), host = host { client = tryton, root = root },
  }),
  sources = { poll {
    name = "tryton",
    overlap = 60, -- seconds: longer than any of Tryton's transactions, whose times are those of their beginnings
    every = 5,
    since = function(time, limit) return history.since(tryton, time, limit) end,
    events = function(revision) return history.events(revision, "tryton") end,
  } },
}

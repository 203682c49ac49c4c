-- The names that integrators require stay, wherever their modules have gone.

local stores = require "support.stores"

local NAMES = {
  ["leadcat.host.lmdb"] = "leadcat.host.embedded",
  ["leadcat.render.html"] = "leadcat.pages.html",
  ["leadcat.render.confirmation"] = "leadcat.pages.confirmation",
  ["leadcat.render.text"] = "leadcat.words.text",
  ["leadcat.i18n"] = "leadcat.words.i18n",
}

describe("the names that integrators require", function()
  after_each(stores.check)

  for name, module in pairs(NAMES) do
    it("have " .. name, function()
      assert.equal(require(module), require(name))
    end)
  end

  for _, name in ipairs { "leadcat.hooks", "leadcat.http", "leadcat.resty" } do
    it("have " .. name, function()
      assert.equal("table", type(require(name)))
    end)
  end
end)

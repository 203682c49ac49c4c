--- Long lists of the settings tab over HTTP: a draft of a row that is on another page is opened with that row, and loses
-- nothing when it is saved.

local forms = require "support.forms"
local stores = require "support.stores"
local web = require "support.web"

describe("the settings of a config with long lists", function()
  after_each(stores.check)

  it("open a draft with what it has changed, on whichever page", function()
    local site = web.new_site()
    local cfg = site.engine:config()
    for i = #cfg.lead_statuses + 1, 80 do
      cfg.lead_statuses[i] = { id = i, name = "Status " .. i, rank = i }
    end
    cfg.rules = { cfg.rules[1] }
    for i = 1, 80 do
      cfg.rules[i + 1] = { trigger = "lead_status_set", lead_status = i, enabled = true, ask = false, set_category = 5 }
    end
    assert(site.engine:save(cfg))
    local draft = site.engine:config()
    draft.rules[71].set_category = 6
    table.remove(draft.rules, 61)
    local id = assert(site.engine:save_draft(draft)).id
    local body = web.is_page(web.ask(site, "GET", "/leadcat/settings?draft=" .. id, { as = "ann" })).body
    local fields = forms.fields(body)
    assert.equal("6", fields["status_rule.69.set_category"])
    assert.is_nil(fields["status_rule.68.set_category"])
    fields["do"] = "save"
    assert.equal(303, web.ask(site, "POST", "/leadcat/settings", { as = "ann", form = fields }).status)
    local saved = site.engine:config()
    draft.revision = saved.revision
    assert.same(draft, saved)
    site.engine:close()
  end)
end)

--- Views of questions, as renderers get them: for the specs of the renderers and for the pages that a browser is shown.

local views = {}

local ENGLISH = {
  category = "Category", save = "Save", keep = "Keep current category", cancel = "Cancel", close = "Close",
  later = "Answer later", saving = "Saving…",
  company = "Company", current = "Current category", proposed = "Proposed category", proposal_mark = "proposed",
  network = "The server could not be reached.",
}
local NORWEGIAN = {
  category = "Kategori", save = "Lagre", keep = "Behold nåværende kategori", cancel = "Avbryt", close = "Lukk",
  later = "Svar senere", saving = "Lagrer…",
  company = "Firma", current = "Nåværende kategori", proposed = "Foreslått kategori", proposal_mark = "foreslått",
  network = "Serveren svarer ikke.",
}

--- Names that try to be more than names.
views.HOSTILE = {
  script = "<script>window.ran = 1; alert(1)</script>",
  image = "\"><img src=x onerror='window.ran = 1; alert(1)'>",
  quotes = [['"`]],
  attribute = "x\" onfocus=\"alert(1)\" autofocus=\"' onmouseover='alert(1)",
  entity = "&amp;&lt;b&gt;&#60;b&#62;&notin",
  select = "</option></optgroup></select><img src=/x onerror=alert(1)>",
  dialog = "</p></h2></form></dialog><iframe src=javascript:alert(1)></iframe>",
  comment = "<!-- --><![CDATA[ <?php ?> ]]> -->",
  url = "javascript:alert(1)",
  directions = "\226\128\174txt.exe \215\144\215\145\215\146 \226\128\143abc",
  emoji = "\240\159\145\169\226\128\141\240\159\154\128 \240\159\146\165",
  wide = ("\230\188\162"):rep(120),
  capitals = ("W"):rep(120),
  long = ("x"):rep(10240),
}

--- An English question, with other fields where given.
function views.english(fields)
  local view = {
    id = "00112233445566778899aabbccddeeff", state = "open", state_name = "Open", language = "en",
    title = "Update category",
    sentence = "The sale Cloud migration was won. Change the category of Fjord Shipping from Lead to Customer?",
    cause = "The sale Cloud migration was won.", company = "Fjord Shipping",
    from = { id = 1, name = "Lead", group = "potential_customer" },
    to = { id = 5, name = "Customer", group = "customer" },
    options = {
      { id = 1, name = "Lead", group = "potential_customer", group_name = "Potential customer" },
      { id = 3, name = "Opportunity", group = "potential_customer", group_name = "Potential customer" },
      { id = 5, name = "Customer", group = "customer", group_name = "Customer", proposed = true },
      { id = 6, name = "Partner", group = "partner", group_name = "Partner" },
    },
    labels = ENGLISH, expires_at = 1795000000, expires = "Answer before 18 Nov 2026, 22:26 UTC.",
  }
  for name, value in pairs(fields or {}) do
    view[name] = value
  end
  return view
end

--- A Norwegian question.
function views.norwegian()
  return views.english {
    language = "no", state_name = "Åpent", title = "Oppdater kategori", labels = NORWEGIAN,
    sentence = "Lead-statusen til Åse Ødegård ble satt til Kvalifisert. Vil du endre kategorien for Brødrene Ærlig AS "
      .. "fra Lead til Salgsmulighet?",
    cause = "Lead-statusen til Åse Ødegård ble satt til Kvalifisert.", company = "Brødrene Ærlig AS",
    to = { id = 3, name = "Salgsmulighet", group = "potential_customer" },
    options = {
      { id = 5, name = "Kunde", group = "customer", group_name = "Kunde" },
      { id = 1, name = "Lead", group = "potential_customer", group_name = "Potensiell kunde" },
      { id = 3, name = "Salgsmulighet", group = "potential_customer", group_name = "Potensiell kunde",
        proposed = true },
    },
    expires = "Svar før 18.11.2026 22:26 UTC.",
  }
end

--- A question that was answered.
function views.closed()
  local view = views.english { state = "declined", state_name = "Declined", closed = "Ann kept the category on 1 May." }
  view.expires_at, view.expires = nil, nil
  return view
end

--- A question whose proposal cannot be chosen any more.
function views.without_proposal()
  local view = views.english()
  view.options[3].proposed = nil
  return view
end

--- A view, or another table of texts, with another text for each.
function views.with_text(value, text)
  if type(value) ~= "table" then
    return type(value) == "string" and text or value
  end
  local copy = {}
  for key, field in pairs(value) do
    copy[key] = views.with_text(field, text)
  end
  return copy
end

--- An English question with a name in the place of every text that comes from data or from a translation.
function views.hostile(name)
  local view = views.with_text(views.english(), name)
  view.id, view.state, view.language = views.english().id, "open", "en"
  for i, option in ipairs(view.options) do
    option.group = "group" .. math.floor(i / 2)
  end
  return view
end

return views

--- The predefined configs, in six languages.

local config = require "leadcat.rules.config"
local recipes = require "leadcat.rules.recipes"

local preset = {}

-- Items in the order of their ids and ranks: {name, description} by language, and other fields.
local function items(list)
  for i, item in ipairs(list) do
    local made = { id = i, rank = i, name = {}, description = {} }
    for key, value in pairs(item) do
      if type(value) == "table" then
        made.name[key], made.description[key] = value[1], value[2]
      else
        made[key] = value
      end
    end
    list[i] = made
  end
  return list
end

local superoffice = {}

superoffice.categories = items {
  { group = "potential_customer", lead_status = true,
    en = { "Lead", "Has shown interest, but does not intend to buy yet." },
    no = { "Lead", "Har vist interesse, men har ikke til hensikt å kjøpe ennå." },
    sv = { "Lead", "Har visat intresse, men har ännu inte för avsikt att köpa." },
    da = { "Lead", "Har vist interesse, men har endnu ikke til hensigt at købe." },
    de = { "Lead", "Hat Interesse gezeigt, hat aber noch keine Kaufabsicht." },
    nl = { "Lead", "Heeft interesse getoond, maar is nog niet van plan te kopen." },
  },
  { group = "potential_customer", lead_status = true,
    en = { "Marketing qualified lead", "Fits the target profile or has asked for more information." },
    no = { "Markedskvalifisert lead", "Passer til målprofilen eller har bedt om mer informasjon." },
    sv = { "Marknadsföringskvalificerat lead", "Stämmer med målprofilen eller har bett om mer information." },
    da = { "Marketingkvalificeret lead", "Passer til målprofilen eller har bedt om flere oplysninger." },
    de = { "Marketingqualifizierter Lead", "Entspricht dem Zielprofil oder hat um weitere Informationen gebeten." },
    nl = { "Marketinggekwalificeerde lead", "Past in het doelprofiel of heeft om meer informatie gevraagd." },
  },
  { group = "potential_customer", lead_status = true,
    en = { "Opportunity", "Is in an active sales process." },
    no = { "Salgsmulighet", "Er i en aktiv salgsprosess." },
    sv = { "Affärsmöjlighet", "Är i en aktiv säljprocess." },
    da = { "Mulighed", "Er i en aktiv salgsproces." },
    de = { "Opportunity", "Befindet sich in einem aktiven Verkaufsprozess." },
    nl = { "Opportunity", "Zit in een actief verkoopproces." },
  },
  { group = "potential_customer",
    en = { "Lost opportunity", "Has one or several lost sales." },
    no = { "Tapt salgsmulighet", "Har ett eller flere tapte salg." },
    sv = { "Förlorad möjlighet", "Har en eller flera förlorade försäljningar." },
    da = { "Tabt mulighed", "Har et eller flere tabte salg." },
    de = { "Verlorene Opportunity", "Hat einen oder mehrere verlorene Verkäufe." },
    nl = { "Verloren opportunity", "Heeft een of meer verloren verkopen." },
  },
  { group = "customer",
    en = { "Customer", "Has bought from us." },
    no = { "Kunde", "Har kjøpt av oss." },
    sv = { "Kund", "Har köpt av oss." },
    da = { "Kunde", "Har købt hos os." },
    de = { "Kunde", "Hat bei uns gekauft." },
    nl = { "Klant", "Heeft bij ons gekocht." },
  },
  { group = "partner",
    en = { "Partner", "Works together with us." },
    no = { "Partner", "Samarbeider med oss." },
    sv = { "Partner", "Samarbetar med oss." },
    da = { "Partner", "Samarbejder med os." },
    de = { "Partner", "Arbeitet mit uns zusammen." },
    nl = { "Partner", "Werkt met ons samen." },
  },
  { group = "lost",
    en = { "Lost", "Is no longer a customer, or will not become one." },
    no = { "Tapt", "Er ikke lenger kunde, eller blir det ikke." },
    sv = { "Förlorad", "Är inte längre kund, eller blir det inte." },
    da = { "Tabt", "Er ikke længere kunde, eller bliver det ikke." },
    de = { "Verloren", "Ist kein Kunde mehr oder wird keiner." },
    nl = { "Verloren", "Is geen klant meer, of wordt het niet." },
  },
  { group = "other",
    en = { "Other", "Any other company." },
    no = { "Annet", "Alle andre firmaer." },
    sv = { "Annan", "Alla andra företag." },
    da = { "Andet", "Alle andre firmaer." },
    de = { "Andere", "Alle anderen Firmen." },
    nl = { "Overig", "Alle andere bedrijven." },
  },
}

superoffice.lead_statuses = items {
  {
    en = { "Open", "Nobody has reached out yet. The default of a new lead." },
    no = { "Åpen", "Ingen har tatt kontakt ennå. Standard for et nytt lead." },
    sv = { "Öppen", "Ingen har tagit kontakt ännu. Standard för ett nytt lead." },
    da = { "Åben", "Ingen har taget kontakt endnu. Standard for en ny lead." },
    de = { "Offen", "Noch niemand hat Kontakt aufgenommen. Standard für einen neuen Lead." },
    nl = { "Open", "Niemand heeft nog contact opgenomen. Standaard voor een nieuwe lead." },
  },
  {
    en = { "Contacting", "Sales is trying to reach the lead." },
    no = { "Kontakter", "Salg prøver å få kontakt med leadet." },
    sv = { "Kontakt tas", "Sälj försöker få kontakt med leadet." },
    da = { "Kontakter", "Salg forsøger at få kontakt med leaden." },
    de = { "Kontaktaufnahme", "Der Vertrieb versucht, den Lead zu erreichen." },
    nl = { "Contact opnemen", "Verkoop probeert de lead te bereiken." },
  },
  {
    en = { "Disqualified", "Does not meet the criteria." },
    no = { "Diskvalifisert", "Oppfyller ikke kriteriene." },
    sv = { "Diskvalificerad", "Uppfyller inte kriterierna." },
    da = { "Diskvalificeret", "Opfylder ikke kriterierne." },
    de = { "Disqualifiziert", "Erfüllt die Kriterien nicht." },
    nl = { "Gediskwalificeerd", "Voldoet niet aan de criteria." },
  },
  {
    en = { "Re-nurture", "Not ready now. Marketing follows up." },
    no = { "Varmes opp igjen", "Ikke klar nå. Markedsavdelingen følger opp." },
    sv = { "Återbearbetning", "Inte redo just nu. Marknadsavdelningen följer upp." },
    da = { "Genoptag kontakt", "Ikke klar nu. Marketing følger op." },
    de = { "Erneut bearbeiten", "Derzeit nicht bereit. Das Marketing bleibt in Kontakt." },
    nl = { "Opnieuw benaderen", "Nu nog niet klaar. Marketing volgt op." },
  },
  {
    en = { "Qualified", "Meets the criteria to start a sale." },
    no = { "Kvalifisert", "Oppfyller kriteriene for å starte et salg." },
    sv = { "Kvalificerad", "Uppfyller kriterierna för att inleda en försäljning." },
    da = { "Kvalificeret", "Opfylder kriterierne for at starte et salg." },
    de = { "Qualifiziert", "Erfüllt die Kriterien, um einen Verkauf zu beginnen." },
    nl = { "Gekwalificeerd", "Voldoet aan de criteria om een verkoop te starten." },
  },
}

-- One disabled rule for each trigger of the settings tab: what to set is the administrator's choice.
superoffice.rules = {}
for i, trigger in ipairs { "sale_registered", "sale_won", "sale_lost", "lead_status_set" } do
  superoffice.rules[i] = { trigger = trigger, enabled = false, ask = false }
end

local PRESETS = { superoffice = superoffice }
preset.NAMES = { "superoffice" }
for _, recipe in ipairs(recipes.of(superoffice)) do
  preset.NAMES[#preset.NAMES + 1] = recipe.name
  PRESETS[recipe.name] = recipe.config
end

--- A new copy of a predefined config. An unknown name raises at level 3, to blame the caller of `leadcat.preset`, which
--- must therefore not make a tail call to this.
---@param name leadcat.PresetName
---@return leadcat.Config
function preset.get(name)
  if not PRESETS[name] then
    error(("no preset is named %s; there are: %s"):format(tostring(name), table.concat(preset.NAMES, ", ")), 3)
  end
  return config.normalize(PRESETS[name])
end

return preset

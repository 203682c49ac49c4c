--- The predefined configs, in six languages.

local config = require "leadcat.rules.config"

local preset = {}

local superoffice = {}

superoffice.categories = {
  {
    id = 1, rank = 1, group = "potential_customer", lead_status = true,
    name = { en = "Lead", no = "Lead", sv = "Lead", da = "Lead", de = "Lead", nl = "Lead" },
    description = {
      en = "Has shown interest, but does not intend to buy yet.",
      no = "Har vist interesse, men har ikke til hensikt å kjøpe ennå.",
      sv = "Har visat intresse, men har ännu inte för avsikt att köpa.",
      da = "Har vist interesse, men har endnu ikke til hensigt at købe.",
      de = "Hat Interesse gezeigt, hat aber noch keine Kaufabsicht.",
      nl = "Heeft interesse getoond, maar is nog niet van plan te kopen.",
    },
  },
  {
    id = 2, rank = 2, group = "potential_customer", lead_status = true,
    name = {
      en = "Marketing qualified lead", no = "Markedskvalifisert lead", sv = "Marknadskvalificerat lead",
      da = "Marketingkvalificeret lead", de = "Marketingqualifizierter Lead", nl = "Marketinggekwalificeerde lead",
    },
    description = {
      en = "Fits the target profile or has asked for more information.",
      no = "Passer med målprofilen eller har bedt om mer informasjon.",
      sv = "Stämmer med målprofilen eller har bett om mer information.",
      da = "Passer til målprofilen eller har bedt om flere oplysninger.",
      de = "Entspricht dem Zielprofil oder hat um weitere Informationen gebeten.",
      nl = "Past in het doelprofiel of heeft om meer informatie gevraagd.",
    },
  },
  {
    id = 3, rank = 3, group = "potential_customer", lead_status = true,
    name = {
      en = "Opportunity", no = "Salgsmulighet", sv = "Affärsmöjlighet",
      da = "Salgsmulighed", de = "Verkaufschance", nl = "Verkoopkans",
    },
    description = {
      en = "Is in an active sales process.",
      no = "Er i en aktiv salgsprosess.",
      sv = "Är i en aktiv säljprocess.",
      da = "Er i en aktiv salgsproces.",
      de = "Befindet sich in einem aktiven Verkaufsprozess.",
      nl = "Zit in een actief verkoopproces.",
    },
  },
  {
    id = 4, rank = 4, group = "potential_customer",
    name = {
      en = "Lost opportunity", no = "Tapt salgsmulighet", sv = "Förlorad affärsmöjlighet",
      da = "Tabt salgsmulighed", de = "Verlorene Verkaufschance", nl = "Verloren verkoopkans",
    },
    description = {
      en = "Has one or several lost sales.",
      no = "Har ett eller flere tapte salg.",
      sv = "Har en eller flera förlorade försäljningar.",
      da = "Har et eller flere tabte salg.",
      de = "Hat einen oder mehrere verlorene Verkäufe.",
      nl = "Heeft een of meer verloren verkopen.",
    },
  },
  {
    id = 5, rank = 5, group = "customer",
    name = { en = "Customer", no = "Kunde", sv = "Kund", da = "Kunde", de = "Kunde", nl = "Klant" },
    description = {
      en = "Has bought from us.",
      no = "Har kjøpt av oss.",
      sv = "Har köpt av oss.",
      da = "Har købt hos os.",
      de = "Hat bei uns gekauft.",
      nl = "Heeft bij ons gekocht.",
    },
  },
  {
    id = 6, rank = 6, group = "partner",
    name = { en = "Partner", no = "Partner", sv = "Partner", da = "Partner", de = "Partner", nl = "Partner" },
    description = {
      en = "Works together with us.",
      no = "Samarbeider med oss.",
      sv = "Samarbetar med oss.",
      da = "Samarbejder med os.",
      de = "Arbeitet mit uns zusammen.",
      nl = "Werkt met ons samen.",
    },
  },
  {
    id = 7, rank = 7, group = "lost",
    name = { en = "Lost", no = "Tapt", sv = "Förlorad", da = "Tabt", de = "Verloren", nl = "Verloren" },
    description = {
      en = "Is no longer a customer, or will not become one.",
      no = "Er ikke lenger kunde, eller blir det ikke.",
      sv = "Är inte längre kund, eller blir det inte.",
      da = "Er ikke længere kunde, eller bliver det ikke.",
      de = "Ist kein Kunde mehr oder wird keiner.",
      nl = "Is geen klant meer, of wordt het niet.",
    },
  },
  {
    id = 8, rank = 8, group = "other",
    name = { en = "Other", no = "Annet", sv = "Annan", da = "Andet", de = "Andere", nl = "Overig" },
    description = {
      en = "Any other company.",
      no = "Alle andre firmaer.",
      sv = "Alla andra företag.",
      da = "Alle andre firmaer.",
      de = "Alle anderen Firmen.",
      nl = "Alle andere bedrijven.",
    },
  },
}

superoffice.lead_statuses = {
  {
    id = 1, rank = 1,
    name = { en = "Open", no = "Åpen", sv = "Öppen", da = "Åben", de = "Offen", nl = "Open" },
    description = {
      en = "Nobody has reached out yet. The default of a new lead.",
      no = "Ingen har tatt kontakt ennå. Standard for et nytt lead.",
      sv = "Ingen har tagit kontakt ännu. Standard för ett nytt lead.",
      da = "Ingen har taget kontakt endnu. Standard for et nyt lead.",
      de = "Noch niemand hat Kontakt aufgenommen. Standard für einen neuen Lead.",
      nl = "Niemand heeft nog contact opgenomen. Standaard voor een nieuwe lead.",
    },
  },
  {
    id = 2, rank = 2,
    name = {
      en = "Contacting", no = "Kontakter", sv = "Kontakt tas",
      da = "Kontakter", de = "Kontaktaufnahme", nl = "Contact opnemen",
    },
    description = {
      en = "Sales is trying to reach the lead.",
      no = "Salg prøver å få kontakt med leadet.",
      sv = "Sälj försöker få kontakt med leadet.",
      da = "Salg forsøger at få kontakt med leadet.",
      de = "Der Vertrieb versucht, den Lead zu erreichen.",
      nl = "Verkoop probeert de lead te bereiken.",
    },
  },
  {
    id = 3, rank = 3,
    name = {
      en = "Disqualified", no = "Diskvalifisert", sv = "Diskvalificerad",
      da = "Diskvalificeret", de = "Disqualifiziert", nl = "Gediskwalificeerd",
    },
    description = {
      en = "Does not meet the criteria.",
      no = "Oppfyller ikke kriteriene.",
      sv = "Uppfyller inte kriterierna.",
      da = "Opfylder ikke kriterierne.",
      de = "Erfüllt die Kriterien nicht.",
      nl = "Voldoet niet aan de criteria.",
    },
  },
  {
    id = 4, rank = 4,
    name = {
      en = "Re-nurture", no = "Varmes opp igjen", sv = "Återbearbetning",
      da = "Genoptag kontakt", de = "Erneut bearbeiten", nl = "Opnieuw benaderen",
    },
    description = {
      en = "Not ready now. Marketing follows up.",
      no = "Ikke klar nå. Markedsavdelingen følger opp.",
      sv = "Inte redo just nu. Marknadsavdelningen följer upp.",
      da = "Ikke klar nu. Marketing følger op.",
      de = "Derzeit nicht bereit. Das Marketing bleibt in Kontakt.",
      nl = "Nu nog niet klaar. Marketing volgt op.",
    },
  },
  {
    id = 5, rank = 5,
    name = {
      en = "Qualified", no = "Kvalifisert", sv = "Kvalificerad",
      da = "Kvalificeret", de = "Qualifiziert", nl = "Gekwalificeerd",
    },
    description = {
      en = "Meets the criteria to start a sale.",
      no = "Oppfyller kriteriene for å starte et salg.",
      sv = "Uppfyller kriterierna för att inleda en försäljning.",
      da = "Opfylder kriterierne for at starte et salg.",
      de = "Erfüllt die Kriterien, um einen Verkauf zu beginnen.",
      nl = "Voldoet aan de criteria om een verkoop te starten.",
    },
  },
}

-- One disabled rule per trigger: what to set is the administrator's choice.
superoffice.rules = {}
for i, trigger in ipairs(config.TRIGGERS) do
  superoffice.rules[i] = { trigger = trigger, enabled = false, ask = false }
end

local PRESETS = { superoffice = superoffice }

--- A new copy of a predefined config. An unknown name raises at level 3, blaming the caller of `leadcat.preset`; so that
--- must not call this as a tail call.
---@param name "superoffice"
---@return leadcat.Config
function preset.get(name)
  if not PRESETS[name] then
    local known = {}
    for key in pairs(PRESETS) do
      known[#known + 1] = key
    end
    table.sort(known)
    error(("no preset is named %s; there is: %s"):format(tostring(name), table.concat(known, ", ")), 3)
  end
  return config.normalize(PRESETS[name])
end

return preset

--- The words of the demo CRM in six languages.

local words = {}

local TEXTS = {}
words.TEXTS = TEXTS

TEXTS.en = {
  brand = "Demo CRM", companies = "Companies",
  companies_hint = "Win a sale and you are asked; register or lose one and the category changes by itself.",
  sign_in = "Sign in", sign_out = "Sign out", admin = "Administrator", sales = "Salesperson",
  sign_in_hint = "Choose who you are. Nothing here is real.",
  admin_hint = "sets the rules, answers all questions, undoes changes",
  sales_hint = "reports sales and answers the questions that they lead to",
  language = "Language", settings = "Settings", questions = "Questions", history = "History",
  sale = "Sale", sale_registered = "Register", sale_won = "Win", sale_lost = "Lose",
  lead_status = "Lead status of {contact}", lead_status_set = "Set",
  open_form = "Ask before saving",
  form_hint = "Here you are asked before the sale is saved. Cancel, and nothing has happened.",
  panel = "The company’s category",
  back = "All companies", cancelled = "Nothing was saved.", refused = "That did not work.",
  waiting = "A question about {company} waits for your answer.",
  duplicate = "That had been reported already.",
  conflict = "Somebody else has changed {company} meanwhile.",
  unchanged = "{company} keeps its category.",
  rule_disabled = "{company} keeps its category: no rule is switched on for this.",
  not_potential_customer = "{company} keeps its category: only companies that are potential customers are updated.",
  lead_status_not_enabled = "{company} keeps its category: companies of this category have no lead status.",
  lead_status_not_matched = "{company} keeps its category: no rule is about this lead status.",
  already_in_category = "{company} is in this category already.",
}

TEXTS.no = {
  brand = "Demo-CRM", companies = "Firmaer",
  companies_hint = "Vinn et salg, og du blir spurt; registrer eller tap et, og kategorien endres av seg selv.",
  sign_in = "Logg inn", sign_out = "Logg ut", admin = "Administrator", sales = "Selger",
  sign_in_hint = "Velg hvem du er. Ingenting her er ekte.",
  admin_hint = "setter reglene, svarer på alle spørsmål, angrer endringer",
  sales_hint = "melder salg og svarer på spørsmålene de fører til",
  language = "Språk", settings = "Innstillinger", questions = "Spørsmål", history = "Historikk",
  sale = "Salg", sale_registered = "Registrer", sale_won = "Vinn", sale_lost = "Tap",
  lead_status = "Lead-status for {contact}", lead_status_set = "Sett",
  open_form = "Spør før lagring",
  form_hint = "Her blir du spurt før salget lagres. Avbryt, og ingenting har skjedd.",
  panel = "Kategorien til firmaet",
  back = "Alle firmaer", cancelled = "Ingenting ble lagret.", refused = "Det gikk ikke.",
  waiting = "Et spørsmål om {company} venter på svaret ditt.",
  duplicate = "Det var allerede meldt.",
  conflict = "Noen andre har endret {company} i mellomtiden.",
  unchanged = "{company} beholder kategorien.",
  rule_disabled = "{company} beholder kategorien: ingen regel er slått på for dette.",
  not_potential_customer = "{company} beholder kategorien: bare firmaer som er potensielle kunder, oppdateres.",
  lead_status_not_enabled = "{company} beholder kategorien: firmaer i denne kategorien har ingen lead-status.",
  lead_status_not_matched = "{company} beholder kategorien: ingen regel gjelder denne lead-statusen.",
  already_in_category = "{company} er allerede i denne kategorien.",
}

TEXTS.sv = {
  brand = "Demo-CRM", companies = "Företag",
  companies_hint = "Vinn en försäljning så får du en fråga; registrera eller förlora en så ändras kategorin av sig "
    .. "själv.",
  sign_in = "Logga in", sign_out = "Logga ut", admin = "Administratör", sales = "Säljare",
  sign_in_hint = "Välj vem du är. Inget här är på riktigt.",
  admin_hint = "ställer in reglerna, svarar på alla frågor, ångrar ändringar",
  sales_hint = "rapporterar försäljningar och svarar på frågorna de leder till",
  language = "Språk", settings = "Inställningar", questions = "Frågor", history = "Historik",
  sale = "Försäljning", sale_registered = "Registrera", sale_won = "Vinn", sale_lost = "Förlora",
  lead_status = "Leadstatus för {contact}", lead_status_set = "Ange",
  open_form = "Fråga innan något sparas",
  form_hint = "Här får du frågan innan försäljningen sparas. Avbryt, och inget har hänt.",
  panel = "Företagets kategori",
  back = "Alla företag", cancelled = "Inget sparades.", refused = "Det gick inte.",
  waiting = "En fråga om {company} väntar på ditt svar.",
  duplicate = "Det var redan rapporterat.",
  conflict = "Någon annan har ändrat {company} under tiden.",
  unchanged = "{company} behåller sin kategori.",
  rule_disabled = "{company} behåller sin kategori: ingen regel är påslagen för detta.",
  not_potential_customer = "{company} behåller sin kategori: bara företag som är potentiella kunder uppdateras.",
  lead_status_not_enabled = "{company} behåller sin kategori: företag i den här kategorin har ingen leadstatus.",
  lead_status_not_matched = "{company} behåller sin kategori: ingen regel gäller den här leadstatusen.",
  already_in_category = "{company} har redan den här kategorin.",
}

TEXTS.da = {
  brand = "Demo-CRM", companies = "Firmaer",
  companies_hint = "Vind et salg, og du bliver spurgt; registrer eller tab et, og kategorien ændres af sig selv.",
  sign_in = "Log ind", sign_out = "Log ud", admin = "Administrator", sales = "Sælger",
  sign_in_hint = "Vælg, hvem du er. Intet her er virkeligt.",
  admin_hint = "fastlægger reglerne, besvarer alle spørgsmål, fortryder ændringer",
  sales_hint = "melder salg og besvarer de spørgsmål, de fører til",
  language = "Sprog", settings = "Indstillinger", questions = "Spørgsmål", history = "Historik",
  sale = "Salg", sale_registered = "Registrer", sale_won = "Vind", sale_lost = "Tab",
  lead_status = "Leadstatus for {contact}", lead_status_set = "Sæt",
  open_form = "Spørg før der gemmes",
  form_hint = "Her bliver du spurgt, før salget gemmes. Annuller, og intet er sket.",
  panel = "Firmaets kategori",
  back = "Alle firmaer", cancelled = "Intet blev gemt.", refused = "Det gik ikke.",
  waiting = "Et spørgsmål om {company} venter på dit svar.",
  duplicate = "Det var allerede meldt.",
  conflict = "En anden har ændret {company} i mellemtiden.",
  unchanged = "{company} beholder sin kategori.",
  rule_disabled = "{company} beholder sin kategori: ingen regel er slået til for dette.",
  not_potential_customer = "{company} beholder sin kategori: kun firmaer, der er potentielle kunder, opdateres.",
  lead_status_not_enabled = "{company} beholder sin kategori: firmaer i denne kategori har ingen leadstatus.",
  lead_status_not_matched = "{company} beholder sin kategori: ingen regel gælder denne leadstatus.",
  already_in_category = "{company} er allerede i denne kategori.",
}

TEXTS.de = {
  brand = "Demo-CRM", companies = "Firmen",
  companies_hint = "Gewinnen Sie einen Verkauf, werden Sie gefragt; erfassen oder verlieren Sie einen, ändert sich die "
    .. "Kategorie von selbst.",
  sign_in = "Anmelden", sign_out = "Abmelden", admin = "Administrator", sales = "Vertrieb",
  sign_in_hint = "Wählen Sie, wer Sie sind. Nichts hier ist echt.",
  admin_hint = "stellt die Regeln ein, beantwortet alle Fragen, macht Änderungen rückgängig",
  sales_hint = "meldet Verkäufe und beantwortet die Fragen dazu",
  language = "Sprache", settings = "Einstellungen", questions = "Fragen", history = "Verlauf",
  sale = "Verkauf", sale_registered = "Erfassen", sale_won = "Gewinnen", sale_lost = "Verlieren",
  lead_status = "Lead-Status von {contact}", lead_status_set = "Setzen",
  open_form = "Vor dem Speichern fragen",
  form_hint = "Hier werden Sie gefragt, bevor der Verkauf gespeichert wird. Brechen Sie ab, ist nichts geschehen.",
  panel = "Die Kategorie der Firma",
  back = "Alle Firmen", cancelled = "Es wurde nichts gespeichert.", refused = "Das hat nicht geklappt.",
  waiting = "Eine Frage zu {company} wartet auf Ihre Antwort.",
  duplicate = "Das war schon gemeldet.",
  conflict = "Jemand anderes hat {company} inzwischen geändert.",
  unchanged = "{company} behält seine Kategorie.",
  rule_disabled = "{company} behält seine Kategorie: Dafür ist keine Regel eingeschaltet.",
  not_potential_customer =
    "{company} behält seine Kategorie: Nur Firmen, die potenzielle Kunden sind, werden aktualisiert.",
  lead_status_not_enabled = "{company} behält seine Kategorie: Firmen dieser Kategorie haben keinen Lead-Status.",
  lead_status_not_matched = "{company} behält seine Kategorie: Für diesen Lead-Status gibt es keine Regel.",
  already_in_category = "{company} hat diese Kategorie schon.",
}

TEXTS.nl = {
  brand = "Demo-CRM", companies = "Bedrijven",
  companies_hint = "Win een verkoop en u krijgt een vraag; registreer of verlies er een en de categorie verandert "
    .. "vanzelf.",
  sign_in = "Aanmelden", sign_out = "Afmelden", admin = "Beheerder", sales = "Verkoper",
  sign_in_hint = "Kies wie u bent. Niets hier is echt.",
  admin_hint = "stelt de regels in, beantwoordt alle vragen, maakt wijzigingen ongedaan",
  sales_hint = "meldt verkopen en beantwoordt de vragen die daaruit volgen",
  language = "Taal", settings = "Instellingen", questions = "Vragen", history = "Geschiedenis",
  sale = "Verkoop", sale_registered = "Registreren", sale_won = "Winnen", sale_lost = "Verliezen",
  lead_status = "Leadstatus van {contact}", lead_status_set = "Instellen",
  open_form = "Vragen vóór het opslaan",
  form_hint = "Hier krijgt u de vraag voordat de verkoop wordt opgeslagen. Annuleert u, dan is er niets gebeurd.",
  panel = "De categorie van het bedrijf",
  back = "Alle bedrijven", cancelled = "Er is niets opgeslagen.", refused = "Dat is niet gelukt.",
  waiting = "Een vraag over {company} wacht op uw antwoord.",
  duplicate = "Dat was al gemeld.",
  conflict = "Iemand anders heeft {company} intussen gewijzigd.",
  unchanged = "{company} houdt zijn categorie.",
  rule_disabled = "{company} houdt zijn categorie: hiervoor staat geen regel aan.",
  not_potential_customer =
    "{company} houdt zijn categorie: alleen bedrijven die potentiële klanten zijn, worden bijgewerkt.",
  lead_status_not_enabled = "{company} houdt zijn categorie: bedrijven in deze categorie hebben geen leadstatus.",
  lead_status_not_matched = "{company} houdt zijn categorie: er is geen regel voor deze leadstatus.",
  already_in_category = "{company} heeft deze categorie al.",
}

--- The languages by their own names, in the order of the switch.
words.LANGUAGES = {
  { "en", "English" }, { "no", "Norsk" }, { "sv", "Svenska" }, { "da", "Dansk" }, { "de", "Deutsch" },
  { "nl", "Nederlands" },
}

--- A text with its placeholders filled in.
---@param language string
---@param key string
---@param names? table<string, string>
---@return string
function words.text(language, key, names)
  return (TEXTS[language][key]:gsub("{(%w+)}", names or {}))
end

return words

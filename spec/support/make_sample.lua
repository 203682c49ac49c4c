--- Makes the bundled sample, lua/leadcat/demo/opportunities.csv: a year of sales of a small firm that puts coffee
--- machines into offices. Apart from the sample, so that one can see what is in it, and change it. To write it anew:
---
---     lua -e 'io.write(dofile("spec/support/make_sample.lua"))' > lua/leadcat/demo/opportunities.csv

local SALES = 320
local DAY = 24 * 60 * 60
local FIRST, DAYS = 1735689600, 365 -- 2025-01-01, in seconds since 1970

local COMPANIES = {
  "Fjellvind Bakeri AS", "Hagesvale, Moe & Døtre", 'Kaffebaren "Den blå døra"', "Nordlysfabrikken Verksted",
  "Skogtrollheim Regnskap", "Brattlikollen Tømmer", "Ekornholtet Barnehage", "Tangvikøra Sjømat",
  "Pilgrimsfalken Kontorhotell", "Sørvangstunet Tannlegar", "Ärtgårdens Handel AB", "Lövsångarens Tryckeri",
  "Kvarnbylunda Åkeri, filial Nord", "Bølgebryderne Design ApS", "Havrelundens Friskole", "Møllebækkens Mølle & Café",
  "Weißdornhof Steuerberatung", "Grünkern & Söhne, Mühlenbau", "Käferbachtal Optik", "Zonnedauwtuin BV",
  "De Vrolijke Reigers", "Rietveenpolder Advocaten", "Harrowmeresby Studios", "Thistlecombe & Daughters, Ltd",
  "Quillfeather & Ink Press", "Larkspindle Events", "Odd Little Otter Brewing", 'The "Third Shift" Laundry',
  "Café de l'Étourneau", "Pęczakowski i Wspólnicy",
}
local OWNERS = { "Ingvild Solås", "Jörg Weißhaupt", "Maëlle Dubrise", "Sander Holtmark", "Nora Quayle" }
local PRODUCTS = {
  { "Crema One", 1900 }, { "Crema Duo", 3400 }, { 'Grinder 5"', 650 }, { "Bean plan, small", 480 },
  { "Bean plan, large", 1450 }, { "Service plan", 900 },
}

-- Lehmer's generator: its products stay below 2^53, so every Lua gives the same numbers.
local seed = 14
local function random(n)
  seed = seed * 16807 % 2147483647
  return math.floor(seed / 2147483647 * n)
end

local function pick(list)
  return list[random(#list) + 1]
end

local function date(day)
  return day and os.date("!%Y-%m-%d", FIRST + day * DAY) or ""
end

-- How a sale that is registered on `day` ends, and on which day; open when that lies after the year.
local function ending(day)
  local fate, closed = random(100), day + 3 + random(80)
  if closed >= DAYS or fate >= 88 then
    return "Open", nil
  end
  return fate < 53 and "Won" or "Lost", closed
end

local function row(number, day)
  local product, stage, closed = pick(PRODUCTS), ending(day)
  local company = COMPANIES[math.min(random(30), random(40)) + 1] -- the first ones buy more often
  if random(100) < 3 then
    company = "" -- as happens
  end
  local amount = stage == "Won" and product[2] * (1 + random(4)) or stage == "Lost" and 0 or ""
  return { "S-" .. 1000 + number, company, pick(OWNERS), product[1], stage, date(day), date(closed), tostring(amount) }
end

local function line(fields)
  for i, field in ipairs(fields) do
    if field:find '[",]' then
      fields[i] = '"' .. field:gsub('"', '""') .. '"'
    end
  end
  return table.concat(fields, ",") .. "\n"
end

local days = {}
for i = 1, SALES do
  days[i] = random(DAYS)
end
table.sort(days)

local lines = { line { "Sale", "Company", "Owner", "Product", "Stage", "Registered", "Closed", "Amount" } }
for i, day in ipairs(days) do
  lines[i + 1] = line(row(i, day))
end
return table.concat(lines)

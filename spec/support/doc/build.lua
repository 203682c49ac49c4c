-- Builds the manual, a folder of HTML that needs no server: build.lua [FOLDER] (build/doc). Markdown becomes HTML with cmark-gfm; the
-- reference is made of the annotations. It fails on a link that leads nowhere.

local contents = require "support.doc.contents"
local h = require "leadcat.render.html"
local reference = require "support.doc.reference"

local folder = arg[1] or (os.getenv "LEADCAT_BUILD" or "build") .. "/doc"

local function read(name)
  local file = assert(io.open(name, "rb"))
  local content = file:read "*a"
  file:close()
  return content
end

local function write(name, content)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(content)
  file:close()
end

-- Names -----------------------------------------------------------------------------------------------------------------

-- The page of a Markdown file: spec/manual/start/nginx.md is start-nginx.html, lua/leadcat/host/README.md host.html.
local function page_name(path)
  if path == "README.md" then
    return "readme.html"
  end
  local name = path:gsub("^lua/leadcat/README", "manual"):gsub("^spec/manual/", ""):gsub("^lua/leadcat/", "")
    :gsub("/?README%.md$", ""):gsub("%.md$", ""):gsub("/", "-")
  return name:lower() .. ".html"
end

local PAGES = {} -- by path
for _, part in ipairs(contents) do
  for _, page in ipairs(part[2]) do
    PAGES[page[1]] = page_name(page[1])
  end
end

-- As GitHub makes anchors of headings.
local function slug(heading)
  local text = heading:gsub("<[^>]*>", ""):gsub("&%l+;", ""):lower():gsub("[^%w _-]", "")
  return (text:gsub(" ", "-"))
end

-- Markdown --------------------------------------------------------------------------------------------------------------

local problems = {}

-- A path as it is from the root: `..` and `.` are followed.
local function resolved(path, link)
  local parts = {}
  for part in (path:match "^(.*/)[^/]*$" or ""):gmatch "[^/]+" do
    parts[#parts + 1] = part
  end
  for part in link:gmatch "[^/]+" do
    if part == ".." then
      table.remove(parts)
    elseif part ~= "." then
      parts[#parts + 1] = part
    end
  end
  return table.concat(parts, "/")
end

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

-- A link of a page: to another page, to its own headings, or outward. What is a file of the sources is no link in the manual.
local function link_of(path, href, text)
  if href:find "^https?:" or href:find "^#" then
    return ('<a href="%s">%s</a>'):format(href, text)
  end
  local target, anchor = href:match "^([^#]*)(#?.*)$"
  local file = resolved(path, target)
  if PAGES[file] then
    return ('<a href="%s%s">%s</a>'):format(PAGES[file], anchor, text)
  elseif not exists(file) then
    problems[#problems + 1] = ("%s: there is no %s"):format(path, href)
  end
  return text
end

local function with_anchors(html)
  local seen = {}
  return (html:gsub("<h([1-6])>(.-)</h%1>", function(level, text)
    local name = slug(text)
    seen[name] = (seen[name] or -1) + 1
    name = seen[name] > 0 and name .. "-" .. seen[name] or name
    return ('<h%s id="%s">%s</h%s>'):format(level, name, text, level)
  end))
end

local function scrolling(html)
  local count = 0
  html = html:gsub("<table>.-</table>", function(markup)
    count = count + 1
    return ('<div class="scroll" tabindex="0" role="region" aria-label="Table %d">%s</div>'):format(count,
      markup:gsub("<th></th>", "<td></td>"):gsub("<th>", '<th scope="col">'):gsub("<th align", '<th scope="col" align'))
  end)
  return (html:gsub("<pre>", '<pre tabindex="0">'))
end

local function from_markdown(path)
  local pipe = assert(io.popen("cmark-gfm -e table -e autolink " .. path))
  local html = pipe:read "*a"
  assert(pipe:close(), "cmark-gfm fails: sh .ci/install doc")
  html = html:gsub('<a href="([^"]*)">(.-)</a>', function(href, text) return link_of(path, href, text) end)
  html = scrolling(with_anchors(html))
  local title = html:match "<h1[^>]*>(.-)</h1>" or path
  return { title = title:gsub("<[^>]*>", ""):gsub("&quot;", '"'):gsub("&amp;", "&"), body = html }
end

-- The folder ------------------------------------------------------------------------------------------------------------

local function navigation(pages, current)
  local list = {}
  for _, part in ipairs(contents) do
    local items = {}
    for place, page in ipairs(part[2]) do
      local name = PAGES[page[1]]
      local is_current = name == current
      items[place] = h.li { h.a { href = name, aria_current = is_current and "page" or nil, pages[page[1]].title } }
    end
    list[#list + 1] = h.h2 { part[1] }
    list[#list + 1] = h.ul { items }
  end
  return list
end

local function document(pages, name, page)
  return h.document { lang = "en",
    h.head {
      h.meta { charset = "utf-8" }, h.meta { name = "viewport", content = "width=device-width, initial-scale=1" },
      h.meta { name = "color-scheme", content = "light dark" }, h.title { page.title .. " · leadcat" },
      h.link { rel = "stylesheet", href = "manual.css" },
    },
    h.body {
      h.a { class = "skip", href = "#content", "To the content" },
      h.header { h.a { href = "index.html", "leadcat" } },
      h.div { class = "columns",
        h.nav { aria_label = "Contents", navigation(pages, name) },
        h.main { id = "content", h.raw(page.body) },
      },
    },
  }
end

-- The links between pages lead to pages and headings that are there.
local function check_links(written)
  for name, html in pairs(written) do
    for href in html:gmatch 'href="([^"]*)"' do
      local target, anchor = href:match "^([^#]*)#?(.*)$"
      local page = written[target == "" and name or target]
      if not href:find "^https?:" and href ~= "manual.css" then
        if not page then
          problems[#problems + 1] = ("%s: there is no page %s"):format(name, href)
        elseif anchor ~= "" and not page:find(('id="%s"'):format(anchor), 1, true) then
          problems[#problems + 1] = ("%s: there is no heading %s"):format(name, href)
        end
      end
    end
  end
end

local function build()
  local pages, written = {}, {}
  for _, part in ipairs(contents) do
    for _, page in ipairs(part[2]) do
      local path = page[1]
      pages[path] = path == "api" and reference.api() or path == "types" and reference.types() or from_markdown(path)
    end
  end
  for path, page in pairs(pages) do
    written[PAGES[path]] = document(pages, PAGES[path], page)
  end
  written["index.html"] = written[PAGES[contents[1][2][1][1]]]
  check_links(written)
  assert(os.execute(("rm -rf '%s' && mkdir -p '%s'"):format(folder, folder)))
  for name, html in pairs(written) do
    write(name, html)
  end
  write("manual.css", read "spec/support/doc/manual.css")
  write("grafana.json", read "spec/manual/grafana.json")
end

build()
for _, problem in ipairs(problems) do
  io.stderr:write(problem, "\n")
end
if problems[1] then
  os.exit(1)
end
print(folder .. "/index.html")

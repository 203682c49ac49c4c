--- What a browser without scripts would send of a form: for the specs of pages with forms. It knows only the markup that
-- leadcat.pages.html makes.

local forms = {}

local ENTITIES = { ["&amp;"] = "&", ["&lt;"] = "<", ["&gt;"] = ">", ["&quot;"] = '"', ["&#39;"] = "'" }

local function unescape(text)
  return (text:gsub("&[#%w]+;", ENTITIES))
end

-- The attributes in a tag; those without a value are "".
local function attributes(tag)
  local found = {}
  tag = tag:gsub('([%w-]+)="([^"]*)"', function(name, value)
    found[name] = unescape(value)
    return ""
  end)
  for name in tag:gmatch "%s([%w-]+)" do
    found[name] = ""
  end
  return found
end

local function value_of_select(content)
  local first, selected
  for tag in content:gmatch "<option([^>]*)>" do
    local option = attributes(tag)
    first = first or option.value
    selected = option.selected and option.value or selected
  end
  return selected or first
end

--- The fields of the only form of a page. Line ends in a value are lost, as in a browser.
---@param page string
---@return table<string, string>
function forms.fields(page)
  local fields = {}
  page = page:gsub("<template.->.-</template>", "")
  for tag in page:gmatch "<input([^>]*)>" do
    local input = attributes(tag)
    local is_sent = input.type ~= "checkbox" and input.type ~= "radio" or input.checked
    if input.name and is_sent then
      fields[input.name] = (input.value or ""):gsub("[\r\n]", "")
    end
  end
  for tag, content in page:gmatch "<textarea([^>]*)>\n?(.-)</textarea>" do
    fields[attributes(tag).name] = unescape(content):gsub("\r?\n", "\r\n")
  end
  for tag, content in page:gmatch "<select([^>]*)>(.-)</select>" do
    fields[attributes(tag).name] = value_of_select(content)
  end
  return fields
end

return forms

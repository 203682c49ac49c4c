--- JSON, where text from outside becomes Lua values and back. One value has one text, and integers stay integers.

local journal = require "leadcat.past.journal"
local json = require "leadcat.util.json"

describe("writing", function()
  local ROWS = {
    { "text", "Ærlig \"talt\"\n", [["Ærlig \"talt\"\n"]] },
    { "text with slashes", "a/b\\/c\\\\/d", [["a/b\\/c\\\\/d"]] },
    { "text with any byte", "\0\31\127", [["\u0000\u001f\u007f"]] },
    { "text in any language, as it is", "æ 日 😀 \239\191\189", '"æ 日 😀 \239\191\189"' },
    { "text that is no UTF-8, mended", "bl\229 \192\175 \237\160\128", '"bl\239\191\189 '
      .. ("\239\191\189"):rep(2) .. " " .. ("\239\191\189"):rep(3) .. '"' },
    { "a key that is no UTF-8, mended", { ["\255"] = { ["a\195"] = "\128" } },
      '{"\239\191\189":{"a\239\191\189":"\239\191\189"}}' },
    { "keys that differ in that only, the first of them", { ["a\254"] = 1, ["a\255"] = 2, b = 3 },
      '{"a\239\191\189":1,"b":3}' },
    { "keys of which one is well-formed, that one", { ["a\192"] = 1, ["a\239\191\189"] = 2, ["a\255"] = 3 },
      '{"a\239\191\189":2}' },
    { "keys of which the well-formed one is null", { ["\255"] = 1, ["\239\191\189"] = require("cjson").null },
      '{"\239\191\189":1}' },
    { "true", true, "true" },
    { "false", false, "false" },
    { "a whole number", 42, "42" },
    { "a whole number in a float", 42.0, "42" },
    { "zero below zero", -0.0, "0" },
    { "the largest exact integer", 2 ^ 53 - 1, "9007199254740991" },
    { "the smallest exact integer", -(2 ^ 53) + 1, "-9007199254740991" },
    { "a number of fifteen digits", 123456789012345, "123456789012345" },
    { "a fraction", 0.1, "0.1" },
    { "a fraction that needs more digits", 1 / 3, "0.33333333333333331" },
    { "a number too large for digits", 1e300, "1e+300" },
    { "an empty table", {}, "{}" },
    { "an empty list", json.array({}), "[]" },
    { "a list", { 1, "two", { 3 } }, '[1,"two",[3]]' },
    { "an object, its keys in order", { b = 1, a = 2, ["10"] = 3 }, '{"10":3,"a":2,"b":1}' },
    { "null, which is absent", { a = require("cjson").null, b = 1 }, '{"b":1}' },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      assert.equal(row[3], json.encode(row[2]))
    end)
  end

  it("all digits of a 64-bit integer, where Lua has them", function()
    local largest = rawget(math, "maxinteger")
    if largest then
      assert.equal("[9223372036854775807,-9223372036854775808]", json.encode({ largest, -largest - 1 }))
    end
  end)

  it("for people, indented", function()
    local text = json.encode({ rules = { { id = 1, names = {} }, json.array({}) }, revision = 2 }, "  ")
    assert.equal([[
{
  "revision": 2,
  "rules": [
    {
      "id": 1,
      "names": {}
    },
    []
  ]
}]], text)
    assert.same({ revision = 2, rules = { { id = 1, names = {} }, {} } }, json.decode(text))
  end)

  it("keys that are no UTF-8 in the order of what they become: what was read is written alike", function()
    local text = json.encode { ["a\254b"] = 1, ["a\253c"] = 2, ["a\253\128"] = 3, ["a\239\191\190"] = 4 }
    local MENDED = "a\239\191\189"
    assert.equal(('{"%sb":1,"%sc":2,"%s\239\191\189":3,"a\239\191\190":4}'):format(MENDED, MENDED, MENDED), text)
    assert.equal(text, json.encode(json.decode(text)))
  end)

  it("as many keys as there are, in order, and text of any size", function()
    for _, count in ipairs { 15, 16, 17, 33, 1000, 20000 } do
      local object, parts = {}, {}
      for i = 1, count do
        local key = ("key %05d"):format(i * 7919 % 20011)
        object[key] = i
      end
      for key in pairs(object) do
        parts[#parts + 1] = key
      end
      table.sort(parts)
      for i, key in ipairs(parts) do
        parts[i] = ('"%s":%d'):format(key, object[key])
      end
      assert.equal("{" .. table.concat(parts, ",") .. "}", json.encode(object))
    end
    assert.equal('["' .. ("x\\n"):rep(1e6) .. '"]', json.encode { ("x\n"):rep(1e6) })
  end)

  it("what a table has itself, without asking its metatable", function()
    local function refuse()
      error "asked"
    end
    local guarded = { __index = refuse, __len = refuse, __pairs = refuse, __tostring = refuse, __eq = refuse }
    local list = setmetatable({ 1, setmetatable({}, guarded) }, guarded)
    assert.equal('{"a":[1,{}]}', json.encode(setmetatable({ a = list }, guarded)))
  end)

  it("of an event what is kept", function()
    local KEPT = {
      { nil, {} },
      { nil, { id = "e", company = 1, trigger = "sale_won", at = 1, actor = false } },
      { '{"actor":{"admin":false,"id":17,"name":"\239\191\189"},"contact":{"a":1,"b":[2]},"sale":{}}',
        { actor = { id = 17.0, name = "\255", admin = false, password = "secret" }, contact = { b = { 2 }, a = 1 },
          sale = {} } },
      { '{"actor":{},"run":"r","undoes":7}', { actor = {}, undoes = 7 }, "r" },
      { '{"run":"r"}', {}, "r" },
    }
    for _, row in ipairs(KEPT) do
      assert.equal(row[1], (journal.details(row[2], row[3])))
    end
    assert.has_error(function() journal.details { sale = { print } } end, "cannot encode a value of type function")
  end)

  it("marks a list without copying it", function()
    local list = { 1 }
    assert.equal(list, json.array(list))
    assert.is_true(json.is_array(list))
    assert.is_false(json.is_array({ 1 }))
  end)

  it("a decimal point in every locale", function()
    local before = os.setlocale(nil, "numeric")
    local comma = os.setlocale("de_DE.UTF-8", "numeric") or os.setlocale("nb_NO.UTF-8", "numeric")
    local text = json.encode(0.5)
    os.setlocale(before, "numeric")
    assert.equal("0.5", text, comma)
  end)
end)

describe("writing raises for", function()
  local cycle = {}
  cycle[1] = cycle
  local ROWS = {
    { "nothing", nil, "cannot encode a value of type nil" },
    { "a function", { print }, "cannot encode a value of type function" },
    { "a number that is none", { x = 0 / 0 }, "not finite" },
    { "infinity", -math.huge, "not finite" },
    { "a list with a hole", { 1, nil, 3 }, "holes" },
    { "a list with a field", { 1, x = 2 }, "named fields" },
    { "a marked list with a field", json.array({ x = 2 }), "named fields" },
    { "keys that are numbers", { [7] = "seven" }, "keys" },
    { "a cycle", cycle, "nested" },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      local ok, message = pcall(function()
        local text = json.encode(row[2])
        return text
      end)
      assert.is_false(ok)
      assert.matches(row[3], message)
      assert.matches("_spec%.lua:%d+:", message) -- the blame falls on the caller
    end)
  end
end)

describe("reading", function()
  local ROWS = {
    { "an object", '{"a":[1,{"b":"c"}],"d":true}', { a = { 1, { b = "c" } }, d = true } },
    { "numbers as keys, which stay text", '{"1":"one"}', { ["1"] = "one" } },
    { "null, which is absent", '{"a":null,"b":{"c":null}}', { b = {} } },
    { "a fraction", "[0.5,1e2,-3.25]", { 0.5, 100, -3.25 } },
    { "text alone", '"\\u00e5\\/"', "å/" },
    { "false alone", "false", false },
    { "spaces around", " \r\n7\t", 7 },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      local value, message = json.decode(row[2])
      assert.same(row[3], value)
      assert.is_nil(message)
    end)
  end

  it("whole numbers as integers, at any depth", function()
    local value = json.decode('{"a":[[42.0]],"b":9007199254740991,"c":-1e3}')
    assert.equal("42", tostring(value.a[1][1]))
    assert.equal("9007199254740991", ("%d"):format(value.b))
    assert.equal("-1000", tostring(value.c))
    assert.equal("7", tostring(json.decode("7")))
  end)

  it("what was written, as deep as it goes", function()
    local text = ("["):rep(999) .. '{"a":1}' .. ("]"):rep(999)
    assert.equal(text, json.encode(assert(json.decode(text))))
    assert.is_nil((json.decode("[" .. text .. "]")))
    assert.has_error(function() json.encode({ json.decode(text) }) end)
  end)

  it("without changing how the host reads JSON", function()
    assert.is_number(require("cjson").decode("[NaN]")[1])
    assert.is_nil((json.decode("[NaN]")))
  end)
end)

describe("reading refuses", function()
  local ROWS = {
    { "empty text", "", "invalid JSON: the text is empty" },
    { "blank text", " \n", "invalid JSON: the text is empty" },
    { "half an object", '{"a":', "invalid JSON: Expected value but found T_END at character 6" },
    { "two values", "1 2", "invalid JSON: Expected the end but found T_NUMBER at character 3" },
    { "null alone", "null", "invalid JSON: null alone is no value" },
    { "null in a list", '{"a":[1,null]}', "invalid JSON: null as item 2 of a list would leave a hole" },
    { "numbers that JSON does not have", "[0x10]",
      "invalid JSON: Expected value but found invalid number at character 2" },
    { "numbers beyond all bounds", "[1e999]", "invalid JSON: a number is too large" },
  }
  for _, row in ipairs(ROWS) do
    it(row[1], function()
      local value, message, code = json.decode(row[2])
      assert.is_nil(value)
      assert.equal(row[3], message)
      assert.equal("invalid", code)
    end)
  end

  it("what is not text, by raising: that is misuse", function()
    assert.has_error(function() json.decode(nil) end)
    assert.has_error(function() json.decode(42) end)
  end)
end)
